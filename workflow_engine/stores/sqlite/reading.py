"""Reading from the store: functions of a raw connection, strict about everything they return."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, overload

from workflow_engine.errors import RunNotFound, StoreError
from workflow_engine.ports.ledger import Recorded, Shared, Snapshot
from workflow_engine.record.events import read_event
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Value, Write, set_to
from workflow_engine.stores.sqlite.lending import SHARED, Lent, lender_of
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.rows import Row, RunRow, checked, damaged, decoded, run_row
from workflow_engine.stores.sqlite.seals import digest


def row(db: sqlite3.Connection, run: RunId) -> RunRow:
    """A run's own row. Raises RunNotFound, StoreDamaged."""
    found = one(db, "run", run)
    if found is None:
        _really_missing(db, run)
        raise RunNotFound(f"no run {run}", "list them: workflow runs")
    kept = run_row(found)
    last = db.execute(SQL["last_event"], (kept.key,)).fetchone()[0]
    if last != kept.seq:
        raise damaged(run, "its journal", f"ends at event {last} and not at {kept.seq}")
    return kept


def _really_missing(db: sqlite3.Connection, run: RunId) -> None:
    """Raises StoreDamaged for a run that only its index has lost. Slow, and asked only about what was not found."""
    with suppress(UnicodeEncodeError):
        if db.execute(SQL["run_unindexed"], (run,)).fetchone() is not None:
            raise damaged(run, "the index of runs", "does not lead to it")


def one(db: sqlite3.Connection, query: str, name: str) -> Row | None:
    """The one row of a name. What is no text (an argument of undecodable bytes) is the name of nothing."""
    try:
        found: Row | None = db.execute(SQL[query], (name,)).fetchone()
    except UnicodeEncodeError:
        return None
    return found


def snapshot(db: sqlite3.Connection, run: RunId) -> Snapshot:
    """A run and its state."""
    kept = row(db, run)
    return Snapshot(kept.run, state(db, kept, kept.fields))


def state(db: sqlite3.Connection, kept: RunRow, versions: Mapping[str, int]) -> dict[str, Value]:
    """The fields at the given versions."""
    found = ((field, _value(db, kept, field, version)) for field, version in versions.items())
    return {field: value for field, value in found if value is not None}


def _value(db: sqlite3.Connection, kept: RunRow, field: str, newest: int) -> Value | None:
    """From the newest `set` on: read backwards until it is met, then put together forwards. None where it was dropped.

    A `shared` version leads on to the run that holds it. All that comes from there was written when the fork began.
    """
    chain: list[tuple[Any, int, str]] = []
    key, run, version = kept.key, kept.id, newest
    begun: int | None = None
    passed: set[RunId] = set()
    while True:
        rows = _versions(db, key, run, field, version)
        chain += [(op, seq if begun is None else begun, text) for op, seq, text in rows]
        if chain[-1][0] != SHARED:
            break
        _, seq, text = chain.pop()
        begun = seq if begun is None else begun
        passed.add(run)
        borrower, place = run, f"field {field}"
        run, version = decoded(lender_of, text, borrower, place)
        found = one(db, "key_of_run", run)
        if found is None or run in passed:  # no run lends to one that it borrowed from
            raise damaged(borrower, place, f"is shared with run {run}, where it is not")
        key = found[0]
    op, seq, text = chain.pop()
    if op == "drop":
        if not chain:
            return None
        op, seq, text = chain.pop()
    value = set_to(text, seq)
    while chain:
        op, seq, text = chain.pop()
        value = value.then(Write(field, op, text), seq)
    return value


def _versions(db: sqlite3.Connection, key: int, run: RunId, field: str, newest: int) -> Iterator[tuple[Any, int, str]]:
    """Op, seq and text of a field's versions, from the newest back to one that rests on none of this run."""
    place = f"field {field}"
    wanted = newest
    for version, first, seq, op, mark, text in db.execute(SQL["versions"], (key, field, newest)):
        if version != wanted:
            raise damaged(run, place, f"lacks its version {wanted}")
        checked(mark, text, run, f"{place}, version {version}", run, field, version, first, seq, op)
        yield op, seq, text
        wanted -= 1
        if op in ("set", "drop", SHARED):
            return
    # A field that began with an append has no `set`: its first version is the beginning.
    if wanted != 0 or newest == 0:
        raise damaged(run, place, f"lacks its version {wanted}")


def lent(db: sqlite3.Connection, shared: Shared) -> list[Lent]:
    """Where the values that a fork shares are really held. Raises StoreError where they are not there."""
    kept = row(db, shared.run)
    return [_lent(db, kept, field, _version_as_of(db, kept, field, shared.seq)) for field in shared.fields]


def _lent(db: sqlite3.Connection, kept: RunRow, field: str, version: int | None) -> Lent:
    place = f"field {field}"
    if version is None:
        raise damaged(kept.id, place, "lacks what a fork shares of it")
    op, text = _version(db, kept, field, version)
    if op != SHARED:
        return Lent(field, kept.id, kept.key, version)
    run, version = decoded(lender_of, text, kept.id, place)
    holder = one(db, "key_of_run", run)
    if holder is None:
        raise damaged(kept.id, place, f"is shared with run {run}, where it is not")
    return Lent(field, run, holder[0], version)


def _version(db: sqlite3.Connection, kept: RunRow, field: str, version: int) -> tuple[Any, str]:
    """Op and text of a version, which is what its seal says."""
    place = f"field {field}, version {version}"
    found = db.execute(SQL["version"], (kept.key, field, version)).fetchone()
    if found is None:
        raise damaged(kept.id, place, "is not there")
    first, seq, op, mark, text = found
    checked(mark, text, kept.id, place, kept.id, field, version, first, seq, op)
    return op, text


def still_there(db: sqlite3.Connection, lent: Lent) -> bool:
    """Whether a version that was found may be shared still: its run may have been pruned meanwhile."""
    holder = one(db, "key_of_run", lent.run)
    if holder is None or holder[0] != lent.key:
        return False
    return db.execute(SQL["version_seal"], (lent.key, lent.field, lent.version)).fetchone() is not None


def state_at(db: sqlite3.Connection, run: RunId, seq: int) -> dict[str, Value]:
    """The state as of an event: what its batch wrote counts, since a batch is one moment."""
    kept = row(db, run)
    versions: dict[str, int] = {}
    for field in kept.fields:
        version = _version_as_of(db, kept, field, seq)
        if version is not None:
            versions[field] = version
    return state(db, kept, versions)


def _version_as_of(db: sqlite3.Connection, kept: RunRow, field: str, seq: int) -> int | None:
    places = db.execute(SQL["places_of_versions"], (kept.key, field)).fetchall()
    if [version for version, _ in places] != list(range(1, len(places) + 1)) or len(places) != kept.fields.get(
        field, 0
    ):
        raise damaged(kept.id, f"field {field}", "lacks some of its versions")
    # Not yet checked, so not to be relied on for its type: the version that is chosen is checked when it is read, and
    # the first that is left out here. One that was moved would otherwise hide what was written by then.
    until = [version for version, first in places if not isinstance(first, int) or first <= seq]
    if len(until) < len(places):
        _version(db, kept, field, next(each for each, version in enumerate([*until, 0], start=1) if each != version))
    return until[-1] if until else None


def written(db: sqlite3.Connection, run: RunId, after: int, until: int) -> list[tuple[int, Write]]:
    """The writes of batches that begin above `after` and not above `until`, in order; none that a fork shares."""
    kept = row(db, run)
    there: dict[str, int] = {}
    for field, count, last in db.execute(SQL["counts_of_versions"], (kept.key,)):
        there[field] = count if count == last else -1
    if there != dict(kept.fields):
        lost = sorted(field for field in {*there, *kept.fields} if there.get(field) != kept.fields.get(field))
        raise damaged(run, f"field {lost[0]}", "lacks some of its versions")
    for field, version in db.execute(SQL["beside_writes"], {"run": kept.key, "after": after, "until": until}):
        _version(db, kept, field, version)  # one that was moved out of these bounds would not be missed
    found: list[tuple[int, Write]] = []
    for field, version, first, seq, op, mark, text in db.execute(SQL["writes"], (kept.key, after, until)):
        checked(mark, text, run, f"field {field}, version {version}", run, field, version, first, seq, op)
        if op != SHARED:
            found.append((first, Write(field, op, text)))
    return found


def journal(db: sqlite3.Connection, run: RunId, after: int) -> list[Recorded]:
    """The events numbered above `after`."""
    return events(db, row(db, run), after)


def events(db: sqlite3.Connection, kept: RunRow, after: int) -> list[Recorded]:
    """The same, of a run whose row was read."""
    return list(facts(db, kept, after))


def facts(db: sqlite3.Connection, kept: RunRow, after: int) -> Facts:
    """The same, each decoded only once somebody looks at it: that takes more time than reading it."""
    run = kept.id
    found: list[tuple[int, str]] = []
    wanted = max(after, 0) + 1
    for seq, mark, text in db.execute(SQL["events"], (kept.key, after)):
        if seq != wanted:
            raise damaged(run, "its journal", f"lacks event {wanted}")
        found.append((seq, checked(mark, text, run, f"event {seq}", run, seq)))
        wanted += 1
    if wanted <= kept.seq:
        raise damaged(run, "its journal", f"lacks event {wanted}")
    return Facts(run, found)


class Facts(Sequence[Recorded]):
    """Events of a run whose seals fit. Looking at one raises StoreDamaged where its text is no event."""

    def __init__(self, run: RunId, texts: Sequence[tuple[int, str]]) -> None:
        self._run, self._texts = run, texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> Recorded: ...
    @overload
    def __getitem__(self, place: slice) -> Facts: ...
    def __getitem__(self, place: int | slice) -> Recorded | Facts:
        if isinstance(place, slice):
            return Facts(self._run, self._texts[place])
        seq, text = self._texts[place]
        return Recorded(seq, decoded(read_event, text, self._run, f"event {seq}"))


def document(db: sqlite3.Connection, run: RunId) -> Mapping[str, Any]:
    """The workflow the run was last driven with."""
    kept = row(db, run)
    if kept.document is None:
        raise StoreError(f"run {run} has no workflow document", "it was stored without one")
    found = db.execute(SQL["document"], (kept.document,)).fetchone()
    if found is None or not isinstance(found[0], str) or digest(found[0]) != kept.document:
        raise damaged(run, "its workflow document", "is missing" if found is None else "does not fit its digest")
    loaded = decoded(json.loads, found[0], run, "its workflow document")
    if not isinstance(loaded, dict):
        raise damaged(run, "its workflow document", "is none")
    return loaded
