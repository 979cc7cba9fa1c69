"""Random histories of an API, its faults and killed runs; after each, what must hold."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from extract.sandbox.server import ListRequest, Reply
from tests.builders import FINAL, PASSING, REFUSALS, at
from tests.convergence.contacts import EVENTS, KEYS, Contact, Contacts, Key, WatchedServer
from tests.convergence.process import KILL_POINTS, Kill, run

Event = tuple[str, int, int, int]  # arguments of Contacts.happen
Shift = tuple[int, Event]
Fault = tuple[str, str, int, int]  # name, list, page, times (0: for ever)
API_KEY = "recognisable-key-4711"
# answers that end a run on any list; those of `PASSING` do if they come four times
NO_LIST = {
    "error dressed as 200": Reply.of_json({"error": {"message": "Try later.", "code": 7}}),
    "empty object": Reply.of_json({}),
    "data as a list": Reply.of_json({"data": []}),
    "null": Reply.of_json(None),
}
FAULTS = {**REFUSALS, **NO_LIST, **PASSING, **FINAL}
tally: Counter[str] = Counter()  # what was tried, over all histories

names = st.sampled_from(sorted(KEYS))
happenings = st.tuples(
    st.sampled_from(sorted(EVENTS)),
    st.integers(0, 99),  # picks the contact
    st.sampled_from([0, 0, 1, 30, 2000, 90_000]),  # seconds later; 0: twice in one second
    st.sampled_from([0, 0, 0, 1, 600]),  # seconds that its last_update lies behind the clock
)
faults = st.tuples(
    st.sampled_from(sorted(FAULTS)), names, st.integers(0, 3), st.sampled_from([1, 3, 4, 0])
)
kills = st.builds(Kill, st.sampled_from(KILL_POINTS), st.sampled_from([1, 1, 2, 3, 5, 8, 20, 40]))
# before the answer to the n-th request of a run, something happens
events = st.lists(happenings, max_size=6)  # between two runs
shifts = st.lists(st.tuples(st.integers(0, 9), happenings), max_size=4)
ordinary = st.sampled_from(["incremental", "incremental", "full", "--full-refresh"])


class Convergence(RuleBasedStateMachine):
    """One warehouse, one API, and a history that hypothesis makes up."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="convergence-"))
        self.contacts = Contacts()
        self.api = WatchedServer(self.contacts, API_KEY)
        self.api.__enter__()
        self.excused: dict[str, dict[Key, str]] = {name: {} for name in KEYS}
        self.history: set[str] = set()
        tally["histories"] += 1
        for number in range(4):
            self.contacts.happen("add lead", 1 + number, 100, 0)
            self.contacts.happen("add user", 1 + number, 100, 0)

    def teardown(self) -> None:
        """Stop the server and leave nothing behind."""
        self.api.__exit__()
        shutil.rmtree(self.folder)

    @rule(events=events, kind=ordinary, shifts=shifts, stop=st.booleans())
    def good_run(self, events: list[Event], kind: str, shifts: list[Shift], stop: bool) -> None:
        """Run while things happen; `stop` ends it before the models, to save their time."""
        self._happen(events)
        kill = Kill("models", 1) if stop else None
        code, said = self._run(kind, kill, shifts)
        if code == 1 and "--allow-shrink" in said:
            self._check_shrink(kind)
            code, said = self._run("--allow-shrink", kill, [])
            kind, shifts = "full", []
        assert code == (-9 if stop else 0), said
        self._check_good(kind, quiet=not shifts, with_models=not stop)

    @rule(events=events, kind=ordinary, shifts=shifts, fault=faults)
    def run_with_a_fault(
        self, events: list[Event], kind: str, shifts: list[Shift], fault: Fault
    ) -> None:
        """The API fails on some page: the run fails and changes nothing, or gets over it."""
        self._happen(events)
        name, resource, page, times = fault
        before = self._everything()
        self.api._attempts.clear()
        self.api.failing = at(FAULTS[name], resource, page, times or None)
        code, said = self._run(kind, Kill("models", 1), shifts)
        self.api.failing = lambda _: None
        tally["faults"] += 1
        if code == -9:
            self._check_good(kind, quiet=False, with_models=False)
        elif "--allow-shrink" not in said:
            assert code in (1, 2), said
            assert self._everything() == before
            tally["failed runs"] += 1

    @rule(events=events, kind=ordinary, shifts=shifts, kill=kills)
    def killed_run(self, events: list[Event], kind: str, shifts: list[Shift], kill: Kill) -> None:
        """The process dies somewhere."""
        self._happen(events)
        loads = self._loads()
        code, _ = self._run(kind, kill, shifts)
        if code == 0:  # it ended before its time to die
            self._check_good(kind, quiet=not shifts, with_models=True)
            return
        if code == -9:
            tally["kills"] += 1
            tally[f"killed at {kill.point}"] += 1
        if self._loads() != loads:
            self._excuse(full=False)

    @rule(events=events, page=st.integers(0, 2), resource=names)
    def second_run_at_once(self, events: list[Event], page: int, resource: str) -> None:
        """While a run reads, another starts: it ends at once, and the first is not disturbed."""
        self._happen(events)
        rivals: list[int] = []

        def start(request: ListRequest) -> None:
            if (request.name, request.page) == (resource, page) and not rivals:
                (self.folder / "rival").mkdir(exist_ok=True)
                rivals.append(run(self.folder / "rival", self._environment(""))[0])

        self.api.before_answer = start
        code, said = self._run("incremental", Kill("models", 1), [], keep_hook=True)
        self.api.before_answer = lambda _: None
        assert set(rivals) <= {3}
        tally["second runs"] += len(rivals)
        if "--allow-shrink" not in said:
            assert code == -9, said
            self._check_good("incremental", quiet=True, with_models=False)

    @rule(garbage=st.booleans())
    def local_state_is_lost(self, garbage: bool) -> None:
        """All but the warehouse goes, or is damaged."""
        data = self.folder / "data"
        for path in data.glob("*"):
            if path.is_dir():
                shutil.rmtree(path)
        if garbage and data.exists():
            (data / "dlt" / "contacts_elt").mkdir(parents=True)
            (data / "dlt" / "contacts_elt" / "state.json").write_text("{")
        tally["lost states"] += 1

    @rule(events=events, resource=names)
    def api_lists_nothing(self, events: list[Event], resource: str) -> None:
        """A list is empty all at once, and comes back."""
        self._happen(events)
        held = self._raw(resource)
        self.contacts.hidden.add(resource)
        code, said = self._run("incremental", Kill("models", 1), [])
        self.contacts.hidden.clear()
        tally["empty lists"] += 1
        if held and code != -9:
            assert code == 1, said
            assert set(held) <= set(self._raw(resource))

    def _happen(self, events: list[Event]) -> None:
        for event in events:
            self.contacts.happen(*event)
            tally["events"] += 1

    def _environment(self, kind: str) -> dict[str, str]:
        return {
            "ELT__DATA_DIR": str(self.folder / "data"),
            "ELT__FULL_READ_DAYS": "0.00000001" if kind == "full" else "0",
            "SOURCES__ANALYTICS_API__BASE_URL": self.api.url,
            "SOURCES__ANALYTICS_API__API_KEY": API_KEY,
            "SOURCES__ANALYTICS_API__PAGE_SIZE": "3",
        }

    def _run(
        self, kind: str, kill: Kill | None, shifts: list[Shift], keep_hook: bool = False
    ) -> tuple[int, str]:
        started = len(self.api.requests)
        due = sorted(shifts, key=lambda shift: shift[0])

        def shift(_: ListRequest) -> None:
            while due and due[0][0] < len(self.api.requests) - started:
                self.contacts.happen(*due.pop(0)[1])
                tally["events while reading"] += 1

        if not keep_hook:
            self.api.before_answer = shift
        self.contacts.removals.clear()
        self.versions_before = {contact.name for contact in self.contacts.everyone}
        for shown in self.api.shown_now.values():
            shown.clear()
        tally["runs"] += 1
        arguments = [kind] if kind.startswith("--") else []
        return run(self.folder, self._environment(kind), kill, *arguments)

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        path = self.folder / "data" / "warehouse.duckdb"
        if not path.exists():
            return []
        with duckdb.connect(str(path)) as warehouse:
            try:
                return warehouse.sql(sql).fetchall()
            except duckdb.CatalogException:
                return []

    def _raw(self, name: str) -> dict[Key, str]:
        rows = self._query(f"select {', '.join(KEYS[name])}, name from raw.{name}")
        found = {tuple(row[:-1]): row[-1] for row in rows}
        assert len(found) == len(rows), f"raw.{name} holds a key twice"
        return found

    def _loads(self) -> list[tuple[Any, ...]]:
        return self._query("select count(*) from raw._dlt_loads")

    def _everything(self) -> list[Any]:
        """Return what a failed run must not change."""
        tables = ["raw.leads", "raw.users", "raw.rejected_rows", "raw.elt_runs"]
        tables += ["raw._dlt_pipeline_state", "raw._dlt_loads", "snapshots.snap_contacts"]
        tables += ["marts.dim_contacts", "marts.dim_leads", "marts.dim_users"]
        return [self._query(f"select * from {table} order by all") for table in tables]

    def _is_expected(self, name: str, contact: Contact) -> bool:
        """Tell whether a listed contact's newest version must have arrived."""
        return not contact.odd_date and self.excused[name].get(contact.key) != contact.name

    def _excuse(self, full: bool) -> None:
        """Note what a run may have missed because a row left a list while it was read.

        It arrives with the next full read, or with its next change.
        """
        for name in KEYS:
            if full:
                self.excused[name].clear()
            if self.contacts.removals[name]:
                raw = self._raw(name)
                self.excused[name] |= {
                    contact.key: contact.name
                    for contact in self.contacts.listed(name)
                    if contact.name in self.versions_before and raw.get(contact.key) != contact.name
                }

    def _check_shrink(self, kind: str) -> None:
        """Only a list that lost more than half of its contacts may call for --allow-shrink."""
        emails = {contact.user_id for contact in self.contacts.listed("users")}
        numbers = {contact.number for contact in self.contacts.listed("users")}
        shares = []
        for name in KEYS:
            raw = self._raw(name)
            listed = {contact.key for contact in self.contacts.listed(name)}
            known = numbers if name == "leads" else emails
            lost = [key for key in raw if key not in listed and key[0] not in known]
            shares.append(len(lost) / max(len(raw), 1))
        assert max(shares) > 0.5 or self.contacts.removals
        tally["shrunk lists"] += 1

    def _check_good(self, kind: str, quiet: bool, with_models: bool) -> None:
        full = kind != "incremental"
        self._excuse(full)
        for name in KEYS:
            raw = self._raw(name)
            listed = {contact.key: contact for contact in self.contacts.listed(name)}
            for key, version in raw.items():
                assert (key, version) in self.api.shown[name], f"{key} {version} was invented"
            for key, contact in listed.items():
                if quiet and (full or self._is_expected(name, contact)):
                    assert raw.get(key) == contact.name, f"{name}: {contact} is {raw.get(key)}"
                elif full and key in self.api.shown_now[name]:
                    assert key in raw, f"{name}: {contact} was read, and is lost"
            if quiet and full:
                assert set(raw) == set(listed)
        if with_models:
            self._check_models(exact=quiet, whole=quiet and full)

    def _check_models(self, exact: bool, whole: bool) -> None:
        tally["builds"] += 1
        rows = self._query(
            "select contact_id, email, is_user, contact_stage from marts.dim_contacts"
        )
        marts = {row[0]: row[1:] for row in rows}
        assert len(marts) == len(rows), "a contact is in dim_contacts twice"
        everyone = {contact.contact_id: contact for contact in self.contacts.everyone}
        for contact_id, contact in everyone.items() if exact else ():
            if contact.listed and (whole or self._is_expected(contact.listed, contact)):
                email, is_user, stage = marts[contact_id]
                assert email == contact.email, f"{contact} is {email}"
                assert is_user == (contact.listed == "users")
                assert stage == "converted_user" or not (is_user and contact.was_lead)
        if whole:
            listed = {key for key, contact in everyone.items() if contact.listed}
            assert set(marts) == listed
        open_leads = self._query("select contact_id from marts.dim_leads where not is_converted")
        assert {i for (i,) in open_leads} == {i for i, row in marts.items() if not row[1]}
        users = self._query("select contact_id from marts.dim_users")
        assert sorted(i for (i,) in users) == sorted(i for i, row in marts.items() if row[1])
        self._check_history({contact_id: row[0] for contact_id, row in marts.items()})

    def _check_history(self, marts: dict[str, str]) -> None:
        """The current versions are the marts; who was ever in them is never forgotten."""
        versions = self._query(
            "select contact_id, email, dbt_is_deleted from snapshots.snap_contacts "
            "where dbt_valid_to is null"
        )
        assert {row[0]: row[1] for row in versions if row[2] == "False"} == marts
        ids = {row[0] for row in versions}
        assert len(ids) == len(versions), "a contact has two current versions"
        assert ids >= self.history, "history forgot a contact"
        self.history = ids
        gone = {row[0] for row in versions if row[2] == "True"}
        assert gone == ids - set(marts)
        tally["contacts noticed as gone"] += len(gone)
