"""Hides numpy from what is measured: `make install` installs none, and pyarrow would import it."""

raise ModuleNotFoundError("No module named 'numpy'", name="numpy")
