"""Edges: the one table of a workflow, written with `>>`, which only builds `Edge` values."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, Union

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.budget import Budget

if TYPE_CHECKING:
    from workflow_engine.spec.nodes import Node

START_NAME = "START"
END_NAME = "END"
FAIL_PREFIX = "FAIL: "
_LONGEST = 80


class Chained:
    """Whatever may stand in a chain of `>>`."""

    __slots__ = ()

    def __rshift__(self, right: Right) -> Path:
        return _link(_path(self), right)

    def __rrshift__(self, left: tuple[Arm, ...]) -> Path:
        return _link(_places(left), self)


@dataclass(frozen=True)
class Terminal(Chained):
    """Where a run starts, or ends well or badly."""

    name: str

    def __repr__(self) -> str:
        return f"FAIL({self.name.removeprefix(FAIL_PREFIX)!r})" if self.name.startswith(FAIL_PREFIX) else self.name


START = Terminal(START_NAME)
END = Terminal(END_NAME)


def FAIL(why: str) -> Terminal:  # noqa: N802 (it stands beside START and END)
    """The run ends failed, for this reason."""
    return Terminal(FAIL_PREFIX + " ".join(str(why).split()))


def is_end(name: str) -> bool:
    """Whether a target ends the run."""
    return name == END_NAME or name.startswith(FAIL_PREFIX)


@dataclass(frozen=True)
class Outcome(Chained):
    """One way out of a node: `verdict["passed"]`, `deploy.failed`, `review.expired`."""

    node: Node
    name: str

    def __repr__(self) -> str:
        return f"{self.node.name}[{self.name!r}]"


@dataclass(frozen=True)
class Bounded:
    """The right end of a bounded edge, made by `at_most`."""

    limit: int
    target: Node | Terminal
    then: Node | Terminal
    budget: Budget | None = None


def at_most(limit: int, target: Node, *, then: Node | Terminal, budget: Budget | None = None) -> Bounded:
    """An edge taken at most `limit` times, then `then`. The count restarts when an unbounded edge enters `target`.

    `budget` is what the loop may use from then on: once it is spent, the edge leads to `then` as well.
    """
    given: Any = limit  # annotations do not stop anybody at run time; a bound of 0 is a finding of `verify`
    if isinstance(given, Chained):
        raise DeclarationError(f"at_most({shown(given)}, ...) has no bound", "write at_most(times, node, then=...)")
    return Bounded(limit, target, then, budget)


@dataclass(frozen=True)
class Leaving:
    """The right end of an edge that leaves a fork, made by `leaving`."""

    target: Node | Terminal


def leaving(target: Node | Terminal) -> Leaving:
    """An edge out of an arm past its join: the other arms of the fork are withdrawn, and the run goes on at `target`.

    It leaves the innermost fork around its beginning, and no other. What the other arms still ask and wait for is over
    in the same commit; a step of theirs that is under way is finished first, and leads nowhere.
    """
    given: Any = target  # annotations do not stop anybody at run time
    if isinstance(given, (tuple, Path, Bounded, Leaving)):
        raise DeclarationError(f"leaving({shown(given)}) leads to no single place", "name one node, END or FAIL('why')")
    _name(given)
    return Leaving(target)


def shown(part: Any) -> str:
    """What somebody put where it does not belong, in a message: nodes by their names, anything else cut short.

    >>> shown(START), shown((START, [END])), len(shown("long" * 1000))
    ('START', '(START, [END])', 80)
    """
    match part:
        case Path():
            stops = [[shown(each) for each in part.heads], *(edge.targets for edge in part.edges)]
            text = " >> ".join(names[0] if len(names) == 1 else f"({', '.join(names)})" for names in stops)
        case Terminal() | Outcome():
            text = repr(part)
        case Chained():
            text = str(getattr(part, "name", type(part).__name__))
        case Bounded():
            text = f"at_most({shown(part.limit)}, {shown(part.target)}, then={shown(part.then)})"
        case Leaving():
            text = f"leaving({shown(part.target)})"
        case list():
            text = f"[{', '.join(map(shown, part))}]"
        case tuple():
            text = f"({', '.join(map(shown, part))}{',' * (len(part) == 1)})"
        case _:
            try:
                text = repr(part)
            except Exception:  # somebody else's code
                text = type(part).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


class Source(NamedTuple):
    """Where an edge begins: a node, and the outcome it is left by (None: it just finished).

    A tuple, because each step looks for what leaves its node by it.
    """

    node: str
    outcome: str | None = None

    def __str__(self) -> str:
        return self.node if self.outcome is None else f"{self.node}[{self.outcome}]"


@dataclass(frozen=True, init=False)
class Edge:
    """One edge: several sources join, several targets fork, `limit` and `then` bound it, one that `leaves` goes out of
    the fork around its source.

    Names, nodes, outcomes and terminals are all taken: `Edge("a", "b")`,
    `Edge(verdict["failed"], implement, limit=3, then=review)`.
    """

    sources: tuple[Source, ...]
    targets: tuple[str, ...]
    limit: int | None
    then: str | None
    budget: Budget | None
    leaves: bool
    nodes: tuple[Node, ...] = field(compare=False, repr=False)

    def __init__(
        self,
        sources: Place | Sequence[Place],
        targets: Place | Sequence[Place],
        outcome: str | None = None,
        limit: int | None = None,
        then: Place | None = None,
        budget: Budget | None = None,
        leaves: bool = False,
    ) -> None:
        lefts, rights = _several(sources), _several(targets)
        put = object.__setattr__
        put(self, "sources", tuple(_source(each, outcome) for each in lefts))
        put(self, "targets", tuple(_name(each) for each in rights))
        put(self, "limit", limit)
        put(self, "then", None if then is None else _name(then))
        put(self, "budget", budget)
        put(self, "leaves", bool(leaves))
        put(self, "nodes", tuple(_nodes([*lefts, *rights, *([] if then is None else [then])])))

    @classmethod
    def _of(
        cls,
        sources: tuple[Source, ...],
        targets: tuple[str, ...],
        limit: int | None,
        then: str | None,
        leaves: bool = False,
    ) -> Edge:
        edge = cls((), (), limit=limit, then=then, leaves=leaves)
        object.__setattr__(edge, "sources", sources)
        object.__setattr__(edge, "targets", targets)
        return edge

    @cached_property
    def key(self) -> str:
        """A name for this edge that survives others being added or moved: counts and arrivals are kept under it."""
        return f"{' + '.join(map(str, self.sources))} > {' + '.join(self.targets)}"

    @property
    def joins(self) -> bool:
        return len(self.sources) > 1

    @property
    def forks(self) -> bool:
        return len(self.targets) > 1

    @property
    def leads_to(self) -> tuple[str, ...]:
        """Every place a run may come to by this edge, its `then` included."""
        return self.targets if self.then is None else (*self.targets, self.then)

    def __str__(self) -> str:
        bound = "" if self.limit is None else f" (at most {self.limit}, then {self.then})"
        return self.key + bound + (" (leaving the fork)" if self.leaves else "")


@dataclass(frozen=True)
class Path(Chained):
    """A stretch of the table: its first places, the edges so far, and the loose ends the next `>>` continues from."""

    heads: tuple[Node | Terminal | Outcome, ...]
    edges: tuple[Edge, ...]
    tails: tuple[Node | Terminal | Outcome, ...]


Place: TypeAlias = Union[str, "Node", Terminal, Outcome]
Arm: TypeAlias = Union["Node", Outcome, Path]
Right: TypeAlias = Union["Node", Terminal, Path, Bounded, Leaving, "tuple[Arm, ...]"]


def _link(left: Path, right: Any) -> Path:
    if not left.tails:
        raise DeclarationError(
            "nothing can follow at_most(...) or leaving(...) in a chain", "begin a new row with the node it leads to"
        )
    if isinstance(right, Bounded):
        edge = Edge(left.tails, right.target, limit=right.limit, then=right.then, budget=right.budget)
        return Path(left.heads, (*left.edges, edge), ())
    if isinstance(right, Leaving):
        return Path(left.heads, (*left.edges, Edge(left.tails, right.target, leaves=True)), ())
    onward = _places(right)
    edge = Edge(left.tails, onward.heads)
    return Path(left.heads, (*left.edges, edge, *onward.edges), onward.tails)


def _places(part: Any) -> Path:
    return _arms(part) if isinstance(part, tuple) else _path(part)


def _path(part: Any) -> Path:
    from workflow_engine.spec.nodes import Node

    if isinstance(part, Path):
        return part
    if isinstance(part, (Node, Terminal, Outcome)):
        return Path((part,), (), (part,))
    if callable(part):
        name = getattr(part, "__name__", shown(part))
        raise DeclarationError(f"{name!r} is a plain function, not a node", f"decorate it: @function def {name}(...)")
    raise DeclarationError(f"{shown(part)} cannot stand in an edge", _instead(part))


def _instead(part: Any) -> str:
    """What to write in the place of something that cannot stand in an edge."""
    if isinstance(part, (list, tuple, set, frozenset)) and any(isinstance(each, Chained) for each in part):
        inside = ", ".join(map(shown, part))
        return "a fork in an arm is a row of its own" if isinstance(part, tuple) else f"a fork is a tuple: ({inside})"
    if inspect.iscoroutine(part):
        part.close()  # or Python warns that nobody awaited it
    if isinstance(part, Bounded):
        return "at_most(...) stands at the right end of a row"
    if isinstance(part, Leaving):
        return "leaving(...) stands at the right end of a row"
    if isinstance(part, str):
        return "write the node itself: not its name, and not a call of it"
    return "write the node, do not call it; outcomes, tuples of nodes, at_most(...), END and FAIL('why') may stand too"


def _arms(arms: tuple[Any, ...]) -> Path:
    if not arms:
        raise DeclarationError("() cannot stand in an edge", "a fork needs its nodes: (first, second)")
    paths = [_path(arm) for arm in arms]
    for path in paths:
        if not path.tails:
            last = path.edges[-1]
            end, row = ("leaving(...)", "that edge") if last.leaves else ("at_most(...)", "the loop")
            raise DeclarationError(f"an arm of a fork cannot end in {end}", f"write {row} as a row of its own")
    return Path(
        tuple(head for path in paths for head in path.heads),
        tuple(edge for path in paths for edge in path.edges),
        tuple(tail for path in paths for tail in path.tails),
    )


def _several(places: Any) -> list[Any]:
    return list(places) if isinstance(places, (tuple, list)) else [places]


def _source(place: Any, outcome: str | None) -> Source:
    if isinstance(place, Outcome):
        return Source(place.node.name, place.name)
    return Source(_name(place), outcome)


def _name(place: Any) -> str:
    if isinstance(place, str):
        return place
    if isinstance(place, Outcome):
        raise DeclarationError(f"{place!r} is a way out, not a place to go", f"name the node: {place.node.name}")
    name = getattr(place, "name", None)
    if not isinstance(name, str):
        raise DeclarationError(f"{shown(place)} cannot stand in an edge", "use a node, its name, END or FAIL('why')")
    return name


def _nodes(places: Iterable[Any]) -> Iterable[Node]:
    from workflow_engine.spec.nodes import Node

    for place in places:
        if isinstance(place, Node):
            yield place
        elif isinstance(place, Outcome):
            yield place.node
