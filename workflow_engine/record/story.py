"""The story of an agent's step: what it was asked, said, used and was told, call by call, as the journal has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_engine.record import events as e
from workflow_engine.record.usage import Usage

Kind = Literal[
    "prompt", "message", "reasoning", "tool_call", "tool_result", "ruling", "handoff", "check", "failed", "unknown"
]


@dataclass(frozen=True)
class StoryItem:
    """One thing that was said or done. `path` is the branch: empty for the agent itself, else the use it happened in.

    `who` is the model that said it, the tool, or the person; `text` what was said, asked or returned. A `handoff` is by
    the agent `who` to the agent `text`; a `check` has the name of a guardrail, and why it objects if it does. `unknown`
    is a call that began, and nobody knows how it ended.
    """

    kind: Kind
    talk: int
    text: str
    who: str = ""
    call: str = ""
    path: str = ""
    seconds: float | None = None
    usage: Usage | None = None
    item: int | None = None

    def document(self) -> dict[str, Any]:
        """As plain JSON, what is empty left out. Which item of an `each` node it belongs to is `of_item`."""
        told = {"item": self.kind, **{name: getattr(self, name) for name in ("talk", "text", "who", "call", "path")}}
        told |= {"seconds": self.seconds, "of_item": self.item}
        if self.usage is not None:
            told["usage"] = {name: getattr(self.usage, name) for name in self.usage.__dataclass_fields__}
        return {name: value for name, value in told.items() if value not in ("", None)}


@dataclass
class _Telling:
    open: dict[tuple[int | None, int, str], e.CallStarted] = field(default_factory=dict)
    called: set[tuple[int | None, int, str]] = field(default_factory=set)


def story(events: Iterable[Any]) -> tuple[StoryItem, ...]:
    """The story that the events of one step tell, in their order. Events of other kinds say nothing."""
    telling = _Telling()
    items = [item for event in events for item in _told(event, telling)]
    items += [
        StoryItem(
            "unknown", each.talk, each.asked if each.what == "tool" else "", each.name, *_place(each), item=each.item
        )
        for each in telling.open.values()
    ]
    return tuple(items)


def _told(event: Any, telling: _Telling) -> Iterator[StoryItem]:
    match event:
        case e.TalkBegan():
            yield StoryItem("prompt", event.talk, event.prompt, item=event.item)
        case e.CallStarted():
            telling.open[_key(event)] = event
            if event.what == "tool":
                yield from _use(event, telling)
        case e.CallFinished(what="model"):
            telling.open.pop(_key(event), None)
            yield from _said(event)
        case e.CallFinished(what="handoff" | "check"):
            call, path = _place(event)
            handed = event.what == "handoff"
            who, text = (event.asked, event.name) if handed else (event.name, event.text)
            yield StoryItem("handoff" if handed else "check", event.talk, text, who, call, path, item=event.item)
        case e.CallFinished():
            telling.open.pop(_key(event), None)
            yield from _use(event, telling)
            call, path = _place(event)
            yield StoryItem(
                "tool_result", event.talk, event.text, event.name, call, path, event.seconds, item=event.item
            )
        case e.CallFailed():
            began = telling.open.pop(_key(event), None)
            call, path = _place(event)
            took = None if began is None else max(0.0, (event.at - began.at).total_seconds())
            why = f"{event.kind}: {event.why}"
            yield StoryItem("failed", event.talk, why, event.name, call, path, took, event.usage, event.item)
        case e.CallRuled():
            reason = f": {event.reason}" if event.reason else ""
            call = event.ref.partition(":")[2].rpartition(":")[0]
            yield StoryItem("ruling", event.talk, f"{event.word}{reason}", event.by, call, item=event.item)
        case _:
            return


def _use(event: e.CallStarted | e.CallFinished, telling: _Telling) -> Iterator[StoryItem]:
    """What was asked of a tool: told once, whether it was begun or answered otherwise."""
    if _key(event) in telling.called:
        return
    telling.called.add(_key(event))
    call, path = _place(event)
    yield StoryItem("tool_call", event.talk, event.asked, event.name, call, path, item=event.item)


def _said(event: e.CallFinished) -> Iterator[StoryItem]:
    """What a model said, as far as its answer is in the form of OpenAI's Responses API."""
    call, path = _place(event)
    silent: list[tuple[Kind, str]] = [("message", "")]
    for number, (kind, text) in enumerate(list(said_in(event.text)) or silent):
        # Of the whole answer, told once.
        seconds, usage = (event.seconds, event.usage) if number == 0 else (None, None)
        yield StoryItem(kind, event.talk, text, _model(event), call, path, seconds, usage, event.item)


def said_in(text: str) -> Iterator[tuple[Kind, str]]:
    """The words of an answer: {"output": [items of the Responses API]}. Nothing, where it has another form."""
    try:
        output = json.loads(text).get("output")
    except (ValueError, AttributeError, RecursionError):
        return
    for item in output if isinstance(output, list) else ():
        match item:
            case {"type": "message", "content": list(parts)}:
                words = [
                    str(part.get("text") or part.get("refusal") or "") for part in parts if isinstance(part, Mapping)
                ]
                if any(words):
                    yield "message", "\n".join(words)
            case {"type": "reasoning", "summary": list(parts)} if parts:
                yield "reasoning", "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))
            case _:
                pass


def _model(event: e.CallFinished) -> str:
    return event.answered_by[0] if event.answered_by else ""


def _key(event: Any) -> tuple[int | None, int, str]:
    return event.item, event.talk, event.call


def _place(event: Any) -> tuple[str, str]:
    """Which call, and in which branch."""
    path, slash, call = event.call.rpartition("/")
    return call, f"{path}{slash}"
