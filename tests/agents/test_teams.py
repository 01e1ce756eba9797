"""Several agents in one node: specialists as tools and by handoff, with receipts and people's words at every depth."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from tests.agents.endpoint import Script, call, say
from tests.agents.team import keys, nested, offered, ops, releasing, thinking
from tests.agents.test_streaming import Ear
from tests.agents.ticket import Town, deploy, read_ticket
from tests.engine.conftest import KeptLedger, Open, clock, ledger, opened
from workflow_engine import Engine, RunView, specialist
from workflow_engine.record import events as e
from workflow_engine.record.story import story
from workflow_engine.record.usage import Usage
from workflow_engine.testing import Crashed, crash_after

__all__ = ["clock", "ledger", "opened"]


async def test_a_specialist_is_a_tool_with_a_talk_of_its_own(opened: Open, ledger: KeptLedger) -> None:
    class Found(BaseModel):
        number: int
        what: str

    reader = specialist(name="reader", instructions="You read.", tools=[read_ticket], output=Found)

    def mind(instructions: str, results: list[Any]) -> Script:
        if "You release" in instructions:
            return say(f"done: {results[-1]}") if results else call(("reader", {"input": "what is 7?"}))
        return say('{"number": 7, "what": "deploy"}') if results else call(("read_ticket", {"number": 7}))

    town, flow = Town(), releasing(reader)
    async with thinking(opened, mind, town=town, flow=flow) as (engine, served):
        view = await engine.run(flow, {"number": 7})
        assert view.state.done == 'done: {"number":7,"what":"deploy"}'
        assert town.reads == [7]
        assert [offered(served, number) for number in range(4)] == [
            ["reader"],
            ["read_ticket"],
            ["read_ticket"],
            ["reader"],
        ]
        assert served.requests[1].body["messages"][-1]["content"] == "what is 7?"
        assert served.requests[1].headers["x-workflow-node"] == "reader"
        assert view.history.steps[-1].usage == Usage(4, 12, 20)
        told = [each.event for each in await ledger.journal(view.id)]
        finished = [each for each in told if isinstance(each, e.CallFinished)]
        use = finished[-2].call
        assert [each.call for each in finished] == ["m1", f"{use}/m1", finished[2].call, f"{use}/m2", use, "m2"]
        assert finished[2].call.startswith(f"{use}/")


async def _answered(engine: Engine, view: RunView[Any], town: Town) -> RunView[Any]:
    """Say what there is to say, until there is nothing left."""
    for _ in range(10):
        open_ = [each.question for each in await engine.inbox()]
        if not open_:
            return view
        for question in open_:
            doubt = "rerun" in question.choices
            word: Any = "approve" if not doubt else "rerun"
            if doubt and town.deployed:
                word = {"choice": "accept", "value": "api 1.2 is up"}
            await engine.answer(question.id, word, by="anna")
        view = await engine.resume(view.id)
    raise AssertionError("it asks without end")


async def test_what_a_specialist_needs_a_word_for_stands_in_the_inbox_and_another_process_goes_on(opened: Open) -> None:
    town, flow = Town(), releasing(ops)
    async with thinking(opened, nested, town=town, flow=flow) as (engine, _):
        view = await engine.run(flow, {"number": 7})
        assert (view.status, view.reason, town.deployed) == ("waiting", "person", [])
    async with thinking(opened, nested, town=town, flow=flow) as (engine, served):
        [standing] = await engine.inbox()
        assert standing.question.title == "May ops (of release) use deploy?"
        view = await _answered(engine, view, town)
        assert view.state.done == "released: ops says api 1.2 is up"
        assert len(served.requests) == 2
        assert (town.reads, len(town.deployed)) == ([7], 1)


async def test_two_specialists_at_once_ask_for_two_words_at_once(opened: Open) -> None:
    other = specialist(name="other", instructions="You deploy too.", tools=[deploy])

    def mind(instructions: str, results: list[Any]) -> Script:
        if "You release" in instructions:
            both = call(("ops", {"input": "api"}), ("other", {"input": "web"}))
            return say(" and ".join(results)) if results else both
        service = "web" if "too" in instructions else "api"
        return say(results[-1]) if results else call(("deploy", {"service": service, "version": "1"}))

    town, flow = Town(), releasing(ops, other)
    async with thinking(opened, mind, town=town, flow=flow) as (engine, served):
        view = await engine.run(flow, {"number": 7})
        first, second = await engine.inbox()
        assert (view.status, len(served.requests)) == ("waiting", 3)
        await engine.answer(first.question.id, "approve", by="anna")
        await engine.answer(second.question.id, {"choice": "reject", "reason": "not today"}, by="anna")
        view = await engine.resume(view.id)
        assert view.status == "succeeded"
        assert "is up" in view.state.done
        assert "not today" in view.state.done
        assert (len(town.deployed), len(served.requests)) == (1, 6)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_every_write_a_nested_deployment_happens_once_and_nothing_kept_is_paid_again(
    opened: Open, when: Any
) -> None:
    at, crashed = 0, True
    while crashed:
        at += 1
        crashed = False
        town, flow, kept = Town(), releasing(ops), KeptLedger()
        dying = crash_after(kept, at, when=when)
        asked: list[str] = []
        async with thinking(opened, nested, town=town, flow=flow, ledger=dying) as (engine, served):
            try:
                view = await dying.until_crash(engine.run(flow, {"number": 7}))
                await dying.until_crash(_answered(engine, view, town))
            except Crashed:
                crashed = True
            asked += keys(served)
        async with thinking(opened, nested, town=town, flow=flow, ledger=kept) as (engine, served):
            await engine.recover()
            runs = await engine.runs()
            if not runs:  # it died before the run was there
                assert (at, when) == (1, "before")
                continue
            view = await _answered(engine, await engine.get(runs[0].run), town)
            assert (view.status, view.state.done) == ("succeeded", "released: ops says api 1.2 is up"), (at, when)
            assert len(town.deployed) == 1, (at, when)
            asked += keys(served)
            assert len(set(asked)) == 5, (at, when)
            assert len(asked) <= 6, (at, when)  # only the question that was under way is asked again
    assert at > 20


async def test_a_talk_is_handed_over_and_the_journal_says_so(opened: Open, ledger: KeptLedger) -> None:
    billing = specialist(name="billing", instructions="You bill.", tools=[deploy], handoffs=["release"])

    def mind(instructions: str, results: list[Any]) -> Script:
        if "You release" in instructions:
            # It asks for what only billing has, and is refused.
            return call(("transfer_to_billing", {})) if results else call(("deploy", {"service": "a", "version": "1"}))
        return say("billed") if len(results) > 2 else call(("deploy", {"service": "api", "version": "2"}))

    town, flow = Town(), releasing(read_ticket, handoffs=(billing,))
    async with thinking(opened, mind, town=town, flow=flow) as (engine, served):
        view = await engine.run(flow, {"number": 7})
        [standing] = await engine.inbox()
        assert standing.question.title == "May billing (of release) use deploy?"
        assert '"version": "2"' in standing.question.evidence[0]
        assert offered(served, 0) == ["read_ticket", "transfer_to_billing"]
        assert offered(served, 2) == ["deploy", "transfer_to_release"]
        assert served.requests[2].headers["x-workflow-node"] == "billing"
        before = len(served.requests)
    async with thinking(opened, mind, town=town, flow=flow) as (engine, served):
        view = await _answered(engine, view, town)
        assert (view.state.done, before, len(served.requests)) == ("billed", 3, 1)
        assert [each[:2] for each in town.deployed] == [("api", "2")]
        told = [each.event for each in await ledger.journal(view.id)]
        handed = [each for each in told if isinstance(each, e.CallFinished) and each.what == "handoff"]
        assert [(each.asked, each.name) for each in handed] == [("release", "billing")]
        [told_of] = [each for each in story(told) if each.kind == "handoff"]
        assert (told_of.who, told_of.text, told_of.call) == ("release", "billing", "h1")
        assert "transfer" not in str([each.text for each in story(told) if each.kind == "tool_call"])


async def test_a_talk_that_changes_hands_is_heard_as_it_does(opened: Open) -> None:
    ear = Ear()
    billing = specialist(name="billing", instructions="You bill.")

    def mind(instructions: str, _: list[Any]) -> Script:
        return call(("transfer_to_billing", {})) if "You release" in instructions else say("billed")

    flow = releasing(handoffs=(billing,))
    async with thinking(opened, mind, town=Town(), flow=flow, listeners=[ear]) as (engine, _):
        assert (await engine.run(flow, {"number": 7})).state.done == "billed"
    kinds = [each["item"] for each in ear.pieces if each["item"] != "delta"]
    assert kinds == ["handoff", "message"]
    assert ear.pieces[0] == {"item": "handoff", "agent": "release", "to": "billing"}


async def test_agents_that_hand_one_talk_back_and_forth_are_stopped_by_its_turns(opened: Open) -> None:
    billing = specialist(name="billing", instructions="You bill.", handoffs=["release"])

    def mind(instructions: str, _: list[Any]) -> Script:
        return call(("transfer_to_billing" if "You release" in instructions else "transfer_to_release", {}))

    flow = releasing(handoffs=(billing,))
    async with thinking(opened, mind, town=Town(), flow=flow) as (engine, served):
        view = await engine.run(flow, {"number": 7})
        assert view.status == "failed"
        assert view.error is not None
        assert view.error.kind == "tool"
        assert "turns" in view.error.message
        assert len(served.requests) == 3 * 20  # three tries of twenty turns


async def test_a_specialist_who_never_comes_to_an_end_is_stopped_and_the_other_agent_is_told(opened: Open) -> None:
    endless = specialist(name="endless", instructions="You read.", tools=[read_ticket], turns=3)

    def mind(instructions: str, results: list[Any]) -> Script:
        if "You release" in instructions:
            return say(results[-1]) if results else call(("endless", {"input": "go"}))
        return call(("read_ticket", {"number": 1}))

    town, flow = Town(), releasing(endless)
    async with thinking(opened, mind, town=town, flow=flow) as (engine, served):
        view = await engine.run(flow, {"number": 7})
        assert view.state.done.startswith("error: endless did not finish: the agent used up its turns")
        assert len(served.requests) == 5
