"""Guardrails and reviews: what is looked at before, on the way and afterwards, kept by receipts, decided by people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from tests.agents.endpoint import Script, ScriptedEndpoint, call, say
from tests.agents.runners import EVERY, KINDS, Kind
from tests.engine.conftest import KeptLedger, Open, clock, ledger, opened
from workflow_engine import (
    END,
    START,
    Engine,
    Failure,
    State,
    Workflow,
    agent,
    function,
    guardrail,
    specialist,
    tool,
    workflow,
)
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.errors import DeclarationError
from workflow_engine.record import events as e
from workflow_engine.testing import Crashed, crash_after

__all__ = ["clock", "ledger", "opened"]


class Reply(BaseModel):
    text: str
    confidence: float = 1.0

    @field_validator("text")
    @classmethod
    def _not_empty(cls, text: str) -> str:
        if not text:
            raise ValueError("say something")
        return text


class Mail(State):
    mail: str = "Where is my order?"
    reply: Reply | None = None
    trouble: str = ""


sent: list[str] = []


@tool(effect=True)
def send(to: str) -> str:
    """Send something."""
    sent.append(to)
    return "sent"


def flow(**given: Any) -> Workflow[Any]:
    @agent(writes="reply", instructions="Answer the mail.", **given)
    def answer(mail: str) -> str:
        return mail

    @function(writes="trouble")
    async def note(failure: Failure) -> str:
        return f"{failure.kind}: {failure.message}"

    return workflow("mail", state=Mail, edges=[START >> answer >> END, answer.failed >> note >> END])


@asynccontextmanager
async def desk(opened: Open, flow: Workflow[Any], *script: Script, kind: Kind | None = None) -> AsyncIterator[Any]:
    kind = kind or KINDS[0]
    async with (
        ScriptedEndpoint(list(script), kind.wire) as served,
        opened(flow, agents=kind.made(served, timedelta(seconds=30))) as engine,
    ):
        yield engine, served


FINE = '{"text": "On its way.", "confidence": 0.9}'
UNSURE = '{"text": "Maybe tomorrow.", "confidence": 0.3}'


async def test_a_prompt_that_trips_a_guardrail_is_never_asked(opened: Open) -> None:
    @guardrail(on="input")
    def no_cards(prompt: str) -> str | None:
        return "it holds a card's number" if "4111" in prompt else None

    work = flow(guardrails=[no_cards])
    async with desk(opened, work, say(FINE)) as (engine, served):
        view = await engine.run(work, {"mail": "my card is 4111"})
        assert view.state.trouble == "guardrail: answer: no_cards objects to the prompt: it holds a card's number"
        assert served.requests == []
        view = await engine.run(work, {"mail": "hello"})
        assert view.state.reply == Reply(text="On its way.", confidence=0.9)


async def test_an_answer_that_trips_fails_the_node_or_is_asked_for_again_a_bounded_number_of_times(
    opened: Open, ledger: KeptLedger
) -> None:
    @guardrail(on="output", tripped="again")
    async def no_promises(reply: Reply) -> str | None:
        return "promise nothing" if "tomorrow" in reply.text else None

    work = flow(guardrails=[no_promises])
    async with desk(opened, work, say(UNSURE), say(FINE)) as (engine, served):
        view = await engine.run(work)
        assert view.state.reply.text == "On its way."
        assert "That answer was not accepted: promise nothing" in str(served.requests[1].body)
        told = [each.event for each in await ledger.journal(view.id)]
        looks = [each for each in told if isinstance(each, e.CallFinished) and each.what == "check"]
        assert [(each.name, each.text) for each in looks] == [("no_promises", "promise nothing"), ("no_promises", "")]
    async with desk(opened, work, *[say(UNSURE)] * 9) as (engine, served):
        view = await engine.run(work)
        assert view.state.trouble.startswith("guardrail: answer: no_promises objects to the answer: promise nothing")
        assert len(served.requests) == 3
    strict = flow(guardrails=[guardrail(no_promises.check, on="output", name="strict")])
    async with desk(opened, strict, *[say(UNSURE)] * 9) as (engine, served):
        view = await engine.run(strict)
        assert view.state.trouble.startswith("guardrail: answer: strict objects to the answer")
        assert len(served.requests) == 1


async def test_a_use_of_a_tool_that_trips_does_not_happen(opened: Open) -> None:
    @guardrail(on="tool", tools="send", tripped="again")
    def inside(tool: str, arguments: dict[str, Any]) -> str | None:
        return None if arguments["to"].endswith("@example.com") else f"{tool} goes outside"

    sent.clear()
    work = flow(guardrails=[inside], tools=[specialist(name="post", instructions="Send.", tools=[send])])
    script = [
        call(("post", {"input": "send it"})),
        call(("send", {"to": "eve@evil.test"})),
        call(("send", {"to": "a@example.com"})),
        say("done"),
        say(FINE),
    ]
    async with desk(opened, work, *script) as (engine, served):
        view = await engine.run(work)
        assert (view.status, sent) == ("succeeded", ["a@example.com"])
        assert "error: send was not used: send goes outside" in str(served.requests[2].body)
    sent.clear()
    stern = flow(guardrails=[guardrail(inside.check, on="tool", name="stern")], tools=[send])
    async with desk(opened, stern, call(("send", {"to": "eve@evil.test"})), say(FINE)) as (engine, served):
        view = await engine.run(stern)
        assert view.state.trouble.startswith("guardrail: answer: stern objects to the use of send: send goes outside")
        assert (sent, len(served.requests)) == ([], 1)


async def test_a_model_is_asked_whether_it_is_fine(opened: Open) -> None:
    judge = specialist(name="judge", instructions="Is this polite?", model="small")
    work = flow(guardrails=[guardrail(judge, on="output", tripped="again")])
    script = [
        say(UNSURE),
        say('{"fine": false, "reason": "too vague"}'),
        say(FINE),
        say('{"fine": true, "reason": ""}'),
    ]
    async with desk(opened, work, *script) as (engine, served):
        view = await engine.run(work)
        assert view.state.reply.text == "On its way."
        assert [each.body["model"] for each in served.requests] == ["asked-for", "small", "asked-for", "small"]
        assert "too vague" in str(served.requests[2].body)
        assert view.history.steps[0].usage.requests == 4


@EVERY
async def test_an_unsure_answer_is_shown_to_a_person_who_rejects_edits_or_accepts(opened: Open, kind: Kind) -> None:
    work = flow(review_if=lambda reply: reply.confidence < 0.8, reviewers=["anna"])
    async with desk(opened, work, say(UNSURE), kind=kind) as (engine, served):
        view = await engine.run(work)
        assert (view.status, view.reason, view.state.reply) == ("waiting", "person", None)
    async with desk(opened, work, say(UNSURE), kind=kind) as (engine, served):
        [standing] = await engine.inbox()
        question = standing.question
        assert (question.choices, question.candidates) == (("accept", "edit", "reject"), ("anna",))
        assert '"confidence": 0.3' in question.evidence[0]
        await engine.answer(question.id, {"choice": "reject", "reason": "ask the carrier"}, by="anna")
        view = await engine.resume(view.id)
        assert view.status == "waiting"
        assert "anna rejected it: ask the carrier" in str(served.requests[0].body)
        [standing] = await engine.inbox()
        edited = {"choice": "edit", "value": {"text": "", "confidence": 1.0}}
        await engine.answer(standing.question.id, edited, by="anna")
        view = await engine.resume(view.id)
        [standing] = await engine.inbox()
        assert "does not fit: Value error, say something" in standing.question.message
        edited = {"choice": "edit", "value": {"text": "On Friday.", "confidence": 1.0}}
        await engine.answer(standing.question.id, edited, by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.state.reply) == ("succeeded", Reply(text="On Friday.", confidence=1.0))
        assert len(served.requests) == 1


async def test_killed_at_every_write_a_review_is_asked_once_and_the_model_is_not_paid_again(opened: Open) -> None:
    looked: list[str] = []

    @guardrail(on="output")
    def seen(reply: Reply) -> str | None:
        looked.append(reply.text)
        return None

    work = flow(guardrails=[seen], review_if=lambda reply: reply.confidence < 0.8)

    async def on(engine: Engine) -> None:
        for standing in await engine.inbox():
            await engine.answer(standing.question.id, "accept", by="anna")
            await engine.resume(standing.question.run)

    at, crashed = 1, True
    while crashed:
        at += 1
        crashed = False
        kept = KeptLedger()
        dying = crash_after(kept, at)
        looked.clear()
        async with ScriptedEndpoint([say(UNSURE), say(UNSURE)]) as served:
            async with opened(work, agents=OpenAIAgentsRunner(served.endpoint()), ledger=dying) as engine:
                try:
                    await dying.until_crash(engine.run(work))
                    await dying.until_crash(on(engine))
                except Crashed:
                    crashed = True
            async with opened(work, agents=OpenAIAgentsRunner(served.endpoint()), ledger=kept) as engine:
                await engine.recover()
                await on(engine)
                [listed] = await engine.runs()
                assert listed.status == "succeeded", at
                assert (await engine.get(listed.run)).state.reply.text == "Maybe tomorrow."
            assert len(served.requests) == 1, at
            assert len(looked) == 1, at
    assert at > 6


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"on": "somewhere"}, "on='somewhere'"),
        ({"on": "output", "tripped": "maybe"}, "tripped='maybe'"),
        ({"on": "input", "tripped": "again"}, "asks the agent again"),
        ({"on": "output", "tools": "send"}, "names tools"),
    ],
)
def test_a_guardrail_that_makes_no_sense_says_so(given: Any, says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        guardrail(lambda _: None, **given)
