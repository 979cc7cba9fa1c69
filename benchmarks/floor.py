"""The floor: what a good engineer writes by hand for exactly this API, with no safety nets.

No retries, no check of answers, no state but the table: a rerun reads from the top until a page
has a row older than the newest one loaded. `GET leads/list -> leads`, `GET users/list -> users`,
in native types, `attributes` as JSON text.

`python -m benchmarks.floor WAREHOUSE --in-flight 8`
"""

import argparse
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import orjson
import pyarrow as pa
from urllib3 import HTTPConnectionPool

from benchmarks.contacts import LISTS

Row = dict[str, Any]
PAGE_SIZE = 50
BATCH = 10_000  # rows
KEYS = {"leads": ("crmhero_user_id",), "users": ("user_id", "email")}
WHOLE = (
    "crmhero_user_id", "is_user", "was_lead", "first_seen_at", "last_activity", "unsubscribe",
    "bounce", "spam", "last_page_viewed_at",
)  # fmt: skip
TEXTS = (
    "email", "name", "last_update", "os", "os_version", "browser_name", "browser_language", "city",
    "region", "region_code", "country", "country_code", "continent", "continent_code", "timezone",
    "postal_code", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term",
    "referrer", "last_page_viewed", "attributes",
)  # fmt: skip
FIELDS = [
    *((name, pa.int64()) for name in WHOLE),
    *((name, pa.string()) for name in TEXTS),
    ("latitude", pa.float64()),
    ("longitude", pa.float64()),
]
SCHEMAS = {
    "leads": pa.schema(FIELDS),
    "users": pa.schema([*FIELDS, ("user_id", pa.string()), ("nps_vote", pa.int64())]),
}


class Client:
    """Reads pages, some ahead.

    Args:
        base_url: the API's root.
        api_key: the bearer token.
        in_flight: how many requests at once.
    """

    def __init__(self, base_url: str, api_key: str, in_flight: int) -> None:
        parts = urlsplit(base_url)
        self._path = parts.path
        self._in_flight = in_flight
        self._threads = ThreadPoolExecutor(in_flight)
        self._pool = HTTPConnectionPool(
            parts.hostname or "",
            parts.port,
            maxsize=in_flight,
            headers={"Authorization": f"Bearer {api_key}"},
        )

    def pages(self, name: str) -> Iterator[list[Row]]:
        """Yield the pages of a list."""
        ahead = deque(self._begin(name, number) for number in range(self._in_flight))
        number = self._in_flight
        while rows := orjson.loads(ahead.popleft().result())["data"][name]:
            yield rows
            ahead.append(self._begin(name, number))
            number += 1

    def _begin(self, name: str, number: int) -> "Future[bytes]":
        return self._threads.submit(self._get, name, number)

    def _get(self, name: str, number: int) -> bytes:
        query = f"sort=last_update&sort_direction=desc&page={number}&per_page={PAGE_SIZE}"
        return self._pool.request("GET", f"{self._path}{name}/list?{query}").data


def load(connection: duckdb.DuckDBPyConnection, client: Client, name: str) -> None:
    """Merge what changed of a list into its table."""
    connection.register("empty", SCHEMAS[name].empty_table())
    connection.execute(f"create table if not exists {name} as select * from empty")
    connection.execute(f"create temp table incoming as select * from {name} limit 0")
    ((newest,),) = connection.execute(f"select max(last_update) from {name}").fetchall()
    batch: list[Row] = []
    for rows in client.pages(name):
        for row in rows:
            row["attributes"] = orjson.dumps(row["attributes"]).decode()
        batch += rows
        if len(batch) >= BATCH:
            insert(connection, name, batch)
            batch = []
        if newest and rows[-1]["last_update"] < newest:
            break
    insert(connection, name, batch)
    same = " and ".join(f"{name}.{key} = incoming.{key}" for key in KEYS[name])
    connection.execute("begin")
    connection.execute(f"delete from {name} using incoming where {same}")
    connection.execute(f"insert into {name} from incoming")
    connection.execute("commit")
    connection.execute("drop table incoming")


def insert(connection: duckdb.DuckDBPyConnection, name: str, rows: list[Row]) -> None:
    """Append rows to the table of incoming ones."""
    # several times as fast as Table.from_pylist
    structs = pa.array(rows, pa.struct(list(SCHEMAS[name])))
    connection.register("batch", pa.Table.from_struct_array(structs))
    connection.execute("insert into incoming from batch")


def main() -> None:
    """Load both lists, one after the other."""
    parser = argparse.ArgumentParser(description="Load both lists into a DuckDB file.")
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--in-flight", type=int, default=1)
    options = parser.parse_args()
    client = Client(
        os.environ["SOURCES__ANALYTICS_API__BASE_URL"],
        os.environ["SOURCES__ANALYTICS_API__API_KEY"],
        options.in_flight,
    )
    with duckdb.connect(str(options.warehouse)) as connection:
        for name in LISTS:
            load(connection, client, name)


if __name__ == "__main__":
    main()
