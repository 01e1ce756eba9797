"""Records as JSON text and back, through their types: what a store keeps is readable and names no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from workflow_engine.errors import StoreError
from workflow_engine.record.events import kept_event
from workflow_engine.record.inbox import Answer, Letter, QuestionRecord
from workflow_engine.record.logs import LogPart
from workflow_engine.record.notice import Notice
from workflow_engine.record.people import Person
from workflow_engine.record.publication import Publication
from workflow_engine.record.result import KeptResult
from workflow_engine.record.run import Run
from workflow_engine.record.schedule import Schedule
from workflow_engine.spec.document import Document

_RUN: TypeAdapter[Run] = TypeAdapter(Run)
_LETTER: TypeAdapter[Letter] = TypeAdapter(Letter)
_QUESTION: TypeAdapter[QuestionRecord] = TypeAdapter(QuestionRecord)
_PUBLICATION: TypeAdapter[Publication] = TypeAdapter(Publication)
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
_PERSON: TypeAdapter[Person] = TypeAdapter(Person)
_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)
_RESULT: TypeAdapter[KeptResult] = TypeAdapter(KeptResult)
_LOG: TypeAdapter[LogPart] = TypeAdapter(LogPart)


def run_text(run: Run) -> str:
    """A run as JSON, without what stands at its default: it is written anew at each step.

    Raises StoreError if it holds what JSON cannot carry, as do the other writers here.
    """
    return _text(_RUN, run, f"run {run.id}", exclude_defaults=True)


def event_text(event: Any, place: str) -> str:
    """An event as JSON."""
    try:
        return kept_event(event)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _unkeepable(place, error) from error


def letter_text(letter: Letter) -> str:
    """A letter as JSON."""
    return _text(_LETTER, letter, f"letter {letter.id}")


def question_text(question: QuestionRecord) -> str:
    """A question as JSON."""
    return _text(_QUESTION, question, f"question {question.id}")


def answer_text(answer: Answer) -> str:
    """An answer as JSON."""
    return _text(_ANSWER, answer, f"the answer to {answer.question}")


def log_text(part: LogPart) -> str:
    """A part of a log as JSON."""
    return _text(_LOG, part, f"what {part.node} said")


def person_text(person: Person) -> str:
    """Somebody the store knows, as JSON."""
    return _text(_PERSON, person, f"person {person.name}")


def result_text(result: KeptResult) -> str:
    """A kept result as JSON."""
    return _text(_RESULT, result, f"a result of {result.node}")


def notice_text(notice: Notice) -> str:
    """A notice as JSON."""
    return _text(_NOTICE, notice, f"the notice of event {notice.seq} of run {notice.run}")


def schedule_text(schedule: Schedule) -> str:
    """A schedule as JSON."""
    return _text(_SCHEDULE, schedule, f"schedule {schedule.name}")


def document_text(document: Mapping[str, Any], run: str) -> str:
    """A workflow's document as JSON."""
    try:
        return document.text if isinstance(document, Document) else json.dumps(dict(document), separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise _unkeepable(f"the workflow document of run {run}", error) from error


def run_of_text(text: str | bytes) -> Run:
    """The run a text tells of. Raises pydantic.ValidationError, as do the other readers here."""
    return _RUN.validate_json(text)


def letter_of_text(text: str | bytes) -> Letter:
    """The letter of a text."""
    return _LETTER.validate_json(text)


def question_of_text(text: str | bytes) -> QuestionRecord:
    """The question of a text."""
    return _QUESTION.validate_json(text)


def answer_of_text(text: str | bytes) -> Answer:
    """The answer of a text."""
    return _ANSWER.validate_json(text)


def result_of_text(text: str | bytes) -> KeptResult:
    """The kept result of a text."""
    return _RESULT.validate_json(text)


def notice_of_text(text: str | bytes) -> Notice:
    """The notice of a text."""
    return _NOTICE.validate_json(text)


def schedule_of_text(text: str | bytes) -> Schedule:
    """The schedule of a text."""
    return _SCHEDULE.validate_json(text)


def log_of_text(text: str | bytes) -> LogPart:
    """The part of a log of a text."""
    return _LOG.validate_json(text)


def publication_text(publication: Publication) -> str:
    """A publication as JSON."""
    return _text(_PUBLICATION, publication, f"publication {publication.id}")


def publication_of_text(text: str | bytes) -> Publication:
    """The publication of a text."""
    return _PUBLICATION.validate_json(text)


def nothing_left(letter: Letter) -> str:
    """Why a run that ended takes no such letter."""
    return "nothing waits for its signal" if letter.kind == "signal" else "nothing is left to cancel"


def person_of_text(text: str | bytes) -> Person:
    """The person of a text."""
    return _PERSON.validate_json(text)


def _text(adapter: TypeAdapter[Any], value: Any, place: str, *, exclude_defaults: bool = False) -> str:
    try:  # TypeAdapter's own way there takes longer than most texts
        return adapter.serializer.to_json(value, exclude_defaults=exclude_defaults).decode()
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _unkeepable(place, error) from error


def _unkeepable(place: str, error: Exception) -> StoreError:
    gist = str(error).splitlines()[0][:160]
    return StoreError(f"{place} cannot be kept as JSON ({gist})", "use plain text, numbers, lists and dicts in it")
