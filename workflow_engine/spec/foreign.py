"""Foreign graphs: a graph of another library taken as a node, as it is. What it is inside is not known here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.edges import shown
from workflow_engine.spec.nodes import Node, Parameter, Signature, text_of


@dataclass(frozen=True)
class Anatomy:
    """What can be told of a graph without running it.

    `takes` and `gives` are the channels of its input and of its output with their types (Any where it does not say);
    None where it has no channels by name. `places` are its nodes, `structure` is a hash of them and of its edges.
    `stops` are places it was compiled to stop at.
    """

    takes: Mapping[str, Any] | None
    gives: Mapping[str, Any] | None
    places: tuple[str, ...]
    structure: str
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sketch:
    """A graph as it is drawn: its nodes, those of graphs within it by the way to them (`inner/ask`), and its edges.

    An edge is a tail, a head and what stands at it. Each graph's own ends are `__start__` and `__end__`.
    """

    places: tuple[str, ...]
    edges: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, document: Any) -> Sketch:
        """From plain JSON. Raises KeyError, TypeError, ValueError for anything else."""
        edges = tuple((str(tail), str(head), str(label)) for tail, head, label in document["edges"])
        return cls(tuple(map(str, document["places"])), edges)

    @property
    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"places": list(self.places), "edges": [list(each) for each in self.edges]}


class ForeignGraph(Protocol):
    """The graph itself, which only its own room can run."""

    @property
    def anatomy(self) -> Anatomy:
        """What can be told of it. Raises errors.DeclarationError where it cannot be made, or is none."""
        ...

    @property
    def sketch(self) -> Sketch | None:
        """What it looks like; None where that cannot be told. Raises errors.DeclarationError as well."""
        ...


@dataclass(frozen=True, eq=False)
class Foreign(Node):
    """Runs a foreign graph. Made by `langgraph_node`.

    `reads` are pairs of a channel of its input and a field; or else the body (`into=`) returns its input. `channels`
    are those of its output that `writes` come from, one each; or else `out` makes of its output what is written.
    `settings` is what its own room wants to know. `remembered` is what it looked like, where the graph is not here.
    """

    kind: ClassVar[str] = "graph"

    graph: ForeignGraph | None = field(default=None, repr=False)
    reads: tuple[tuple[str, str], ...] | None = None
    channels: tuple[str, ...] = ()
    out: Callable[..., Any] | None = field(default=None, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    declared: str | None = None
    remembered: Sketch | None = field(default=None, repr=False)

    @cached_property
    def signature(self) -> Signature:
        """The fields it reads, each with the type of the channel it goes into, or the parameters of `into=`."""
        if self.reads is None:
            return Node(self.name, self.body).signature
        found = self.anatomy
        taken = {} if found is None else found.takes or {}
        return Signature(tuple(Parameter(name, taken.get(channel, Any), False) for channel, name in self.reads), Any)

    @property
    def anatomy(self) -> Anatomy | None:
        """What can be told of the graph; None where it is not here or cannot be made, which `check` reports."""
        try:
            return None if self.graph is None else self.graph.anatomy
        except DeclarationError:
            return None

    @property
    def sketch(self) -> Sketch | None:
        """What the graph looks like, as far as that is known."""
        try:
            return self.remembered if self.graph is None else self.graph.sketch
        except DeclarationError:
            return None

    def named(self, name: str, *, writes: Any = None) -> Self:
        """The same graph at a second place, under another name; `writes` is given as to `langgraph_node`."""
        if writes is None:
            return replace(self, name=name)
        pairs = pairs_of("writes", writes)
        channels = () if self.out is not None else tuple(channel for _, channel in pairs)
        return replace(self, name=name, writes=tuple(field for field, _ in pairs), channels=channels)

    @property
    def where(self) -> str | None:
        return self.declared

    @cached_property
    def code(self) -> str:
        """A hash of the graph's structure and of how it is fed: edits inside its nodes cannot be seen from here."""
        found = self.anatomy
        parts = ["" if found is None else found.structure, repr(self.reads), repr(self.channels), repr(self.writes)]
        parts += [text_of(each) for each in (self.body if self.reads is None else None, self.out) if each is not None]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


def pairs_of(setting: str, given: Any) -> tuple[tuple[str, str], ...]:
    """Names on the left and on the right; one that stands alone is both. Raises errors.DeclarationError."""
    if isinstance(given, Mapping):
        pairs = tuple(given.items())
    elif isinstance(given, str) or not isinstance(given, Iterable):
        pairs = ((given, given),)
    else:
        pairs = tuple((each, each) for each in given)
    if not all(isinstance(each, str) for pair in pairs for each in pair):
        raise DeclarationError(f"{setting}={shown(given)} names no fields and channels", f'{setting}={{"a": "b"}}')
    return pairs
