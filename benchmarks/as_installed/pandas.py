"""Hides pandas from what is measured: `make install` installs none, and dlt would import it."""

raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
