"""Reads what the dashboard shows from the published file: counts, by channel and period.

`queries/prepare.sql` decides what the periods are, which channels and countries have a name, and
what of a contact is counted; each other query counts it for one part of the page. Every count can
be added up over channels, and then equals the mart's.
"""

from pathlib import Path
from typing import Any

import duckdb

QUERIES = Path(__file__).with_name("queries")

Row = dict[str, Any]
Column = dict[str, list[Any]]


def read(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Return the rows of each query, by the query's name.

    Args:
        connection: of the published file.
    """
    with connection.cursor() as cursor:  # its temporary tables go with it
        cursor.execute((QUERIES / "prepare.sql").read_text())
        return {
            path.stem: _rows(cursor, path.read_text())
            for path in sorted(QUERIES.glob("*.sql"))
            if path.stem != "prepare"
        }


def compact(rows: list[Row]) -> dict[str, Column]:
    """Return rows by column, each as its distinct values and, for each row, the value's number.

    As JSON, they take a seventh of what they would as they are.

    Args:
        rows: all with the same columns.
    """
    columns = {}
    for name in rows[0] if rows else ():
        numbers: dict[Any, int] = {}
        codes = [numbers.setdefault(row[name], len(numbers)) for row in rows]
        columns[name] = {"values": list(numbers), "codes": codes}
    return columns


def _rows(cursor: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    cursor.execute(query)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
