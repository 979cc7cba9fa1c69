"""Measures building and publishing of made-up contacts: `make benchmark`, which is no test.

A run of the sandbox makes the raw tables; SQL fills them with many more contacts of its kinds. Then
come three builds: the first, one with nothing changed, and one with 1% of the users changed. After
each, the marts are published, and their dashboard is drawn. The project that is measured is the one
that `extract` is imported from.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import duckdb

from extract import __main__, settings
from extract.sandbox import vocabulary as words

# as at the end of a run, which has imported it all before
PUBLISH = """
import sys, time
from pathlib import Path
from extract.folder import Folder
from publish import dashboard, publication
folder = Folder(Path(sys.argv[1]))
wall, cpu = time.perf_counter(), time.process_time()
if sys.argv[2] == "publish":
    dashboard.is_installed = lambda: False
    publication.publish(folder)
else:
    publication.draw_dashboard(folder)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
TIMEOUT = 3600  # seconds; with 1,000,000 contacts the three builds take some minutes
RSS_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # bytes or KiB, to MiB
FAR = [words.PLACES[0]._replace(country=f"Far {n}", country_code=f"F{n}") for n in range(32)]
WORDS = {
    "channels": [row._asdict() for row in words.CHANNELS for _ in range(row.weight)],
    "places": [row._asdict() for row in words.PLACES for _ in range(row.weight)]
    + [row._asdict() for row in FAR],
    "names": [f"{first} {last}" for first in words.FIRST_NAMES for last in words.LAST_NAMES],
    "systems": words.SYSTEMS,
    "browsers": words.BROWSERS,
    "roles": words.ROLES,
}
MACROS = """
set enable_progress_bar = false;
create temp macro draw(i, what, below) as cast(hash(i, what) % below as bigint);
create temp macro pick(i, what) as getvariable(what)[1 + draw(i, what, len(getvariable(what)))];
create temp macro flag(i, what, percent) as if(draw(i, what, 100) < percent, '1', '0');
create temp macro told(moment) as
    strftime(make_timestamp(1000000 * cast(moment as bigint)), '%Y-%m-%d %H:%M:%S');
create temp macro version(moment, i) as
    replace(told(moment), ' ', 'T') || '.000000+00:00 ' || lpad(cast(i as varchar), 12, '0')
"""
# stage: below 550 a lead, below 775 a user that was one, else a user that signed up directly
CONTACTS = """
create temp table contacts as
with people as (
    select
        i, draw(i, 'stage', 1000) as stage, pick(i, 'channels') as channel,
        pick(i, 'places') as place, pick(i, 'systems') as machine, pick(i, 'names') as name,
        replace(lower(name), ' ', '.') || '.' || i as username, draw(i, 'paid', 3) as paid,
        $until - cast(63072000 * (1 - sqrt((i + 0.5) / $contacts)) as bigint) as arrived,
        if(stage between 550 and 774, draw(i, 'wait', 2592000), 0) as waited,
        least($until, arrived + waited) as began,
        began + cast(($until - began) * pow(draw(i, 'visit', 1000) / 1000, 2) as bigint) as seen
    from range($contacts) as numbers (i)
),
listed as (
    select
        *, if(list = 'users' or stage < 550, seen, if(list = 'leads', arrived, began)) as changed,
        -- a number, a number in quotes or a date, as the real API mixes them
        case i % 3 when 0 then to_json(began) when 1 then to_json(cast(began as varchar))
            else to_json(told(began)) end as created,
        {'role': pick(i, 'roles'), 'username': username, 'create_date': created,
         'sub_status': ['trial', 'active', 'cancelled'][1 + paid], 'sub_active': paid % 2,
         'ab_test': null, 'ab_test_var': null, 'initiated_checkout_at': if(paid > 0, began, null),
         'favourite_colour': 'teal', 'company_size': 10 + draw(i, 'size', 9) * 10} as account
    from people cross join (values ('leads'), ('users'), ('earlier')) as lists (list)
    where case list -- a merge leaves some former leads and earlier e-mails behind
        when 'leads' then stage < 550 or (stage < 775 and draw(i, 'stale', 20) = 0)
        when 'users' then stage >= 550 else stage >= 550 and draw(i, 'renamed', 25) = 0 end
)
select
    if(stage < 775 or draw(i, 'numbered', 20) > 0, 5000 + 3 * i, null) as crmhero_user_id,
    list, 'u-' || i as user_id, name, username || '@' || list || '.example.com' as email,
    if(list = 'leads', '0', '1') as is_user, if(stage < 775, '1', '0') as was_lead,
    cast(arrived as varchar) as first_seen_at, cast(changed as varchar) as last_activity,
    last_activity as last_page_viewed_at, told(changed) as last_update,
    machine[1] as os, machine[2] as os_version, pick(i, 'browsers') as browser_name,
    place.language as browser_language, unnest(place), channel.referrer,
    channel.source as utm_source, channel.medium as utm_medium,
    channel.campaigns[1 + draw(i, 'campaign', len(channel.campaigns))] as utm_campaign,
    'https://example.com/' || machine[1] as last_page_viewed,
    flag(i, 'out', 12) as unsubscribe, flag(i, 'bounce', 3) as bounce, flag(i, 'spam', 1) as spam,
    if(draw(i, 'voted', 10) < 3, cast(draw(i, 'vote', 11) as varchar), null) as nps_vote,
    case when list <> 'leads' and i % 2 = 0 then to_json(account)
        when list <> 'leads' then to_json(struct_insert(account, beta := true))
        when i % 5 > 0 then json('[]') when i % 2 = 0 then json('{"beta":true}')
        else to_json({'favourite_colour': 'amber', 'company_size': i % 9}) end as attributes,
    cast(changed as double) as _cursor, version(changed, i) as _version,
    left(md5(list || i), 14) as _dlt_id,
    if(changed > $until - 259200, $load, $full_load) as _dlt_load_id
from listed order by changed desc
"""
INSERTS = """
truncate raw.leads; truncate raw.users;
insert into raw.leads by name
    select * exclude (list, user_id, nps_vote, language, weight) from contacts where list = 'leads';
insert into raw.users by name
    select * exclude (list, language, weight) from contacts where list <> 'leads';
update raw.elt_runs set
    started_at = started_at - interval 3 days, finished_at = finished_at - interval 3 days
"""
CHANGE = """
update raw.users set
    last_activity = cast($now as varchar), last_update = told($now), _cursor = $now,
    _version = version($now, right(_version, 12)), _dlt_load_id = $load,
    attributes = regexp_replace(cast(attributes as varchar), '("sub_status":")[a-z]+', '\\1paused')
where hash(_dlt_id) % 100 < $percent
"""
NOTE = """
insert into raw.elt_runs
select * replace ($load as load_id, $load as _dlt_load_id, 'incremental' as mode,
    cast(told($now) as timestamp) as started_at, cast(told($now) as timestamp) as finished_at)
from raw.elt_runs limit 1
"""


def fill(folder: Path, contacts: int) -> None:
    """Make a warehouse with so many contacts in its raw tables, and without models."""
    from extract import dbt_build, pipeline
    from extract import folder as data_folder

    os.environ |= {"ELT__DATA_DIR": str(folder), "SOURCES__ANALYTICS_API__BASE_URL": "sandbox"}
    with (
        patch.object(data_folder, "LAST_RUN", folder / "last_run"),
        patch.object(dbt_build, "build", lambda *_: dbt_build.BuildResult()),
        patch.object(pipeline, "publish", lambda *_: None),
        contextlib.redirect_stdout(None),
    ):
        if __main__.main(["run"]):
            raise SystemExit("The run of the sandbox failed.")
    until = int(time.time()) - 3600
    full_load = f"{until - 259200}.5"  # the rows changed since are a later load's
    with duckdb.connect(str(folder / "sandbox" / "warehouse.duckdb")) as warehouse:
        warehouse.execute(MACROS)
        for name, values in WORDS.items():
            warehouse.execute(f"set variable {name} = $1", [values])
        loads = {"load": f"{until}.5", "full_load": full_load}
        warehouse.execute(CONTACTS, {"contacts": contacts, "until": until, **loads})
        warehouse.execute(INSERTS)
        warehouse.execute("update raw.elt_runs set load_id = $full_load", {"full_load": full_load})


def load(folder: Path, percent: int) -> None:
    """Change a share of the users, and note a run."""
    now = int(time.time())
    run = {"now": now, "load": f"{now}.5"}
    with duckdb.connect(str(folder / "sandbox" / "warehouse.duckdb")) as warehouse:
        warehouse.execute(MACROS)
        warehouse.execute(CHANGE, {**run, "percent": percent})
        warehouse.execute(NOTE, run)


class Usage(NamedTuple):
    """What a process took: seconds, seconds, MiB."""

    wall: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s wall, {self.cpu:.1f} s CPU, {self.peak:.0f} MiB peak RSS"


def measure(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> Usage:
    """Run a process.

    Raises:
        SystemExit: it failed; says how.
    """
    said = folder / "said"
    started = time.perf_counter()
    with (
        said.open("w") as out,
        subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=settings.ROOT, stdout=out, stderr=out
        ) as process,
    ):
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{said.read_text()[-4000:]}\n{command} failed ({process.returncode}).")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / RSS_UNIT)


def build(folder: Path, title: str) -> Usage:
    """Run dbt, print and return what it took."""
    warehouse = folder / "sandbox" / "warehouse.duckdb"
    environment = {
        "DLT__CREDENTIALS__DATABASE": str(warehouse),
        "DBT_PROJECT_DIR": str(settings.ROOT / "transform"),
        "DBT_PROFILES_DIR": str(settings.ROOT / "transform"),
        "DBT_TARGET_PATH": str(folder),
        "DBT_LOG_PATH": str(folder),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    dbt = [f"{sys.prefix}/bin/dbt", "build", "--exclude-resource-type", "unit_test"]
    usage = measure(folder, dbt, environment)
    nodes = json.loads((folder / "run_results.json").read_text())["results"]
    statuses = Counter(node["status"] for node in nodes)
    print(
        f"\n{title}: {usage}, "
        f"warehouse {warehouse.stat().st_size / 2**20:.0f} MiB; {dict(statuses)}"
    )
    for node in sorted(nodes, key=lambda node: -float(node["execution_time"]))[:8]:
        kind, _, name, *_ = node["unique_id"].split(".")
        print(f"{node['execution_time']:9.1f} s  {kind} {name}")
    tests = [node["execution_time"] for node in nodes if node["unique_id"].startswith("test.")]
    print(f"{sum(tests):9.1f} s  the {len(tests)} tests added up; some run at once", flush=True)
    return usage


def publish(folder: Path, built: Usage) -> None:
    """Publish without the dashboard, then draw it, and print what each took."""
    sandbox = folder / "sandbox"
    for what in ("publish", "dashboard"):
        peak = measure(folder, [sys.executable, "-c", PUBLISH, str(sandbox), what], {}).peak
        # the last line, after DuckDB's progress bar
        wall, cpu = map(float, (folder / "said").read_text().split()[-2:])
        print(
            f"{what}: {Usage(wall, cpu, peak)}; "
            f"of the build's {wall / built.wall:.2f} wall, {cpu / built.cpu:.2f} CPU",
            flush=True,
        )
    files = [path for path in (sandbox / "published" / "current").rglob("*") if path.is_file()]
    sizes = {
        kind: sum(path.stat().st_size for path in files if path.suffix == kind) / 2**20
        for kind in (".duckdb", ".parquet", ".html")
    }
    print(", ".join(f"{kind} {size:.1f} MiB" for kind, size in sizes.items()), flush=True)


def main() -> None:
    """Fill a warehouse, build and publish it three times, remove it."""
    contacts = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    for ending in (signal.SIGTERM, signal.SIGALRM):  # an exception removes the folder
        signal.signal(ending, lambda number, _: sys.exit(f"Stopped: {signal.strsignal(number)}."))
    signal.alarm(TIMEOUT)
    print(f"{contacts:,} contacts, {os.cpu_count()} cores, {settings.ROOT}", flush=True)
    # a child's peak counts what its parent held when it started it: fill in another process
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as name,
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as apart,
    ):
        folder = Path(name)
        apart.submit(fill, folder, contacts).result()
        for title, percent in (("first", 0), ("unchanged", 0), ("1% of users changed", 1)):
            apart.submit(load, folder, percent).result()
            publish(folder, build(folder, title))


if __name__ == "__main__":
    main()
