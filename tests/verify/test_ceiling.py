"""The ceiling by example, worked out by hand: counted where that is possible, bounded from above where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verify.small import edge, made
from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import Ceiling, ceiling, verify

KINDS = {"s": "function", "r": "route", "p": "person", "c": "choice"}


def graph(*rows: str) -> Workflow[Any]:
    """Rows such as "s1 > s2, s3", "s2, s3 > p1" and "r1.x > s1 : 3 then s4"; a name's letter is its kind."""
    edges = [row_of(row) for row in rows]
    names = {name for each in edges for name in [*(source.node for source in each.sources), *each.leads_to]}
    return made({name: KINDS[name[0]] for name in sorted(names - {"START", "END"})}, edges)


def row_of(row: str) -> Edge:
    way, _, bound = row.partition(" : ")
    left, _, right = way.partition(" > ")
    sources = [Source(*each.split(".")) for each in left.split(", ")]
    limit, _, then = bound.partition(" then ")
    return edge(sources, right.split(", "), int(limit) if bound else None, then or None)


LINE = graph("START > s1", "s1 > s2", "s2 > END")
LOOP = graph("START > s1", "s1 > s2", "s2 > r1", "r1.x > END", "r1.y > s1 : 3 then c1", "c1.x > s1", "c1.y > END")
NESTED = graph(
    "START > s1", "s1 > s2", "s2 > r1", "r1.x > s3", "r1.y > s2 : 2 then s3",
    "s3 > r2", "r2.x > END", "r2.y > s1 : 1 then END",
)  # fmt: skip
FORK = graph("START > s1", "s1 > s2, s3", "s2 > s4", "s3, s4 > s5", "s5 > END")
BESIDE = graph(
    "START > s1", "s1 > p1, s2",
    "p1 > s3", "s3 > s4", "s4 > s5", "s5 > s6", "s6 > s7",
    "s2 > s8", "s8 > s9", "s7, s9 > s10", "s10 > END",
)  # fmt: skip


@pytest.mark.parametrize(
    ("workflow", "steps", "why"),
    [
        (LINE, 2, "two steps in a row"),
        (LOOP, 9, "s1 and s2 four times, then the question; an answer buys the same"),
        (NESTED, 10, "twice: s1, s2 three times, s3"),
        (FORK, 5, "arms add up"),
        (
            BESIDE,
            8,
            "answered at once: five steps behind the question, two still to come beside it, one after the join",
        ),
    ],
)
def test_a_ceiling_is_counted(workflow: Workflow[Any], steps: int, why: str) -> None:
    assert ceiling(workflow) == Ceiling(steps, exact=True), why
    bound = ceiling(workflow, states=0)
    assert bound is not None
    assert not bound.exact
    assert bound.steps >= steps


def test_a_ceiling_is_told_in_words() -> None:
    assert str(ceiling(LINE)) == "2 steps between two answers"
    assert str(ceiling(LINE, states=0)) == "at most 2 steps between two answers"
    assert str(ceiling(graph("START > s1", "s1 > END"))) == "1 step between two answers"


def test_a_workflow_without_an_end_to_its_loops_has_no_ceiling() -> None:
    endless = graph("START > s1", "s1 > r1", "r1.x > s1", "r1.y > END")
    assert [each.code for each in verify(endless)] == ["W301"]
    assert ceiling(endless) is None
