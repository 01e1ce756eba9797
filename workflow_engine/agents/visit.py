"""One visit to an agent as it goes: what was said and called, what it used, who answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.ports.agents import AgentAnswer, AgentTask
from workflow_engine.record.usage import Usage

# A story is for reading; a tool that returned a whole file is not worth a second copy of it.
_LONGEST = 20_000
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass
class Visit:
    """Collects while the SDK runs. `secrets` are taken out of every text that is kept or shown."""

    task: AgentTask
    secrets: tuple[str, ...] = ()
    usage: Usage = Usage()
    models: list[str] = field(default_factory=list)
    """Who answered questions that were asked now."""
    items: list[Mapping[str, Any]] = field(default_factory=list)
    failed: Exception | None = None
    words: dict[str, str] = field(default_factory=dict)
    """What the model said along with a tool call, by the call's id."""
    turns: int = 0
    """Questions to the model, those that were answered by a receipt included."""

    def said(self, item: str, text: str) -> None:
        if text:
            self._add({"item": item, "text": self.plain(text)})

    def hear(self, piece: Mapping[str, Any]) -> None:
        """Told to whoever listens."""
        if self.task.hear is not None:
            self.task.hear(piece)

    def _add(self, item: Mapping[str, Any]) -> None:
        self.items.append(item)
        self.hear(item)

    def asked(self, tool: str, call: str, arguments: Any) -> None:
        self._add({"item": "tool_call", "tool": tool, "call": call, "arguments": self._plain_json(arguments)})
        self.task.tell(" ".join(self.plain(_line(tool, arguments), 80).split()))

    def returned(self, tool: str, call: str, text: str) -> None:
        self._add({"item": "tool_result", "tool": tool, "call": call, "text": self.plain(text)})

    def named(self, model: object) -> str:
        """What the model that answered calls itself."""
        return self.plain(model, 100) if isinstance(model, str) and model else "unnamed"

    def answer(self, value: Any) -> AgentAnswer:
        return AgentAnswer(value, self.usage, tuple(self.models), tuple(self.items))

    def plain(self, text: str, most: int = _LONGEST) -> str:
        """Safe to store and to print: no secret, no terminal codes, no surrogates, not endless."""
        text = self.without_secret(text)
        text = _CONTROL.sub("�", text.replace("\r\n", "\n"))
        return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"

    def without_secret(self, text: str) -> str:
        for secret in self.secrets:
            # A key shorter than this is a placeholder such as "none", and a word of the language.
            if len(secret) >= 8:
                text = text.replace(secret, "•••")
        return text

    def _plain_json(self, value: Any) -> Any:
        match value:
            case str():
                return self.plain(value)
            case dict():
                return {self.plain(str(key), 200): self._plain_json(member) for key, member in value.items()}
            case list():
                return [self._plain_json(member) for member in value]
            case _:
                return value


@dataclass
class Answering:
    """One question on its way to a model: whose it is, its idempotency key, who answers it, and which agent asks."""

    visit: Visit
    key: str
    model: str = ""
    agent: str = ""
    streams: bool = False


# The HTTP client is shared by all visits; this says to which question of which of them a request belongs.
current: ContextVar[Answering | None] = ContextVar("workflow_engine_model_call", default=None)


def _line(tool: str, arguments: Any) -> str:
    """`read calc.py`: the tool, and the first argument short enough to say something."""
    texts = arguments.values() if isinstance(arguments, dict) else ()
    short = next((text for text in texts if isinstance(text, str) and 0 < len(text) <= 60 and "\n" not in text), "")
    return f"{tool} {short}".strip()
