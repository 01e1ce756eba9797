"""Waits beside everything else: forks, workers, plain LangGraph, changed code, subflows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from tests.waits.flows import BOTH, FIRST, ONE, SLOW, Contract, Order, Payment, pack, ship
from workflow_engine import END, START, State, subflow, to_langgraph, wait, workflow
from workflow_engine.errors import WorkflowChanged

PAID = Payment(amount=7)


async def test_a_fork_of_a_first_wait_goes_where_the_edited_signal_leads(opened: Any) -> None:
    async with opened(FIRST) as engine:
        view = await engine.run(FIRST, order="A")
        await engine.signal(view.id, "contract", Contract(signed_by="ana"))
        view = await engine.resume(view.id)
        again = await engine.fork(view.id, at=2)
        assert again.state.log[-1] == "paid False, signed True"
        other = await engine.fork(view.id, {"payment": PAID}, at=2)
        assert other.state.log[-1] == "shipped for 7 EUR"


async def test_a_worker_takes_what_was_signalled_and_what_is_due(opened: Any, clock: Any) -> None:
    async with opened(ONE, SLOW) as engine:
        one, slow = await engine.run(ONE, order="A"), await engine.run(SLOW, order="B")
        await engine.signal(one.id, "payment", PAID)
        worked = await engine.work(until="idle")
        assert dict(worked.rested) == {"succeeded": 1}
        assert (await engine.get(one.id)).status == "succeeded"
        clock.advance(timedelta(days=3).total_seconds())
        worked = await engine.work(until="idle")
        assert dict(worked.rested) == {"succeeded": 1}
        assert (await engine.get(slow.id)).status == "succeeded"


async def test_on_plain_langgraph_a_wait_is_an_interrupt() -> None:
    graph = to_langgraph(BOTH).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    found = await graph.ainvoke({"order": "A"}, config)
    (asked,) = found["__interrupt__"]
    assert [each["name"] for each in asked.value["signals"]] == ["contract", "payment"]
    found = await graph.ainvoke(Command(resume={"payment": {"amount": 7}}), config)
    (asked,) = found["__interrupt__"]
    assert "for each of contract, payment" in asked.value["problem"]
    found = await graph.ainvoke(Command(resume={"payment": {"amount": 0}, "contract": {"signed_by": "ana"}}), config)
    assert "greater than 0" in found["__interrupt__"][0].value["problem"]
    found = await graph.ainvoke(Command(resume={"payment": {"amount": 7}, "contract": {"signed_by": "ana"}}), config)
    assert found["payment"] == PAID
    assert found["log"] == ["packed A", "paid True, signed True"]

    graph = to_langgraph(FIRST).compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"order": "A"}, config)
    found = await graph.ainvoke(Command(resume={"payment": {"amount": 7}}), config)
    assert found["log"][-1] == "shipped for 7 EUR"

    graph = to_langgraph(SLOW).compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"order": "A"}, config)
    assert (await graph.ainvoke(Command(resume=True), config))["log"][-1] == "paid False, signed False"


def version(*edges: Any) -> Any:
    return workflow("changing", state=Order, edges=list(edges))


@pytest.mark.parametrize(
    ("node", "fits"),
    [
        (wait("payment", Payment, writes="payment", name="w"), True),
        (wait("payment", Payment, writes="payment", name="other"), False),
        (wait("money", Payment, writes="payment", name="w"), False),
        (wait(timedelta(days=1), name="w"), False),
        (pack.named("w"), False),
    ],
)
async def test_a_run_goes_on_only_where_what_it_waits_for_is_kept(opened: Any, node: Any, fits: bool) -> None:
    before = version(START >> wait("payment", Payment, writes="payment", name="w") >> END)
    async with opened(before) as engine:
        view = await engine.run(before, order="A")
    after = version(START >> node >> pack.named("then") >> END)
    async with opened(after) as engine:
        if fits:
            await engine.signal(view.id, "payment", PAID)
            assert (await engine.resume(view.id)).state.log == ["packed A"]
        else:
            with pytest.raises(WorkflowChanged):
                await engine.resume(view.id)


async def test_an_early_signal_is_not_lost_by_a_change_unsaid(opened: Any) -> None:
    go = wait("go", name="go")
    before = version(START >> go >> wait("payment", Payment, writes="payment", name="w") >> ship >> END)
    async with opened(before) as engine:
        view = await engine.run(before, order="A")
        await engine.signal(view.id, "payment", PAID)
        await engine.resume(view.id)
    async with opened(version(START >> go >> pack >> END)) as engine:
        with pytest.raises(WorkflowChanged, match="nothing waits for it any more"):
            await engine.resume(view.id)


async def test_a_workflow_within_waits_for_signals_of_its_own(opened: Any) -> None:
    class Outer(State):
        order: str
        payment: Payment | None = None

    bill = subflow(ONE, reads={"order": "order"}, writes="payment", name="bill")
    outer = workflow("outer", state=Outer, edges=[START >> bill >> END])
    async with opened(outer, ONE) as engine:
        view = await engine.run(outer, order="A")
        assert view.status == "waiting"
        (inner,) = view.run.waits[0].names
        await engine.signal(inner, "payment", PAID)
        await engine.recover()
        view = await engine.get(view.id)
        assert (view.status, view.state.payment) == ("succeeded", PAID)
