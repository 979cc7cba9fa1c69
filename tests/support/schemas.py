"""Marts on a PostgreSQL server to publish, and processes that read them while schemas swap."""

import subprocess
import sys
from contextlib import ExitStack

from extract.engines.session import locked_session
from publish.publication import Published
from publish.schemas import publish
from tests.support.databases import ask

# reads again and again, in one query and in one transaction; each read must be of one version
READER = """
import sys
import psycopg2

session = psycopg2.connect(sys.argv[1])
seen, reads, is_last = set(), 0, False
while True:
    with session, session.cursor() as cursor:
        if sys.argv[2] == "query":
            cursor.execute("select (select count(*) from marts.dim_leads), (select max(n) from "
                "marts.dim_users), (select max(n) from marts.fct_loads), (select row_count from "
                "marts.published where mart = 'dim_users')")
            (numbers,) = {frozenset(cursor.fetchone())}
        else:
            numbers = set()
            for table in ("dim_users", "fct_loads", "dim_leads"):
                cursor.execute(f"select max(n) from marts.{table}")
                numbers |= set(cursor.fetchone())
    (number,) = numbers
    seen.add(number)
    reads += 1
    if reads == 1:
        print("ready", flush=True)
    if is_last:
        break
    with session, session.cursor() as cursor:
        cursor.execute("select count(*) from stop")
        is_last = cursor.fetchone() == (1,)
print(max(seen), flush=True)
"""


def fill(url: str, number: int) -> None:
    """Make marts to publish, of so many rows, each with this number."""
    ask(
        url,
        f"""
        create schema marts_next;
        create table marts_next.dim_leads as select {number} as n from generate_series(1, {number});
        create table marts_next.dim_users as select {number} as n from generate_series(1, {number});
        create table marts_next.fct_loads as
        select {number} as n, timestamp '2026-06-01' as finished_at, 1 as leads_rows_read,
            cast(null as int) as users_rows_read;
        """,
    )


def publish_next(url: str) -> Published:
    """Publish the marts that wait, as a run does."""
    with locked_session(url, "it") as session:
        return publish(session, "it")


def read_through(url: str, publications: int) -> None:
    """Publish under three readers: what each reads is whole and of one version.

    Args:
        url: of the database.
        publications: how many.
    """
    ask(url, "create table stop (n int)")
    fill(url, 1)
    with locked_session(url, "it") as session, ExitStack() as at_end:
        publish(session, "it")
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READER, url, kind],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for kind in ("query", "query", "transaction")
        ]
        for reader in readers:
            at_end.callback(reader.kill)
        for reader in readers:
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
        for number in range(2, publications + 1):
            fill(url, number)
            publish(session, "it")
        ask(url, "insert into stop values (1)")
        for reader in readers:
            assert reader.communicate(timeout=60) == (f"{publications}\n", "")
