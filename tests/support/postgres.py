"""A PostgreSQL server of its own for a test, of the binaries that the system has."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A zone and an order of texts unlike DuckDB's: no result may depend on the server's.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
timezone = 'Pacific/Auckland'
fsync = off
synchronous_commit = off
full_page_writes = off
jit = off
"""
INITDB = [
    *("--username=postgres", "--auth-local=reject", "--auth-host=scram-sha-256", "--no-sync"),
    *("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"),
]
SETUP = """alter role postgres password 'secret'
create role contacts login createdb password 'secret'
create database contacts owner contacts
"""


def find_postgres() -> Path | None:
    """The folder of the newest server's binaries, or None where there is none."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if newest := max(found, key=lambda initdb: float(initdb.parts[-3]), default=None):
        return newest.parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server, and yield the URL of its empty database."""
    binaries = find_postgres()
    assert binaries, "no PostgreSQL server is installed"
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    # it refuses to run as root, who can run it as another user
    nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    runs_as = nobody if os.geteuid() == 0 else {}
    if runs_as:
        shutil.chown(folder, runs_as["user"], runs_as["group"])

    def run(program: str, *arguments: str, given: str | None = None) -> None:
        subprocess.run(
            [binaries / program, *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, "PGDATA": f"{folder}/data"},
            check=True,
            **runs_as,
        )

    with contextlib.ExitStack() as at_end:
        at_end.callback(shutil.rmtree, folder, ignore_errors=True)
        run("initdb", *INITDB)
        with (folder / "data/postgresql.conf").open("a") as config:
            config.write(SETTINGS)
        run("postgres", "--single", "postgres", given=SETUP)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        at_end.callback(run, "pg_ctl", "stop", "--wait", "--mode=immediate")
        run("pg_ctl", "start", "--wait", f"--log={folder}/log", f"--options=-p {port}")
        yield f"postgresql://contacts:secret@127.0.0.1:{port}/contacts"
