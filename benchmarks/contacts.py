"""Makes the two lists as the API sends them, in files that `benchmarks.server` serves.

`leads.json` and `users.json` are JSON arrays, a row a line, newest `last_update` first. Beside each
stands its index, `leads.index` and `users.index`: where each row begins, and where one after the
last would, as 64-bit numbers. Everything streams, so that lists of gigabytes need little memory.

`python -m benchmarks.contacts FOLDER --leads 20000 --users 20000`
"""

import argparse
import time
from array import array
from pathlib import Path

import duckdb

from extract.sandbox import vocabulary as words

LISTS = ("leads", "users")
INDEX_TYPE = "Q"  # of `array`: 64 bits
SEPARATOR = b",\n\t"  # what DuckDB writes between two rows
FAR = [words.PLACES[0]._replace(country=f"Far {n}", country_code=f"F{n}") for n in range(32)]
WORDS = {
    "channels": [row._asdict() for row in words.CHANNELS for _ in range(row.weight)],
    "places": [row._asdict() for row in words.PLACES for _ in range(row.weight)]
    + [row._asdict() for row in FAR],
    "names": [f"{first} {last}" for first in words.FIRST_NAMES for last in words.LAST_NAMES],
    "systems": words.SYSTEMS,
    "browsers": words.BROWSERS,
    "pages": words.PAGES,
    "roles": words.ROLES,
    "colours": words.COLOURS,
}
MACROS = """
set enable_progress_bar = false;
set memory_limit = '1GB';
create temp macro draw(i, what, below) as cast(hash(i, what) % below as bigint);
create temp macro pick(i, what) as getvariable(what)[1 + draw(i, what, len(getvariable(what)))];
create temp macro flag(i, what, percent) as if(draw(i, what, 100) < percent, 1, 0);
create temp macro told(moment) as
    strftime(make_timestamp(1000000 * cast(moment as bigint)), '%Y-%m-%d %H:%M:%S')
"""
# The rows come newest first, evenly over two years, so that nothing needs sorting. Contact ids of
# leads are even, those of users odd; a prime larger than any list shuffles them.
ROWS = """
with people as (
    select
        position, cast($is_user as bigint) as is_user, 2 * position + is_user as i,
        pick(i, 'channels') as channel, pick(i, 'places') as place,
        pick(i, 'systems') as machine, pick(i, 'names') as name,
        replace(lower(name), ' ', '.') || '.' || i as username, draw(i, 'paid', 3) as paid,
        if(is_user = 0 or draw(i, 'converted', 2) = 0, 1, 0) as was_lead,
        $until - cast(63072000 * (position / $rows) as bigint) as changed,
        changed - cast((changed - $since) * pow(draw(i, 'age', 1000) / 1000, 2) as bigint)
            as arrived,
        if(is_user = 1 and was_lead = 1, draw(i, 'wait', 2592000), 0) as waited,
        least(changed, arrived + waited) as began
    from range($rows) as numbers (position)
),
accounts as (
    select
        *,
        -- a number, a number in quotes or a date, as the real API mixes them
        case i % 3 when 0 then to_json(began) when 1 then to_json(cast(began as varchar))
            else to_json(told(began)) end as created,
        {'role': pick(i, 'roles'), 'username': username, 'create_date': created,
         'sub_status': ['trial', 'active', 'cancelled'][1 + paid],
         'sub_active': if(i % 3 = 0, to_json(paid % 2), to_json(cast(paid % 2 as varchar))),
         'ab_test': null, 'ab_test_var': null, 'initiated_checkout_at': if(paid > 0, began, null),
         'favourite_colour': pick(i, 'colours'), 'company_size': 10 + draw(i, 'size', 9) * 10}
            as account
    from people
)
select
    if(was_lead = 1 or draw(i, 'numbered', 20) > 0,
       5000 + 2 * (position * 1000000007 % $rows) + is_user, null) as crmhero_user_id,
    'u-' || i as user_id, username || '@example.com' as email, name, is_user, was_lead,
    arrived as first_seen_at, changed as last_activity, told(changed) as last_update,
    machine[1] as os, machine[2] as os_version, pick(i, 'browsers') as browser_name,
    place.language as browser_language, place.city, place.region, place.region_code, place.country,
    place.country_code, place.continent, place.continent_code, place.latitude, place.longitude,
    place.timezone, place.postal_code,
    flag(i, 'out', 12) as unsubscribe, flag(i, 'bounce', 3) as bounce, flag(i, 'spam', 1) as spam,
    channel.source as utm_source, channel.medium as utm_medium,
    channel.campaigns[1 + draw(i, 'campaign', len(channel.campaigns))] as utm_campaign,
    null as utm_content, null as utm_term, channel.referrer,
    'https://example.com/' || pick(i, 'pages') as last_page_viewed, changed as last_page_viewed_at,
    if(draw(i, 'voted', 10) < 3, draw(i, 'vote', 11), null) as nps_vote,
    case when is_user = 0 and i % 5 = 0 then json('[]')
        when draw(i, 'beta', 2) = 0 then to_json(account)
        else to_json(struct_insert(account, beta := true)) end as attributes
from accounts
"""
COPY = "copy (select {columns} from ({rows})) to '{path}' (format json, array true)"
COLUMNS = {"leads": "* exclude (user_id, nps_vote)", "users": "*"}


def write_lists(folder: Path, leads: int, users: int) -> None:
    """Make the files of both lists.

    Args:
        folder: where to; it is made.
        leads: rows of the list of leads.
        users: rows of the list of users; half of them were leads before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    until = int(time.time()) - 3600
    with duckdb.connect(config={"temp_directory": str(folder)}) as connection:
        connection.execute(MACROS)
        for name, values in WORDS.items():
            connection.execute(f"set variable {name} = $1", [values])
        for name, rows in zip(LISTS, (leads, users), strict=True):
            copy = COPY.format(columns=COLUMNS[name], rows=ROWS, path=folder / f"{name}.json")
            connection.execute(
                copy,
                {
                    "rows": rows,
                    "is_user": name == "users",
                    "until": until,
                    "since": until - 63072000,
                },
            )
            _write_index(folder, name, rows)


def _write_index(folder: Path, name: str, rows: int) -> None:
    index = array(INDEX_TYPE)
    end = 0
    with (folder / f"{name}.json").open("rb") as file:
        for line in file:
            if line.startswith(b"\t{"):
                index.append(end + 1)
                last = end + len(line.rstrip(b"\n"))
            end += len(line)
    index.append(last + len(SEPARATOR))  # as if another row followed
    if len(index) != rows + 1:
        raise ValueError(f"{folder}/{name}.json has {len(index) - 1} rows instead of {rows}.")
    with (folder / f"{name}.index").open("wb") as file:
        index.tofile(file)


def main() -> None:
    """Make the lists that the command line asks for."""
    parser = argparse.ArgumentParser(description="Make the files of both lists.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leads", type=int, default=20_000, help="rows (default: 20000)")
    parser.add_argument("--users", type=int, default=20_000, help="rows (default: 20000)")
    options = parser.parse_args()
    write_lists(options.folder, options.leads, options.users)


if __name__ == "__main__":
    main()
