"""Tools that need a person's word: asked once, bound to their arguments, in any process, and never used twice."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, Literal

import pytest

from tests.agents.endpoint import ScriptedEndpoint, call, raw, say
from tests.agents.ticket import SCRIPT, Town, desk, flow, read_ticket
from tests.engine.conftest import KeptLedger, Open, clock, ledger, opened
from workflow_engine import (
    END,
    FAIL,
    START,
    Question,
    Retry,
    State,
    Step,
    agent,
    function,
    human,
    leaving,
    tool,
    workflow,
)
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.errors import UsageError
from workflow_engine.record import events as e
from workflow_engine.record.usage import Usage
from workflow_engine.testing.clock import FakeClock

__all__ = ["clock", "ledger", "opened"]

BOTH = (("deploy", {"service": "api", "version": "1"}), ("deploy", {"service": "web", "version": "2"}))


async def asked(engine: Any) -> list[Any]:
    return [each.question for each in await engine.inbox()]


def told(served: Any) -> list[str]:
    """What the model was told by tools, as of its last request."""
    return [each["content"] for each in served.requests[-1].body["messages"] if each["role"] == "tool"]


async def test_the_agent_stops_a_person_approves_in_another_process_and_it_goes_on(opened: Open) -> None:
    town, work = Town(), flow()
    async with desk(opened, *SCRIPT[:2], town=town, flow=work) as (engine, served):
        view = await engine.run(work, {"number": 7})
        assert (view.status, view.reason) == ("waiting", "person")
        assert (town.reads, town.deployed) == ([7], [])
    async with desk(opened, SCRIPT[2], town=town, flow=work) as (engine, served):
        [question] = await asked(engine)
        assert question.choices == ("approve", "edit", "reject")
        assert '"version": "1.2"' in question.evidence[0]
        assert question.evidence[1:] == ("risk: write", "what it does: Deploy a version of a service.")
        await engine.answer(question.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.state.done) == ("succeeded", "deployed api 1.2")
        assert (town.reads, len(town.deployed)) == ([7], 1)
        [request] = served.requests
        assert [each["role"] for each in request.body["messages"]][-4:] == ["assistant", "tool", "assistant", "tool"]
        assert view.history.steps[-1].usage == Usage(3, 9, 15)
        facts = [each.event for each in await engine.journal(view.id)]
        [ruled] = [each for each in facts if isinstance(each, e.CallRuled)]
        assert (ruled.word, ruled.by) == ("approve", "anna")


async def test_each_use_has_a_key_of_its_own(opened: Open) -> None:
    town, work = Town(), flow()
    async with desk(opened, call(*BOTH), say("done"), town=town, flow=work) as (engine, _):
        view = await engine.run(work, {"number": 7})
        questions = await asked(engine)
        assert [json.loads(each.evidence[0].partition(" ")[2])["service"] for each in questions] == ["api", "web"]
        for each in questions:
            await engine.answer(each.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert view.status == "succeeded"
        assert sorted(service for service, _, _ in town.deployed) == ["api", "web"]
        assert len({key for _, _, key in town.deployed}) == 2


async def test_of_several_at_once_none_is_used_before_all_are_answered(opened: Open) -> None:
    town, work = Town(), flow()
    async with desk(opened, call(*BOTH), say("done"), town=town, flow=work) as (engine, served):
        view = await engine.run(work, {"number": 7})
        one, two = await asked(engine)
        await engine.answer(one.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, town.deployed) == ("waiting", [])
        await engine.answer(two.id, {"choice": "reject", "reason": "not on a Friday"}, by="ben")
        view = await engine.resume(view.id)
        assert (view.status, [service for service, _, _ in town.deployed]) == ("succeeded", ["api"])
        assert told(served) == [
            "api 1 is up",
            "error: deploy was not allowed by ben: not on a Friday. It was not used.",
        ]


async def test_a_person_changes_the_arguments_and_the_agent_is_told(opened: Open) -> None:
    town, work = Town(), flow()
    async with desk(opened, *SCRIPT, town=town, flow=work) as (engine, served):
        view = await engine.run(work, {"number": 7})
        [question] = await asked(engine)
        edited = {"choice": "edit", "arguments": {"service": "api", "version": "1.3"}}
        await engine.answer(question.id, edited, by="anna")
        await engine.resume(view.id)
        assert [(service, version) for service, version, _ in town.deployed] == [("api", "1.3")]
        assert told(served)[-1] == (
            '(a person changed the arguments to {"service": "api", "version": "1.3"})\napi 1.3 is up'
        )


@pytest.mark.parametrize(
    "answer", ["edit", {"choice": "edit", "arguments": {"service": 3, "version": "1"}}, {"choice": "maybe"}, "yes"]
)
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stands(opened: Open, answer: Any) -> None:
    town, work = Town(), flow()
    async with desk(opened, *SCRIPT, town=town, flow=work) as (engine, _):
        await engine.run(work, {"number": 7})
        [question] = await asked(engine)
        with pytest.raises(UsageError):
            await engine.answer(question.id, answer, by="anna")
        assert [each.id for each in await asked(engine)] == [question.id]
        assert town.deployed == []


async def test_an_approval_that_nobody_gives_in_time_is_a_no(opened: Open, clock: FakeClock) -> None:
    @tool(effect=True, approval="always", within=timedelta(hours=1), to="anna")
    def deploy(service: str, version: str, town: Town) -> str:
        """Deploy."""
        town.deployed.append((service, version, ""))
        return "up"

    town, work = Town(), flow(read_ticket, deploy)
    async with desk(opened, *SCRIPT, town=town, flow=work) as (engine, served):
        view = await engine.run(work, {"number": 7})
        [question] = await asked(engine)
        assert question.to == "anna"
        clock.advance(7200)
        view = await engine.resume(view.id)
        assert (view.status, town.deployed) == ("succeeded", [])
        assert "nobody answered in time" in told(served)[-1]


@pytest.mark.parametrize(("version", "needed"), [("1.2", False), ("2.0", True), ("not a number", True)])
async def test_a_condition_decides_on_the_real_arguments(opened: Open, version: str, needed: bool) -> None:
    @tool(effect=True, approval=lambda version: float(version) >= 2)
    def deploy(service: str, version: str, town: Town) -> str:
        """Deploy."""
        town.deployed.append((service, version, ""))
        return "up"

    town, work = Town(), flow(read_ticket, deploy)
    script = (call(("deploy", {"service": "api", "version": version})), say("done"))
    async with desk(opened, *script, town=town, flow=work) as (engine, _):
        view = await engine.run(work, {"number": 7})
        assert (view.status, len(town.deployed)) == (("waiting", 0) if needed else ("succeeded", 1))


async def test_danger_always_needs_a_word(opened: Open) -> None:
    @tool(risk="danger")
    def deploy(service: str, version: str) -> str:
        """Deploy."""
        raise AssertionError("nobody allowed it")

    async with desk(opened, SCRIPT[1], town=Town(), flow=flow(deploy)) as (engine, _):
        assert (await engine.run(flow(deploy), {"number": 7})).status == "waiting"


async def test_the_same_arguments_asked_for_again_are_asked_about_again(opened: Open) -> None:
    town, work = Town(), flow()
    async with desk(opened, SCRIPT[1], SCRIPT[1], say("done"), town=town, flow=work) as (engine, _):
        view = await engine.run(work, {"number": 7})
        for _ in range(2):
            [question] = await asked(engine)
            await engine.answer(question.id, "approve", by="anna")
            view = await engine.resume(view.id)
        assert (view.status, len(town.deployed)) == ("succeeded", 2)


async def test_two_uses_under_one_id_are_two_uses(opened: Open) -> None:
    """A model that reuses an id gets no approval of one thing taken for another's."""
    calls = [
        {"id": "same", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for name, given in BOTH
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    town, work = Town(), flow()
    script = (raw(json.dumps(body).encode()), say("done"))
    async with desk(opened, *script, town=town, flow=work) as (engine, _):
        view = await engine.run(work, {"number": 7})
        one, two = await asked(engine)
        await engine.answer(one.id, "reject", by="anna")
        await engine.answer(two.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, [service for service, _, _ in town.deployed]) == ("succeeded", ["web"])


# ------------------------------------------------------------------------------------------------ in doubt


def hanging(town: Town, **given: Any) -> Any:
    @tool(effect=True, timeout=timedelta(milliseconds=20), **given)
    async def deploy(service: str, version: str, step: Step) -> str:
        """Deploy, and be slow to say so."""
        town.deployed.append((service, version, step.key))
        if len(town.deployed) == 1:
            await asyncio.Event().wait()
        return "up"

    return deploy


async def test_an_effect_stopped_in_the_middle_is_asked_about(opened: Open) -> None:
    town = Town()
    work = flow(hanging(town))
    async with desk(opened, SCRIPT[1], say("done"), town=town, flow=work) as (engine, served):
        view = await engine.run(work, {"number": 7})
        [question] = await asked(engine)
        assert question.choices == ("rerun", "accept", "fail")
        await engine.answer(question.id, {"choice": "accept", "value": "up, I looked"}, by="anna")
        view = await engine.resume(view.id)
        assert (view.status, len(town.deployed)) == ("succeeded", 1)
        assert told(served) == ["up, I looked"]


async def test_rerun_is_for_one_time_only(opened: Open, ledger: KeptLedger) -> None:
    town = Town()
    work = flow(hanging(town))
    async with desk(opened, SCRIPT[1], say("done"), town=town, flow=work) as (engine, _):
        view = await engine.run(work, {"number": 7})
        [question] = await asked(engine)
        await engine.answer(question.id, "rerun", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, len(town.deployed)) == ("succeeded", 2)
        assert len({key for _, _, key in town.deployed}) == 1  # by which the outside knows it for the same


async def test_who_gives_it_up_fails_the_step_and_a_resume_asks_anew(opened: Open) -> None:
    town = Town()
    work = flow(hanging(town))
    async with desk(opened, SCRIPT[1], say("done"), town=town, flow=work) as (engine, _):
        view = await engine.run(work, {"number": 7})
        [question] = await asked(engine)
        await engine.answer(question.id, {"choice": "fail", "reason": "unclear"}, by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.error.kind if view.error else None) == ("failed", "effect")
        view = await engine.resume(view.id)
        [again] = await asked(engine)
        assert (view.status, again.id != question.id) == ("waiting", True)
        await engine.answer(again.id, "accept", by="anna")
        assert (await engine.resume(view.id)).status == "succeeded"
        assert len(town.deployed) == 1


@pytest.mark.parametrize("there", [True, False])
async def test_a_probe_looks_for_itself(opened: Open, there: bool) -> None:
    town = Town()

    def is_up(service: str) -> str | None:
        return f"{service} is up already" if there else None

    work = flow(hanging(town, in_doubt=is_up))
    async with desk(opened, SCRIPT[1], say("done"), town=town, flow=work) as (engine, served):
        assert (await engine.run(work, {"number": 7})).status == "succeeded"
        [said] = told(served)
        assert said == ("api is up already" if there else "error: deploy took longer than 0.02 s and was stopped")


async def test_an_effect_is_not_repeated_by_a_further_talk(opened: Open) -> None:
    """The last answer does not fit, so that the step is tried again: with a new talk, not with a new deployment."""
    town = Town()

    @tool(effect=True)
    def deploy(service: str, version: str, town: Town) -> str:
        """Deploy."""
        town.deployed.append((service, version, ""))
        return "up"

    class Count(State):
        number: int
        done: int = 0

    @agent(writes="done", instructions="Count.", tools=[deploy], retry=Retry(2))
    def work(number: int) -> str:
        return f"Ticket {number}"

    from tests.agents.ticket import opening

    count = workflow("count", state=Count, edges=[START >> work >> END], resources={Town: opening(town)})
    script = (SCRIPT[1], say("many"), say("more"), say("most"), SCRIPT[1], say("3"))
    async with desk(opened, *script, town=town, flow=count) as (engine, served):
        view = await engine.run(count, {"number": 7})
        assert (view.status, view.state.done, len(town.deployed)) == ("succeeded", 3, 1)
        assert told(served) == ["up"]


# ------------------------------------------------------------------------------------------------ beside other arms


async def test_a_fork_is_left_once_the_effect_in_doubt_is_settled(opened: Open, ledger: KeptLedger) -> None:
    """The agent died in the middle of a deployment; while nobody knows of it, the fork it is in is not past."""
    town = Town()

    reached = asyncio.Event()

    class Change(State):
        number: int
        done: str = ""
        word: Literal["go", "stop"] | None = None

    @tool(effect=True)
    async def deploy(service: str, version: str, step: Step) -> str:
        """Deploy, and never come back."""
        town.deployed.append((service, version, step.key))
        reached.set()
        await asyncio.Event().wait()
        return "up"

    @function
    def begin(number: int) -> None: ...

    @agent(writes="done", instructions="Deploy.", tools=[deploy])
    def work(number: int) -> str:
        return f"Ticket {number}"

    @human(writes="word")
    def ask(number: int) -> Question[Literal["go", "stop"]]:
        return Question("Go on?")

    @function
    def publish(done: str) -> None: ...

    change = workflow(
        "change",
        state=Change,
        edges=[
            START >> begin >> (ask, work),
            ask["stop"] >> leaving(FAIL("stopped")),
            (ask["go"], work) >> publish >> END,
        ],
    )
    runner = OpenAIAgentsRunner
    async with ScriptedEndpoint([SCRIPT[1]]) as served, opened(change, agents=runner(served.endpoint())) as dying:
        running = asyncio.ensure_future(dying.run(change, {"number": 7}))
        await asyncio.wait_for(reached.wait(), 20)
        ledger.abandon()  # as if the process were gone
        running.cancel()
        await asyncio.wait({running})
    async with ScriptedEndpoint([say("done")]) as served, opened(change, agents=runner(served.endpoint())) as engine:
        [view] = await engine.recover()
        assert any("t." in place for place in view.run.doubts)
        questions = {each.node: each for each in await asked(engine)}
        await engine.answer(questions["ask"].id, "stop", by="anna")
        view = await engine.resume(view.id)
        assert view.status == "waiting"
        [question] = await asked(engine)
        assert (question.node, question.choices) == ("work", ("rerun", "accept", "fail"))
        await engine.answer(question.id, {"choice": "accept", "value": "it is up"}, by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.run.reason, view.run.doubts) == ("failed", "stopped", {})
