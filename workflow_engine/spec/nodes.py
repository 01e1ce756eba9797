"""Nodes: plain functions whose decorator says their kind and whose parameters say what they read."""

from __future__ import annotations

import hashlib
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import TypeAdapter

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.edges import Chained, Outcome, shown
from workflow_engine.spec.policies import ONCE, Retries
from workflow_engine.spec.question import Question

if TYPE_CHECKING:
    from workflow_engine.spec.guardrail import Guardrail
    from workflow_engine.spec.specialist import Granted, Specialist

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
L = TypeVar("L", bound=str)
C_co = TypeVar("C_co", bound=str, covariant=True)

FAILED = "failed"
EXPIRED = "expired"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a body: its name and its annotation with forward references resolved."""

    name: str
    type: Any
    has_default: bool


@dataclass(frozen=True)
class Signature:
    """What a body takes and returns. `problem` says why annotations could not be read, if so."""

    parameters: tuple[Parameter, ...]
    returns: Any
    problem: str | None = None


@dataclass(frozen=True, eq=False)
class Node(Chained):
    """One place in a workflow. Two nodes are the same only as the same object; in a run, names tell them apart."""

    kind: ClassVar[str] = "node"

    name: str
    body: Callable[..., Any] = field(repr=False)
    writes: tuple[str, ...] = ()
    retry: Retries = ONCE
    timeout: timedelta | None = None
    idle: timedelta | None = None
    budget: Budget | None = None
    uses: tuple[str, ...] = ()

    @property
    def failed(self) -> Outcome:
        """The way out when attempts or time are spent."""
        return Outcome(self, FAILED)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The words this node can be left by; empty for a node that just finishes."""
        return ()

    @property
    def effect(self) -> bool:
        """Whether it touches the outside world, so that it is never silently repeated."""
        return False

    if not TYPE_CHECKING:  # a type checker refuses it by itself

        def __getitem__(self, outcome: object) -> Outcome:
            raise DeclarationError(
                f"{self.name}[{shown(outcome)}]: only routes and people have outcomes, not a node of kind {self.kind}",
                f"decide after it, in a route: @route def decide(...) -> Literal[{shown(outcome)}, ...]",
            )

    def named(self, name: str, *, writes: str | tuple[str, ...] | None = None) -> Self:
        """The same node at a second place, under another name."""
        return replace(self, name=name, writes=self.writes if writes is None else names_of(writes))

    @cached_property
    def signature(self) -> Signature:
        """Parameters and return type. Read late, because annotations may name classes defined further down."""
        try:
            parameters = inspect.signature(self.body).parameters
        except (TypeError, ValueError) as error:
            return Signature((), None, str(error))
        try:
            hints = get_type_hints(self.body)
        except Exception as error:  # an annotation is the user's expression and may raise anything
            return Signature(
                tuple(Parameter(each.name, Any, each.default is not each.empty) for each in parameters.values()),
                Any,
                f"{type(error).__name__}: {error}",
            )
        odd = next(
            (each.name for each in parameters.values() if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)), None
        )
        return Signature(
            tuple(
                Parameter(each.name, hints.get(each.name, inspect.Parameter.empty), each.default is not each.empty)
                for each in parameters.values()
                if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            ),
            hints.get("return", inspect.Parameter.empty),
            None if odd is None else f"parameter '*{odd}' names no field",
        )

    @property
    def where(self) -> str | None:
        """`file:line` of the body, for people."""
        code = getattr(inspect.unwrap(self.body), "__code__", None)
        return None if code is None else f"{code.co_filename}:{code.co_firstlineno}"

    @cached_property
    def code(self) -> str:
        """A hash of what this node does: its source, or its byte code where there is no source."""
        text = f"{text_of(self.body)}\0{self._settings()}"
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

    def _settings(self) -> str:
        return ""


@dataclass(frozen=True, eq=False)
class Function(Node, Generic[P, R_co]):
    """Does work. With `effect=True` it touches the outside world and is never silently repeated."""

    kind: ClassVar[str] = "function"

    effect: bool = False  # pyright: ignore[reportIncompatibleMethodOverride] (said here, known of every node)
    in_doubt: Literal["ask", "rerun"] | Callable[..., Any] = "ask"
    process: bool = False
    cache: timedelta | None = None

    def _settings(self) -> str:
        return text_of(self.in_doubt) if callable(self.in_doubt) else ""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.body(*args, **kwargs)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Agent(Node, Generic[P, R_co]):
    """Asks a model. The body returns the prompt; the written field's type is the schema of the answer.

    `finish(answer, step)` may turn the answer into what is written: the answer's type is then its first parameter's.
    """

    kind: ClassVar[str] = "agent"

    instructions: str = ""
    tools: tuple[Granted, ...] = ()
    handoffs: tuple[Specialist, ...] = ()
    model: str | None = None
    turns: int = 20
    finish: Callable[..., Any] | None = None
    guardrails: tuple[Guardrail, ...] = ()
    review_if: Callable[..., Any] | None = None
    reviewers: tuple[str, ...] = ()
    session: str | None = None

    @property
    def specialists(self) -> Sequence[Specialist]:
        """The agents within it, at whatever depth, those that judge included."""
        from workflow_engine.spec.specialist import specialists_within

        return specialists_within(self.tools, self.handoffs, [each.check for each in self.guardrails])

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.body(*args, **kwargs)  # type: ignore[no-any-return]

    def _settings(self) -> str:
        parts = [self.instructions, self.model or ""]
        parts += [getattr(each, "code", None) or text_of(cast(Any, each)) for each in (*self.tools, *self.handoffs)]
        parts += [each.code for each in self.guardrails]
        parts += [f"session\0{self.session}"] if self.session is not None else []
        parts += [f"review\0{text_of(self.review_if)}"] if self.review_if is not None else []
        parts += [text_of(self.finish)] if self.finish is not None else []
        return "\0".join(parts)


@dataclass(frozen=True, eq=False)
class Human(Node, Generic[P, C_co]):
    """Asks a person. The body is pure and returns the `Question`; the answer is what is written.

    After `within` it is left by `.expired`, or as `default` says, an answer given here. `remind` are times after which
    it is asked again, heard by listeners. `to` is who is asked and `candidates` who else may answer: names, or groups
    as "group:release"; where neither is given anybody may. `approvals` says how many people must give the same answer
    for a choice to count: {"release": 2} is four eyes.
    """

    kind: ClassVar[str] = "human"

    within: timedelta | None = None
    remind: tuple[timedelta, ...] = ()
    default: Any = None
    to: str | None = None
    candidates: tuple[str, ...] = ()
    approvals: Mapping[str, int] = field(default_factory=dict)

    @property
    def expired(self) -> Outcome:
        """The way out when nobody answered `within` the time."""
        return Outcome(self, EXPIRED)

    @property
    def default_word(self) -> str | None:
        """The choice that the default makes, if it makes one."""
        found = self.default.get("choice") if isinstance(self.default, Mapping) else self.default
        word = getattr(found, "choice", found)
        return word if isinstance(word, str) and word in self.outcomes else None

    def default_answer(self) -> Any:
        """The default as plain JSON, whole. Raises pydantic.ValidationError where it is no answer to this node."""
        given, answer = self.default, self.answer
        if given is None or answer is None:
            return given
        if isinstance(given, str) and given in self.outcomes and "choice" in getattr(answer, "model_fields", {}):
            given = {"choice": given}
        adapter: TypeAdapter[Any] = TypeAdapter(answer)
        return adapter.dump_python(adapter.validate_python(given), mode="json")

    @cached_property
    def answer(self) -> Any:
        """The type of the answer: A in `-> Question[A]`; None where the annotation does not say."""
        returns = self.signature.returns
        return get_args(returns)[0] if get_origin(returns) is Question and get_args(returns) else None

    @property
    def outcomes(self) -> tuple[str, ...]:
        return self._words

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return words_of(choice_of(self.answer)) or ()

    def _settings(self) -> str:
        set_ = {
            "within": self.within,
            "remind": self.remind,
            "default": self.default,
            "to": self.to,
            "candidates": self.candidates,
            "approvals": self.approvals,
        }
        return "\0".join(f"{name}={value!r}" for name, value in set_.items() if name != "within" and value)

    def __getitem__(self: Human[Any, L], outcome: L) -> Outcome:
        return Outcome(self, outcome)

    def __call__(self: Human[P, Any], *args: P.args, **kwargs: P.kwargs) -> Question[Any]:
        return self.body(*args, **kwargs)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Route(Node, Generic[P, C_co]):
    """Decides where to go, purely, by a word. No step of its own: it is decided in its predecessor's commit."""

    kind: ClassVar[str] = "route"

    @property
    def outcomes(self) -> tuple[str, ...]:
        return self._words

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return words_of(self.signature.returns) or ()

    def __getitem__(self: Route[Any, L], outcome: L) -> Outcome:
        return Outcome(self, outcome)

    def __call__(self: Route[P, L], *args: P.args, **kwargs: P.kwargs) -> L:
        return self.body(*args, **kwargs)  # type: ignore[no-any-return]


class HasChoice(Protocol[C_co]):
    """An answer whose `choice` is a Literal: its words are the outcomes of the question."""

    @property
    def choice(self) -> C_co: ...


def words_of(annotation: Any) -> tuple[str, ...] | None:
    """The words of a Literal (or a union of Literals); None for anything else."""
    if get_origin(annotation) is Literal:
        words = get_args(annotation)
        return words if all(isinstance(word, str) for word in words) else None
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [words_of(each) for each in get_args(annotation)]
        if all(part is not None for part in parts):
            return tuple(dict.fromkeys(word for part in parts if part for word in part))
    return None


def choice_of(answer: Any) -> Any:
    """The type that decides where an answer leads: a Literal itself, or a model's `choice`."""
    if words_of(answer):
        return answer
    fields: Mapping[str, Any] = getattr(answer, "model_fields", {})
    return fields["choice"].annotation if "choice" in fields else None


def signature_of(function: Callable[..., Any]) -> Signature:
    """What any function beside a node's body takes and returns: a probe, a condition, a `finish`."""
    return Node(getattr(function, "__name__", type(function).__name__), function).signature


def text_of(body: Callable[..., Any]) -> str:
    """A function's source, or its byte code where there is no source: what it does, as text to compare."""
    try:
        return inspect.getsource(body)
    except (OSError, TypeError):
        code = getattr(body, "__code__", None)
    if code is None:
        return getattr(body, "__qualname__", type(body).__qualname__)
    return _compiled(code)


def _compiled(code: types.CodeType) -> str:
    constants = (_compiled(each) if isinstance(each, types.CodeType) else _constant(each) for each in code.co_consts)
    return f"{code.co_code.hex()} ({', '.join(constants)}) {code.co_names!r}"


def _constant(value: object) -> str:
    # A set has another order in every process: `word in {"yes", "y"}` must not look edited.
    return f"{{{', '.join(sorted(map(repr, value)))}}}" if isinstance(value, frozenset) else repr(value)


def names_of(writes: str | Sequence[str] | None) -> tuple[str, ...]:
    """What `writes=` says, as names."""
    if writes is None:
        return ()
    return (writes,) if isinstance(writes, str) else tuple(writes)
