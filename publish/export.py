"""Writes a published mart as CSV, safe to open in a spreadsheet.

A spreadsheet runs a text that begins like a formula, and contacts choose their names themselves. So
such a text gets an apostrophe before it, as OWASP advises against CSV injection. Numbers, which may
begin with a minus, are left as they are.
"""

import os
import sys

from pyarrow.csv import CSVWriter

from extract.errors import EltError
from extract.folder import Folder
from publish.publication import current_version, opened

# after blanks too, and in the wide letters that East Asian spreadsheets take for the narrow ones
FORMULA = r"^[\t\r\n]|^[\s\x{A0}\x{FEFF}]*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
BATCH = 20_000  # rows in memory at a time


def write_csv(folder: Folder, mart: str) -> None:
    """Write a table of the published file to the standard output.

    UTF-8, with a line of headings; a null is empty, an empty text `""`.

    Raises:
        EltError: nothing was published, or no such table.
    """
    with opened(folder, current_version(folder)) as connection:
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where schema_name = 'main' and not internal and table_name = ? order by column_index",
            [mart],
        ).fetchall()
        if not columns:
            tables = connection.execute("select table_name from duckdb_tables() order by all")
            raise EltError(
                f"There is no published mart {mart!r}. There are: "
                f"{', '.join(name for (name,) in tables.fetchall())}."
            )
        values = ", ".join(_value(name, data_type) for name, data_type in columns)
        reader = connection.execute(f"select {values} from {mart}").to_arrow_reader(BATCH)
        try:
            with CSVWriter(sys.stdout.buffer, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
            sys.stdout.flush()
        except BrokenPipeError:  # `elt export dim_contacts | head` has all it wants
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _value(name: str, data_type: str) -> str:
    if data_type == "TIMESTAMP":  # without the microseconds of most, which Excel takes for a text
        return f'cast("{name}" as varchar) as "{name}"'
    if data_type != "VARCHAR":
        return f'"{name}"'
    return (
        f"case when regexp_matches(\"{name}\", '{FORMULA}') then '''' || \"{name}\" "
        f'else "{name}" end as "{name}"'
    )
