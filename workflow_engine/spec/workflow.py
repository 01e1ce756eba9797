"""A workflow: nodes and edges over a state, as one frozen value."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.breaker import Breaker
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.chat import Chat
from workflow_engine.spec.each import Each
from workflow_engine.spec.edges import Chained, Edge, Path, Source, shown
from workflow_engine.spec.loop import body_of
from workflow_engine.spec.migrations import Migration, listed
from workflow_engine.spec.nodes import Agent, Function, Node
from workflow_engine.spec.policies import within_of
from workflow_engine.spec.regions import Regions, regions_of
from workflow_engine.spec.state import Field, State, fields_of
from workflow_engine.spec.step import Step

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)
class Sharing:
    """What the attempts of a node need to begin: a slot of each of these, and that these breakers let them pass."""

    slots: Mapping[str, int]
    breakers: Mapping[str, Breaker]


def _of(table: Mapping[str, T], names: Iterable[str]) -> Mapping[str, T]:
    return {name: table[name] for name in names if name in table}


@dataclass(frozen=True, eq=False)
class Workflow(Generic[S]):
    """What `workflow(...)` returns. Nothing happens by making one."""

    name: str
    state: type[S]
    edges: tuple[Edge, ...]
    nodes: Mapping[str, Node]
    resources: Mapping[type, Callable[..., Any]] = field(default_factory=dict, repr=False)
    timeout: timedelta | None = None
    on_timeout: Literal["fail", "route"] = "fail"
    budget: Budget | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    clashes: tuple[str, ...] = ()
    where: str | None = None
    migrations: tuple[Migration, ...] = ()
    starts_on: Mapping[str, str | None] = field(default_factory=dict)
    chat: Chat | None = None

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        return MappingProxyType(dict(fields_of(self.state)))

    @cached_property
    def filing(self) -> frozenset[str]:
        """The fields that may name files: only runs that have such pay for looking."""
        return frozenset(name for name, field in self.fields.items() if field.files)

    @cached_property
    def out(self) -> Mapping[Source, Edge]:
        """The edge each way out is left by. Where two claim one way out, the first; `verify` reports the second."""
        found: dict[Source, Edge] = {}
        for edge in self.edges:
            for source in edge.sources:
                found.setdefault(source, edge)
        return MappingProxyType(found)

    @cached_property
    def regions(self) -> Regions:
        """Where every node lies: in which arm of which fork. Only of a workflow without findings."""
        return regions_of(self)

    @cached_property
    def leaves(self) -> bool:
        """Whether an edge leaves a fork: only then anybody need look who is in one."""
        return any(edge.leaves for edge in self.edges)

    @cached_property
    def bounded_into(self) -> Mapping[str, tuple[str, ...]]:
        """The keys of the bounded edges into each node."""
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            if edge.limit is not None:
                for target in edge.targets:
                    found.setdefault(target, []).append(edge.key)
        return MappingProxyType({name: tuple(keys) for name, keys in found.items()})

    @cached_property
    def guarded(self) -> frozenset[str]:
        """The nodes with policies beyond one attempt: only their steps pay for looking."""
        timed = (name for name, node in self.nodes.items() if within_of(node.retry) is not None)
        kept = (name for name, node in self.nodes.items() if isinstance(node, Function) and node.cache is not None)
        return frozenset({*timed, *self.scopes, *self.sharing, *kept})

    @cached_property
    def sharing(self) -> Mapping[str, Sharing]:
        """What each node shares with others by name, with the slots there are and the breakers that protect it."""
        return MappingProxyType(
            {
                name: Sharing(_of(self.limits, node.uses), _of(self.breakers, node.uses))
                for name, node in self.nodes.items()
                if node.uses
            }
        )

    @cached_property
    def scopes(self) -> Mapping[str, tuple[str, ...]]:
        """What the steps of each node are counted in, where there are budgets: "" is the run's, a node's name its own,
        the key of a bounded edge that of its loop.
        """
        found: dict[str, list[str]] = {}
        working = [name for name, node in self.nodes.items() if node.kind not in ("human", "route", "wait")]
        for name in working:
            if self.budget is not None:
                found.setdefault(name, []).append("")
            if self.nodes[name].budget is not None:
                found.setdefault(name, []).append(name)
        for edge in self.edges:
            if edge.budget is not None:
                for name in body_of(edge, self.edges) & {*working}:
                    found.setdefault(name, []).append(edge.key)
        return MappingProxyType({name: tuple(keys) for name, keys in found.items()})

    def deadline(self, created: datetime) -> datetime | None:
        """When a run created then has had its time; the last moment there is for one that never will."""
        if self.timeout is None:
            return None
        return created + min(self.timeout, datetime.max.replace(tzinfo=created.tzinfo) - created)

    @cached_property
    def agents(self) -> tuple[Agent[Any, Any], ...]:
        """Its agents, those that are asked for each item of a list included."""
        nodes = (node.one if isinstance(node, Each) else node for node in self.nodes.values())
        return tuple(node for node in nodes if isinstance(node, Agent))

    def hands_in(self, annotation: Any) -> bool:
        """Whether the engine hands in what has this type, the step or a resource: it is read from no field."""
        return annotation is Step or (isinstance(annotation, type) and annotation in self.resources)

    @cached_property
    def shape(self) -> str:
        """A hash of everything a run's position and state depend on. Shuffled rows and edited bodies leave it alone."""
        from workflow_engine.spec.document import hash_of, to_document

        return hash_of(to_document(self)["shape"])

    @cached_property
    def bodies(self) -> Mapping[str, str]:
        """A hash of each node's code: recorded with a run, so that edits between two drives can be told."""
        return {name: node.code for name, node in sorted(self.nodes.items())}

    @property
    def fingerprint(self) -> str:
        """Shape and bodies in one word."""
        bodies = hashlib.sha256(json.dumps(dict(self.bodies)).encode()).hexdigest()[:8]
        return f"{self.shape}-{bodies}"

    def __repr__(self) -> str:
        return f"<workflow {self.name}: {len(self.nodes)} nodes, {len(self.edges)} edges>"


def workflow(
    name: str,
    *,
    state: type[S],
    edges: Iterable[Path | Edge],
    resources: Mapping[type, Callable[..., Any]] | None = None,
    nodes: Sequence[Node] = (),
    timeout: timedelta | None = None,
    on_timeout: Literal["fail", "route"] = "fail",
    budget: Budget | None = None,
    limits: Mapping[str, int] | None = None,
    breakers: Mapping[str, Breaker] | None = None,
    migrations: Sequence[Migration] = (),
    starts_on: Mapping[str, str | None] | None = None,
    chat: Chat | None = None,
) -> Workflow[S]:
    """Put a state and a table of edges together.

    `resources` maps a type to a function returning an async context manager that opens it once per process. `nodes` is
    needed only where edges name their nodes by text. `timeout` is the time a run has from its creation on, waiting
    included, and `on_timeout` says whether it then fails or goes on by the `.failed` edges of the nodes it stands at;
    `budget` is what it may use in all. `limits` says how many attempts of all runs of a process may at one moment hold
    what their nodes name by `uses=`, `breakers` when what is named so is left alone for a while. `migrations` say what
    earlier versions called otherwise, in the order in which that changed: `rename_node("deploy", "release")`, so that
    their runs can go on. `starts_on` subscribes to topics: what is published to one begins a run, {"orders": "order"}
    with it in that input, {"orders": None} with each of its fields in the input of that name. `chat` says how it is
    talked to: each message is a run.
    """
    given: Any = state  # annotations do not stop anybody at run time
    if not (isinstance(given, type) and issubclass(given, BaseModel)):
        raise DeclarationError(f"state={shown(state)} is no state", "write class Change(State): ... and pass the class")
    if not name or not isinstance(name, str):
        raise DeclarationError(f"{shown(name)} is no name for a workflow", 'workflow("ship", state=..., edges=[...])')
    if chat is not None and not isinstance(chat, Chat):
        raise DeclarationError(f"chat={shown(chat)} is no chat", 'chat=Chat("question", reply="answer")')
    flat: list[Edge] = []
    for row in _listed("edges", edges, "[START >> first >> END]"):
        if isinstance(row, Path):
            flat.extend(row.edges)
        elif isinstance(row, Edge):
            flat.append(row)
        else:
            raise DeclarationError(
                f"{shown(row)} is no row of the edge table", "write rows as START >> first >> second"
            )
    if resources is not None and not isinstance(resources, Mapping):
        raise DeclarationError(f"resources={shown(resources)} is no table", "resources={Database: open_database}")
    found: dict[str, Node] = {}
    clashes: list[str] = []
    for node in [*_listed("nodes", nodes, "[first, second]"), *(node for edge in flat for node in edge.nodes)]:
        if not isinstance(node, Node):
            raise DeclarationError(f"nodes holds {shown(node)}, which is no node", "nodes=[first, second]")
        if found.setdefault(node.name, node) is not node and node.name not in clashes:
            clashes.append(node.name)
    caller = sys._getframe(1)  # inspect.stack() looks up the source of every frame, which takes milliseconds
    return Workflow(
        name=name,
        state=state,
        edges=tuple(dict.fromkeys(flat)),
        nodes=MappingProxyType(found),
        resources=MappingProxyType(dict(resources or {})),
        timeout=timeout,
        on_timeout=on_timeout,
        budget=budget,
        limits=MappingProxyType(dict(_table("limits", limits, 'limits={"gpu": 1}'))),
        breakers=MappingProxyType(dict(_table("breakers", breakers, 'breakers={"payments": Breaker(5)}'))),
        clashes=tuple(clashes),
        where=f"{caller.f_code.co_filename}:{caller.f_lineno}",
        starts_on=MappingProxyType(dict(starts_on or {})),
        migrations=listed(migrations),
        chat=chat,
    )


def _table(name: str, given: Any, example: str) -> Mapping[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise DeclarationError(f"{name}={shown(given)} is no table", example)
    return given or {}


def _listed(name: str, given: Any, example: str) -> Iterable[Any]:
    """What should be a list. One row or node alone is the usual slip, and a route even looks iterable."""
    if isinstance(given, (Chained, Edge, str)) or not isinstance(given, Iterable):
        rows = "rows" if name == "edges" else name
        raise DeclarationError(f"{name}={shown(given)} is no list of {rows}", f"{name}={example}")
    return given


__all__ = ["State", "Workflow", "workflow"]
