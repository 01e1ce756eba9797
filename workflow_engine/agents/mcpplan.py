"""An MCP server as a node declares it: how it is reached, which tools of it are granted, and what holds for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any, Literal

from workflow_engine.errors import Infrastructure, StepError
from workflow_engine.spec.nodes import text_of
from workflow_engine.spec.tool import Approval, InDoubt
from workflow_engine.spec.toolbox import Shelf

Transport = Literal["stdio", "http", "sse"]
WILD = frozenset("*?[")


@dataclass(frozen=True)
class ServerPlan:
    """What is declared of one server. Tools are meant by the names it gives them, patterns allowed.

    `secrets` say which environment variables give it a value: of its environment over stdio, else of a header.
    """

    name: str
    transport: Transport
    command: tuple[str, ...] = ()
    url: str = ""
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    prefix: str = ""
    reads: tuple[str, ...] = ()
    approval: Mapping[str, Approval] = field(default_factory=dict)
    in_doubt: Mapping[str, InDoubt] = field(default_factory=dict)
    timeout: timedelta = timedelta(seconds=60)
    starting: timedelta = timedelta(seconds=30)

    def grants(self, tool: str) -> bool:
        """Whether an agent is given this tool."""
        return _said(tool, self.allow) is not None

    def policy(self, tool: str) -> dict[str, Any]:
        """What holds for its use: the words of spec.tool.Tool."""
        reads = _said(tool, self.reads) is not None
        asked = _said(tool, self.approval)
        doubt = _said(tool, self.in_doubt)
        return {
            "effect": not reads,
            "risk": "read" if reads else "write",
            "approval": self.approval[asked] if asked is not None else ("never" if reads else "always"),
            "in_doubt": "ask" if doubt is None else self.in_doubt[doubt],
            "timeout": self.timeout,
        }

    @property
    def asks(self) -> bool:
        """Whether using one of them may ask a person."""
        for tool in self.allow:
            policy = self.policy(tool)
            if policy["approval"] != "never" or (policy["effect"] and policy["in_doubt"] == "ask"):
                return True
        return False

    def must_offer(self, offered: Sequence[str]) -> None:
        """Raise errors.StepError for a tool named in the declaration that the server does not offer."""
        for word in (*self.allow, *self.reads, *self.approval, *self.in_doubt):
            if not WILD & set(word) and word not in offered:
                near = get_close_matches(word, offered, 3)
                hint = f"did you mean {' or '.join(near)}?" if near else f"it offers {', '.join(offered) or 'nothing'}"
                raise StepError(f"MCP server {self.name!r} offers no tool {word!r}", hint, retryable=False)

    def known(self) -> dict[str, str]:
        """The secrets' values. Raises errors.Infrastructure where the environment lacks one."""
        missing = [each for each in self.secrets.values() if not os.environ.get(each)]
        if missing:
            raise Infrastructure(
                f"MCP server {self.name!r} needs the environment variable {missing[0]}, which is not set",
                "set it where the worker runs",
                retryable=False,
            )
        return {name: os.environ[each].strip() for name, each in self.secrets.items()}

    @property
    def code(self) -> str:
        """All of it, as text to compare; of secrets only their names."""
        said = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("approval", "in_doubt")}
        deciding = {
            name: {tool: text_of(each) if callable(each) else each for tool, each in getattr(self, name).items()}
            for name in ("approval", "in_doubt")
        }
        return repr({**said, **deciding})

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Shelf]:
        """The server's tools; it is started when it is first asked."""
        # Seconds of imports, off the loop: other steps and heartbeats go on meanwhile.
        await asyncio.to_thread(import_module, "workflow_engine.agents.mcpshelf")
        from workflow_engine.agents.mcpshelf import open_shelf

        async with open_shelf(self) as shelf:
            yield shelf


def _said(tool: str, words: Sequence[str] | Mapping[str, Any]) -> str | None:
    """The word that speaks of a tool: its own name before a pattern."""
    return tool if tool in words else next((each for each in words if fnmatchcase(tool, each)), None)
