"""W5, policies: settings that contradict each other, or the kind of node they are set on."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeGuard, get_args

from workflow_engine.spec.each import Each, OnError
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nodes import Agent, Function, Human, Node, Route
from workflow_engine.spec.policies import ONCE, Retry, within_of
from workflow_engine.spec.step import Step
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.waits import Wait
from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Graph, has_code, is_count
from workflow_engine.verify.waits import one_meaning, subscriptions, wait


def policies(graph: Graph) -> Iterator[Finding]:
    """Retry, time limits, effects, waits and processes, node by node."""
    timeout: Any = graph.workflow.timeout
    yield from _time(graph, str(graph.workflow.name), "timeout", timeout)
    yield from _on_timeout(graph)
    for name, node in graph.nodes.items():
        yield from _never(graph, name, node, timeout)
        yield from _retries(graph, name, node)
        yield from _time(graph, name, "timeout", node.timeout)
        yield from _time(graph, name, "idle", node.idle)
        match node:
            case Route():
                yield from _route(graph, name, node)
            case Human():
                yield from _human(graph, name, node)
            case Wait():
                yield from wait(graph, name, node)
            case Agent():
                yield from _agent(graph, name, node)
            case Function():
                yield from _function(graph, name, node)
            case Subflow() | Foreign():
                pass  # what it may say is said by its own law (subflows.py, foreign.py)
            case Each():
                yield from _each(graph, name, node)
            case _:
                what = f"is a bare {type(node).__name__}"
                yield graph.finding("W520", name, what, "use @function, @agent, @human, @route or wait(...)")
    yield from one_meaning(graph)
    yield from subscriptions(graph)


def _on_timeout(graph: Graph) -> Iterator[Finding]:
    name, says = str(graph.workflow.name), graph.workflow.on_timeout
    given: Any = says
    if given not in ("fail", "route"):
        yield graph.finding("W529", name, f"on_timeout={given!r} is neither of the two", 'on_timeout="fail" or "route"')
    elif given == "route" and graph.workflow.timeout is None:
        yield graph.finding("W529", name, "has on_timeout= and no timeout=", "add timeout=timedelta(hours=6)")
    elif given == "route" and not any(source.outcome == "failed" for source in graph.out):
        what = "goes on by the .failed edges of its nodes when its time is up, and has none"
        yield graph.finding("W529", name, what, "add: slow.failed >> ..., or remove on_timeout=")


def _retries(graph: Graph, name: str, node: Node) -> Iterator[Finding]:
    given: Any = node.retry
    rules: tuple[Any, ...] = given if isinstance(given, tuple) else (given,)
    if not rules:
        yield graph.finding("W521", name, "retry=() holds no Retry", "retry=Retry(3, on=ConnectionError)")
    for rule in rules:
        yield from _retry(graph, name, rule)
    sound = [rule for rule in rules if isinstance(rule, Retry) and all(_is_error(each) for each in rule.on)]
    for place, rule in enumerate(sound):
        before = tuple(each for earlier in sound[:place] for each in earlier.on)
        if rule.on and all(issubclass(each, before) for each in rule.on):
            what = f"has a retry on {_listed(rule.on)} that is never asked: one before it takes these errors"
            yield graph.finding(
                "W529", name, what, "the first rule that names an error decides: put the narrower first"
            )
    timed = sound and all(rule.within is None or _is_time(rule.within) for rule in sound)
    within = within_of(tuple(sound)) if timed else None
    if _is_time(within) and _is_time(node.timeout) and node.timeout >= within:
        what = f"timeout={node.timeout} of one attempt leaves none of the {within} for all of them"
        yield graph.finding("W529", name, what, "make timeout= shorter than within=")


def _never(graph: Graph, name: str, node: Node, timeout: Any) -> Iterator[Finding]:
    """Times of a node that the run's own time-out leaves no room for."""
    for setting in ("timeout", "idle", "within"):
        limit: Any = getattr(node, setting, None)
        if _is_time(timeout) and _is_time(limit) and limit >= timeout:
            what = f"{setting}={limit} never passes: the whole run has timeout={timeout}"
            yield graph.finding("W529", name, what, f"make {setting}= shorter, or the run's timeout= longer")


def _is_error(each: Any) -> bool:
    return isinstance(each, type) and issubclass(each, BaseException)


def _is_time(each: Any) -> TypeGuard[timedelta]:
    return isinstance(each, timedelta)


def _listed(errors: tuple[type[BaseException], ...]) -> str:
    return ", ".join(each.__name__ for each in errors)


def _retry(graph: Graph, name: str, retry: Any) -> Iterator[Finding]:
    if not isinstance(retry, Retry):
        yield graph.finding("W521", name, f"retry={retry!r} is no Retry", "retry=Retry(3, on=ConnectionError)")
        return
    if not is_count(retry.attempts):
        what = f"retry allows {retry.attempts!r} attempts"
        yield graph.finding("W521", name, what, "Retry(n) counts the first try: n is at least 1")
    errors: tuple[Any, ...] = retry.on
    for each in errors:
        if not _is_error(each):
            yield graph.finding("W521", name, f"retry on={each!r} is no exception", "Retry(3, on=ConnectionError)")
    for setting in ("first", "most"):
        wait = getattr(retry, setting)
        if not isinstance(wait, timedelta) or wait < timedelta(0):
            yield graph.finding("W521", name, f"retry {setting}={wait!r} is no time to wait", "timedelta(seconds=1)")
    yield from _time(graph, name, "retry within", retry.within)
    factor: Any = retry.factor
    if not isinstance(factor, int | float) or not factor > 0:
        yield graph.finding("W521", name, f"retry factor={factor!r} is no growth", "factor=2.0")


def _time(graph: Graph, name: str, setting: str, limit: Any) -> Iterator[Finding]:
    if limit is None:
        return
    if not isinstance(limit, timedelta):
        yield graph.finding("W522", name, f"{setting}={limit!r} is no time", f"{setting}=timedelta(minutes=10)")
    elif limit <= timedelta(0):
        what = f"{setting}={limit} is over before it begins"
        yield graph.finding("W522", name, what, f"{setting}=timedelta(minutes=10)")


def _route(graph: Graph, name: str, node: Route[Any, Any]) -> Iterator[Finding]:
    if _is_async(node.body):
        what = "is a route and async: it is decided inside a commit, where nothing may wait"
        yield graph.finding("W523", name, what, "write a plain `def`, and wait in the node before it")
    if _yields(node.body):
        yield graph.finding("W523", name, "is a route and yields", "return one word")
    for setting, is_set in (
        ("writes", node.writes),
        ("timeout", node.timeout),
        ("idle", node.idle),
        ("retry", node.retry != ONCE),
    ):
        if is_set:
            what = f"is a route and has {setting}=, but a route is no step"
            yield graph.finding("W524", name, what, "put it on the node before the route")


def _human(graph: Graph, name: str, node: Human[Any, Any]) -> Iterator[Finding]:
    yield from _time(graph, name, "within", node.within)
    if _is_async(node.body) or _yields(node.body):
        what = "asks a person, and its body is no plain function: it is pure and may run more than once"
        yield graph.finding("W523", name, what, "write a plain `def`, and fetch what it shows in the node before it")
    for setting in ("timeout", "idle"):
        if getattr(node, setting) is not None:
            what = f"asks a person and has {setting}="
            yield graph.finding("W524", name, what, "people have within=timedelta(days=2)")


def _agent(graph: Graph, name: str, node: Agent[Any, Any]) -> Iterator[Finding]:
    if _yields(node.body):
        yield graph.finding("W523", name, "is an agent, and its body yields", "return the prompt, a str")
    if not is_count(node.turns):
        yield graph.finding("W525", name, f"may take {node.turns!r} turns", "turns=20; at least 1")
    finish: Any = node.finish
    if finish is not None and not callable(finish):
        yield graph.finding("W525", name, f"finish={finish!r} is no function", "def finish(answer: Answer) -> ...")


def _function(graph: Graph, name: str, node: Function[Any, Any]) -> Iterator[Finding]:
    body = node.body
    if _yields(body):
        yield graph.finding("W523", name, "yields: a step gives its value once", "return a list")
    if _is_async(body) and node.process:
        what = "is async and has process=True: an async body is stopped where it waits, no process is needed"
        yield graph.finding("W526", name, what, "remove process=True, or write a plain `def`")
    if node.timeout is not None and has_code(node) and not _is_async(body) and not node.process:
        what = "has a timeout, but a plain function runs in a thread, which nobody can stop"
        yield graph.finding("W527", name, what, "make it `async def`, or add process=True")
    if node.idle is not None and has_code(node) and not _is_async(body):
        what = "has idle=, but a plain function says nothing on the way that could be listened to"
        yield graph.finding("W527", name, what, "make it `async def` and call step.progress(...), or use timeout=")
    if node.process:
        yield from _process(graph, name, node)
    yield from _effect(graph, name, node)


def _process(graph: Graph, name: str, node: Function[Any, Any]) -> Iterator[Finding]:
    body = _inner(node.body)
    if "<" in getattr(body, "__qualname__", "<"):
        what = "has process=True, but a process can only find functions at the top of a module"
        yield graph.finding("W526", name, what, "move the function out of the function it is written in")
    signature = node.signature
    for parameter in signature.parameters:
        kind = parameter.type
        if kind is Step or (isinstance(kind, type) and kind in graph.workflow.resources):
            what = f"has process=True and takes '{parameter.name}', which cannot leave this process"
            yield graph.finding("W526", name, what, "make it `async def` without process=True")
    untyped = [each.name for each in signature.parameters if each.type is inspect.Parameter.empty]
    if signature.problem is None and (untyped or signature.returns is inspect.Parameter.empty):
        what = f"has process=True and no type for {untyped[0] if untyped else 'what it returns'}"
        yield graph.finding("W526", name, what, "annotate everything: values cross into the process as typed JSON")


def _effect(graph: Graph, name: str, node: Function[Any, Any]) -> Iterator[Finding]:
    doubt: Any = node.in_doubt
    if not callable(doubt) and doubt not in ("ask", "rerun"):
        what = f"in_doubt={doubt!r} is none of the three"
        yield graph.finding("W528", name, what, 'in_doubt="ask", "rerun", or a function that looks whether it happened')
    elif not node.effect and doubt != "ask":
        yield graph.finding("W528", name, "has in_doubt= and is no effect", "add effect=True, or remove in_doubt=")
    takes_step = any(each.type is Step for each in node.signature.parameters)
    if node.effect and node.retry != ONCE and has_code(node) and not takes_step:
        what = "is an effect that is retried, and sends no key: a try that half happened happens twice"
        cure = "take `step: Step` and send step.key along"
        yield graph.finding("W551", name, what, cure, "warning")


def _each(graph: Graph, name: str, node: Each[Any, Any]) -> Iterator[Finding]:
    if not is_count(node.at_once):
        what = f"does {node.at_once!r} items at once"
        yield graph.finding("W541", name, what, "at_once=8; at least 1")
    if node.on_error not in get_args(OnError):
        what = f"on_error={node.on_error!r} is none of the three"
        yield graph.finding("W541", name, what, 'on_error="fail", "collect" or "skip"')
    one: Any = node.one
    match one:
        case Agent():
            yield from _agent(graph, name, one)
        case Function():
            yield from _function(graph, name, one)
        case Subflow():
            pass
        case _:
            yield graph.finding("W541", name, "goes over items with nothing to do", '@each("items", ...) def one(item)')


def _is_async(body: Any) -> bool:
    return inspect.iscoroutinefunction(_inner(body)) or inspect.iscoroutinefunction(type(body).__call__)


def _yields(body: Any) -> bool:
    inner = _inner(body)
    return inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)


def _inner(body: Any) -> Any:
    try:
        return inspect.unwrap(body)
    except ValueError:  # __wrapped__ leads in a circle
        return body
