"""Commands to type: what is offered as the next step of a run, on the store that was named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.record import commands
from workflow_engine.record.commands import typed

if TYPE_CHECKING:
    from workflow_engine.record.inbox import QuestionRecord
    from workflow_engine.runtime.view import RunView


def ways_on(view: RunView[Any], store: Path | None) -> list[tuple[str, str]]:
    """What can be typed about a run at rest; the likeliest comes last."""
    run = view.id
    look = ("look", typed("show", run, store=store))
    picture = ("picture", typed("draw", run, "-o", "run.png", store=store))
    if view.open_questions and view.status == "waiting":
        asks = [("answer", answering(each.question, view, store)) for each in view.open_questions]
        return [look, picture, *_waits(view, store), *asks]
    if view.run.waits and view.status == "waiting" and (ways := _waits(view, store)):
        return [look, picture, *ways]
    if view.owned:
        return [look, ("watch", typed("watch", run, store=store))]
    if view.run.status == "queued" and view.run.target is not None:
        from workflow_engine.targets import Label

        label = Label.read(view.run.target)
        chosen = () if label.model is None else ("--model", label.model)
        return [
            look,
            ("here", typed("resume", run, store=store)),
            ("drive", typed("worker", label.target, *chosen, store=store)),
        ]
    if view.interrupted or view.status == "queued":
        return [look, ("go on", typed("resume", run, store=store))]
    if view.run.status == "failed" and view.run.frontier.ended is None:
        return [look, picture, ("mended?", typed("resume", run, store=store))]
    if view.run.status == "succeeded":
        return [look, picture]
    return [picture, look]


def _waits(view: RunView[Any], store: Path | None) -> list[tuple[str, str]]:
    """What ends the waits of a run: a command for each signal; a time comes by itself, if somebody looks then."""
    ways: list[tuple[str, str]] = []
    for each in view.run.waits:
        if each.on == "signal":
            ways += [("signal", signalling(view, name, store)) for name in each.missing]
        elif each.on == "time":
            ways.append(("then", typed("recover", store=store)))
    return list(dict.fromkeys(ways))


def signalling(view: RunView[Any], name: str, store: Path | None = None) -> str:
    """The command that sends a signal, with a place for each field it must carry."""
    schema = view.expects.get(name, {})
    words = []
    if schema.get("type") == "object":
        required = schema.get("required", ())
        words = [f"{each}=..." for each in required] if isinstance(required, list) else []
    elif schema.get("type") != "null":
        words = ["..."]
    return typed("signal", view.id, name, *words, store=store)


def answering(question: QuestionRecord, view: RunView[Any] | None = None, store: Path | None = None) -> str:
    """The command that answers a question, with a place for each field it must have."""
    alone = view is not None and len(view.open_questions) == 1
    return commands.answering(question, question.run if alone else None, store)


__all__ = ["answering", "signalling", "typed", "ways_on"]
