"""Questions and letters: functions of a raw connection that read them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from workflow_engine.errors import QuestionNotFound, RunNotFound, StoreDamaged
from workflow_engine.record.ids import QuestionId, RunId, question_id, run_of
from workflow_engine.record.inbox import Letter, Standing
from workflow_engine.record.run import FINAL
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reading import one, row
from workflow_engine.stores.sqlite.rows import Row, checked, damaged, decoded
from workflow_engine.stores.texts import answer_of_text, letter_of_text, question_of_text

_LOG = logging.getLogger("workflow_engine.stores")


def question(db: sqlite3.Connection, question: QuestionId) -> Standing:
    """One question."""
    found = one(db, "question", question)
    if found is None:
        _never_asked(db, question)
        raise QuestionNotFound(f"no question {question}", "list the open ones: workflow inbox")
    return _standing(found)


def _never_asked(db: sqlite3.Connection, question: QuestionId) -> None:
    """Raises StoreDamaged if a run says that it asked a question which is not there."""
    with suppress(RunNotFound):
        kept = row(db, run_of(question))
        if any(question == question_id(kept.id, number + 1) for number in range(kept.run().asked)):
            raise damaged(kept.id, f"question {question}", "is missing")


def questions(db: sqlite3.Connection, run: RunId | None) -> list[Standing]:
    """All questions of one run, or the open ones of all runs.

    Among those of all runs, damaged ones are logged and left out, so that the others stay readable.
    """
    if run is not None:
        kept = row(db, run)
        asked = [_standing(each) for each in db.execute(SQL["questions_of_run"], (kept.key,))]
        if len(asked) != kept.run().asked:
            raise damaged(run, "its inbox", f"has {len(asked)} of the {kept.run().asked} questions it asked")
        return asked
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
    if record.run != run:
        raise damaged(record.run, place, f"was found in run {run}")
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
    waiting: list[Letter] = []
    for name, taken, mark, text in db.execute(SQL["letters_waiting"], (kept.key,)):
        if taken is not None:
            raise damaged(run, f"letter {name}", "is both taken and waiting")
        waiting.append(_letter(mark, text, run, name))
    return waiting


def boxes(db: sqlite3.Connection) -> list[RunId]:
    """Runs with letters not taken yet."""
    return [RunId(run) for (run,) in db.execute(SQL["boxes"])]


def _letter(mark: bytes, text: str, run: str, name: str | None) -> Letter:
    place = f"letter {name}" if name else "a letter"
    checked(mark, text, run, place, run, "letter")
    return decoded(letter_of_text, text, run, place)
