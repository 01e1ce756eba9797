"""The decorators: what makes a node of a plain function, and says its kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import (
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.edges import shown
from workflow_engine.spec.guardrail import Guardrail
from workflow_engine.spec.nodes import Agent, Function, HasChoice, Human, Node, Route, names_of
from workflow_engine.spec.policies import ONCE, Retries, Retry
from workflow_engine.spec.question import Question
from workflow_engine.spec.specialist import Granted, Specialist

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
L = TypeVar("L", bound=str)
C_co = TypeVar("C_co", bound=str, covariant=True)


def _times(given: timedelta | Sequence[timedelta]) -> tuple[timedelta, ...]:
    """One time or several; what is none is left for W531 to tell of."""
    return tuple(given) if isinstance(given, list | tuple) else (cast(timedelta, given),)


def _name(body: Callable[..., Any], name: str | None) -> str:
    if isinstance(body, Node):
        raise DeclarationError(
            f"{body.name!r} is a node already", "one decorator a node; `node.named(...)` gives a second place"
        )
    if not callable(body):
        raise DeclarationError(f"{shown(body)} is no function", "decorate a function: @function def name(...)")
    return name if name is not None else getattr(body, "__name__", type(body).__name__)


class _FunctionDecorator(Protocol):
    def __call__(self, body: Callable[P, R_co], /) -> Function[P, R_co]: ...


class _AgentDecorator(Protocol):
    def __call__(self, body: Callable[P, str], /) -> Agent[P, str]: ...


class _HumanDecorator(Protocol):
    @overload
    def __call__(self, body: Callable[P, Question[L]], /) -> Human[P, L]: ...
    @overload
    def __call__(self, body: Callable[P, Question[HasChoice[L]]], /) -> Human[P, L]: ...
    @overload
    def __call__(self, body: Callable[P, Question[Any]], /) -> Human[P, str]: ...


class _RouteDecorator(Protocol):
    def __call__(self, body: Callable[P, L], /) -> Route[P, L]: ...


@overload
def function(body: Callable[P, R_co], /) -> Function[P, R_co]: ...
@overload
def function(
    *,
    name: str | None = None,
    writes: str | tuple[str, ...] | None = None,
    retry: Retries = ONCE,
    timeout: timedelta | None = None,
    idle: timedelta | None = None,
    budget: Budget | None = None,
    uses: str | tuple[str, ...] | None = None,
    effect: bool = False,
    in_doubt: Literal["ask", "rerun"] | Callable[..., Any] = "ask",
    process: bool = False,
    cache: timedelta | None = None,
) -> _FunctionDecorator: ...
def function(body: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """A node that runs a plain or async function.

    `writes` names the field (or fields, as a tuple) its value goes to. `timeout` limits one attempt and needs an async
    body or `process=True`; `idle` ends an attempt of an async body that neither says anything (`step.progress`,
    `step.log`) nor ends for so long. `uses` names what it shares with others: see `limits` and `breakers` of the
    workflow. `effect=True` says it touches the outside world; `in_doubt` then says what holds
    when the process died in the middle: "ask" a person, "rerun", or a probe: a function of the same reads that returns
    the value if the effect is there and None if it is not. `cache` is how long its result is taken for what the same
    code would write again where it reads the same, in any run of this store.
    """

    def decorate(body: Callable[..., Any]) -> Function[Any, Any]:
        given = {**settings, "writes": names_of(settings.get("writes")), "uses": names_of(settings.get("uses"))}
        return Function(**{**given, "name": _name(body, settings.get("name")), "body": body})

    return decorate if body is None else decorate(body)


def agent(
    *,
    writes: str,
    instructions: str,
    name: str | None = None,
    tools: Sequence[Granted] = (),
    handoffs: Sequence[Specialist] = (),
    model: str | Sequence[str] | None = None,
    turns: int = 20,
    finish: Callable[..., Any] | None = None,
    guardrails: Sequence[Guardrail] = (),
    review_if: Callable[[Any], bool] | None = None,
    reviewers: str | Sequence[str] = (),
    session: str | None = None,
    retry: Retries | None = None,
    timeout: timedelta | None = None,
    idle: timedelta | None = None,
    budget: Budget | None = None,
    uses: str | tuple[str, ...] | None = None,
) -> _AgentDecorator:
    """A node that asks a model. The body returns the prompt; tools are plain typed functions, granted by being listed.

    `model` names another model than the run's, or several as a chain, each with its endpoint where there are several:
    ("big-one", "small@spare"). `timeout` limits one attempt; `idle` ends one in which neither model nor tools were
    heard of for so long; `budget` bounds what all its visits of a run use together. A tool's parameter
    annotated `Step` or with a resource type is handed in and hidden from the model. A specialist
    among the tools is asked in a talk of its own; one among the `handoffs` takes the talk over. `guardrails` look
    at its prompt, its answers and its uses of tools. An answer of which `review_if` is true is shown to a person, one
    of the `reviewers` if there are any, who accepts it, edits it or rejects it, before it is written.
    `session` names a field that the body reads: what was said under its value in earlier visits and runs goes before
    the prompt; it is kept by the resource `Sessions`.
    """

    def decorate(body: Callable[..., Any]) -> Agent[Any, Any]:
        return Agent(
            name=_name(body, name),
            body=body,
            writes=names_of(writes),
            retry=Retry(3) if retry is None else retry,
            timeout=timeout,
            idle=idle,
            budget=budget,
            uses=names_of(uses),
            instructions=inspect.cleandoc(instructions),
            tools=tuple(tools),
            handoffs=tuple(handoffs),
            model=model if model is None or isinstance(model, str) else ", ".join(model),
            turns=turns,
            finish=finish,
            guardrails=tuple(guardrails),
            review_if=review_if,
            reviewers=names_of(reviewers),
            session=session,
        )

    return decorate


def human(
    *,
    writes: str | None = None,
    within: timedelta | None = None,
    remind: timedelta | Sequence[timedelta] = (),
    default: Any = None,
    to: str | None = None,
    candidates: Sequence[str] = (),
    approvals: Mapping[str, int] | None = None,
    name: str | None = None,
) -> _HumanDecorator:
    """A node that asks a person and rests until the answer; `within` gives `expired` a time.

    `default` is the answer that holds when the time is up, in place of an `expired` edge: a choice, or a whole answer.
    `remind` are times after the asking at which it is asked again. `to` and `candidates` say who may answer, people or
    "group:NAME"; `approvals={"release": 2}` that a choice needs so many different, authenticated people.
    """

    def decorate(body: Callable[..., Any]) -> Human[Any, Any]:
        return Human(
            name=_name(body, name),
            body=body,
            writes=names_of(writes),
            within=within,
            remind=_times(remind),
            default=default,
            to=to,
            candidates=names_of(candidates),
            approvals=dict(approvals or {}),
        )

    return decorate


@overload
def route(body: Callable[P, L], /) -> Route[P, L]: ...
@overload
def route(*, name: str | None = None) -> _RouteDecorator: ...
def route(body: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """A pure decision: returns one of the words of its Literal."""

    def decorate(body: Callable[..., Any]) -> Route[Any, Any]:
        return Route(name=_name(body, name), body=body)

    return decorate if body is None else decorate(body)
