"""The facts of a journal: a closed union. Each is named in the past tense and readable without the workflow's code."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter

from workflow_engine.record.facts.calls import CallFailed, CallFinished, CallRuled, CallStarted, TalkBegan
from workflow_engine.record.facts.questions import (
    QuestionAnswered,
    QuestionApproved,
    QuestionAsked,
    QuestionExpired,
    QuestionReassigned,
    QuestionReminded,
    QuestionWithdrawn,
)
from workflow_engine.record.facts.runs import (
    CodeChanged,
    RunCancelled,
    RunClaimed,
    RunCreated,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunMigrated,
)
from workflow_engine.record.facts.steps import (
    AttemptFailed,
    EffectStarted,
    ItemFailed,
    ItemFinished,
    StepFailed,
    StepFinished,
    StepWithdrawn,
    SubflowEntered,
)
from workflow_engine.record.facts.waits import SignalReceived, SignalRefused, WaitBegan, WaitExpired

Event = Annotated[
    RunCreated
    | RunForked
    | RunClaimed
    | CodeChanged
    | RunMigrated
    | EffectStarted
    | SubflowEntered
    | AttemptFailed
    | ItemFinished
    | ItemFailed
    | TalkBegan
    | CallStarted
    | CallFinished
    | CallFailed
    | CallRuled
    | StepFinished
    | StepFailed
    | QuestionAsked
    | QuestionAnswered
    | QuestionReminded
    | QuestionReassigned
    | QuestionApproved
    | QuestionExpired
    | QuestionWithdrawn
    | WaitBegan
    | SignalReceived
    | SignalRefused
    | WaitExpired
    | StepWithdrawn
    | RunInterrupted
    | RunFailed
    | RunCancelled,
    Discriminator("type"),
]

_EVENT: TypeAdapter[Any] = TypeAdapter(Event)


@cache
def _of_kind(kind: Any) -> TypeAdapter[Any]:
    # A union looks for the event's kind among all of its own at each call.
    return TypeAdapter(kind)


def write_event(event: Any) -> str:
    """An event as one line of JSON, whole."""
    kind: Any = type(event)
    return _of_kind(kind).serializer.to_json(event).decode()


def kept_event(event: Any) -> str:
    """An event as one line of JSON without what stands at its default: a quarter shorter, and read back the same."""
    kind: Any = type(event)
    told = _of_kind(kind).serializer.to_json(event, exclude_defaults=True)
    return f'{told[:-1].decode()},"type":"{kind.__name__}"}}'


def read_event(text: str) -> Any:
    """The event of a line. Raises pydantic.ValidationError for anything that is none."""
    return _EVENT.validator.validate_json(text)


__all__ = [
    "AttemptFailed",
    "CallFailed",
    "CallFinished",
    "CallRuled",
    "CallStarted",
    "CodeChanged",
    "EffectStarted",
    "Event",
    "ItemFailed",
    "ItemFinished",
    "QuestionAnswered",
    "QuestionApproved",
    "QuestionAsked",
    "QuestionExpired",
    "QuestionReassigned",
    "QuestionReminded",
    "QuestionWithdrawn",
    "RunCancelled",
    "RunClaimed",
    "RunCreated",
    "RunFailed",
    "RunForked",
    "RunInterrupted",
    "RunMigrated",
    "SignalReceived",
    "SignalRefused",
    "StepFailed",
    "StepFinished",
    "StepWithdrawn",
    "SubflowEntered",
    "TalkBegan",
    "WaitBegan",
    "WaitExpired",
    "kept_event",
    "read_event",
    "write_event",
]
