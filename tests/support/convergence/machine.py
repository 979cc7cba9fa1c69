"""Random histories of an API, its faults and killed runs; after each, what must hold."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from extract.sandbox.server import Fault as Failing
from extract.sandbox.server import ListRequest, Reply
from tests.support.convergence.checks import BUILT, LOADED, MARTS, STATE, Checks, tally
from tests.support.convergence.contacts import EVENTS, KEYLESS, KEYS, Contacts, WatchedServer
from tests.support.convergence.faults import (
    FAULTS,
    MAY_HIDE_ROWS,
    SAME_PAGE,
    SILENCE,
    TIME_OUT,
    VIOLATIONS,
    exit_codes,
    fault_on,
)
from tests.support.convergence.process import KILL_POINTS, Kill, run

Event = tuple[str, int, int, int]  # arguments of Contacts.happen
Shift = tuple[int, Event]
Fault = tuple[str, str, int, int]  # name, list, page, times (0: for ever)
API_KEY = "recognisable-key-4711"
MODELS = Kill("models", 1)


def evenly(*choices: Any) -> st.SearchStrategy[Any]:
    """Choose one; hypothesis itself prefers the first, and what it chose before."""
    return st.randoms(use_true_random=True).map(lambda chance: chance.choice(choices))


names = evenly(*KEYS)
violated = evenly(("leads",), ("users",), ("leads", "users"))
happenings = st.tuples(
    evenly(*EVENTS, *KEYLESS),
    evenly(*range(100)),  # picks the contact
    evenly(0, 0, 1, 30, 2000, 90_000),  # seconds later; 0: twice in one second
    evenly(0, 0, 0, 1, 600),  # seconds that its last_update lies behind the clock
)
faults = st.tuples(evenly(*FAULTS), names, evenly(0, 0, 1, 1, 2, 3), evenly(1, 3, 4, 0))
kills = evenly(*(Kill(point, n) for point, counts in KILL_POINTS.items() for n in counts))
events = st.lists(happenings, max_size=6)  # between two runs
# before the answer to the n-th request of a run, something happens
shifts = st.lists(st.tuples(evenly(*range(10)), happenings), max_size=4)
ordinary = evenly("incremental", "incremental", "full", "--full-refresh")


class Convergence(Checks):
    """One warehouse, one API, and a history that hypothesis makes up."""

    def __init__(self, max_in_flight: int = 0) -> None:
        super().__init__()
        # every other history reads ahead
        self.max_in_flight = max_in_flight or (1, 4)[tally["histories"] % 2]
        self.folder = Path(tempfile.mkdtemp(prefix="convergence-"))
        self.contacts = Contacts()
        self.api = WatchedServer(self.contacts, API_KEY)
        self.api.__enter__()
        tally["histories"] += 1
        for number in range(4):
            self.contacts.happen("add lead", 1 + number, 100, 0)
            self.contacts.happen("add user", 1 + number, 100, 0)

    def teardown(self) -> None:
        """Stop the server and leave nothing behind."""
        self.api.__exit__()
        self.forget_copy()
        shutil.rmtree(self.folder)

    @rule(events=events, kind=ordinary, shifts=shifts, stop=st.booleans())
    def good_run(self, events: list[Event], kind: str, shifts: list[Shift], stop: bool) -> None:
        """Run while things happen; `stop` ends it before the models, to save their time."""
        self._happen(events)
        kill = MODELS if stop else None
        code, refused = self._run(kind, kill, shifts)
        if refused:
            kind, shifts = "--allow-shrink", []
            code, refused = self._run(kind, kill, shifts)
        assert (code, refused) == (-9 if stop else 0, False), self.said
        self.check_good(kind != "incremental", quiet=not shifts, with_models=not stop)

    @rule(events=events, kind=ordinary, shifts=shifts, fault=faults)
    def run_with_a_fault(
        self, events: list[Event], kind: str, shifts: list[Shift], fault: Fault
    ) -> None:
        """The API fails on some page: the run fails and changes nothing, or gets over it."""
        self._happen(events)
        name, resource, page, times = fault
        shifts = [] if name == SAME_PAGE else shifts
        before = self.rows(*LOADED, *STATE, *BUILT)
        failing = fault_on(self.api, name, resource, page, times)
        code, refused = self._run(kind, MODELS, shifts, failing, name == SILENCE)
        if refused:
            return
        served = self.api.faults_served
        tally[f"fault {'met' if served else 'not reached'}"] += 1
        tally[f"fault: {name}"] += bool(served)
        tally[f"fault: {name}, exit code {code}"] += 1
        expected = {-9 if code == 0 else code for code in exit_codes(name, times, served)}
        if code == -9 and page > 0 and code not in expected:
            self.check_did_without_page(quiet=not shifts)
            return
        assert code in expected, f"{code} instead of {expected}: {self.said}"
        if code == -9:
            self.check_good(kind != "incremental", quiet=not shifts, with_models=False)
        else:
            assert self.rows(*LOADED, *STATE, *BUILT) == before

    @rule(events=events, kind=ordinary, violation=evenly(*VIOLATIONS), resources=violated)
    def run_with_a_violation(
        self, events: list[Event], kind: str, violation: str, resources: tuple[str, ...]
    ) -> None:
        """The API breaks its contract: the run notices, or has all that is listed."""
        self._happen(events)
        before = self.raw()

        def violate(request: ListRequest) -> Reply | None:
            return VIOLATIONS[violation](self.api, request) if request.name in resources else None

        code, refused = self._run(kind, MODELS, [], violate)
        if refused:
            return
        tally[f"violation: {violation}, exit code {code}"] += 1
        after = self.raw()
        for name in KEYS:
            listed = {contact.key for contact in self.contacts.listed(name)}
            deleted = set(before[name]) - set(after[name])
            assert not deleted & listed, f"{deleted & listed} is listed and was deleted"
            assert code == -9 or not deleted, f"{deleted} was deleted by a run that failed"
        if code == -9 and violation not in MAY_HIDE_ROWS:
            self.check_good(kind != "incremental", quiet=True, with_models=False)
        else:
            assert code in (-9, 1, 2), self.said
            self.good_run([], "--full-refresh", [], stop=True)

    @rule(events=events, kind=ordinary, shifts=shifts, kill=kills)
    def killed_run(self, events: list[Event], kind: str, shifts: list[Shift], kill: Kill) -> None:
        """The process dies somewhere."""
        self._happen(events)
        raw, loaded, built = self.raw(), self.rows(*LOADED), self.rows(*BUILT)
        (loads,) = self.rows("raw._dlt_loads")
        code, refused = self._run(kind, kill, shifts)
        if refused:
            return
        if code == 0:  # it ended before its time to die
            self.check_good(kind != "incremental", quiet=not shifts, with_models=True)
            return
        assert code == -9, self.said
        tally[f"killed at {kill.point}"] += 1
        if kill.point not in ("dbt", "publish"):
            assert self.rows(*BUILT) == built
        if kill.point == "page" or kill == Kill("normalize", 1):  # the last one is of the note
            assert self.rows(*LOADED) == loaded
        if kill.point == "load":
            assert all(set(raw[name]) <= set(held) for name, held in self.raw().items())
        if self.rows("raw._dlt_loads") == [loads]:
            self.raw()
        else:
            self.check_unfinished(() if kind == "incremental" else KEYS)

    @rule(events=events, page=evenly(0, 1, 2), resource=names)
    def second_run_at_once(self, events: list[Event], page: int, resource: str) -> None:
        """While a run reads, another starts: it ends at once, and the first is not disturbed."""
        self._happen(events)
        rivals: list[int] = []

        def start(request: ListRequest) -> None:
            if (request.name, request.page) == (resource, page) and not rivals:
                (self.folder / "rival").mkdir(exist_ok=True)
                rivals.append(run(self.folder / "rival", self._environment(""))[0])

        self.hook = start
        code, refused = self._run("incremental", MODELS, [])
        self.hook = None
        assert set(rivals) <= {3}
        tally["second runs"] += len(rivals)
        if not refused:
            assert code == -9, self.said
            self.check_good(full=False, quiet=True, with_models=False)

    @rule(garbage=st.booleans())
    def local_state_is_lost(self, garbage: bool) -> None:
        """All but the warehouse goes, or is damaged."""
        data = self.folder / "data"
        for path in data.glob("*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif not path.name.startswith("warehouse.duckdb"):
                path.unlink()
        if garbage and data.exists():
            (data / "dlt" / "contacts_elt").mkdir(parents=True)
            (data / "dlt" / "contacts_elt" / "state.json").write_text("{")
        tally["lost states"] += 1

    @rule(events=events, resource=names)
    def api_lists_nothing(self, events: list[Event], resource: str) -> None:
        """A list is empty all at once, and comes back."""
        self._happen(events)
        self.contacts.hidden.add(resource)
        must_refuse = self.loses_too_much(self.raw(), [resource])
        code, refused = self._run("incremental", MODELS, [])
        assert refused or not must_refuse, f"it took an empty list of {resource} for the truth"
        if not refused:
            assert code == -9, self.said
            self.check_good(full=False, quiet=True, with_models=False)
        self.contacts.hidden.clear()
        tally["empty lists"] += 1

    hook: Any = None  # instead of shifts

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
            "SOURCES__ANALYTICS_API__MAX_IN_FLIGHT": str(self.max_in_flight),
        }

    def _run(
        self,
        kind: str,
        kill: Kill | None,
        shifts: list[Shift],
        failing: Failing = lambda _: None,
        impatient: bool = False,
    ) -> tuple[int, bool]:
        """Run once.

        Returns:
            The exit code, and whether the run refused to remove so much.
        """
        started = len(self.api.requests)
        due = sorted(shifts, key=lambda shift: shift[0])

        def shift(_: ListRequest) -> None:
            while due and due[0][0] < len(self.api.requests) - started:
                self.contacts.happen(*due.pop(0)[1])
                tally["events while reading"] += 1

        self.api.before_answer = self.hook or shift
        self.api.begin_run(failing)
        self.contacts.removals.clear()
        self.versions_before = {contact.name for contact in self.contacts.everyone}
        raw, built, published = self.raw(), self.rows(*BUILT), self.published()
        self.raw_before = raw
        loses_too_much = self.loses_too_much(raw)
        environment = self._environment(kind)
        if impatient:
            environment["CONVERGENCE_TIMEOUT"] = str(TIME_OUT)
        arguments = [kind] if kind.startswith("--") else []
        code, self.said = run(self.folder, environment, kill, *arguments)
        self.forget_copy()
        if code and (code, kill and kill.point) != (-9, "publish"):
            assert self.published() == published
        elif self.published() != published:
            version, rows = self.published()
            assert version > published[0]
            assert rows == self.rows(*BUILT)[: len(MARTS)]
        self.api.failing = lambda _: None
        tally["runs"] += 1
        tally[f"{kind.strip('-')} runs{' with shifts' * (len(due) < len(shifts))}"] += 1
        refused = code == 1 and "--allow-shrink" in self.said
        if refused:
            tally["shrunk lists"] += 1
            assert loses_too_much or shifts or self.unfinished, self.said
            assert all(set(raw[name]) <= set(held) for name, held in self.raw().items())
            assert self.rows(*BUILT) == built
            self.check_unfinished(self.contacts.hidden if kind == "incremental" else KEYS)
        elif code in (0, -9) and kind in ("full", "--full-refresh") and not shifts:
            stages = ("page", "normalize", "load")
            assert not loses_too_much or (kill and kill.point in stages), "nothing was refused"
        return code, refused
