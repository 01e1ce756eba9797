"""Writing to the store: a batch packed into rows, and the functions of a raw connection that write them.

Packing happens when a commit is called, on the caller's thread: what is written is the record as it was at that moment.
Each function here runs inside a transaction that others may share, and so keeps one rule: it raises an error of ours
only before it has written anything (writer.py sees to it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from workflow_engine.errors import AlreadyAnswered, FenceLost, QuestionNotFound, RunEnded, StoreError, handed_over
from workflow_engine.making import quickly
from workflow_engine.ports.ledger import Batch, Snapshot
from workflow_engine.record import events as e
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Letter, Standing
from workflow_engine.record.notice import noticed
from workflow_engine.stores.sqlite import inbox, notices, reading
from workflow_engine.stores.sqlite.lending import SHARED, Lent
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.rows import RunRow, row_of
from workflow_engine.stores.sqlite.seals import digest, seal
from workflow_engine.stores.texts import (
    answer_text,
    document_text,
    event_text,
    letter_text,
    nothing_left,
    question_text,
)


@quickly
@dataclass(frozen=True)
class Packed:
    """A batch as rows, complete but for the run's key. `turn` says that an indexed column of the run's row changes."""

    row: RunRow
    before: int
    turn: bool
    journal: list[tuple[int, bytes, str]] = field(default_factory=list)
    versions: list[tuple[str, int, int, int, str, bytes, str]] = field(default_factory=list)
    documents: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[str, bytes, str]] = field(default_factory=list)
    closed: list[tuple[str, bytes, str]] = field(default_factory=list)
    taken: tuple[str, ...] = ()
    lent: Sequence[Lent] = ()
    files: list[tuple[str, int, bytes]] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)


def pack(batch: Batch, epoch: int, last: RunRow | None, lent: Sequence[Lent] = ()) -> Packed:
    """The rows of a batch that follows on `last`; a fork's first batch begins with what is lent to it.

    Raises StoreError for what JSON cannot carry.
    """
    try:
        return _packed(batch, epoch, last, lent)
    except UnicodeEncodeError as error:
        raise StoreError(
            f"run {batch.run.id} has text that is no Unicode ({error})", "leave lone surrogates out"
        ) from error


def _packed(batch: Batch, epoch: int, last: RunRow | None, lent: Sequence[Lent]) -> Packed:
    run = batch.run
    first = run.seq - len(batch.events) + 1
    fields = {} if last is None else dict(last.fields)
    versions: list[tuple[str, int, int, int, str, bytes, str]] = []
    written = [(each.field, SHARED, each.text) for each in lent]
    written += [(write.field, write.op, write.text) for write in batch.writes]
    for name, op, text in written:
        version = fields[name] = fields.get(name, 0) + 1
        place = (version, min(first, run.seq), run.seq, op)
        versions.append((name, *place, seal(text, run.id, name, *place), text))
    document = None if last is None else last.document
    documents = []
    if batch.document is not None:
        text = document_text(batch.document, run.id)
        document = _named(text)
        documents.append((document, text))
    row = row_of(run, epoch, document, fields, 0 if last is None else last.key)
    if last is not None and (row.workflow, row.created, row.target) != (last.workflow, last.created, last.target):
        raise StoreError(f"run {run.id} changed its workflow, target or time of creation", "these never change")
    packed = Packed(
        row=row,
        before=first - 1,
        turn=last is None or _turns(row, last),
        versions=versions,
        documents=documents,
        taken=tuple(batch.taken),
        lent=lent,
        files=[(sha256, size, file_seal(run.id, sha256, size)) for sha256, size in batch.files],
    )
    for seq, event in enumerate(batch.events, start=first):
        text = event_text(event, f"event {seq} of run {run.id}")
        packed.journal.append((seq, seal(text, run.id, seq), text))
        match event:
            case e.QuestionAsked():
                text = question_text(event.question)
                packed.asked.append((event.question.id, seal(text, event.question.id), text))
            case e.QuestionAnswered():
                packed.closed.append(_fate(event.question, answer_text(event.answer)))
            case e.QuestionExpired():
                packed.closed.append(_fate(event.question, "expired"))
            case e.QuestionWithdrawn():
                packed.closed.append(_fate(event.question, "withdrawn"))
            case _:
                pass
    before = None if last is None else last.status
    packed.told.extend(map(notices.row_of, noticed(before, run, batch.events)))
    return packed


_named = lru_cache(maxsize=32)(digest)  # every run of a workflow begins with the same text


def _turns(row: RunRow, last: RunRow) -> bool:
    """Whether an indexed column changes."""
    return (
        row.status != last.status
        or row.reason != last.reason
        or row.document != last.document
        or row.due != last.due
        or row.topics != last.topics
    )


def _fate(question: QuestionId, text: str) -> tuple[str, bytes, str]:
    return question, seal(text, question, "fate"), text


def create(db: sqlite3.Connection, packed: Packed) -> int:
    """Store a new run; its key."""
    if db.execute(SQL["key_of_run"], (packed.row.id,)).fetchone() is not None:
        raise StoreError(f"run {packed.row.id} exists already", "give the new run an id of its own")
    for each in packed.lent:
        if not reading.still_there(db, each):
            raise StoreError(f"run {each.run} went while it was forked", "workflow runs: fork one that is there")
    key = db.execute(SQL["insert_run"], packed.row.stored()).lastrowid
    assert key is not None
    _insert(db, key, packed)
    db.executemany(SQL["insert_loan"], {(each.key, key) for each in packed.lent})
    return key


def advance(db: sqlite3.Connection, packed: Packed) -> None:
    """Store what follows, if the fence holds. Raises FenceLost."""
    values: Mapping[str, Any] = {
        **(packed.row.stored() if packed.turn else packed.row.sealed()),
        "before": packed.before,
    }
    if db.execute(SQL["turn" if packed.turn else "advance"], values).rowcount != 1:
        raise fence_lost(packed.row.id)
    _insert(db, packed.row.key, packed)


def _insert(db: sqlite3.Connection, key: int, packed: Packed) -> None:
    if packed.documents:
        db.executemany(SQL["insert_document"], packed.documents)
    if packed.journal:
        db.executemany(SQL["insert_event"], [(key, *rest) for rest in packed.journal])
    if packed.versions:
        db.executemany(SQL["insert_version"], [(key, *rest) for rest in packed.versions])
    for question, mark, text in packed.asked:
        db.execute(SQL["insert_question"], (question, key, mark, text))
    for question, mark, fate in packed.closed:
        db.execute(SQL["close_question"], (fate, mark, question, key))
    if packed.told:
        db.executemany(SQL["insert_notice"], [(key, *rest) for rest in packed.told])
    if packed.files:
        db.executemany(SQL["name_file"], [(key, *rest) for rest in packed.files])
    for letter in packed.taken:
        db.execute(SQL["take_letter"], (packed.row.seq, letter, key))


def claim(db: sqlite3.Connection, run: RunId) -> tuple[RunRow, Snapshot]:
    """Raise a run's epoch, once everything that is read of it has passed its checks."""
    kept = reading.row(db, run)
    snapshot = Snapshot(kept.run, reading.state(db, kept, kept.fields))
    row = kept.taken_over()
    db.execute(SQL["raise_epoch"], row.sealed())
    return row, snapshot


def send(db: sqlite3.Connection, letter: Letter) -> bool:
    """Put a letter into its run's box, if it may still be sent; whether it was not there before."""
    kept = reading.row(db, letter.run)
    if letter.kind == "signal" and db.execute(SQL["letter_seal"], (letter.id,)).fetchone() is not None:
        return False
    run = kept.run
    question = letter.question if letter.answer is None else letter.answer.question
    if question is not None:
        known = _answerable(db, question, kept).known
        if known is not None and letter.handed not in (None, known.handed):
            raise handed_over(question, known.to)
    elif run.ended:
        raise RunEnded(f"run {run.id} has ended: it {run.status}", nothing_left(letter))
    if db.execute(SQL["letter_seal"], (letter.id,)).fetchone() is not None:
        if letter.kind == "approval":
            raise AlreadyAnswered(f"{letter.by} answered question {question} already", "somebody else must, too")
        return False
    text = letter_text(letter)
    place = (letter.id, kept.key, letter.settles)
    db.execute(SQL["insert_letter"], (*place, seal(text, letter.run, "letter"), text))
    return True


def _answerable(db: sqlite3.Connection, question: QuestionId, kept: RunRow) -> Standing:
    standing = inbox.question(db, question)
    if standing.question.run != kept.id:
        raise QuestionNotFound(f"no question {question} in run {kept.id}", "list the open ones: workflow inbox")
    match standing.status:
        case "answered":
            raise AlreadyAnswered(f"question {question} has its answer already", "only the first answer counts")
        case "open":
            return standing
        case status:
            if kept.run.ended:
                raise RunEnded(f"run {kept.id} has ended: it {kept.status}", "nobody waits for an answer")
            raise QuestionNotFound(
                f"question {question} is no longer open: it was {status}", "list the open ones: workflow inbox"
            )


# What each of them leaves behind, looked for when a COMMIT ended in doubt.


def created(db: sqlite3.Connection, _key: int, packed: Packed) -> bool:
    """Whether `create` is in the file."""
    return _sealed(db, "run_seal", packed.row.sealed()["seal"], packed.row.id)


def claimed(db: sqlite3.Connection, result: tuple[RunRow, Snapshot]) -> bool:
    """Whether `claim` is in the file."""
    return _sealed(db, "run_seal", result[0].sealed()["seal"], result[0].id)


def advanced(db: sqlite3.Connection, _result: None, packed: Packed) -> bool:
    """Whether `advance` is in the file. Not told by the run's row, which a later batch may have replaced."""
    key = packed.row.key
    events = (_sealed(db, "event_seal", mark, key, seq) for seq, mark, _ in packed.journal)
    versions = (_sealed(db, "version_seal", each[5], key, each[0], each[1]) for each in packed.versions)
    letters = (db.execute(SQL["letter_waits"], (each, key)).fetchone() is None for each in packed.taken)
    return all(events) and all(versions) and all(letters)


def sent(db: sqlite3.Connection, _result: bool, letter: Letter) -> bool:
    """Whether `send` is in the file."""
    return _sealed(db, "letter_seal", seal(letter_text(letter), letter.run, "letter"), letter.id)


def _sealed(db: sqlite3.Connection, query: str, mark: bytes, *place: str | int) -> bool:
    found = db.execute(SQL[query], place).fetchone()
    return found is not None and found[0] == mark


def file_seal(run: str, sha256: str, size: int) -> bytes:
    """The seal of a row that names a content."""
    return seal("", run, "file", sha256, size)


def fence_lost(run: str) -> FenceLost:
    """The error for a commit that is refused."""
    return FenceLost(f"run {run} is no longer driven from here", "look at who drives it now")
