"""Specialists: agents within an agent's node, which it uses as tools or hands its talk over to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.nodes import text_of

DEEPEST = 5
"""How deep specialists may use one another as tools: each level multiplies the calls of the one above it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,49}")


@dataclass(frozen=True, eq=False)
class Specialist:
    """An agent that works within another agent's node: a tool of it, or one that it hands its talk over to.

    As a tool it is asked in a talk of its own, of at most `turns` model calls, and its answer, of type `output`, is
    what the tool returns. Handed over to, it sees what was said so far and gives the node's answer itself. It has its
    own `tools`, and none of anybody else's. `handoffs` are whom it may hand over to in turn: specialists, or names of
    agents of the same talk, so that it can hand back. `model` is that of the node, unless it is said.
    """

    name: str
    instructions: str
    description: str = ""
    tools: tuple[Granted, ...] = ()
    handoffs: tuple[Specialist | str, ...] = ()
    output: Any = str
    model: str | None = None
    turns: int = 20

    @property
    def code(self) -> str:
        """What it is told and what it has, as text to compare."""
        said = (self.name, self.instructions, self.description, self.model, self.turns, str(self.output))
        return "\0".join([repr(said), *(code_of(each) for each in (*self.tools, *self.handoffs))])


Granted: TypeAlias = Callable[..., Any] | Specialist
"""What may be listed in `tools=`."""


def specialist(
    *,
    name: str,
    instructions: str,
    description: str = "",
    tools: Sequence[Granted] = (),
    handoffs: Sequence[Specialist | str] = (),
    output: Any = str,
    model: str | Sequence[str] | None = None,
    turns: int = 20,
) -> Specialist:
    """An agent to be listed in the `tools=` or the `handoffs=` of another one. Raises errors.DeclarationError.

    `description` tells the other agent what it is for. `output` is the type of what it answers as a tool.
    """
    if not _NAME.fullmatch(str(name)):
        raise DeclarationError(f"{name!r} is no specialist's name", "a word of letters, digits and _, at most 50 long")
    return Specialist(
        name=name,
        instructions=inspect.cleandoc(instructions),
        description=inspect.cleandoc(description),
        tools=tuple(tools),
        handoffs=tuple(handoffs),
        output=output,
        model=model if model is None or isinstance(model, str) else ", ".join(model),
        turns=turns,
    )


def code_of(listed: Granted | str) -> str:
    """What something listed in `tools=` or `handoffs=` does, as text to compare."""
    code: str | None = listed if isinstance(listed, str) else getattr(listed, "code", None)
    return text_of(cast("Any", listed)) if code is None else code


def colleagues(handoffs: Sequence[Specialist | str]) -> Iterator[Specialist]:
    """Everybody a talk may come to be in the hands of, each once, in the order in which they are declared."""
    seen: set[int] = set()
    due = [each for each in handoffs if isinstance(each, Specialist)]
    while due:
        first = due.pop(0)
        if id(first) in seen:
            continue
        seen.add(id(first))
        yield first
        due += [each for each in first.handoffs if isinstance(each, Specialist)]


def specialists_within(tools: Sequence[Any], handoffs: Sequence[Any], others: Sequence[Any] = ()) -> list[Specialist]:
    """Every specialist an agent may come to, at whatever depth, each once; `others` are some that it begins with."""
    found: dict[int, Specialist] = {}
    due = [*tools, *handoffs, *others]
    while due:
        one = due.pop(0)
        if isinstance(one, Specialist) and id(one) not in found:
            found[id(one)] = one
            due += [*one.tools, *one.handoffs]
    return list(found.values())


def named_of(handoff: Specialist | str) -> str:
    """The name of somebody a talk may be handed over to."""
    return handoff if isinstance(handoff, str) else handoff.name


def handing_over(name: str) -> str:
    """The tool by which a model hands its talk over to the agent of this name."""
    return f"transfer_to_{name}"
