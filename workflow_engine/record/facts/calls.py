"""The facts of an agent's turn: its talks, and each call to its model or a tool, before it and once it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from workflow_engine.record.usage import Usage

What = Literal["model", "tool", "handoff", "check"]
"""What a call of an agent is: its model asked, a tool used, its talk handed over, or something checked by code."""


@dataclass(frozen=True)
class TalkBegan:
    """An agent is about to be asked, with this prompt: a conversation begins, the `talk`-th of its visit."""

    at: datetime
    node: str
    visit: int
    talk: int
    prompt: str
    item: int | None = None
    tools: dict[str, str] | None = None
    """Digests of the tools it was given out of boxes, such as MCP servers, by name."""
    type: Literal["TalkBegan"] = "TalkBegan"


@dataclass(frozen=True)
class CallStarted:
    """An agent's model is about to be asked, or a tool to be used: on disk before it is.

    `call` names it within its talk. `asked` are a tool's arguments as JSON; of a model's call, a digest of what had
    been said. `reserved` is what it may use at most, where a budget counts it. An `effect` is in doubt until its end is
    on disk.
    """

    at: datetime
    node: str
    visit: int
    talk: int
    call: str
    what: What
    name: str
    asked: str
    effect: bool = False
    item: int | None = None
    reserved: Usage | None = None
    type: Literal["CallStarted"] = "CallStarted"


@dataclass(frozen=True)
class CallFinished:
    """A call came to its end, and this is its receipt: it is never made again in this talk.

    `text` is what a tool returned, or a model's answer in the words of whoever asked it. An `effect` that was not
    started in this talk is one of an earlier talk that this one took for its own. A `handoff` says that the talk is in
    the hands of the agent `name` from here on, and `asked` whose it was.
    """

    at: datetime
    node: str
    visit: int
    talk: int
    call: str
    what: What
    name: str
    asked: str
    text: str
    seconds: float = 0.0
    effect: bool = False
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    item: int | None = None
    type: Literal["CallFinished"] = "CallFinished"


@dataclass(frozen=True)
class CallFailed:
    """A call came to nothing, and may be made again; in `doubt`, it was broken off and nobody knows what came of it."""

    at: datetime
    node: str
    visit: int
    talk: int
    call: str
    what: What
    name: str
    kind: str
    why: str
    doubt: bool = False
    usage: Usage | None = None
    item: int | None = None
    type: Literal["CallFailed"] = "CallFailed"


@dataclass(frozen=True)
class CallRuled:
    """What a person decided about one use of a tool is known to the agent: `word` is what they chose.

    `value` is what they put in its arguments' place, or vouched for.
    """

    at: datetime
    node: str
    visit: int
    talk: int
    ref: str
    word: str
    by: str
    value: Any = None
    reason: str = ""
    item: int | None = None
    type: Literal["CallRuled"] = "CallRuled"
