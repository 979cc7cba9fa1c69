"""What is read, where it goes, and the constants behind it.

`GET leads/list` -> `raw.leads`, `GET users/list` -> `raw.users`; rows without their key ->
`raw.rejected_rows`; one row a run -> `raw.elt_runs`. The user's settings are in `.dlt/config.toml`
and `.dlt/secrets.toml`, or in environment variables of dlt's names.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # dlt takes seconds to import, which `elt --help` need not wait for
    from dlt.common.data_types import TDataType
    from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

ROOT = Path(__file__).resolve().parent.parent  # found from this file: cron has another folder
SECTION = "analytics_api"
SANDBOX = "sandbox"
RAW = "raw"  # the schema that dlt loads

EndOfList = Literal["empty", "short_page"]
PAGE_SIZE = 50  # rows; the API's documented page
FIRST_PAGE = 0
# Seconds before the cursor that every run reads again: for a second change within one second, for
# rows that the API commits late, and for clocks of the API's machines that disagree. 15 minutes
# cost a page more only where a list has more than 50 changes in that time.
LAG_SECONDS = 900
# requests of one list at once; it is somebody else's server
MAX_IN_FLIGHT = 4
# Only a full sync notices what is listed no more. Weekly, it costs all pages once or twice a week.
FULL_READ_DAYS = 7.0
MAX_SHRINK = 0.5  # share of a table; what a full sync would remove beyond it smells of a wrong key
LOCK_WAIT = 30  # seconds; how long a run waits for another program to close the warehouse
# DuckDB's, for the warehouse: it spills what does not fit. A second thread would take more memory
# and hardly less time, as most of it is the compression of one column after the other.
LIMITS = {"memory_limit": "128MiB", "threads": "1"}
FUTURE_TOLERANCE = timedelta(minutes=5)  # a later last_update comes from a wrong clock

# may pass: of the API, of a proxy, and of a CDN (52x) before it
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529)
RETRIES = 3  # after the first attempt
BACKOFF_FACTOR = 2  # seconds, doubled with each retry: 2, 4, 8
MAX_RETRY_AFTER = 300  # seconds; an API that asks for more wants us gone
RATE_LIMIT_WAITS = (2, 60)  # seconds after a 429 without `Retry-After`: doubled from 2 up to 60
MAX_REFUSED = 300  # seconds that the API may refuse every request with 429
TIMEOUTS = (10, 30)  # seconds to connect, and between two bytes of an answer
MAX_ANSWER_SECONDS = 300  # for a whole answer, however steadily it trickles in
# 50 contacts with a text of 1 MB each fit; parsed, a much larger page could fill the memory
MAX_ANSWER_BYTES = 128 * 2**20

CONTACT_NUMBER = "crmhero_user_id"  # the contact's id in every list
# columns of ours in the raw tables, beside dlt's
CURSOR = "_cursor"  # last_update in UNIX seconds; null where it is unreadable or in the future
VERSION = "_version"  # orders the copies of a row within one load, newest last
ROW_ID = "_dlt_id"  # dlt's own, made by us: to add it, dlt would write every file once more


class Endpoint(NamedTuple):
    """One list of the API."""

    path: str
    primary_key: tuple[str, ...]


ENDPOINTS = {
    "leads": Endpoint("leads/list", (CONTACT_NUMBER,)),
    "users": Endpoint("users/list", ("user_id", "email")),
}

# Everything but keys and attributes is text: the API mixes numbers, strings and null within one
# field, and a text column takes them all. Staging casts.
_SHARED_FIELDS = (
    "email", "name", "is_user", "was_lead", "first_seen_at", "last_activity", "last_update",
    "os", "os_version", "browser_name", "browser_language", "city", "region", "region_code",
    "country", "country_code", "continent", "continent_code", "latitude", "longitude", "timezone",
    "postal_code", "unsubscribe", "bounce", "spam", "utm_source", "utm_medium", "utm_campaign",
    "utm_content", "utm_term", "referrer", "last_page_viewed", "last_page_viewed_at",
    # inside attributes or here, as the API pleases
    "role", "username", "create_date", "sub_status", "sub_active", "ab_test", "ab_test_var",
    "initiated_checkout_at",
)  # fmt: skip
TEXT_FIELDS = {"leads": _SHARED_FIELDS, "users": ("user_id", *_SHARED_FIELDS, "nps_vote")}


def _hint(name: str, data_type: "TDataType") -> "TColumnSchema":
    return {"name": name, "data_type": data_type}


def _columns(*hints: "TColumnSchema") -> "TTableSchemaColumns":
    return {hint["name"] or "": hint for hint in hints}


def list_columns(name: str) -> "TTableSchemaColumns":
    """Return the column hints of a list's raw table.

    A column that is null in every row exists only because of its hint, and a field that changes
    its type stays in one column.
    """
    return _columns(
        {"name": CONTACT_NUMBER, "data_type": "bigint"},
        *(_hint(field, "text") for field in TEXT_FIELDS[name]),
        {"name": "attributes", "data_type": "json"},
        {"name": CURSOR, "data_type": "double"},
        {"name": VERSION, "data_type": "text", "nullable": False},
        {"name": ROW_ID, "data_type": "text", "nullable": False, "unique": True, "row_key": True},
    )


REJECTED_TABLE = "rejected_rows"
REJECTED_COLUMNS = _columns(
    {"name": "resource", "data_type": "text", "nullable": False},
    {"name": "row_hash", "data_type": "text", "nullable": False},
    {"name": "reason", "data_type": "text", "nullable": False},
    {"name": "row_json", "data_type": "json", "nullable": False},
)
COUNTS = ("rows_read", "rows_new", "rows_changed", "rows_rejected", "rows_removed", "requests")
RUN_COLUMNS = _columns(
    {"name": "load_id", "data_type": "text", "nullable": False},
    {"name": "mode", "data_type": "text", "nullable": False},
    {"name": "started_at", "data_type": "timestamp", "timezone": False},
    {"name": "finished_at", "data_type": "timestamp", "timezone": False},
    *(_hint(f"{name}_{count}", "bigint") for name in ENDPOINTS for count in COUNTS),
    # the list was read whole, and what it did not list is gone
    *(_hint(f"{name}_is_whole", "bool") for name in ENDPOINTS),
)
