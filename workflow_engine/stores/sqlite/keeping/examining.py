"""One run examined: every row, every count, and that the fold of its journal is the run that is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.errors import StoreDamaged
from workflow_engine.ports.keeping import Harm
from workflow_engine.record import events as e
from workflow_engine.record.events import read_event
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import Run
from workflow_engine.stores.sqlite import reading
from workflow_engine.stores.sqlite.faults import code_of
from workflow_engine.stores.sqlite.keeping.lending import is_lent
from workflow_engine.stores.sqlite.keeping.nesting import must_be_around
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.lending import SHARED
from workflow_engine.stores.sqlite.rows import RunRow, checked, damaged, decoded, run_row
from workflow_engine.stores.sqlite.seals import digest
from workflow_engine.stores.texts import answer_of_text, answer_text, letter_of_text, question_of_text, question_text

CURE = "nothing of it is loaded; take it from a backup (workflow store export, import), or prune it: --status damaged"


@dataclass
class Tally:
    """What was read so far. `documents` are the digests whose text was found to fit."""

    runs: int = 0
    events: int = 0
    versions: int = 0
    questions: int = 0
    letters: int = 0
    series: int = 0
    documents: set[str] = field(default_factory=set)


@dataclass
class Told:
    """What the journal tells of the run and of its questions: by id, the digest of the question and of its end."""

    run: Run | None = None
    asked: dict[str, str] = field(default_factory=dict)
    fates: dict[str, str] = field(default_factory=dict)
    epoch: int = 0


def harms(db: sqlite3.Connection, key: int, name: str | None, tally: Tally) -> Iterator[Harm]:
    """What is wrong with the run of a key. `name` is what another place calls it, for where its own row cannot tell."""
    tally.runs += 1
    name = name or _name(db, key)
    kept: RunRow | None = None
    told = Told()

    def own_row() -> None:
        nonlocal kept
        found = db.execute(SQL["run_by_key"], (key,)).fetchone()
        if found is None:
            raise damaged(name or f"number {key}", "its own row", "cannot be found")
        row = run_row(found)
        _fitting(row, row.run, _found_by(db, key))
        if db.execute(SQL["key_of_run"], (row.id,)).fetchone() != (key,):
            raise damaged(row.id, "the index of runs", "does not lead to it")
        kept = row

    yield from _caught(own_row, name)
    if kept is None:
        return
    row: RunRow = kept
    for part in (
        lambda: _journal(db, row, told, tally),
        lambda: _versions(db, row, tally),
        lambda: _document(db, row, tally),
        lambda: must_be_around(db, row),
    ):
        yield from _caught(part, row.id)
    if told.run is not None:  # else the journal is known to be damaged, and says too little
        yield from _caught(lambda: _folded(row, told), row.id)
        yield from _caught(lambda: _questions(db, row, told, tally), row.id)


def _name(db: sqlite3.Connection, key: int) -> str | None:
    try:
        found = db.execute(SQL["name_of_run"], (key,)).fetchone()
    except sqlite3.DatabaseError as error:
        if code_of(error) == sqlite3.SQLITE_INTERRUPT:
            raise
        return None
    return found[0] if found is not None and isinstance(found[0], str) else None


def _caught(look: Callable[[], None], run: str | None) -> Iterator[Harm]:
    try:
        look()
    except StoreDamaged as error:
        yield Harm(None if run is None else RunId(run), error.what, CURE)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        # A row of another type than its column's, which only somebody who knows how seals are made can write.
        whose = "a run" if run is None else f"run {run}"
        yield Harm(
            None if run is None else RunId(run), f"{whose} is damaged: it cannot be made sense of ({error})", CURE
        )
    except sqlite3.DatabaseError as error:
        if code_of(error) == sqlite3.SQLITE_INTERRUPT:
            raise
        whose = "a run" if run is None else f"run {run}"
        yield Harm(None if run is None else RunId(run), f"{whose} cannot be read: SQLite says {error}", CURE)


def _fitting(kept: RunRow, run: Run, found_by: tuple[Any, ...] | None) -> None:
    """That the columns, by which runs are found, say what the text says."""
    columns = (kept.id, kept.workflow, kept.status, kept.reason, kept.steps, kept.target, kept.seq)
    if columns != (run.id, run.workflow, run.status, run.reason, run.steps, run.target, run.seq):
        raise damaged(kept.id, "its own row", "says two things in its columns and its text")
    if found_by not in (None, (kept.due, kept.topics, kept.within)):
        raise damaged(kept.id, "its own row", "says two things of what it waits for or lies within")


def _found_by(db: sqlite3.Connection, key: int) -> tuple[Any, ...] | None:
    """The columns that a store of an earlier schema has not."""
    if db.execute("PRAGMA user_version").fetchone()[0] < 2:
        return None
    found: tuple[Any, ...] = db.execute(SQL["found_by"], (key,)).fetchone()
    return found


def _journal(db: sqlite3.Connection, kept: RunRow, told: Told, tally: Tally) -> None:
    """Every event in its place, folded on the way: a journal of any length takes the room of one event."""
    run: Run | None = None
    wanted = 1
    for seq, mark, text in db.execute(SQL["events_of_run"], (kept.key,)):
        tally.events += 1
        place = f"event {seq}"
        if seq != wanted:
            raise damaged(kept.id, "its journal", f"lacks event {wanted}")
        event = decoded(read_event, checked(mark, text, kept.id, place, kept.id, seq), kept.id, place)
        run = _after(run, event, kept.id, seq)
        _note(event, told)
        wanted += 1
    if run is None or wanted <= kept.seq:
        raise damaged(kept.id, "its journal", f"lacks event {wanted}")
    if wanted - 1 != kept.seq:
        raise damaged(kept.id, "its journal", f"goes on after event {kept.seq}, where its own row says it ends")
    told.run = run


def _after(run: Run | None, event: Any, name: str, seq: int) -> Run:
    if isinstance(event, e.RunCreated | e.RunForked) != (run is None):
        raise damaged(name, f"event {seq}", f"cannot be a {type(event).__name__} at this place")
    try:
        return begin(event) if run is None else advance(run, event)
    except Exception as error:  # a forged fact may contradict the ones before it in any way
        raise damaged(name, f"event {seq}", f"contradicts the events before it ({type(error).__name__})") from error


def _note(event: Any, told: Told) -> None:
    match event:
        case e.RunClaimed():
            told.epoch = max(told.epoch, event.epoch)
        case e.QuestionAsked():
            told.asked[event.question.id] = digest(question_text(event.question))
        case e.QuestionAnswered():
            told.fates[event.question] = digest(answer_text(event.answer))
        case e.QuestionExpired():
            told.fates[event.question] = digest("expired")
        case e.QuestionWithdrawn():
            told.fates[event.question] = digest("withdrawn")
        case _:
            pass


def _folded(kept: RunRow, told: Told) -> None:
    if told.run != kept.run:
        raise damaged(kept.id, "its own row", "is not what its journal adds up to")
    if kept.epoch < told.epoch:
        raise damaged(kept.id, "its own row", f"has the epoch {kept.epoch}, and was owned under {told.epoch}")


def _versions(db: sqlite3.Connection, kept: RunRow, tally: Tally) -> None:
    """Every version of every field, in its place and in its order."""
    newest: dict[str, int] = {}
    reached: dict[str, int] = {}
    for field_, version, first, seq, op, mark, text in db.execute(SQL["versions_of_run"], (kept.key,)):
        tally.versions += 1
        place = f"field {field_}"
        if version != newest.get(field_, 0) + 1:
            raise damaged(kept.id, place, f"lacks its version {newest.get(field_, 0) + 1}")
        each = f"{place}, version {version}"
        text = checked(mark, text, kept.id, each, kept.id, field_, version, first, seq, op)
        if not reached.get(field_, 0) <= first <= seq <= kept.seq:
            raise damaged(kept.id, each, f"stands at the events {first} to {seq}, where it cannot stand")
        if op not in ("set", "append", "drop", SHARED):
            raise damaged(kept.id, each, f"is a {op!r}, which nobody knows")
        if op == SHARED:
            is_lent(db, kept, field_, version, text)
        newest[field_], reached[field_] = version, first
    if newest != dict(kept.fields):
        short = next(iter(sorted(set(newest.items()) ^ set(kept.fields.items()))))[0]
        raise damaged(
            kept.id, f"field {short}", f"has {newest.get(short, 0)} versions, not {kept.fields.get(short, 0)}"
        )


def _document(db: sqlite3.Connection, kept: RunRow, tally: Tally) -> None:
    if kept.document is not None and kept.document not in tally.documents:
        reading.document(db, kept.id)
        tally.documents.add(kept.document)


def _questions(db: sqlite3.Connection, kept: RunRow, told: Told, tally: Tally) -> None:
    """That the inbox says what the journal says."""
    fates = dict(told.fates)
    asked = dict(told.asked)
    for name, mark, text, fate, fate_mark in db.execute(SQL["asked_of_run"], (kept.key,)):
        tally.questions += 1
        place = f"question {name}"
        record = decoded(question_of_text, checked(mark, text, kept.id, place, name), kept.id, place)
        if asked.pop(name, None) != digest(question_text(record)):
            raise damaged(kept.id, place, "is not what its journal says was asked")
        if fate is not None:
            checked(fate_mark, fate, kept.id, f"the end of {place}", name, "fate")
        ended = fates.pop(name, None)
        if ended != (None if fate is None else digest(_spelt(kept, place, fate))):
            raise damaged(kept.id, f"the end of {place}", "is not what its journal says")
        if fate not in (None, "expired", "withdrawn"):
            _letter(db, kept, name, fate)
    if asked or fates:
        raise damaged(kept.id, f"question {next(iter(asked or fates))}", "is missing")


def _spelt(kept: RunRow, place: str, fate: str) -> str:
    """An answer as it is spelt today, whatever version stored it."""
    if fate in ("expired", "withdrawn"):
        return fate
    return answer_text(decoded(answer_of_text, fate, kept.id, f"the answer to {place}"))


def _letter(db: sqlite3.Connection, kept: RunRow, question: str, fate: str) -> None:
    """That the letter stands which brought an answer: it is what refuses a second one."""
    place = f"the letter with the answer to {question}"
    found = db.execute(SQL["letter_that_answers"], (question,)).fetchone()
    if found is None:  # the answer of several people was settled by the word of the last of them
        by = decoded(answer_of_text, fate, kept.id, place).by
        found = db.execute(SQL["letter_that_approves"], (f"{question}:{by}",)).fetchone()
    if found is None:
        raise damaged(kept.id, place, "is missing")
    run, taken, text = found
    if run != kept.key or taken is None:
        raise damaged(kept.id, place, "waits, though the answer was taken up")
    answer = decoded(letter_of_text, text, kept.id, place).answer
    if answer is None or answer_text(answer) != answer_text(decoded(answer_of_text, fate, kept.id, place)):
        raise damaged(kept.id, place, "says something else than what was taken up")
