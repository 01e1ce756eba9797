"""A speaker: whatever answers one question of a talk. What a library must come to, to serve as an agent's model."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from workflow_engine.agents.models import Endpoint
from workflow_engine.ports.agents import Tool
from workflow_engine.record.usage import Usage


@dataclass(frozen=True)
class Asking:
    """One question: what was said so far, as messages in the form of chat completions, without the instructions.

    `schema` is the JSON Schema of the answer that is wanted in the end, None where any text will do. `offered` are
    the tools by name; whoever answers may ask for them, but does not use them. `model` is the model the node names, if
    it names one. `most` are the tokens that the answer may have, where a budget counts them. `tell`, where there is
    one, is told the answer while it is made: "message" or "reasoning", and some more of its words.
    """

    instructions: str
    messages: Sequence[Mapping[str, Any]]
    offered: Mapping[str, Tool] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    strict: bool = False
    model: str | None = None
    agent: str = ""
    most: int | None = None
    tell: Callable[[str, str], None] | None = None

    @property
    def prompt(self) -> str:
        """What a person, or the agent's body, said last."""
        return next((str(each["content"]) for each in reversed(self.messages) if each["role"] == "user"), "")

    @property
    def results(self) -> tuple[str, ...]:
        """What tools returned so far, oldest first."""
        return tuple(str(each["content"]) for each in self.messages if each["role"] == "tool")

    @property
    def told(self) -> str:
        """The instructions, with the wanted shape: for a model that takes no schema of its own accord."""
        if self.schema is None:
            return self.instructions
        return (
            f"{self.instructions}\n\nAnswer with JSON alone, no other text, that fits this schema:\n"
            f"{json.dumps(self.schema, ensure_ascii=False)}"
        )

    def chat(self, instructions: str | None = None) -> list[dict[str, Any]]:
        """All of it as messages of chat completions, the instructions first."""
        first = self.instructions if instructions is None else instructions
        system = [{"role": "system", "content": first}] if first else []
        return [*system, *({name: part for name, part in each.items() if name[0] != "_"} for each in self.messages)]


@dataclass(frozen=True)
class Use:
    """A tool that is asked for: its name, its arguments as JSON text, and a word by which its result is told."""

    tool: str
    arguments: str
    id: str


@dataclass(frozen=True)
class Said:
    """What was answered: a text, or tools to use, with what it cost and who said it.

    `items` is what the speaker itself wants to find in the message later, as JSON. `cached` of the tokens given came
    cheaper. A cost that is not in `usage` is looked up in the price list of the speaker's link.
    """

    text: str = ""
    uses: tuple[Use, ...] = ()
    usage: Usage = field(default_factory=lambda: Usage(1))
    model: str = ""
    items: Any = None
    cached: int = 0


Closing: TypeAlias = Callable[[], Awaitable[object]]


class Speaker(Protocol):
    """Answers questions. It retries nothing: its errors go up, and are told by whom `name` says."""

    @property
    def name(self) -> str:
        """Who it is, for people."""
        ...

    @property
    def link(self) -> Endpoint:
        """What it is in a chain: how it is called there, whose price list holds, and how long its answer may be."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be kept or shown of what it says."""
        ...

    async def say(self, asking: Asking) -> Said:
        """The answer to one question."""
        ...

    async def close(self) -> None:
        """Let go of connections; closing twice is allowed."""
        ...
