"""A ledger that dies at each of its writes in turn, those of the graph's checkpoints too: what follows is the same."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START as GRAPH_START
from langgraph.graph import StateGraph
from langgraph.types import Send, interrupt

from tests.foreign.graphs import NESTED, TWICE, asking, chain, plan, write
from tests.foreign.test_running import reporting
from workflow_engine import Engine
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import Crashed, crash_after
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint


class Many(TypedDict):
    question: str
    notes: Annotated[list[str], operator.add]
    answer: str


class One(TypedDict):
    number: int


def spread() -> Any:
    """One task for each of four numbers, each of which asks, and one of them twice."""

    def fan(state: Many) -> list[Send]:
        return [Send("each", {"number": number}) for number in range(4)]

    async def each(state: One) -> dict[str, Any]:
        said = interrupt(f"{state['number']}?")
        if state["number"] == 2:
            said += interrupt("2 again?")
        return {"notes": [f"{state['number']}={said}"]}

    async def collect(state: Many) -> dict[str, Any]:
        return {"answer": " ".join(sorted(state["notes"]))}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Many)
    builder.add_node("each", each)
    builder.add_node("collect", collect)
    builder.add_conditional_edges(GRAPH_START, fan, ["each"])
    builder.add_edge("each", "collect")
    builder.add_edge("collect", GRAPH_END)
    return builder.compile()


def remembering() -> Any:
    """A graph within that keeps its state from call to call."""

    async def both(state: Many) -> dict[str, Any]:
        first = interrupt("first?")
        second = interrupt("second?")
        return {"notes": [f"{first} then {second}"]}

    return chain(plan=plan, inner=chain(both=both).compile(checkpointer=True), write=write).compile()


FLOWS = {
    "two at once": (reporting(asking()), "plan bees > legal: may we publish it?! > price: what does it cost?!"),
    "two in turn": (reporting(TWICE), "plan bees > first?! then second?!"),
    "nested": (reporting(NESTED), "plan bees > plan bees > first?! then second?!"),
    "remembering": (reporting(remembering()), "plan bees > plan bees > first?! then second?!"),
    "spread": (reporting(spread()), "0=0?! 1=1?! 2=2?!2 again?! 3=3?!"),
}


async def life(ledger: Any, name: str, executor: str, mint: SeededMint) -> Any:
    """Begin the run or go on with it; each question is answered by itself, with an exclamation mark."""
    flow, _ = FLOWS[name]
    async with Engine.connect(
        ledger=ledger, workflows=[flow], clock=FakeClock(), mint=mint, executor=executor
    ) as engine:
        runs = await engine.runs()
        if runs and runs[0].status == "succeeded":
            return await engine.get(runs[0].run)
        view = await (engine.resume(runs[0].run, verb="recover") if runs else engine.run(flow, request="bees"))
        while view.run.status == "waiting":
            for each in reversed(await engine.inbox(view.run.id)):
                await engine.answer(each.question.id, f"{each.question.message}!")
            view = await engine.resume(view.run.id, verb="answer")
        return view


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", FLOWS)
async def test_a_death_at_any_write_changes_nothing(name: str, when: Any) -> None:
    at = 0
    while True:
        at += 1
        kept, mint = MemoryLedger(), SeededMint(at)
        dying = crash_after(kept, at, when=when)
        first, second = ("native", "langgraph") if at % 2 else ("langgraph", "native")
        try:
            view = await dying.until_crash(life(dying, name, first, mint))
        except Crashed:
            view = await life(kept, name, second, mint)
        assert (view.run.status, view.values["findings"]) == ("succeeded", FLOWS[name][1]), f"{when} write {at}"
        if not dying.crashed:
            assert at > 10
            return
