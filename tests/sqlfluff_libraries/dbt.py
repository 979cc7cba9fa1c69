"""Stands in for dbt's own cross-database macros while sqlfluff lints."""


def type_string() -> str:
    """Return DuckDB's type of text."""
    return "varchar"


def type_timestamp() -> str:
    """Return DuckDB's type of moments."""
    return "timestamp"


def concat(fields: list[str]) -> str:
    """Return DuckDB's concatenation."""
    return " || ".join(fields)


def date_trunc(datepart: str, moment: str) -> str:
    """Return DuckDB's beginning of a period."""
    return f"date_trunc('{datepart}', {moment})"


def dateadd(datepart: str, interval: int | str, moment: str) -> str:
    """Return DuckDB's sum of a moment and an interval."""
    return f"{moment} + interval ({interval}) {datepart}"


def datediff(first: str, second: str, datepart: str) -> str:
    """Return DuckDB's number of boundaries between two moments."""
    return f"date_diff('{datepart}', {first}, {second})"


def generate_series(upper_bound: int) -> str:
    """Return a query that stands for the numbers from 1 to a bound."""
    return f"select {upper_bound} as generated_number"


def listagg(measure: str, delimiter_text: str, order_by_clause: str) -> str:
    """Return DuckDB's list of a group's texts."""
    return f"string_agg({measure}, {delimiter_text} {order_by_clause})"
