"""Effects of single items: begun by a process that died, each is asked about, looked for, or done again by its key."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from pydantic import Field

from workflow_engine import END, START, Engine, Result, State, Step, each, workflow


class Mail(State):
    people: list[str]
    sent: list[str] = Field(default_factory=list)
    tried: list[Result[str]] = Field(default_factory=list)


class Outside:
    def __init__(self) -> None:
        self.keys: list[str] = []
        self.hang = {"bob", "eve"}
        self.there: set[str] = set()

    async def send(self, person: str, step: Step) -> str:
        self.keys.append(f"{person} {step.item}")
        if person in self.hang:
            await asyncio.Event().wait()
        return f"to {person}"

    async def look(self, person: str) -> str | None:
        return f"found {person}" if person in self.there else None


def post(outside: Outside, in_doubt: Any, writes: str = "sent", on_error: Literal["fail", "collect"] = "fail") -> Any:
    send = each("people", name="send", writes=writes, effect=True, in_doubt=in_doubt, on_error=on_error)(outside.send)
    return workflow("post", state=Mail, edges=[START >> send >> END])


async def die(opened: Any, flow: Any, outside: Outside, ledger: Any) -> str:
    """Begin a run and let its process die while two of four items are in hand."""
    async with opened(flow) as engine:
        running = asyncio.create_task(engine.run(flow, people=["ann", "bob", "kim", "eve"]))
        while len(outside.keys) < 4 or await done(engine) < 2:  # noqa: ASYNC110 (no event of ours tells of it)
            await asyncio.sleep(0)
        ledger.abandon()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        outside.hang.clear()
        return str(await engine.find("@last"))


async def done(engine: Engine) -> int:
    items = (await engine.get("@last")).run.items
    return items["send"].done if "send" in items else 0


async def test_each_item_in_doubt_is_asked_about(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = post(outside, "ask")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        [view] = await engine.recover()
        [standing] = await engine.inbox()
        assert (standing.question.title, standing.question.item) == ("Did send happen for item 1?", 1)
        assert len(outside.keys) == 4, "nothing was repeated"
        with pytest.raises(Exception, match="'value' is a required property"):
            await engine.answer(run, {"choice": "accept"})
        await engine.answer(run, {"choice": "accept", "value": "by hand"}, by="ana")
        view = await engine.resume(run)
        assert view.status == "waiting"
        [standing] = await engine.inbox()
        assert standing.question.item == 3
        await engine.answer(run, "rerun")
        view = await engine.resume(run)
    assert view.values["sent"] == ["to ann", "by hand", "to kim", "to eve"]
    assert outside.keys.count("bob 1") == 1
    assert outside.keys.count("eve 3") == 2
    assert view.run.doubts == {}


async def test_an_item_can_be_given_up_where_failures_are_collected(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = post(outside, "ask", "tried", "collect")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        await engine.recover()
        await engine.answer(run, "fail", by="ana")
        await engine.resume(run)
        await engine.answer(run, "fail", by="ana")
        view = await engine.resume(run)
    assert [each.ok for each in view.state.tried] == [True, False, True, False]
    assert view.state.tried[1].failure.message == "given up by ana"
    assert len(outside.keys) == 4


async def test_giving_an_item_up_fails_the_step_where_a_failure_does(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = post(outside, "ask")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        await engine.recover()
        await engine.answer(run, "fail", by="ana")
        view = await engine.resume(run)
    assert view.run.error is not None
    assert (view.status, view.run.error.message) == ("failed", "given up by ana")


async def test_a_probe_looks_for_each_item(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = post(outside, outside.look)
    outside.there = {"bob"}
    await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        [view] = await engine.recover()
    assert view.values["sent"] == ["to ann", "found bob", "to kim", "to eve"]
    assert outside.keys.count("bob 1") == 1
    assert outside.keys.count("eve 3") == 2


async def test_a_rerun_happens_with_the_same_key(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = post(outside, "rerun")
    await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        [view] = await engine.recover()
    assert view.values["sent"] == ["to ann", "to bob", "to kim", "to eve"]
    assert sorted(outside.keys) == ["ann 0", "bob 1", "bob 1", "eve 3", "eve 3", "kim 2"]
