"""What must hold after a run: the warehouse, held against what the API lists and has shown.

And what is published: marts that a run built and tested, all of one version.
"""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
from hypothesis.stateful import RuleBasedStateMachine

from tests.support.convergence.contacts import KEYS, Contact, Contacts, Key, WatchedServer

MARTS = ("dim_contacts", "dim_leads", "dim_users", "fct_contact_changes", "fct_loads")
BUILT = (*(f"marts.{mart}" for mart in MARTS), "snapshots.snap_contacts")
LOADED = ("raw.leads", "raw.users", "raw.rejected_rows", "raw.elt_runs")
STATE = ("raw._dlt_pipeline_state", "raw._dlt_loads")
tally: Counter[str] = Counter()  # what was tried, over all histories


class Checks(RuleBasedStateMachine):
    """The truth, the warehouse, and what may differ between the two."""

    folder: Path
    contacts: Contacts
    api: WatchedServer
    max_in_flight: int  # requests of a list
    versions_before: set[str]  # of the contacts, before the run
    raw_before: dict[str, dict[Key, str]]
    copy: duckdb.DuckDBPyConnection | None = None

    def __init__(self) -> None:
        super().__init__()
        # the version of a row that another's removal pushed past a reader
        self.excused: dict[str, dict[Key, str]] = {name: {} for name in KEYS}
        # what an unfinished full sync found unlisted: the next good run is a full one
        self.owed: dict[str, set[Key]] = {name: set() for name in KEYS}
        # a full sync may be unfinished: what it found held counts, not what it merged
        self.unfinished = False
        self.history: set[tuple[Any, ...]] = set()
        self.leads_built: set[int] = set()

    def query(self, *statements: str) -> list[list[tuple[Any, ...]]]:
        """Query a copy: opening the warehouse would mend what a kill left of it."""
        if not self.copy:
            path = self.folder / "copy.duckdb"
            for old in self.folder.glob("copy.duckdb*"):
                old.unlink()
            for part in (self.folder / "data").glob("warehouse.duckdb*"):
                shutil.copy(part, path.with_name(part.name.replace("warehouse", "copy")))
            self.copy = duckdb.connect(str(path))
        tables = self.copy.sql(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
        return [
            self.copy.sql(sql).fetchall()
            if (sql.partition(" from ")[2].split()[0],) in tables
            else []
            for sql in statements
        ]

    def forget_copy(self) -> None:
        """Let the next query see the warehouse as it is then."""
        if self.copy:
            self.copy.close()
        self.copy = None

    def rows(self, *tables: str) -> list[Any]:
        """Return all there is in some tables, in an order."""
        found = self.query(*(f"select * from {table}" for table in tables))
        return [sorted(rows, key=repr) for rows in found]

    def published(self) -> tuple[str, list[Any]]:
        """Return what is published: the version, and the rows of some marts."""
        path = self.folder / "data" / "contacts.duckdb"
        if not path.exists():
            return "", []
        with duckdb.connect(str(path), read_only=True) as contacts:
            ((version,),) = contacts.sql("select distinct version from published").fetchall()
            for mart, count in contacts.sql("select mart, row_count from published").fetchall():
                for table in (mart, f"'{path.parent}/parquet/{mart}.parquet'"):
                    assert contacts.sql(f"select count(*) from {table}").fetchone() == (count,)
            ((files_version,),) = contacts.sql(
                "select distinct decode(value) "
                f"from parquet_kv_metadata('{path.parent}/parquet/*.parquet')"
            ).fetchall()
            assert files_version == version
            return version, [
                sorted(contacts.sql(f"select * from {mart}").fetchall(), key=repr) for mart in MARTS
            ]

    def raw(self) -> dict[str, dict[Key, str]]:
        """Return the versions in the raw tables, each key once."""
        lists = self.query(
            *(f"select {', '.join(KEYS[name])}, name from raw.{name}" for name in KEYS)
        )
        raw = {}
        for name, rows in zip(KEYS, lists, strict=True):
            raw[name] = {tuple(row[:-1]): row[-1] for row in rows}
            assert len(raw[name]) == len(rows), f"raw.{name} holds a key twice"
            for key, version in raw[name].items():
                assert (key, version) in self.api.shown[name], f"{key} {version} was invented"
        return raw

    def loses_too_much(self, raw: dict[str, dict[Key, str]], names: Iterable[str] = KEYS) -> bool:
        """Return whether a full sync must refuse to delete what is no longer listed."""
        users = self.contacts.listed("users")
        known: dict[str, set[Any]] = {
            "leads": {u.number for u in users} | {int(user[1:]) for user, _ in raw["users"]},
            "users": {u.user_id for u in users},
        }
        for name in names:
            listed = {contact.key for contact in self.contacts.listed(name)}
            lost = [key for key in raw[name] if key not in listed and key[0] not in known[name]]
            if len(lost) > 0.5 * len(raw[name]):
                return True
        return False

    def check_unfinished(self, whole: Iterable[str]) -> None:
        """After a load without its end: what it holds, and owes of the lists it read whole."""
        raw = self.raw()
        self.unfinished = True
        self._excuse(raw, full=False)
        for name in whole:
            self.owed[name] |= set(raw[name]) - set(self.api.shown_now[name])

    def check_good(self, full: bool, quiet: bool, with_models: bool) -> None:
        """After a good run.

        Args:
            full: it was asked to read the lists whole.
            quiet: nothing happened while it read.
            with_models: it built them.
        """
        raw = self.raw()
        self._excuse(raw, full)
        for name in KEYS:
            shown = self.api.shown_now[name]
            listed = {contact.key: contact for contact in self.contacts.listed(name)}
            for key, contact in listed.items():
                if quiet and (full or self._is_expected(name, contact)):
                    held = raw[name].get(key)
                    assert held == contact.name, f"{name}: {contact} is {held}"
            # a run that meets only strangers begins again, as a full one; what is read ahead can be
            # void once rows have moved, and what was on it jumped away
            in_order = self.max_in_flight == 1 and (full or self.api.first_pages == 1)
            for key in shown if quiet or in_order else ():
                fresh, held = self.api.fresh(name, key), raw[name].get(key)
                assert held in fresh or self.excused[name].get(key) in fresh, (
                    f"{name}: {key} was shown as {fresh}, and is {held}"
                )
            gone = set(raw[name]) if full else self.owed[name] & set(raw[name])
            assert gone <= set(shown), f"{name}: {gone - set(shown)} should have been removed"
            if quiet and full:
                assert set(raw[name]) == set(listed)
            # it takes two rows that leave, one in each of two reads, to hide a row from both
            lost = {
                key
                for key, contact in listed.items()
                if contact.name in self.versions_before
                and key in self.raw_before[name]
                and key not in raw[name]
            }
            left = self.contacts.removals[name]
            assert len(lost) <= left // 2, f"{name}: {left} rows left, and {lost} were removed"
            self.owed[name].clear()
        self.unfinished = False
        self._check_rejected(full, quiet)
        if with_models:
            self._check_models(raw, exact=quiet, whole=quiet and full)

    def check_did_without_page(self, quiet: bool) -> None:
        """After a run that failed to get a page which changes do not need.

        It was to prove something, or the rest of a full sync, which is tried again in a day.
        """
        for owed in self.owed.values():
            owed.clear()
        self.check_good(full=False, quiet=quiet, with_models=False)

    def _is_expected(self, name: str, contact: Contact) -> bool:
        """Tell whether a listed contact's newest version must have arrived."""
        excuse = self.excused[name].get(contact.key)
        return not contact.is_listed_last and excuse != contact.name

    def _excuse(self, raw: dict[str, dict[Key, str]], full: bool) -> None:
        """Note what a run missed because other rows left a list while it was read.

        It arrives with the next full sync, or with its next change. One that leaves pushes one row
        at most past the reader.
        """
        for name in KEYS:
            if full:
                self.excused[name].clear()
            missed = {
                contact.key: contact.name
                for contact in self.contacts.listed(name)
                if contact.name in self.versions_before
                and raw[name].get(contact.key) != contact.name
                and contact.name not in self.api.fresh(name, contact.key)
                and (full or self._is_expected(name, contact))
            }
            left = self.contacts.removals[name]
            assert len(missed) <= left, f"{name}: {left} rows left, and {missed} were missed"
            self.excused[name] |= missed

    def _check_rejected(self, full: bool, quiet: bool) -> None:
        (rows,) = self.query("select resource, row_json ->> 'name' from raw.rejected_rows")
        for name in KEYS:
            rejected = {version for resource, version in rows if resource == name}
            shown = self.api.keyless_now[name]
            assert shown <= rejected or not quiet, f"{shown - rejected} was not set aside"
            assert rejected <= shown or not full, f"{rejected - shown} was not removed"

    def _check_models(self, raw: dict[str, dict[Key, str]], exact: bool, whole: bool) -> None:
        tally["builds"] += 1
        contacts, open_leads, users, versions = self.query(
            "select contact_id, email, full_name, is_user, contact_stage from marts.dim_contacts",
            "select contact_id from marts.dim_leads where not is_converted",
            "select contact_id from marts.dim_users",
            "select contact_id, email, full_name, cast(dbt_valid_from as varchar), "
            "dbt_is_deleted, dbt_valid_to from snapshots.snap_contacts",
        )
        marts = {row[0]: row[1:] for row in contacts}
        # whoever is in raw, each once
        people = {number for (number,) in raw["leads"]} | {int(u[1:]) for u, _ in raw["users"]}
        assert sorted(int(row[0].removeprefix("user:u")) for row in contacts) == sorted(people)
        for contact in self.contacts.everyone if exact else ():
            if contact.listed and (whole or self._is_expected(contact.listed, contact)):
                self._check_contact(contact, *marts[contact.contact_id])
        if whole:
            listed = {c.contact_id for c in self.contacts.everyone if c.listed}
            assert set(marts) == listed
        leads = {contact_id for contact_id, row in marts.items() if not row[2]}
        self.leads_built |= set(map(int, leads))
        assert sorted(i for (i,) in open_leads) == sorted(leads)
        assert sorted(i for (i,) in users) == sorted(set(marts) - leads)
        self._check_history(marts, versions)
        assert self.published()[1] == self.rows(*BUILT)[: len(MARTS)]

    def _check_contact(
        self, contact: Contact, email: str, name: str, is_user: bool, stage: str
    ) -> None:
        assert (email, name) == (contact.email, contact.name), f"{contact} is {email}, {name}"
        assert is_user == (contact.listed == "users")
        if not is_user:
            assert stage == "lead"
        elif contact.was_lead or contact.number in self.leads_built:
            assert stage == "converted_user", f"{contact} is {stage}"
        elif not contact.ever_lead:
            assert stage == "direct_user", f"{contact} is {stage}"

    def _check_history(self, marts: dict[str, Any], versions: list[tuple[Any, ...]]) -> None:
        """The current versions are the marts; nothing that was ever noted is forgotten."""
        current = [row for row in versions if row[5] is None]
        living = {row[0]: row[1:3] for row in current if row[4] == "False"}
        assert living == {contact_id: row[:2] for contact_id, row in marts.items()}
        ids = {row[0] for row in current}
        assert len(ids) == len(current), "a contact has two current versions"
        noted = {row[:5] for row in versions}
        assert noted >= self.history, f"history forgot {self.history - noted}"
        self.history = noted
        gone = {row[0] for row in current if row[4] == "True"}
        assert gone == {row[0] for row in versions} - set(marts)
        tally["contacts noticed as gone"] += len(gone)
