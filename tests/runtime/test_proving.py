"""A workflow is proved once, however many runs of it there are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.conftest import Open
from workflow_engine import END, START, InvalidWorkflow, State, function, workflow
from workflow_engine.runtime import code
from workflow_engine.verify import laws
from workflow_engine.verify.graph import Graph


class Flat(State):
    x: int = 0


@function(writes="x")
async def count(x: int) -> int:
    return x + 1


async def test_a_thousand_runs_prove_their_workflow_once(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    proofs: list[Any] = []

    def counted(each: Any) -> Any:
        proofs.append(each)
        return Graph(each)

    monkeypatch.setattr(laws, "Graph", counted)
    flow = workflow("flat", state=Flat, edges=[START >> count >> END])
    async with opened(flow) as engine:
        for _ in range(3):
            await engine.run(flow)
    assert proofs == [flow]


def test_a_broken_workflow_is_refused_each_time() -> None:
    flow = workflow("flat", state=Flat, edges=[START >> count])
    for _ in range(2):
        with pytest.raises(InvalidWorkflow, match="W1"):
            code.prove(flow)
