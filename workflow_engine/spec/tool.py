"""Tools: functions an agent may use, and what holds for their use.

A plain function in `tools=[...]` is a tool that only reads. What touches the outside world, or needs somebody's word,
is declared with `@tool`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, Literal, ParamSpec, Protocol, Self, TypeVar, get_args, overload

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.edges import shown
from workflow_engine.spec.nodes import Node, Signature, names_of, signature_of, text_of

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Risk = Literal["read", "write", "danger"]
Approval = Literal["always", "never"] | Callable[..., bool]
InDoubt = Literal["ask", "rerun"] | Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Tool(Generic[P, R_co]):
    """A function an agent may use.

    `effect` says that it touches the outside world: a use that finished is never repeated, and `in_doubt` says what
    holds of one that began and whose end is not known. `approval` says which uses a person must allow first, `within`
    how long that waits before it counts as a no, `to` and `candidates` who is asked. `timeout` limits one use. `risk`
    is told to whoever approves.
    """

    name: str
    body: Callable[P, R_co] = field(repr=False)
    effect: bool = False
    in_doubt: InDoubt = "ask"
    approval: Approval = "never"
    within: timedelta | None = None
    to: str | None = None
    candidates: tuple[str, ...] = ()
    timeout: timedelta | None = None
    risk: Risk = "read"
    description: str = ""
    parameters: Any = None
    """The JSON Schema of the arguments, where the function's own signature does not say it."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.body(*args, **kwargs)

    @cached_property
    def signature(self) -> Signature:
        """What it takes and returns. Read late, as a node's."""
        return signature_of(self.body)

    @property
    def text(self) -> str:
        """What it tells the model of itself."""
        return self.description or inspect.cleandoc(self.body.__doc__ or "")

    @cached_property
    def code(self) -> str:
        """What it does and what holds for its use, as text to compare."""
        said = {
            name: each
            for name in ("effect", "within", "to", "candidates", "timeout", "risk", "description", "parameters")
            if (each := getattr(self, name)) not in (None, False, (), "", "read")
        }
        deciding = [text_of(each) if callable(each) else each for each in (self.in_doubt, self.approval)]
        plain = not said and deciding == ["ask", "never"]
        return text_of(self.body) if plain else f"{text_of(self.body)}\0{said!r}\0{deciding!r}"

    def named(self, name: str) -> Self:
        """The same tool under another name."""
        return replace(self, name=name)


class _ToolDecorator(Protocol):
    def __call__(self, body: Callable[P, R_co], /) -> Tool[P, R_co]: ...


@overload
def tool(body: Callable[P, R_co], /) -> Tool[P, R_co]: ...
@overload
def tool(
    *,
    name: str | None = None,
    effect: bool = False,
    in_doubt: InDoubt = "ask",
    approval: Approval | None = None,
    within: timedelta | None = None,
    to: str | None = None,
    candidates: Sequence[str] = (),
    timeout: timedelta | None = None,
    risk: Risk | None = None,
    description: str = "",
) -> _ToolDecorator: ...
def tool(body: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """A function an agent may use, where listed in its `tools=`. The docstring tells the model what it is for.

    Parameters are what the model gives, but for one annotated `Step` or with a resource type, which is handed in
    unseen. `effect=True` says it touches the outside world: a use that finished is never repeated, and of one whose end
    is not known `in_doubt` says what holds: "ask" a person, "rerun", or a probe, a function of the same arguments that
    returns the result if the effect is there and None if it is not. `approval` is "always", "never" or a pure function
    of the same arguments that says whether a person must allow this very use; unless it is said, a tool of risk
    "danger" always needs it. `within` is how long that is waited for, after which it counts as a no; `to` and
    `candidates` say who is asked. `timeout` limits one use of an async function. Raises errors.DeclarationError.
    """

    def decorate(body: Callable[..., Any]) -> Tool[..., Any]:
        if isinstance(body, Node | Tool) or not callable(body):
            raise DeclarationError(f"{shown(body)} is no plain function", "decorate a function: @tool def name(...)")
        given: dict[str, Any] = dict(settings)
        effect = bool(given.get("effect", False))
        risk: Any = given.pop("risk", None) or ("write" if effect else "read")
        approval: Any = given.pop("approval", None) or ("always" if risk == "danger" else "never")
        name = given.pop("name", None) or getattr(body, "__name__", type(body).__name__)
        given["candidates"] = names_of(given.get("candidates", ()))
        _must_make_sense(name, risk, approval, given)
        return Tool(name=name, body=body, risk=risk, approval=approval, **given)

    return decorate if body is None else decorate(body)


def _must_make_sense(name: str, risk: Any, approval: Any, given: dict[str, Any]) -> None:
    if risk not in get_args(Risk):
        raise DeclarationError(f"tool {name!r}: risk={risk!r}", "it is read, write or danger")
    if approval not in ("always", "never") and not callable(approval):
        raise DeclarationError(
            f"tool {name!r}: approval={approval!r}", "it is always, never, or a function of the tool's arguments"
        )
    doubt = given.get("in_doubt", "ask")
    if doubt not in ("ask", "rerun") and not callable(doubt):
        raise DeclarationError(f"tool {name!r}: in_doubt={doubt!r}", "it is ask, rerun, or a probe")
    if approval == "never" and (given.get("within") is not None or given.get("to") or given["candidates"]):
        raise DeclarationError(
            f"tool {name!r} says who approves it, or until when, and needs no approval", 'add approval="always"'
        )


def tool_of(given: Callable[..., Any]) -> Tool[..., Any]:
    """What is listed in `tools=` as a tool: a plain function is one that only reads."""
    return given if isinstance(given, Tool) else Tool(getattr(given, "__name__", type(given).__name__), given)
