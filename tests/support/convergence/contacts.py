"""The truth that a warehouse must converge to: contacts, what happens to them, what is listed.

Every change of a contact gives it a new `name`, so that a row tells which version of it was read.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from extract.sandbox.server import ApiServer, Fault, ListRequest, Reply

START = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp())  # no history gets as far as today
Key = tuple[Any, ...]
KEYS = {"leads": ("crmhero_user_id",), "users": ("user_id", "email")}
# the last two are listed first, the others last
ODD_DATES: tuple[Any, ...] = (None, "", "0000-00-00 00:00:00", "yesterday", "9031-01-01 00:00:00")


@dataclass
class Contact:
    """One person; `listed` is the list it is in, or empty when it is deleted."""

    number: int
    listed: str
    name: str
    changed_at: int  # UNIX seconds
    email: str
    user_id: str | None = None
    has_number: bool = True  # the API may give a user its contact id late
    was_lead: bool = False
    ever_lead: bool = False
    odd_date: bool = False
    last_update: Any = None  # where the date is odd

    @property
    def contact_id(self) -> str:
        """The key of the marts."""
        return str(self.number) if self.has_number else f"user:{self.user_id}"

    @property
    def key(self) -> Key:
        """The primary key of the raw row."""
        return (self.number,) if self.listed == "leads" else (self.user_id, self.email)

    @property
    def is_listed_last(self) -> bool:
        """Tell whether only a full sync is sure to come to the row."""
        return self.odd_date and self.last_update not in ODD_DATES[3:]

    def row(self) -> dict[str, Any]:
        """Return what the API lists."""
        row: dict[str, Any] = {
            "crmhero_user_id": self.number if self.has_number else None,
            "email": self.email,
            "name": self.name,
            "last_update": self.last_update if self.odd_date else _moment(self.changed_at),
            "was_lead": int(self.was_lead),
            "app_id": "project",
        }
        return row if self.listed == "leads" else {**row, "user_id": self.user_id}


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


class Contacts:
    """All contacts, the clock of the API, and what can happen."""

    def __init__(self) -> None:
        self.now = START
        self.everyone: list[Contact] = []
        self.versions = 0
        self.removals: Counter[str] = Counter()  # rows that left a list, by list
        self.hidden: set[str] = set()  # lists that the API shows empty
        self.keyless: dict[str, list[dict[str, Any]]] = {name: [] for name in KEYS}

    def listed(self, name: str) -> list[Contact]:
        """Return who is in a list."""
        if name in self.hidden:
            return []
        return [contact for contact in self.everyone if contact.listed == name]

    def lists(self) -> dict[str, list[dict[str, Any]]]:
        """Return what the API lists now."""
        return {
            name: [contact.row() for contact in self.listed(name)]
            + ([] if name in self.hidden else self.keyless[name])
            for name in KEYS
        }

    def happen(self, event: str, pick: int, seconds: int, back: int) -> None:
        """Let something happen.

        Args:
            event: a name of `EVENTS`.
            pick: chooses the contact it happens to.
            seconds: how much later than the last event.
            back: how many seconds its `last_update` is behind the clock.
        """
        self.now += seconds
        self.versions += 1
        if event in KEYLESS:
            self._happen_to_keyless(event, pick)
            return
        wanted, change = EVENTS[event]
        able = [contact for contact in self.everyone if contact.listed in wanted]
        if not wanted:
            able = [Contact(len(self.everyone) + 1, "", "", 0, "")]
            self.everyone += able
        if not able:
            return
        contact = able[pick % len(able)]
        before = contact.listed
        change(contact, pick)
        contact.name = f"version {self.versions}"
        contact.changed_at = self.now - back
        if contact.odd_date:
            contact.last_update = ODD_DATES[pick % len(ODD_DATES)]
        # what leaves a list, or goes down in it, moves other rows to a page that was read already
        if before and (before != contact.listed or back or contact.odd_date):
            self.removals[before] += 1

    def _happen_to_keyless(self, event: str, pick: int) -> None:
        name = ("leads", "users")[pick % 2]
        rows = self.keyless[name]
        if event == "add row without key":
            moment = _moment(self.now)
            rows.append({"name": f"version {self.versions}", "last_update": moment})
        elif rows:
            rows.pop(pick % len(rows))
            self.removals[name] += 1


def _add_lead(contact: Contact, pick: int) -> None:
    contact.listed, contact.ever_lead = "leads", True
    contact.email = f"c{contact.number}@example.com"
    contact.odd_date = pick % 7 == 0


def _add_user(contact: Contact, pick: int) -> None:
    _add_lead(contact, pick)
    contact.listed, contact.user_id = "users", f"u{contact.number}"
    contact.ever_lead = False
    contact.has_number = pick % 4 > 0


def _sign_up(contact: Contact, pick: int) -> None:
    contact.listed, contact.user_id, contact.was_lead = "users", f"u{contact.number}", pick % 5 > 0


def _rename(contact: Contact, pick: int) -> None:
    contact.email = f"{pick}.{contact.email}"


def _set_number(contact: Contact, pick: int) -> None:
    contact.has_number = True


def _delete(contact: Contact, pick: int) -> None:
    contact.listed = ""


def _restore(contact: Contact, pick: int) -> None:
    contact.listed = "users" if contact.user_id else "leads"


def _touch(contact: Contact, pick: int) -> None:
    """Change nothing but what changes with every event."""


# by event: the lists of those it can happen to (none: somebody new), and what it does
EVENTS: dict[str, tuple[tuple[str, ...], Callable[[Contact, int], None]]] = {
    "add lead": ((), _add_lead),
    "add user": ((), _add_user),
    "touch": (("leads", "users"), _touch),
    "sign up": (("leads",), _sign_up),
    "rename user": (("users",), _rename),
    "rename lead": (("leads",), _rename),
    "set number": (("users",), _set_number),
    "delete": (("leads", "users"), _delete),
    "restore": (("",), _restore),
}
KEYLESS = ("add row without key", "drop row without key")


class WatchedServer(ApiServer):
    """Serves the contacts, and remembers what it showed."""

    def __init__(self, contacts: Contacts, api_key: str) -> None:
        super().__init__(contacts.lists, api_key)
        self.shown: dict[str, set[tuple[Key, str]]] = {name: set() for name in KEYS}
        self.before_answer: Callable[[ListRequest], None] = lambda _: None
        self._one_at_a_time = threading.Lock()  # what is asked for at once is answered in turn
        self.fault = self._fault
        self.begin_run()

    def begin_run(self, failing: Fault = lambda _: None) -> None:
        """Forget what was shown to the run before; `failing` is the fault of the next."""
        self.failing = failing
        self.faults_served = 0
        self.shown_now: dict[str, dict[Key, list[dict[str, Any]]]] = {name: {} for name in KEYS}
        self.keyless_now: dict[str, set[str]] = {name: set() for name in KEYS}
        self.first_pages = 0  # of leads
        self._attempts.clear()

    def ordered(self, request: ListRequest) -> list[dict[str, Any]]:
        """Return the rows of a list in the order requested."""
        ascends = request.params.get("sort_direction") == "asc"
        return sorted(
            self.lists()[request.name],
            key=lambda row: str(row["last_update"] or ""),
            reverse=not ascends,
        )

    def show(self, request: ListRequest, rows: list[dict[str, Any]]) -> Reply:
        """Return the page of a list that has these rows, and remember what it shows."""
        size = request.per_page
        listed = rows[request.page * size : (request.page + 1) * size]
        for row in listed:
            key = tuple(row.get(field) for field in KEYS[request.name])
            if None not in key:
                self.shown[request.name].add((key, row["name"]))
                self.shown_now[request.name].setdefault(key, []).append(row)
            elif request.params["sort_direction"] == "desc":  # the other end proves nothing of it
                self.keyless_now[request.name].add(row["name"])
        return Reply.of_json({"data": {request.name: listed}})

    def fresh(self, name: str, key: Key) -> set[str]:
        """Return which of the versions shown to a run it may keep.

        Not those that were shown again later, and were not older then.
        """
        copies = self.shown_now[name].get(key, [])
        dates = [str(copy["last_update"] or "") for copy in copies]
        return {
            copy["name"]
            for number, copy in enumerate(copies)
            if dates[number] > max(dates[number + 1 :], default="")
            or copy["name"] == copies[-1]["name"]
        }

    def _fault(self, request: ListRequest) -> Reply:
        with self._one_at_a_time:
            self.before_answer(request)
            self.first_pages += (request.name, request.page) == ("leads", 0)
        if reply := self.failing(request):
            self.faults_served += 1
            return reply
        with self._one_at_a_time:
            return self.show(request, self.ordered(request))
