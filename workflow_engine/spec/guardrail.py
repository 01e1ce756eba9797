"""Guardrails: what is looked at before an agent is asked, before what it says counts, and before it uses a tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, overload

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.nodes import names_of, text_of
from workflow_engine.spec.specialist import Specialist

On = Literal["input", "output", "tool"]
Tripped = Literal["fail", "again"]

AGAIN = 2
"""How often an agent is asked again whose answers trip one guardrail."""


@dataclass(frozen=True, eq=False)
class Guardrail:
    """A check of an agent: of its prompt (`input`), of its answer (`output`), or of each use of a tool (`tool`).

    `check` is a function that returns None, or why not; or a specialist, who is asked. Where it says why not, the node
    fails, with the kind "guardrail", or (`tripped="again"`) the agent is told and asked again. `tools` are those whose
    use is looked at, all where there are none.
    """

    name: str
    on: On
    check: Callable[..., Any] | Specialist
    tripped: Tripped = "fail"
    tools: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """What it looks for, as text to compare."""
        looks = self.check.code if isinstance(self.check, Specialist) else text_of(self.check)
        return f"{self.name}\0{self.on}\0{self.tripped}\0{self.tools!r}\0{looks}"


class _GuardrailDecorator(Protocol):
    def __call__(self, check: Callable[..., Any] | Specialist, /) -> Guardrail: ...


@overload
def guardrail(
    check: Callable[..., Any] | Specialist,
    /,
    *,
    on: On,
    tripped: Tripped = "fail",
    tools: str | Sequence[str] = (),
    name: str | None = None,
) -> Guardrail: ...
@overload
def guardrail(
    *, on: On, tripped: Tripped = "fail", tools: str | Sequence[str] = (), name: str | None = None
) -> _GuardrailDecorator: ...
def guardrail(
    check: Callable[..., Any] | Specialist | None = None,
    /,
    *,
    on: On,
    tripped: Tripped = "fail",
    tools: str | Sequence[str] = (),
    name: str | None = None,
) -> Any:
    """A check for the `guardrails=` of an agent: a decorator, or called with a function or a specialist.

    The function takes the prompt (a str), the answer in its own type, or a tool's name and its arguments (a dict). It
    returns None where there is nothing to object to, else the reason, a str; it may be async. A specialist is told
    what it is about and says whether that is `fine`. Raises errors.DeclarationError.
    """

    def decorate(check: Callable[..., Any] | Specialist, /) -> Guardrail:
        own = check.name if isinstance(check, Specialist) else getattr(check, "__name__", "guardrail")
        called = name or str(own)
        if not isinstance(check, Specialist) and not callable(check):
            raise DeclarationError(f"guardrail {called!r} is no function", "a function that returns why not, or None")
        if on not in get_args(On):
            raise DeclarationError(f"guardrail {called!r}: on={on!r}", "it is input, output or tool")
        if tripped not in get_args(Tripped):
            raise DeclarationError(f"guardrail {called!r}: tripped={tripped!r}", "it is fail or again")
        if on == "input" and tripped == "again":
            what = f"guardrail {called!r} is about the prompt, and asks the agent again"
            raise DeclarationError(what, "the agent has not been asked yet: leave tripped= out")
        if tools and on != "tool":
            raise DeclarationError(f"guardrail {called!r} names tools and is on={on!r}", 'add on="tool"')
        return Guardrail(called, on, check, tripped, names_of(tools))

    return decorate if check is None else decorate(check)
