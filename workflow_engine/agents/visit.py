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
    """Collects while the SDK runs. `secret` is taken out of every text that is kept or shown."""

    task: AgentTask
    secret: str | None = None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    models: list[str] = field(default_factory=list)
    items: list[Mapping[str, Any]] = field(default_factory=list)
    failed: Exception | None = None

    def said(self, item: str, text: str) -> None:
        if text:
            self.items.append({"item": item, "text": self.plain(text)})

    def asked(self, tool: str, call: str, arguments: Any) -> None:
        self.items.append({"item": "tool_call", "tool": tool, "call": call, "arguments": self._plain_json(arguments)})
        self.task.tell(" ".join(self.plain(_line(tool, arguments), 80).split()))

    def returned(self, tool: str, call: str, text: str) -> None:
        self.items.append({"item": "tool_result", "tool": tool, "call": call, "text": self.plain(text)})

    def answered(self, model: object) -> None:
        name = self.plain(model, 100) if isinstance(model, str) and model else "unnamed"
        if name not in self.models:
            self.models.append(name)

    def answer(self, value: Any) -> AgentAnswer:
        # A call that failed is a request too; its tokens, if it had any, nobody told.
        usage = Usage(self.calls, self.input_tokens, self.output_tokens)
        return AgentAnswer(value, usage, tuple(self.models), tuple(self.items))

    def plain(self, text: str, most: int = _LONGEST) -> str:
        """Safe to store and to print: no secret, no terminal codes, no surrogates, not endless."""
        # A key shorter than this is a placeholder such as "none", and a word of the language.
        if self.secret and len(self.secret) >= 8:
            text = text.replace(self.secret, "•••")
        text = _CONTROL.sub("�", text.replace("\r\n", "\n"))
        return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"

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


# The HTTP client is shared by all visits; this says to which of them a request belongs.
current: ContextVar[Visit | None] = ContextVar("workflow_engine_agent_visit", default=None)


def _line(tool: str, arguments: Any) -> str:
    """`read calc.py`: the tool, and the first argument short enough to say something."""
    texts = arguments.values() if isinstance(arguments, dict) else ()
    short = next((text for text in texts if isinstance(text, str) and 0 < len(text) <= 60 and "\n" not in text), "")
    return f"{tool} {short}".strip()
