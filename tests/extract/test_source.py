"""What is read and how it lands in raw: incremental reads, odd rows, schema drift."""

from datetime import UTC, datetime, timedelta

import pytest

from extract.sandbox.server import ApiServer, ListRequest
from tests.builders import Lists, lead, leads, listing, moment, user, users
from tests.conftest import Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")


def columns(query: Query, table: str) -> dict[str, str]:
    return dict(
        query(
            "select column_name, data_type from information_schema.columns "
            f"where table_schema = 'raw' and table_name = '{table}'"
        )
    )


def counts(query: Query, name: str = "leads") -> tuple[int, ...]:
    """Return what the newest run noted: rows read, new, changed, rejected, requests."""
    fields = ("rows_read", "rows_new", "rows_changed", "rows_rejected", "requests")
    newest = "order by started_at desc limit 1"
    (row,) = query(f"select {', '.join(f'{name}_{f}' for f in fields)} from raw.elt_runs {newest}")
    return row


def test_the_requests_are_the_contracts(api: ApiServer, elt: Elt) -> None:
    assert elt("run").exit_code == 0
    for request in api.requests:
        assert request.params == {
            "sort": "last_update",
            "sort_direction": "desc",
            "per_page": "50",
            "page": "0",
        }
        assert request.headers["authorization"].startswith("Bearer ")


def test_a_first_run_reads_everything_and_an_unchanged_second_asks_twice(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(230), users(120)
    assert elt("run").exit_code == 0
    assert counts(query) == (230, 230, 0, 0, 6)
    assert counts(query, "users") == (120, 120, 0, 0, 4)
    before = len(api.requests)
    assert elt("run").exit_code == 0
    assert len(api.requests) - before == 2
    assert counts(query) == (50, 0, 0, 0, 1)
    assert query("select count(*) from raw.leads") == [(230,)]
    assert query("select mode from raw.elt_runs order by started_at") == [
        ("full",),
        ("incremental",),
    ]


def test_a_second_run_updates_a_changed_lead_in_place(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(230)
    elt("run")
    lists["leads"][99] = lead(100, minutes_before=-3, name="changed")
    lists["leads"].append(lead(999, minutes_before=-2))
    assert elt("run").exit_code == 0
    assert counts(query)[1:] == (1, 1, 0, 1)
    assert query("select name from raw.leads where crmhero_user_id = 100") == [("changed",)]
    assert query("select count(*) from raw.leads") == [(231,)]


def test_a_second_change_within_the_same_second_arrives(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1, name="first"), lead(2, minutes_before=600)]
    elt("run")
    lists["leads"][0] = lead(1, name="second")
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads where crmhero_user_id = 1") == [("second",)]


def test_a_change_that_is_committed_late_arrives_from_within_the_overlap(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1), lead(2, minutes_before=600)]
    elt("run")
    lists["leads"].append(lead(3, minutes_before=14))
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(3,)]


def test_a_second_change_within_the_same_second_arrives_without_an_overlap_too(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__LAG_SECONDS", "0")
    lists["leads"] = [lead(1, name="first"), lead(2, minutes_before=600)]
    elt("run")
    lists["leads"][0] = lead(1, name="second")
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads where crmhero_user_id = 1") == [("second",)]


def test_a_list_whose_newest_rows_left_it_is_read_on(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """The newest lead signs up, and all others are older than the overlap: nothing to load."""
    lists["leads"] = [lead(1), *(lead(n, minutes_before=60 + n) for n in range(2, 60))]
    lists["users"] = [user("u1", 1000, 60)]
    elt("run")
    lists["users"].append(user("u2", lists["leads"].pop(0)["crmhero_user_id"], -1))
    assert elt("run").exit_code == 0
    assert counts(query) == (50, 0, 0, 0, 1)
    assert query("select user_id from raw.users order by 1") == [("u1",), ("u2",)]
    assert elt("run").exit_code == 0


@pytest.mark.parametrize("last_update", [None, "2126-01-01 00:00:00"])
def test_a_page_of_rows_without_a_cursor_stops_nothing(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, last_update: str | None
) -> None:
    lists["leads"] = leads(120)
    elt("run")
    undated = [{**lead(n), "last_update": last_update} for n in range(900, 1010)]
    on_page = [*undated, lead(5, -1, name="changed"), *lists["leads"]]
    api.fault = listing([on_page[n : n + 50] for n in range(0, len(on_page), 50)])
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(230,)]
    assert query("select name from raw.leads where crmhero_user_id = 5") == [("changed",)]
    assert elt("run", "--full-refresh").exit_code == 0


def test_the_overlap_is_a_setting(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__LAG_SECONDS", "60")
    lists["leads"] = leads(100)
    elt("run")
    lists["leads"].append(lead(999, minutes_before=10))
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads where crmhero_user_id = 999") == [(0,)]


@pytest.mark.parametrize("odd", [None, "", "yesterday", "0000-00-00 00:00:00", 17, ["2026"]])
def test_an_odd_last_update_is_loaded_and_stops_nothing(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, odd: object
) -> None:
    lists["leads"] = leads(120)
    elt("run")
    # changes fill more than a page, and rows with an odd cursor lie on top and in between
    lists["leads"] = [lead(n, minutes_before=-n, name="changed") for n in range(1, 81)]
    strange = [{**lead(n), "last_update": odd} for n in (901, 902)]
    on_page = [*strange[:1], *reversed(lists["leads"]), *strange[1:]]

    api.fault = listing([on_page[:50], on_page[50:]])
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads where name = 'changed'") == [(80,)]
    assert query("select count(*) from raw.leads where crmhero_user_id > 900") == [(2,)]
    assert query("select count(_cursor) from raw.leads where crmhero_user_id > 900") == [(0,)]


def test_a_last_update_in_the_future_is_loaded_and_does_not_move_the_cursor(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    ahead = f"{datetime.now(UTC) + timedelta(days=1000):%Y-%m-%d %H:%M:%S}"
    lists["leads"] = [{**lead(1), "last_update": ahead}, *leads(100)[1:]]
    elt("run")
    assert query("select count(*) from raw.leads") == [(100,)]
    lists["leads"][50] = lead(51, minutes_before=-1, name="changed")
    assert elt("run").exit_code == 0
    assert counts(query) == (50, 0, 1, 0, 1)
    assert query("select name from raw.leads where crmhero_user_id = 51") == [("changed",)]


def test_a_clock_a_little_ahead_is_a_cursor_like_any_other(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    ahead = f"{datetime.now(UTC) + timedelta(minutes=4):%Y-%m-%d %H:%M:%S}"
    lists["leads"] = [{**lead(1), "last_update": ahead}]
    elt("run")
    # but it moves no further than the present: what changes meanwhile must not fall behind it
    started_at = query("select epoch(started_at) from raw.elt_runs")[0][0]
    assert abs(query("select _cursor from raw.leads")[0][0] - started_at) < 5
    lists["leads"].append({**lead(2), "last_update": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"})
    elt("run")
    assert query("select count(*) from raw.leads") == [(2,)]


@pytest.mark.parametrize(
    "last_update",
    ["2026-06-01 12:00:00", "2026-06-01T12:00:00Z", "2026-06-01T14:00:00+02:00", "1780315200"],
)
def test_last_update_is_utc_in_every_spelling(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, last_update: str
) -> None:
    lists["leads"] = [{**lead(1), "last_update": last_update}]
    elt("run")
    assert query("select last_update, _cursor from raw.leads") == [
        (last_update, datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp())
    ]


@pytest.mark.parametrize("newest_page", [0, 1])
def test_of_copies_on_shifting_pages_the_newest_wins(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, newest_page: int
) -> None:
    old, new = lead(1, minutes_before=9, name="old"), lead(1, minutes_before=1, name="new")
    pages = [[new], [old], []] if newest_page == 0 else [[old], [new], []]
    api.fault = listing(pages)
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads") == [("new",)]
    assert counts(query)[:3] == (2, 1, 0)


def test_of_copies_in_files_of_their_own_the_newest_wins(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    new, old = lead(1, minutes_before=1), lead(1, minutes_before=9, new_field="begins a file")
    api.fault = listing([[new], [old, lead(2, minutes_before=9)], []])
    assert elt("run").exit_code == 0
    assert query("select crmhero_user_id, new_field from raw.leads order by 1") == [
        (1, None),
        (2, None),
    ]


def test_of_copies_with_one_last_update_the_later_read_wins(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    pages = [[lead(1, name="first")], [lead(1, name="second")], []]
    api.fault = listing(pages)
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads") == [("second",)]


def test_rows_that_move_to_the_top_while_pages_are_read_arrive_with_the_next_run(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(200)

    def move(request: ListRequest) -> None:
        if (request.name, request.page, request.attempt) == ("leads", 1, 1):
            lists["leads"][180] = lead(181, minutes_before=-1, name="moved")

    api.fault = move
    assert elt("run").exit_code == 0
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads where crmhero_user_id = 181") == [("moved",)]
    assert query("select count(*), count(distinct crmhero_user_id) from raw.leads") == [(200, 200)]


def test_a_field_that_is_null_in_every_row_has_its_column(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1, utm_term=None)]
    elt("run")
    assert columns(query, "leads")["utm_term"] == "VARCHAR"


def test_a_field_that_mixes_types_stays_in_one_column(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    mixed = [45.07, "7.69", None, 12345678901234567890123, True, {"a": [1]}, ["é"]]
    lists["leads"] = [lead(n, n, latitude=value) for n, value in enumerate(mixed)]
    assert elt("run").exit_code == 0
    assert query("select latitude from raw.leads order by crmhero_user_id") == [
        ("45.07",),
        ("7.69",),
        (None,),
        ("12345678901234567890123",),
        ("true",),
        ('{"a": [1]}',),
        ('["é"]',),
    ]
    assert [name for name in columns(query, "leads") if name.startswith("latitude")] == ["latitude"]


def test_attributes_stay_one_json_column_whatever_they_are(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    values = [{"a": {"b": [1]}}, [], None, "text", 7, [1, {"c": 2}]]
    lists["leads"] = [lead(n, n, attributes=value) for n, value in enumerate(values)]
    del lists["leads"][2]["attributes"]
    assert elt("run").exit_code == 0
    assert columns(query, "leads")["attributes"] == "JSON"
    assert query("select attributes from raw.leads order by crmhero_user_id") == [
        ('{"a":{"b":[1]}}',),
        ("[]",),
        (None,),
        ('["text"]',),
        ("[7]",),
        ('[1,{"c":2}]',),
    ]
    tables = query("select table_name from information_schema.tables where table_schema = 'raw'")
    assert not [name for (name,) in tables if "__" in name]
    assert not [name for name in columns(query, "leads") if "attributes__" in name]


def test_an_unknown_field_becomes_a_column(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1)]
    elt("run")
    lists["leads"].append(lead(2, -1, score=7, company={"name": "Acme"}, homePage="https://a.b"))
    assert elt("run").exit_code == 0
    assert query("select score, company, home_page from raw.leads order by crmhero_user_id") == [
        (None, None, None),
        ("7", '{"name": "Acme"}', "https://a.b"),
    ]
    assert counts(query)[1:3] == (1, 0)


def test_a_key_comes_as_a_number_or_as_text(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [
        {**lead(0), "crmhero_user_id": "417"},
        {**lead(0), "crmhero_user_id": 418.0},
    ]
    lists["users"] = [{**user("x", None), "user_id": 42, "email": " a@example.com "}]
    assert elt("run").exit_code == 0
    assert query("select crmhero_user_id from raw.leads order by 1") == [(417,), (418,)]
    assert query("select user_id, email, crmhero_user_id from raw.users") == [
        ("42", "a@example.com", None)
    ]


BAD_LEADS = [
    {**lead(None), "name": "null"},
    {key: value for key, value in lead(2).items() if key != "crmhero_user_id"},
    {**lead(0), "crmhero_user_id": " "},
    {**lead(0), "crmhero_user_id": "abc"},
    None,
    "a string",
]


def test_rows_without_a_key_are_set_aside_and_the_rest_loads(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    bad_users = [user(None, 5), user("u1", 6, email=None), user("u2", 7, email="  ")]
    lists["users"] = [*bad_users, user("u3", 8)]
    bad_page = [*BAD_LEADS, *leads(3)]
    api.fault = listing([bad_page])
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert f"{len(BAD_LEADS)} rows of leads set aside" in outcome.stdout
    assert "3 rows of users set aside" in outcome.stdout
    assert query("select count(*) from raw.leads") == [(3,)]
    assert query("select user_id from raw.users") == [("u3",)]
    assert counts(query)[3] == len(BAD_LEADS)
    assert query("select resource, count(*) from raw.rejected_rows group by all order by 1") == [
        ("leads", len(BAD_LEADS)),
        ("users", 3),
    ]
    row = "from raw.rejected_rows where row_json ->> 'name' = 'null'"
    assert query(f"select reason {row}") == [("crmhero_user_id is missing or blank",)]


def test_a_row_set_aside_is_not_repeated_by_a_rerun(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(None), lead(1)]
    elt("run")
    assert elt("run").exit_code == 0
    assert query("select count(*), count(distinct row_hash) from raw.rejected_rows") == [(1, 1)]


def test_a_page_of_nothing_but_bad_rows_is_not_the_end(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    bad = [[lead(None, name=f"{page} {n}") for n in range(50)] for page in range(3)]
    pages = [*bad, [lead(1)], []]
    api.fault = listing(pages)
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(1,)]
    assert elt("run").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("--resources", "leads"), ("--resources", "users")])
def test_all_raw_tables_exist_after_the_first_run(
    api: ApiServer, elt: Elt, query: Query, arguments: tuple[str, ...]
) -> None:
    assert elt("run", *arguments).exit_code == 0
    for table, some in {
        "leads": {"crmhero_user_id", "email", "latitude", "attributes", "role", "utm_term"},
        "users": {"user_id", "email", "crmhero_user_id", "nps_vote", "initiated_checkout_at"},
        "rejected_rows": {"resource", "row_hash", "reason", "row_json", "_dlt_load_id"},
        "elt_runs": {"load_id", "mode", "started_at", "finished_at", "users_requests"},
    }.items():
        assert some <= set(columns(query, table)), table


def test_only_the_chosen_list_is_read(lists: Lists, api: ApiServer, elt: Elt, query: Query) -> None:
    lists["leads"], lists["users"] = leads(3), users(3)
    assert elt("run", "--resources", "leads").exit_code == 0
    assert {request.name for request in api.requests} == {"leads"}
    assert query("select count(*) from raw.users") == [(0,)]
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.users") == [(3,)]


def test_a_plain_top_level_api_key_is_found(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__ANALYTICS_API__API_KEY")
    monkeypatch.setenv("API_KEY", api.api_key)
    assert elt("run").exit_code == 0


def test_every_change_of_the_lists_arrives_in_the_newest_state(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """More changes than a page between two runs, in both lists at once."""
    lists["leads"], lists["users"] = leads(300), users(150)
    elt("run")
    lists["leads"] = [
        lead(n, -n, name="changed") if n % 3 == 0 else lead(n, n) for n in range(1, 301)
    ]
    lists["users"] += [user(f"new{n}", 900 + n, -n) for n in range(1, 71)]
    assert elt("run").exit_code == 0
    assert counts(query)[1:3] == (0, 100)
    assert counts(query, "users")[1:3] == (70, 0)
    assert moment(-300) in {row[0] for row in query("select last_update from raw.leads")}
