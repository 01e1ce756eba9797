"""Questions and letters: functions of a raw connection that read them.

Each is found in two ways that must agree: a run's own row names its open questions, and an index of all questions finds
them too; a letter that waits is found by its run, and by its name or by the question that it answers. So what a damaged
page has lost is missed. Only a letter that was deleted together with every way to it leaves no trace.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Literal

from workflow_engine.errors import QuestionNotFound, RunNotFound, StoreDamaged
from workflow_engine.record import people
from workflow_engine.record.ids import QuestionId, RunId, question_id, run_of
from workflow_engine.record.inbox import Letter, Open, Standing
from workflow_engine.record.run import FINAL
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reading import one, row
from workflow_engine.stores.sqlite.rows import Row, RunRow, checked, damaged, decoded, run_row
from workflow_engine.stores.texts import answer_of_text, letter_of_text, question_of_text

_LOG = logging.getLogger("workflow_engine.stores")


def question(db: sqlite3.Connection, question: QuestionId) -> Standing:
    """One question."""
    found = one(db, "question", question)
    if found is None:
        _never_asked(db, question)
        raise QuestionNotFound(f"no question {question}", "list the open ones: workflow inbox")
    if not isinstance(found[5], str):
        raise damaged(run_of(question), f"question {question}", "is there without its run")
    kept = row(db, RunId(found[5]))
    return _standing(found, _open(kept), lambda: box(db, kept))


def _never_asked(db: sqlite3.Connection, question: QuestionId) -> None:
    """Raises StoreDamaged if a run says that it asked a question which is not there."""
    with suppress(RunNotFound):
        kept = row(db, run_of(question))
        number = question.rpartition(".q")[2][:19]
        if number.isdecimal() and question == question_id(kept.id, int(number)) and 0 < int(number) <= kept.run.asked:
            raise damaged(kept.id, f"question {question}", "is missing")


def questions(db: sqlite3.Connection, run: RunId | None) -> list[Standing]:
    """All questions of one run, or the open ones of all runs.

    Among those of all runs, damaged ones are logged and left out, so that the others stay readable.
    """
    if run is not None:
        return asked(db, row(db, run))
    standing: dict[QuestionId, Standing | None] = {}
    for name, run_id, status in db.execute(SQL["questions_open"]).fetchall():
        if status not in FINAL:
            _look(db, QuestionId(name), RunId(run_id), standing)
    for each in db.execute(SQL["runs_that_ask"]):
        for missed in [name for name in _open_of(each) if name not in standing]:
            _look(db, missed, RunId(each[1]), standing)
    return [each for each in standing.values() if each is not None and each.status == "open"]


def asked(db: sqlite3.Connection, kept: RunRow) -> list[Standing]:
    """Every question of a run whose row was read."""
    still = _open(kept)
    waiting = cache(lambda: box(db, kept))
    found = [_standing(each, still, waiting) for each in db.execute(SQL["questions_of_run"], (kept.key,)).fetchall()]
    if len(found) != kept.run.asked:
        raise damaged(kept.id, "its inbox", f"has {len(found)} of the {kept.run.asked} questions it asked")
    return found


def _look(db: sqlite3.Connection, name: QuestionId, run: RunId, standing: dict[QuestionId, Standing | None]) -> None:
    standing[name] = None
    try:
        standing[name] = question(db, name)
    except (StoreDamaged, QuestionNotFound, RunNotFound) as error:
        _LOG.warning("%s", error.what if isinstance(error, StoreDamaged) else f"run {run} is damaged: {error.what}")


def _open_of(found: Row) -> Sequence[QuestionId]:
    """The open questions of a run, by its own row; none where it is damaged, which its list says."""
    if '"open":[]' in str(found[14]):  # most runs ask nothing, and need not be decoded
        return ()
    try:
        return tuple(_open(run_row(found)))
    except StoreDamaged:
        return ()


def _open(kept: RunRow) -> Mapping[QuestionId, Open]:
    return {each.id: each for each in kept.run.open}


def _standing(found: Row, still: Mapping[QuestionId, Open], waiting: Callable[[], Sequence[Letter]]) -> Standing:
    """A question and what became of it; `still` are those that its run knows to be open, `waiting` reads its box."""
    name, mark, text, fate, fate_mark, run, run_status, letter_mark, letter = found
    place = f"question {name}"
    record = decoded(question_of_text, checked(mark, text, run, place, name), run, place)
    if record.run != run:
        raise damaged(record.run, place, f"was found in run {run}")
    if fate is not None:
        checked(fate_mark, fate, run, f"the end of {place}", name, "fate")
    if (fate is None) != (record.id in still):
        raise damaged(run, place, "is closed for its run" if fate is None else "is open for its run")
    if fate is not None:
        status, answer = _fate(fate, run, place)
        return Standing(record, status, answer)
    if run_status in FINAL:
        return Standing(record, "withdrawn")
    if letter is not None:
        return Standing(record, "answered", _letter(letter_mark, letter, run, None).answer)
    stands = people.standing(record, still[record.id], waiting())
    if any(each.settles == record.id for each in waiting()):
        raise damaged(run, place, "does not lead to its answer")
    return stands


def _fate(fate: str, run: str, place: str) -> tuple[Literal["answered", "expired", "withdrawn"], Any]:
    if fate == "expired" or fate == "withdrawn":
        return fate, None  # type: ignore[return-value]
    return "answered", decoded(answer_of_text, fate, run, f"the answer to {place}")


def letters(db: sqlite3.Connection, run: RunId) -> Sequence[Letter]:
    """Letters not taken yet."""
    return box(db, row(db, run))


def box(db: sqlite3.Connection, kept: RunRow) -> Sequence[Letter]:
    """The letters of a run whose row was read."""
    waiting: dict[str, Letter] = {}
    for name, taken, mark, text, question in db.execute(SQL["letters_waiting"], (kept.key,)):
        letter = _letter(mark, text, kept.id, name)
        if taken is not None:
            raise damaged(kept.id, f"letter {name}", "is both taken and waiting")
        if (letter.id, letter.settles) != (name, question):
            raise damaged(kept.id, f"letter {name}", "stands under the name of another")
        if letter.answer is not None and _answered(db, letter.answer.question):
            raise damaged(kept.id, f"letter {name}", "waits, and was taken with the question it answers")
        waiting[name] = letter
    _none_missed(db, kept, waiting)
    return list(waiting.values())


def _answered(db: sqlite3.Connection, question: QuestionId) -> bool:
    """Whether a question is closed by its answer: in the commit that takes the letter, so that none waits then."""
    found = db.execute(SQL["fate"], (question,)).fetchone()
    return found is not None and found[0] not in (None, "expired", "withdrawn")


def _none_missed(db: sqlite3.Connection, kept: RunRow, waiting: Container[str]) -> None:
    """Raises StoreDamaged for a letter that waits and is not among those found."""
    # The commit that takes an answer closes its question: until then the answer waits.
    names: list[str] = [] if kept.status in FINAL else list(_open(kept))
    for name in names:
        for each, taken in db.execute(SQL["letters_approving"], (f"{name}:", f"{name};", kept.key)):
            if taken is None and each not in waiting:
                raise damaged(kept.id, f"letter {each}", "is missing among those that wait")
    ways = [(query, name) for name in names for query in ("letter_answering", "letter_named")]
    for query, name in (*ways, ("letter_named", f"{kept.id}.cancel")):
        found = db.execute(SQL[query], (name,)).fetchone()
        if found is None or found[0] in waiting:
            continue
        if name in names or found[1] != kept.key or found[2] is None:
            raise damaged(kept.id, f"letter {found[0]}", "is missing among those that wait")


def boxes(db: sqlite3.Connection) -> list[RunId]:
    """Runs with letters not taken yet. Damaged ones are logged and left out, so that the others stay readable."""
    found: list[RunId] = []
    for (run,) in db.execute(SQL["boxes"]).fetchall():
        try:
            box(db, row(db, RunId(run)))
        except (StoreDamaged, RunNotFound) as error:
            _LOG.warning("%s", error.what)
        else:
            found.append(RunId(run))
    return found


def _letter(mark: bytes, text: str, run: str, name: str | None) -> Letter:
    place = f"letter {name}" if name else "a letter"
    checked(mark, text, run, place, run, "letter")
    return decoded(letter_of_text, text, run, place)
