"""Each: one function, agent or subflow, done for every item of a list, several at once."""

from __future__ import annotations

import collections.abc as abc
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

from pydantic import BaseModel, ConfigDict

from workflow_engine.errors import DeclarationError, Failure, UsageError
from workflow_engine.spec.decorators import function
from workflow_engine.spec.edges import shown
from workflow_engine.spec.nodes import Agent, Function, Node, Parameter, Signature
from workflow_engine.spec.policies import ONCE, Retry
from workflow_engine.spec.subflow import Subflow

if TYPE_CHECKING:
    from workflow_engine.spec.workflow import Workflow

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

OnError = Literal["fail", "collect", "skip"]
AT_ONCE = 8


class Result(BaseModel, Generic[T]):
    """What became of one item, where failures are collected: its value, or why there is none."""

    model_config = ConfigDict(frozen=True)

    value: T | None = None
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None


@dataclass(frozen=True, eq=False)
class Each(Node, Generic[P, R_co]):
    """Does `one` for every item of the field `items`, at most `at_once` at a time; the results are written in order.

    `retry`, `timeout` and the effect of `one` hold for each item. `on_error` says what a failed item means: "fail" the
    step, "collect" a `Result` for each, or "skip" it.
    """

    kind: ClassVar[str] = "each"

    items: str = ""
    one: Function[Any, Any] | Agent[Any, Any] | Subflow = None  # type: ignore[assignment]
    at_once: int = AT_ONCE
    on_error: OnError = "fail"

    def named(self, name: str, *, writes: str | tuple[str, ...] | None = None) -> Self:
        one = _named(self.one, name, writes)
        return replace(self, name=name, writes=one.writes, one=one)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        if isinstance(self.one, Subflow):
            raise UsageError(f"{self.name} is a workflow for each item, and no function", "run_sync(billing, {...})")
        return self.body(*args, **kwargs)  # type: ignore[no-any-return]

    @cached_property
    def signature(self) -> Signature:
        """What it reads; of a subflow without the item, an input of its workflow that `reads` does not give."""
        return self.one.signature if isinstance(self.one, Subflow) else super().signature

    @property
    def where(self) -> str | None:
        return self.one.where if isinstance(self.one, Subflow) else super().where

    @cached_property
    def code(self) -> str:
        """A hash of what is done for an item."""
        return self.one.code if isinstance(self.one, Subflow) else super().code

    @property
    def effect(self) -> bool:
        return self.one.effect

    def _settings(self) -> str:
        return self.one._settings()


def item_parameters(node: Each[Any, Any], workflow: Workflow[Any]) -> tuple[Parameter, ...]:
    """The parameters that are no field and no resource and must be given: of a sound node one, which is the item.

    Of a subflow they are the inputs of its workflow that its `reads` does not name.
    """
    if isinstance(node.one, Subflow):
        return node.one.missing
    return tuple(
        each
        for each in node.signature.parameters
        if not each.has_default
        and each.name not in workflow.fields
        and each.name != "failure"
        and not workflow.hands_in(each.type)
    )


def inputs_of(node: Node, workflow: Workflow[Any]) -> tuple[Parameter, ...]:
    """What a node's body is filled with from outside: its parameters, but for an item the list it stands in."""
    if not isinstance(node, Each):
        return node.signature.parameters
    items = item_parameters(node, workflow)
    listed: Any = abc.Sequence
    kind = listed[items[0].type] if items else listed
    taken = () if isinstance(node.one, Subflow) else items
    rest = tuple(each for each in node.signature.parameters if each not in taken)
    return (Parameter(node.items, kind, False), *rest)


def element_of(annotation: Any) -> Any:
    """X of `list[X]`, `tuple[X, ...]` or `Sequence[X]`, also beside None. Raises TypeError for what is no list."""
    members = [each for each in get_args(annotation) if each is not type(None)]
    if type(None) in get_args(annotation) and len(members) == 1:
        return element_of(members[0])
    origin, given = get_origin(annotation), get_args(annotation)
    if annotation in (list, tuple, abc.Sequence):
        return Any
    if (origin in (list, abc.Sequence)) or (origin is tuple and given[1:] == (...,)):
        return given[0]
    raise TypeError(f"{annotation} is no list")


def result_of(element: Any) -> Any:
    """T of `Result[T]`. Raises TypeError for any other type."""
    known = getattr(element, "__pydantic_generic_metadata__", {})
    if element is Result:
        return Any
    if known.get("origin") is not Result:
        raise TypeError(f"{element} is no Result")
    return known["args"][0]


def value_type(node: Each[Any, Any], workflow: Workflow[Any]) -> Any:
    """The type of what one item comes to, as the written field says. Raises TypeError where that is no such list."""
    element = element_of(workflow.fields[node.writes[0]].type)
    return result_of(element) if node.on_error == "collect" else element


def _named(one: Any, name: str, writes: str | tuple[str, ...] | None) -> Any:
    """What is done for an item, under another name, and writing another field if one is named."""
    if not isinstance(one, Subflow) or not isinstance(writes, str):
        return one.named(name, writes=writes)
    if len(one.gives) != 1:
        taken = ", ".join(one.gives.values()) or "nothing"
        raise DeclarationError(
            f"each(..., writes={writes!r}) over the subflow {one.name!r}, which takes {taken} of its workflow",
            'name the one field that an item comes to: subflow(billing, writes="total")',
        )
    return one.named(name, writes={writes: next(iter(one.gives.values()))})


class _EachDecorator(Protocol):
    @overload
    def __call__(self, body: Agent[P, Any], /) -> Each[P, str]: ...
    @overload
    def __call__(self, body: Subflow, /) -> Each[..., Any]: ...
    @overload
    def __call__(self, body: Callable[P, R_co], /) -> Each[P, R_co]: ...


def each(
    items: str,
    *,
    writes: str | None = None,
    at_once: int = AT_ONCE,
    on_error: OnError = "fail",
    name: str | None = None,
    retry: Retry = ONCE,
    timeout: timedelta | None = None,
    effect: bool = False,
    in_doubt: Literal["ask", "rerun"] | Callable[..., Any] = "ask",
    process: bool = False,
) -> _EachDecorator:
    """A node that runs a function, an agent or a subflow for every item of the list in the field `items`.

    The one parameter that is no field and no resource is the item; of a subflow it is the one input of its workflow
    that `reads` does not give: `each("carts", writes="invoices")(subflow(billing, writes="total"))`. `writes` names a
    list: it is given the results in the order of the items. At most `at_once` items are in hand at a time, those whose
    run waits included, and a finished item is on disk before its place is taken, so after a crash at most so many run
    again. `on_error`: "fail" (the default) fails the step once the items in hand are done, and a resume goes on with
    those that are missing; "collect" writes a `Result` for every item; "skip" leaves failed items out. The other
    settings are those of `function`, and hold for each item; an agent and a subflow bring their own.
    """
    given = {"retry": retry, "timeout": timeout, "effect": effect, "in_doubt": in_doubt, "process": process}
    usual = {"retry": ONCE, "timeout": None, "effect": False, "in_doubt": "ask", "process": False}

    def decorate(body: Any) -> Each[Any, Any]:
        one: Function[Any, Any] | Agent[Any, Any] | Subflow
        if isinstance(body, Function | Agent | Subflow):
            if doubled := [each for each, value in given.items() if value != usual[each]]:
                raise DeclarationError(
                    f"each(..., {doubled[0]}=) over {body.name!r}, which is a node with settings of its own",
                    f"say {doubled[0]}= where it is declared",
                )
            one = _named(body, name or body.name, writes)
        elif isinstance(body, Node):
            raise DeclarationError(
                f"each cannot be over {body.name!r}, a node of kind {body.kind}",
                "it runs a function, an agent or a subflow",
            )
        elif not callable(body):
            raise DeclarationError(
                f"each cannot be over {shown(body)}",
                'a workflow is made a node first: subflow(billing, writes="total")',
            )
        else:
            made: Any = function(name=name, writes=writes, **given)  # type: ignore[arg-type]
            one = made(body)
        return Each(
            name=one.name,
            body=one.body,
            writes=one.writes,
            retry=one.retry,
            timeout=one.timeout,
            idle=one.idle,
            budget=one.budget,
            uses=one.uses,
            items=items,
            one=one,
            at_once=at_once,
            on_error=on_error,
        )

    field: Any = items  # annotations do not stop anybody at run time
    if not isinstance(field, str):
        raise DeclarationError(f"each({shown(field)}) names no field", '@each("tables", writes="loaded")')
    return decorate
