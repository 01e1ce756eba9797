"""`langgraph_node`: a graph of LangGraph's as a node of a workflow, as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from workflow_engine.errors import DeclarationError
from workflow_engine.langgraph.given import AnyGraph, GivenGraph
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.edges import shown
from workflow_engine.spec.foreign import Foreign, pairs_of
from workflow_engine.spec.policies import ONCE, Retries

_FORM = 'langgraph_node(graph, name="research", reads={"question": "request"}, writes={"findings": "answer"})'


def langgraph_node(
    graph: AnyGraph | Callable[[], AnyGraph],
    *,
    name: str | None = None,
    reads: Mapping[str, str] | Iterable[str] | str | None = None,
    into: Callable[..., Any] | None = None,
    writes: Mapping[str, str] | str | tuple[str, ...] | None = None,
    out: Callable[..., Any] | None = None,
    retry: Retries = ONCE,
    timeout: timedelta | None = None,
    idle: timedelta | None = None,
    budget: Budget | None = None,
    uses: str | tuple[str, ...] = (),
    recursion_limit: int | None = None,
    config: Mapping[str, Any] | None = None,
    context: Any = None,
    types: Iterable[type | tuple[str, ...]] = (),
) -> Foreign:
    """A node that runs a graph of LangGraph's: compiled, a `StateGraph`, or a function that makes one.

    `reads={"question": "request"}` gives the graph's input channel `question` our field `request`; names alone stand
    for both. `into=` is a function of fields (and of `Step` and resources) that returns the graph's input instead.
    `writes={"findings": "answer"}` writes our field `findings` from the graph's output channel `answer`; with `out=`, a
    function whose first parameter is the graph's output, `writes` names the fields its value goes to.

    Its checkpoints are kept in the engine's store; a checkpointer it was compiled with is not used. After a crash, and
    at a further attempt, it goes on from the newest. Each `interrupt()` becomes a question in the inbox, and its answer
    goes to that interrupt and no other. `types` are classes of yours that its state holds besides those its schemas
    name. `recursion_limit`, `config` and `context` are LangGraph's own; `timeout` limits one attempt, `idle` ends one
    in which no node of the graph began and none said anything for so long, `budget` bounds what all visits use.

    Raises errors.DeclarationError.
    """
    if reads is not None and into is not None:
        raise DeclarationError(f"{_called(name)} has reads= and into=", "keep one: both say what the graph is given")
    if reads is None and into is None:
        raise DeclarationError(f"{_called(name)} does not say what its graph is given", _FORM)
    for setting, given in (("into", into), ("out", out)):
        if given is not None and not callable(given):
            raise DeclarationError(f"{setting}={shown(given)} is no function", f"{setting}=lambda ...: ...")
    if out is not None and isinstance(writes, Mapping):
        raise DeclarationError(
            f"{_called(name)} has out=, and writes= names channels", 'with out= name fields alone: writes="findings"'
        )
    pairs = pairs_of("writes", {} if writes is None else writes)
    caller = sys._getframe(1)
    return Foreign(
        name=_named(graph, name),
        body=into or _fed,
        writes=tuple(field for field, _ in pairs),
        retry=retry,
        timeout=timeout,
        idle=idle,
        budget=budget,
        uses=(uses,) if isinstance(uses, str) else tuple(uses),
        graph=GivenGraph(graph, types),
        reads=None if reads is None else pairs_of("reads", reads),
        channels=() if out is not None else tuple(channel for _, channel in pairs),
        out=out,
        settings={
            **({} if recursion_limit is None else {"recursion_limit": recursion_limit}),
            **({} if config is None else {"config": dict(config)}),
            **({} if context is None else {"context": context}),
        },
        declared=f"{caller.f_code.co_filename}:{caller.f_lineno}",
    )


def _fed() -> None:
    """Stands for the body of a node that is fed by `reads=`."""


def _called(name: str | None) -> str:
    return "a langgraph_node" if name is None else f"langgraph_node {name!r}"


def _named(graph: Any, name: str | None) -> str:
    """Its name: the one given, the one its graph was compiled under, or that of the function that makes it."""
    found = name or getattr(graph, "__name__", None) or getattr(graph, "name", None)
    if not isinstance(found, str) or found in ("LangGraph", "<lambda>"):
        raise DeclarationError("a langgraph_node has no name", _FORM)
    return found
