"""What holds of verify whatever it is given: it never raises, and the order of rows changes nothing."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from tests.generate import random_workflow
from tests.verify.corpus import CORPUS
from tests.verify.small import drawn
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.document import from_document, to_document
from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.nesting import nested, subflows_of
from workflow_engine.spec.nodes import Agent, Function, Human, Node, Route
from workflow_engine.spec.question import Question
from workflow_engine.spec.state import State
from workflow_engine.spec.step import Step
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import Finding, broken, ceiling, verify

# ------------------------------------------------------------------------------------------------ the order of rows


@given(st.integers(0, 10**6), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_shuffled_rows_change_neither_findings_nor_shape(seed: int, sound: bool, rng: random.Random) -> None:
    made = random_workflow(random.Random(seed), 12) if sound else drawn(random.Random(seed), 1 + seed % 5)
    edges, nodes = list(made.edges), list(made.nodes.items())
    rng.shuffle(edges)
    rng.shuffle(nodes)
    shuffled = replace(made, edges=tuple(edges), nodes=MappingProxyType(dict(nodes)))
    assert verify(shuffled) == verify(made)
    assert shuffled.shape == made.shape
    assert ceiling(shuffled) == ceiling(made)


def test_shuffled_rows_of_every_broken_workflow_are_refused_alike() -> None:
    for case in CORPUS:
        made = case.make()
        if _contains_itself(made):  # a copy of it contains the original, which is another workflow
            continue
        shuffled = replace(
            made, edges=made.edges[::-1], nodes=MappingProxyType(dict(reversed(list(made.nodes.items()))))
        )
        assert verify(shuffled) == verify(made), case.name


# ------------------------------------------------------------------------------------------------ junk


class Callable1:
    def __call__(self, p: int) -> None: ...


class Raising:
    """Refuses to be looked at."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError(name)


class Whole(State):
    p: int = 0
    q: str | None = None


class Odd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    thing: Raising | None = None
    made: list[int] = Field(default_factory=lambda: 1 // 0)  # type: ignore[arg-type]


class Unfinished(BaseModel):
    later: "NotThere"  # type: ignore[name-defined]  # noqa: F821, UP037


def circular() -> Any:
    def body() -> None: ...

    body.__wrapped__ = body  # type: ignore[attr-defined]
    return body


def odd_annotation(p: Any, q: Any, step: Any = 4) -> None: ...


odd_annotation.__annotations__ = {"p": [1, 2], "q": "1 +", "step": 3, "return": "}"}


def raising_annotation(p: Any) -> None: ...


raising_annotation.__annotations__ = {"p": "1 / 0"}


def wide(*p: int, **q: str) -> None: ...


async def waits(p: int) -> int:
    return p


async def generates(step: Step):  # type: ignore[no-untyped-def]
    yield step


def decides(p: int) -> Literal["x", "y"]:
    return "x"


def asks(p: int) -> Question[Literal["x", "failed"]]:
    return Question("?")


BODIES: list[Any] = [
    *(None, 7, print, len, int, lambda: None, lambda p, /, q=1, *r, **s: p, functools.partial(waits, p=1), Callable1()),
    *(
        Raising(),
        circular(),
        odd_annotation,
        raising_annotation,
        wide,
        waits,
        generates,
        decides,
        asks,
        Question,
        State,
    ),
]
NAMES = ["a", "b", "c", "START", "END", "FAIL: x", "FAIL", "", "a b", "ü", "a" * 70, "a > b"]
WORDS = [None, "x", "y", "failed", "expired", "", "x]", "🙂"]
ANY: list[Any] = [None, 0, 1, 3, -1, True, 2.5, "x", b"x", (), ("p", "p"), ("p", 3), [], {}, object(), Raising(), print]
ANY += [timedelta(0), timedelta(days=1), int, Literal["x"], float("nan"), 10**30]


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    kind: Callable[..., Node] = draw(st.sampled_from([Node, Function, Agent, Human, Route]))
    anything = st.sampled_from(ANY)
    settings: dict[str, Any] = {}
    options = {
        Function: ["effect", "in_doubt", "process"],
        Agent: ["instructions", "tools", "turns", "finish", "model"],
        Human: ["within"],
    }.get(kind, [])  # type: ignore[call-overload]
    for setting in [*options, "writes", "retry", "timeout"]:
        if draw(st.integers(0, 3)) == 0:
            settings[setting] = draw(anything)
    name: Any = draw(st.sampled_from([*NAMES, 3]))
    return kind(name=name, body=draw(st.sampled_from(BODIES)), **settings)


@st.composite
def edges(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from(ANY))
    name = st.sampled_from([*NAMES[:6], *NAMES[:3], *NAMES])
    if draw(st.integers(0, 30)) == 0:
        name = st.sampled_from(ANY)
    sources = draw(st.lists(st.builds(Source, name, st.sampled_from(WORDS)), max_size=3))
    targets = draw(st.lists(name, max_size=3))
    limit = draw(st.one_of(st.none(), st.integers(-1, 3), st.sampled_from(ANY)))
    then = draw(st.one_of(st.none(), name))
    edge = Edge((), ())
    parts = {"sources": tuple(sources), "targets": tuple(targets), "limit": limit, "then": then}
    if draw(st.integers(0, 30)) == 0:
        parts[draw(st.sampled_from(list(parts)))] = draw(st.sampled_from(ANY))
    for part, value in parts.items():
        object.__setattr__(edge, part, value)
    return edge


@st.composite
def workflows(draw: st.DrawFn) -> Workflow[Any]:
    given_nodes = draw(st.lists(nodes(), max_size=6))
    named: dict[Any, Any] = {node.name: node for node in given_nodes}
    if draw(st.integers(0, 20)) == 0:
        named[draw(st.sampled_from(["a", 3, None]))] = draw(st.sampled_from(ANY))
    return Workflow(
        name=draw(st.sampled_from(["w", "", 3])),  # type: ignore[arg-type]
        state=draw(st.sampled_from([Whole, Whole, Whole, Odd, Unfinished, State, None, int])),  # type: ignore[arg-type]
        edges=tuple(draw(st.lists(edges(), max_size=8))),
        nodes=MappingProxyType(named),
        clashes=tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2))),
        where=draw(st.sampled_from([None, "here.py:3", "<stdin>:1"])),
    )


@given(workflows())
@settings(max_examples=600)
def test_verify_is_total(workflow: Workflow[Any]) -> None:
    findings = verify(workflow)
    assert {type(each) for each in findings} <= {Finding}
    assert all(each.code and each.what and each.cure and str(each) for each in findings)
    assert ceiling(workflow) is None or not [each for each in broken(findings) if each.code[:2] in ("W2", "W3")]


def around(node: Node) -> Workflow[Any]:
    return Workflow("w", Whole, (Edge("START", "a"), Edge("a", "END")), MappingProxyType({"a": node}))


@pytest.mark.parametrize("kind", [Node, Function, Agent, Human, Route])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_no_body_is_too_odd(body: Any, kind: Callable[..., Node]) -> None:
    assert not [each for each in verify(around(kind(name="a", body=body))) if each.code == "W190"]


def test_what_refuses_to_be_looked_at_is_a_finding() -> None:
    hostile: Any = Raising()
    assert [each.code for each in verify(around(Function(name="a", body=hostile, process=True)))] == ["W111", "W190"]


@given(st.sampled_from(ANY))
def test_what_is_no_workflow_is_refused(thing: Any) -> None:
    assert broken(verify(thing))
    assert ceiling(thing) is None


def test_a_workflow_read_from_a_document_is_proved_as_far_as_a_document_tells() -> None:
    for seed in range(30):
        made = random_workflow(random.Random(seed), 12)
        assert broken(verify(from_document(to_document(made)))) == ()


def _contains_itself(made: Workflow[Any]) -> bool:
    around = (made, *nested(made).values())
    return any(_within(one) is made for each in around for one in subflows_of(each))


def _within(one: Subflow) -> Workflow[Any] | None:
    try:
        return one.workflow
    except DeclarationError:
        return None
