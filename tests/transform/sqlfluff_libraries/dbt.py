"""Stands in for dbt's own cross-database macros while sqlfluff lints."""


def type_string() -> str:
    """Return DuckDB's type of text."""
    return "varchar"


def concat(fields: list[str]) -> str:
    """Return DuckDB's concatenation."""
    return " || ".join(fields)
