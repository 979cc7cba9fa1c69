"""CSV of a published mart: every value, and nothing that a spreadsheet would run."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from extract import settings
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish.publication import publish
from tests.support.elt import SETTINGS, Elt
from tests.support.published import Fill

FORMULAS = [
    '=HYPERLINK("http://example.com","x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "\u00a0=1",
    "\uff1d1",
    "\uff0b1",
]
HARMLESS = ["Anna", "a=b", "1-2", "", 'naïve, "quoted"\nand\r\nbroken', "'", "user:u-1"]


@pytest.fixture
def exported(folder: Folder, fill: Fill, api: ApiServer, elt: Elt) -> list[dict[str, str]]:
    """The rows of a mart of all kinds of values, read from its CSV."""
    fill(1)
    with duckdb.connect(str(folder.warehouse)) as warehouse:
        warehouse.execute(
            "create or replace table marts.dim_users as select name, -1.5 as share, "
            "true as is_user, null::varchar as nothing, date '2026-06-01' as day, "
            "timestamp '2026-06-01 12:00:00' as seen_at from (select unnest(?) as name)",
            [FORMULAS + HARMLESS],
        )
    publish(folder)
    outcome = elt("export", "dim_users")
    assert outcome.exit_code == 0, outcome.stderr
    return list(csv.DictReader(io.StringIO(outcome.stdout, newline="")))


def test_formulas_are_neutralised_and_all_else_is_unchanged(
    exported: list[dict[str, str]],
) -> None:
    names = {row["name"] for row in exported}
    assert names == {f"'{formula}" for formula in FORMULAS} | set(HARMLESS)
    assert {row["share"] for row in exported} == {"-1.5"}


def test_types_are_those_that_spreadsheets_know(exported: list[dict[str, str]]) -> None:
    row = exported[0]
    assert (row["is_user"], row["nothing"]) == ("true", "")
    assert (row["day"], row["seen_at"]) == ("2026-06-01", "2026-06-01 12:00:00")


def test_an_unknown_mart_is_refused_with_a_list_of_those_there_are(
    folder: Folder, fill: Fill, api: ApiServer, elt: Elt
) -> None:
    assert "Nothing is published" in elt("export", "dim_leads").stderr
    fill(1)
    publish(folder)
    assert elt("export", "pg_class").exit_code == 1
    outcome = elt("export", "dim_nothing")
    assert outcome.exit_code == 1
    assert outcome.stdout == ""
    assert "dim_leads, dim_users, fct_loads, published." in outcome.stderr


def test_a_reader_that_has_enough_ends_the_export_quietly(sandbox_folder: Path) -> None:
    command = [sys.executable, "-m", "extract", "export", "dim_contacts"]
    environment = {
        **SETTINGS,
        "ELT__DATA_DIR": str(sandbox_folder.parent),
        "PATH": "/usr/bin:/bin",
    }
    with subprocess.Popen(
        command, cwd=settings.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as export:
        assert export.stdout
        assert export.stderr
        assert export.stdout.readline().startswith(b'"contact_id",')
        export.stdout.close()
        assert export.stderr.read() == b""
    assert export.returncode == 0
