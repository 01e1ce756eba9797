"""Reading from the store: functions of a raw connection, strict about everything they return."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from workflow_engine.errors import QuestionNotFound, RunNotFound, StoreDamaged, StoreError
from workflow_engine.ports.ledger import Listed, Page, Recorded, Snapshot
from workflow_engine.record.events import read_event
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Letter, Standing
from workflow_engine.record.run import FINAL
from workflow_engine.record.values import Value, Write, set_to
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.rows import Row, RunRow, checked, damaged, decoded, run_row
from workflow_engine.stores.sqlite.seals import digest
from workflow_engine.stores.texts import answer_of_text, letter_of_text, question_of_text

_UNKNOWN = datetime.fromtimestamp(0, UTC)
_LOG = logging.getLogger("workflow_engine.stores")


def row(db: sqlite3.Connection, run: RunId) -> RunRow:
    """A run's own row. Raises RunNotFound, StoreDamaged."""
    found = db.execute(SQL["run"], (run,)).fetchone()
    if found is None:
        raise RunNotFound(f"no run {run}", "list them: workflow runs")
    kept = run_row(found)
    last = db.execute(SQL["last_event"], (kept.key,)).fetchone()[0]
    if last != kept.seq:
        raise damaged(run, "its journal", f"ends at event {last} and not at {kept.seq}")
    return kept


def snapshot(db: sqlite3.Connection, run: RunId) -> Snapshot:
    """A run and its state."""
    kept = row(db, run)
    return Snapshot(kept.run(), state(db, kept, kept.fields))


def state(db: sqlite3.Connection, kept: RunRow, versions: Mapping[str, int]) -> dict[str, Value]:
    """The fields at the given versions."""
    return {field: _value(db, kept, field, version) for field, version in versions.items()}


def _value(db: sqlite3.Connection, kept: RunRow, field: str, newest: int) -> Value:
    """From the newest `set` on: read backwards until it is met, then put together forwards."""
    place = f"field {field}"
    wanted = newest
    chain: list[tuple[Any, int, str]] = []
    for version, first, seq, op, mark, text in db.execute(SQL["versions"], (kept.key, field, newest)):
        if version != wanted:
            raise damaged(kept.id, place, f"lacks its version {wanted}")
        checked(mark, text, kept.id, f"{place}, version {version}", kept.id, field, version, first, seq, op)
        chain.append((op, seq, text))
        wanted -= 1
        if op == "set":
            break
    else:
        # A field that began with an append has no `set`: its first version is the beginning.
        if wanted != 0:
            raise damaged(kept.id, place, f"lacks its version {wanted}")
    op, seq, text = chain.pop()
    value = set_to(text, seq)
    while chain:
        op, seq, text = chain.pop()
        value = value.then(Write(field, op, text), seq)
    return value


def state_at(db: sqlite3.Connection, run: RunId, seq: int) -> dict[str, Value]:
    """The state as of an event: what its batch wrote counts, since a batch is one moment."""
    kept = row(db, run)
    versions: dict[str, int] = {}
    for field, newest in kept.fields.items():
        places = db.execute(SQL["places_of_versions"], (kept.key, field)).fetchall()
        if [version for version, _ in places] != list(range(1, newest + 1)):
            raise damaged(run, f"field {field}", "lacks some of its versions")
        until = [version for version, first in places if first <= seq]
        if until:
            versions[field] = until[-1]
    return state(db, kept, versions)


def journal(db: sqlite3.Connection, run: RunId, after: int) -> list[Recorded]:
    """The events numbered above `after`."""
    kept = row(db, run)
    events: list[Recorded] = []
    wanted = max(after, 0) + 1
    for seq, mark, text in db.execute(SQL["events"], (kept.key, after)):
        place = f"event {seq}"
        if seq != wanted:
            raise damaged(run, "its journal", f"lacks event {wanted}")
        checked(mark, text, run, place, run, seq)
        events.append(Recorded(seq, decoded(read_event, text, run, place)))
        wanted += 1
    return events


def document(db: sqlite3.Connection, run: RunId) -> Mapping[str, Any]:
    """The workflow the run was last driven with."""
    kept = row(db, run)
    if kept.document is None:
        raise StoreError(f"run {run} has no workflow document", "it was stored without one")
    found = db.execute(SQL["document"], (kept.document,)).fetchone()
    if found is None or not isinstance(found[0], str) or digest(found[0]) != kept.document:
        raise damaged(run, "its workflow document", "is missing" if found is None else "does not fit its digest")
    loaded: dict[str, Any] = decoded(json.loads, found[0], run, "its workflow document")
    return loaded


def runs(db: sqlite3.Connection, page: Page) -> list[Listed]:
    """A page of runs, newest first. A damaged one has no status to be found by but "damaged"."""
    before = 2**62
    if page.before is not None:
        found = db.execute(SQL["key_of_run"], (page.before,)).fetchone()
        if found is None:
            raise RunNotFound(f"no run {page.before}", "list them: workflow runs")
        before = found[0]
    status = None if page.status == "damaged" else page.status
    query = "page_of_runs"
    if status is not None:
        query = "page_of_runs_with_status"
    elif page.workflow is not None and page.status is None:
        query = "page_of_runs_of_workflow"
    listed: list[Listed] = []
    values = {"before": before, "status": status, "workflow": page.workflow}
    for found in db.execute(SQL[query], values):
        if len(listed) >= page.limit:
            break
        each = _listed(found)
        if (
            page.status in (None, each.status)
            and page.workflow in (None, each.workflow)
            and each.run.startswith(page.prefix)
        ):
            listed.append(each)
    return listed


def _listed(found: Row) -> Listed:
    letters = bool(found[15])
    try:
        return run_row(found).listed(letters)
    except StoreDamaged:
        return Listed(RunId(str(found[1])), str(found[2]), "damaged", None, _UNKNOWN, _UNKNOWN, 0, letters)


def find(db: sqlite3.Connection, prefix: str) -> list[RunId]:
    """Up to three runs by prefix, or the last one."""
    if prefix == "@last":
        return [RunId(each) for (each,) in db.execute(SQL["last_run"])]
    return [RunId(each) for (each,) in db.execute(SQL["runs_with_prefix"], (prefix, prefix + "\U0010ffff"))]


def unfinished(db: sqlite3.Connection) -> list[RunId]:
    """Runs a death may have left behind. Damaged ones too: whoever claims one hears of it."""
    return [RunId(run) for run, _ in db.execute(SQL["unfinished"])]


def question(db: sqlite3.Connection, question: QuestionId) -> Standing:
    """One question."""
    found = db.execute(SQL["question"], (question,)).fetchone()
    if found is None:
        raise QuestionNotFound(f"no question {question}", "list the open ones: workflow inbox")
    return _standing(found)


def questions(db: sqlite3.Connection, run: RunId | None) -> list[Standing]:
    """All questions of one run, or the open ones of all runs.

    Among those of all runs, damaged ones are logged and left out, so that the others stay readable.
    """
    if run is not None:
        return [_standing(each) for each in db.execute(SQL["questions_of_run"], (row(db, run).key,))]
    standing: list[Standing] = []
    for each in db.execute(SQL["questions_open"]):
        try:
            standing.append(_standing(each))
        except StoreDamaged as error:
            _LOG.warning("%s", error.what)
    return standing


def _standing(found: Row) -> Standing:
    name, mark, text, fate, fate_mark, run, run_status, letter_mark, letter = found
    place = f"question {name}"
    record = decoded(question_of_text, checked(mark, text, run, place, name), run, place)
    if fate is not None:
        checked(fate_mark, fate, run, f"the end of {place}", name, "fate")
        status, answer = _fate(fate, run, place)
        return Standing(record, status, answer)
    if run_status in FINAL:
        return Standing(record, "withdrawn")
    if letter is not None:
        return Standing(record, "answered", _letter(letter_mark, letter, run, None).answer)
    return Standing(record)


def _fate(fate: str, run: str, place: str) -> tuple[Literal["answered", "expired", "withdrawn"], Any]:
    if fate == "expired" or fate == "withdrawn":
        return fate, None  # type: ignore[return-value]
    return "answered", decoded(answer_of_text, fate, run, f"the answer to {place}")


def letters(db: sqlite3.Connection, run: RunId) -> Sequence[Letter]:
    """Letters not taken yet."""
    kept = row(db, run)
    return [_letter(mark, text, run, name) for name, mark, text in db.execute(SQL["letters_waiting"], (kept.key,))]


def boxes(db: sqlite3.Connection) -> list[RunId]:
    """Runs with letters not taken yet."""
    return [RunId(run) for (run,) in db.execute(SQL["boxes"])]


def _letter(mark: bytes, text: str, run: str, name: str | None) -> Letter:
    place = f"letter {name}" if name else "a letter"
    checked(mark, text, run, place, run, "letter")
    return decoded(letter_of_text, text, run, place)
