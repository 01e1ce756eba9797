"""The contract of ports.agents.AgentRunner: every runner keeps it, over one loopback server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.agents.asking import Design, task, tool
from tests.agents.endpoint import Script, ScriptedEndpoint, call, fault, say, status
from tests.agents.runners import EVERY, Kind
from tests.agents.ticket import SCRIPT, Town, flow, opening
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import errors
from workflow_engine.ports.agents import AgentRunner, Held, ModelCall, ModelReply, Role, ToolUse
from workflow_engine.record.usage import Usage

__all__ = ["clock", "ledger", "opened"]

GOOD = '{"title": "t", "parts": ["a"], "size": 2}'


@asynccontextmanager
async def asked(
    kind: Kind, *script: Script, limit: timedelta = timedelta(seconds=30)
) -> AsyncIterator[tuple[AgentRunner, ScriptedEndpoint]]:
    async with ScriptedEndpoint(list(script), kind.wire) as served:
        runner = kind.made(served, limit)
        try:
            yield runner, served
        finally:
            await runner.close()
            await runner.close()


class Book:
    """Receipts in memory: what was answered is not asked again."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, ModelReply]] = {}
        self.number = 0

    async def ask(self, asked: ModelCall) -> ModelReply:
        self.number += 1
        name = f"{asked.path}{self.number}"
        if name not in self.kept:
            self.kept[name] = (asked.gist, await asked.make(f"key/{name}"))
        gist, reply = self.kept[name]
        assert gist == asked.gist, "it says otherwise what it said before"
        return reply


@EVERY
async def test_the_answer_has_its_type_and_says_what_it_cost_and_who_gave_it(kind: Kind) -> None:
    async with asked(kind, say(GOOD)) as (runner, served):
        answer = await runner.run(task())
    assert answer.value == Design(title="t", parts=["a"], size=2)
    assert answer.usage == Usage(1, 3, 5)
    assert answer.answered_by == ("stand-in-1",)
    assert "You design." in str(served.requests[0].body)
    assert "Design it." in str(served.requests[0].body)


@EVERY
async def test_tools_make_the_round_trip_several_at_once(kind: Kind) -> None:
    seen: list[str] = []

    def look(given: Any) -> str:
        seen.append(given["path"])
        return f"the text of {given['path']}"

    both = call(("look", {"path": "a"}), ("look", {"path": "b"}))
    async with asked(kind, both, call(("look", {"path": "c"})), say(GOOD)) as (runner, served):
        answer = await runner.run(task(tools=(tool("look", look),)))
    assert seen == ["a", "b", "c"]
    assert answer.usage == Usage(3, 9, 15)
    for number, path in ((1, "a"), (1, "b"), (2, "c")):
        assert f"the text of {path}" in str(served.requests[number].body)
    assert [each["item"] for each in answer.story if each["item"] != "message"].count("tool_result") == 3


@EVERY
async def test_a_tool_that_was_not_granted_is_refused_in_words(kind: Kind) -> None:
    async with asked(kind, call(("wipe", {"path": "/"})), say(GOOD)) as (runner, served):
        answer = await runner.run(task(tools=(tool("look", "text"),)))
    assert answer.value.title == "t"
    assert "wipe" in str(served.requests[1].body).split("Design it.")[1]


@EVERY
async def test_a_bad_shape_is_asked_again_and_no_more_than_twice(kind: Kind) -> None:
    async with asked(kind, say("no json"), say('{"title": "t", "size": 99}'), say(GOOD)) as (runner, served):
        assert (await runner.run(task())).value.size == 2
    assert "does not fit" in str(served.requests[1].body)
    async with asked(kind, *[say("no json")] * 9) as (runner, served):
        with pytest.raises(errors.AgentFailed) as raised:
            await runner.run(task())
    assert (raised.value.kind, len(served.requests)) == ("validation", 3)
    assert raised.value.so_far is not None
    assert raised.value.so_far.usage == Usage(3, 9, 15)


@EVERY
async def test_turns_are_bounded(kind: Kind) -> None:
    async with asked(kind, *[call(("look", {"path": "a"}))] * 9) as (runner, served):
        with pytest.raises(errors.AgentFailed) as raised:
            await runner.run(task(tools=(tool("look", "text"),), turns=3))
    assert (raised.value.kind, len(served.requests)) == ("tool", 3)


@EVERY
async def test_receipts_answer_a_second_time_without_one_new_request(kind: Kind) -> None:
    book = Book()
    script = [call(("look", {"path": "a"})), say("no json"), say(GOOD)]
    async with asked(kind, *script) as (runner, served):
        given = task(tools=(tool("look", "text"),), ask=book.ask)
        first = await runner.run(given)
        book.number = 0
        second = await runner.run(given)
    assert len(served.requests) == 3
    assert first.value == second.value
    assert (first.usage, second.usage, second.answered_by) == (Usage(3, 9, 15), Usage(), ())


@EVERY
async def test_a_tool_that_asks_a_person_ends_the_task_once_its_siblings_are_done(kind: Kind) -> None:
    held: list[str] = []

    async def hold(use: ToolUse) -> str:
        held.append(use.id)
        raise Held

    async def ask(asked: ModelCall) -> ModelReply:
        if held:
            raise Held
        return await asked.make("")

    done: list[Any] = []

    def look(given: Any) -> str:
        done.append(given)
        return "text"

    tools = (replace(tool("deploy", ""), call=hold), tool("look", look))
    both = call(("deploy", {"path": "a"}), ("look", {"path": "b"}))
    async with asked(kind, both, say("never")) as (runner, served):
        with pytest.raises(Held):
            await runner.run(task(tools=tools, ask=ask))
    assert (len(served.requests), len(held), done) == (1, 1, [{"path": "b"}])


@EVERY
async def test_what_the_model_cannot_mend_ends_the_turn_as_it_is(kind: Kind) -> None:
    failure = errors.StepError("the effect is in doubt", kind="effect", retryable=False)
    async with asked(kind, call(("look", {"path": "a"})), say(GOOD)) as (runner, _):
        with pytest.raises(errors.StepError) as raised:
            await runner.run(task(tools=(tool("look", failure),)))
    assert raised.value is failure


@EVERY
@pytest.mark.parametrize(
    ("script", "failure", "retryable"),
    [
        (status(429), "rate_limit", True),
        (status(500), "infrastructure", True),
        (status(400), "model", False),
        (fault("drop"), "infrastructure", True),
    ],
    ids=["429", "500", "400", "drop"],
)
async def test_failures_have_a_kind_and_nothing_is_retried_here(
    kind: Kind, script: Script, failure: str, retryable: bool
) -> None:
    async with asked(kind, script, say(GOOD)) as (runner, served):
        with pytest.raises(errors.AgentFailed) as raised:
            await runner.run(task())
    assert (raised.value.kind, raised.value.retryable, len(served.requests)) == (failure, retryable, 1)


@EVERY
async def test_an_endpoint_that_hangs_is_left_after_the_limit(kind: Kind) -> None:
    async with asked(kind, fault("hang"), limit=timedelta(seconds=0.2)) as (runner, _):
        with pytest.raises(errors.AgentFailed) as raised:
            await asyncio.wait_for(runner.run(task()), 20)
    assert (raised.value.kind, raised.value.retryable) == ("timeout", True)


@EVERY
async def test_a_talk_is_handed_over_with_what_was_said_and_other_tools(kind: Kind) -> None:
    handed: list[tuple[str, str]] = []

    async def tell(before: str, to: str) -> None:
        handed.append((before, to))

    billing = Role("billing", "You bill.", "Bills.", (tool("bill", "billed"),), ("design",))
    script = [call(("transfer_to_billing", {})), call(("look", {"path": "a"}), ("bill", {"path": "b"})), say(GOOD)]
    async with asked(kind, *script) as (runner, served):
        given = task(tools=(tool("look", "secret"),), roles=(billing,), handoffs=("billing",), handed=tell)
        assert (await runner.run(given)).value.title == "t"
    assert handed == [("design", "billing")]
    assert "You bill." in str(served.requests[1].body)
    assert "You design." not in str(served.requests[1].body)
    assert "Design it." in str(served.requests[1].body)
    assert "secret" not in str(served.requests[2].body)
    assert "billed" in str(served.requests[2].body)


@EVERY
async def test_the_ticket_agent_works_on_every_runner(opened: Open, kind: Kind) -> None:
    town, work = Town(), flow()
    async with (
        asked(kind, *SCRIPT[:2]) as (runner, served),
        opened(work, agents=runner, resources={Town: opening(town)}) as engine,
    ):
        view = await engine.run(work, {"number": 7})
        assert (view.status, town.reads, town.deployed) == ("waiting", [7], [])
    async with (
        asked(kind, SCRIPT[2]) as (runner, served),
        opened(work, agents=runner, resources={Town: opening(town)}) as engine,
    ):
        [standing] = await engine.inbox()
        await engine.answer(standing.question.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.state.done) == ("succeeded", "deployed api 1.2")
        assert (town.reads, len(town.deployed), len(served.requests)) == ([7], 1, 1)
        assert view.history.steps[-1].usage == Usage(3, 9, 15)
        assert view.history.steps[-1].answered_by == ("stand-in-1",)
