"""How long a build of the models takes: `make benchmark`, of CONTACTS contacts, a million.

A run against the sandbox makes the warehouse, so that it has the shape of a real one; made-up rows
then take the place of what it loaded. Three builds follow: the first, one without a change, and one
after one user in a hundred has changed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from extract import settings

CONTACTS = int(os.environ.get("CONTACTS", "1000000"))
USERS = 45  # percent; half of them were leads
SLOWEST = 8  # nodes that are shown

# a number below `range` that looks random and is always the same
PICK = "create macro pick(i, salt, range) as (hash(i * 100 + salt) % range)::bigint"
PEOPLE = f"""
create temp table people as
select
    i,
    pick(i, 1, 100) < {USERS} as is_user,
    pick(i, 2, 2) as was_lead,
    1730419200 + pick(i, 3, 63072000) as seen,
    seen + pick(i, 4, 8640000) as active,
    ['google', 'linkedin', 'newsletter', 'partner', null][1 + pick(i, 5, 5)] as utm_source,
    'campaign ' || pick(i, 6, 10) as utm_campaign,
    pick(i, 7, 40) as place
from range({CONTACTS}) as numbers (i)
"""
FIELDS = """
    i as crmhero_user_id,
    'person' || i || '@example.com' as email,
    'Person ' || i as name,
    seen::varchar as first_seen_at,
    active::varchar as last_activity,
    active::varchar as last_page_viewed_at,
    strftime(to_timestamp(active), '%Y-%m-%d %H:%M:%S') as last_update,
    'Country ' || place as country,
    'C' || place as country_code,
    (pick(i, 8, 10) = 0)::integer::varchar as unsubscribe,
    (pick(i, 9, 30) = 0)::integer::varchar as bounce,
    '0' as spam,
    was_lead::varchar as was_lead,
    utm_source,
    'cpc' as utm_medium,
    utm_campaign,
    'https://example.com/pricing' as last_page_viewed,
    active::double as _cursor,
    active::varchar as _version,
    (select max(load_id) from raw.elt_runs) as _dlt_load_id,
    i::varchar as _dlt_id,
"""
LEADS = f"""
insert into raw.leads by name
select {FIELDS}
    if(pick(i, 10, 5) = 0, {{'colour': 'teal', 'plan': pick(i, 11, 9)}}::json, '[]'::json)
        as attributes
from people where not is_user
"""
USERS_ROWS = f"""
insert into raw.users by name
select {FIELDS}
    'u' || i as user_id,
    if(pick(i, 12, 3) = 0, pick(i, 13, 11)::varchar, null) as nps_vote,
    {{
        'role': ['admin', 'viewer', 'owner'][1 + pick(i, 14, 3)],
        'username': 'person' || i,
        'create_date': if(i % 2 = 0, (seen + 86400)::varchar,
            strftime(to_timestamp(seen + 86400), '%Y-%m-%d %H:%M:%S')),
        'sub_status': ['trial', 'active', 'cancelled'][1 + pick(i, 15, 3)],
        'sub_active': pick(i, 16, 2),
        'ab_test': null, 'ab_test_var': null, 'initiated_checkout_at': null,
        'colour': 'teal', 'company_size': pick(i, 17, 9)
    }}::json as attributes
from people where is_user
"""
CHANGE = """
update raw.users set unsubscribe = '1', last_activity = '1790000000' where hash(user_id) % 100 = 0
"""


def main() -> None:
    """Print what three builds take."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        run = [sys.executable, "-m", "extract", "run", "--json"]
        environment = {**os.environ, "ELT__DATA_DIR": str(folder)}
        subprocess.run(run, cwd=settings.ROOT, env=environment, check=True, capture_output=True)
        warehouse = folder / "sandbox" / "warehouse.duckdb"
        with duckdb.connect(str(warehouse)) as connection:
            for schema in ("audit", "marts", "intermediate", "staging", "snapshots"):
                connection.execute(f"drop schema {schema} cascade")
            for statement in (
                PICK, PEOPLE, "delete from raw.leads", "delete from raw.users", LEADS, USERS_ROWS
            ):  # fmt: skip
                connection.execute(statement)
        print(f"{CONTACTS} contacts, a warehouse of {warehouse.stat().st_size >> 20} MiB")
        build("first", folder, warehouse)
        build("unchanged", folder, warehouse)
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(CHANGE)
        build("changed", folder, warehouse)
        print(f"the warehouse is {warehouse.stat().st_size >> 20} MiB now")
    finally:
        shutil.rmtree(folder)


def build(name: str, folder: Path, warehouse: Path) -> None:
    """Build the models and print what it took.

    Raises:
        SystemExit: the build failed.
    """
    environment = {
        **os.environ,
        "DLT__CREDENTIALS__DATABASE": str(warehouse),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    command = [str(Path(sys.executable).with_name("dbt")), "build"]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, "--exclude-resource-type", "unit_test"],
        cwd=settings.ROOT / "transform",
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"the {name} build failed")
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    times = {result["unique_id"]: result["execution_time"] for result in results}
    tests = sum(time for node, time in times.items() if node.startswith("test"))
    print(
        f"{name}: {seconds:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of CPU, "
        f"{usage.ru_maxrss >> 10} MiB at most; tests {tests:.1f} s"
    )
    for node in sorted(times, key=times.__getitem__, reverse=True)[:SLOWEST]:
        print(f"  {times[node]:6.2f} s  {node.split('.')[2]}")


if __name__ == "__main__":
    main()
