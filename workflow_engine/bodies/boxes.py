"""The boxes of tools an agent and its colleagues have, opened: once per process, and looked into once per attempt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import AgentFailed, StepError
from workflow_engine.spec.specialist import Granted, Specialist, colleagues
from workflow_engine.spec.tool import Tool
from workflow_engine.spec.toolbox import Toolbox


@dataclass(frozen=True)
class Boxes:
    """What is in each box now. `digests` say it in few words, by box and tool, to compare when a talk is taken up."""

    found: Mapping[Toolbox, tuple[Tool[..., Any], ...]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def unpacked(self, listed: Iterable[Granted]) -> list[Granted]:
        """What one agent has, with the tools in place of their boxes. Raises errors.StepError for one name twice."""
        if not self.found:
            return list(listed)
        flat: list[Granted] = []
        for each in listed:
            flat += self.found[each] if isinstance(each, Toolbox) else (each,)
        names: set[str] = set()
        for each in flat:
            name = str(getattr(each, "name", None) or getattr(each, "__name__", type(each).__name__))
            if name in names:
                raise StepError(f"two tools are called {name!r}", "give one of their servers a prefix", retryable=False)
            names.add(name)
        return flat


NONE = Boxes()


async def opened(tools: Iterable[Granted], handoffs: Iterable[Specialist | str], scene: Scene) -> Boxes:
    """The boxes of an agent's node. Raises errors.StepError where one cannot be opened."""
    boxes = list(dict.fromkeys(_boxes(tools, handoffs)))
    if not boxes:
        return NONE
    found: dict[Toolbox, tuple[Tool[..., Any], ...]] = {}
    for box in boxes:
        found[box] = tuple(await (await scene.resources.shelf(box)).tools())
    return Boxes(found, {f"{box.name}: {tool.name}": _digest(tool) for box in boxes for tool in found[box]})


def _boxes(tools: Iterable[Granted], handoffs: Iterable[Specialist | str]) -> Iterator[Toolbox]:
    for each in tools:
        if isinstance(each, Toolbox):
            yield each
        elif isinstance(each, Specialist):
            yield from _boxes(each.tools, each.handoffs)
    for one in colleagues(tuple(handoffs)):
        yield from _boxes(one.tools, ())


def must_be_those(node: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """A talk goes on with the tools it began with. Raises errors.AgentFailed for others."""
    if before == now:
        return
    changed = [f"{name} is another one" for name in before if name in now and now[name] != before[name]]
    changed += [f"{name} is gone" for name in before if name not in now]
    changed += [f"{name} is new" for name in now if name not in before]
    raise AgentFailed(
        f"{node} cannot take up its talk: the tools it began with have changed ({', '.join(changed[:5])})",
        "put the server back, or let the agent begin a new talk: workflow resume",
        kind="error",
        retryable=False,
    )


def _digest(tool: Tool[..., Any]) -> str:
    said = json.dumps([tool.description, tool.parameters], sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:12]
