"""Processes that read what is published, again and again, while versions are published."""

import json
import subprocess
import sys
from contextlib import ExitStack

from extract import settings
from extract.folder import Folder
from publish.publication import publish
from tests.support.published import Fill

KINDS = ("database", "held_open", "resolved_files", "files_one_by_one")
# Each reads again and again, once before the first publication and once after the last. A read
# returns the numbers of all rows, and is right if they are one; the number of a version is known by
# its first reader.
READER = """
import json, sys
from pathlib import Path
import duckdb
from pyarrow.parquet import ParquetFile

kind, folder = sys.argv[1], Path(sys.argv[2])
TABLES = ("dim_leads", "dim_users", "fct_loads")


def check(reader, table):
    return {row[0] for row in reader.sql(f"select distinct number from {table}").fetchall()}


def whole(reader):
    for mart, count in reader.sql("select mart, row_count from published").fetchall():
        assert reader.sql(f"select count(*) from {mart}").fetchone() == (count,), mart
    (version,) = {row[0] for row in reader.sql("select version from published").fetchall()}
    (number,) = set().union(*(check(reader, table) for table in TABLES))
    return [(version, number)]


def database():
    with duckdb.connect(str(folder / "contacts.duckdb"), read_only=True) as reader:
        return whole(reader)


def held_open():
    with duckdb.connect(str(folder / "contacts.duckdb"), read_only=True) as reader:
        (first,) = {tuple(whole(reader)) for _ in range(20)}
        return first


def resolved_files():
    files = (folder / "parquet").resolve()
    with duckdb.connect() as reader:
        pattern = f"'{files}/[df]*.parquet'"
        (number,) = check(reader, pattern)
        return [(files.parent.name, number)]


def files_one_by_one():
    seen = []
    for table in TABLES:
        with ParquetFile(folder / "parquet" / f"{table}.parquet") as file:
            (number,) = set(file.read(["number"])["number"].to_pylist())
            seen.append((file.metadata.metadata[b"version"].decode(), number))
    return seen


read, reads, seen, is_last = globals()[kind], 0, set(), False
while True:
    seen.update(read())
    reads += 1
    if reads == 1:
        print("ready", flush=True)
    if is_last:
        break
    is_last = (folder / "stop").exists()
print(json.dumps([reads, sorted(seen)]))
"""


def read_through(folder: Folder, fill: Fill, publications: int) -> None:
    """Publish under readers of all kinds: what each read is whole and of one version.

    Args:
        folder: the data folder.
        fill: makes its warehouse.
        publications: how many, after a first one.
    """
    fill(0)
    numbers = {publish(folder).version: 0}
    with ExitStack() as stack:
        readers = [_start(kind, folder, stack) for kind in KINDS]
        for reader in readers:
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
        for number in range(1, publications + 1):
            fill(number)
            numbers[publish(folder).version] = number
        (folder.path / "stop").touch()
        ended = [reader.communicate(timeout=60) for reader in readers]
    for kind, (output, errors) in zip(KINDS, ended, strict=True):
        assert errors == "", kind
        reads, seen = json.loads(output)
        assert reads >= 2, kind
        assert all(numbers[version] == number for version, number in seen), kind
        assert max(numbers) in dict(seen), kind


def _start(kind: str, folder: Folder, stack: ExitStack) -> subprocess.Popen[str]:
    reader = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", READER, kind, str(folder.path)],
            cwd=settings.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(reader.kill)
    return reader
