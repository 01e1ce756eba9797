"""An agent heard while it speaks: pieces as they come, the whole of it kept once, and half an answer never taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from tests.agents.asking import BOTH, Design, task, tool
from tests.agents.endpoint import Script, ScriptedEndpoint, call, fault, raw, say, status, stopped
from tests.agents.test_failover import two
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Retry, State, agent, workflow
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.ports.agents import ModelCall, ModelReply
from workflow_engine.ports.listener import Heard
from workflow_engine.record.events import CallFailed, CallFinished

__all__ = ["clock", "ledger", "opened"]

WORDS = "a rather long answer that comes in many pieces"
KEY = "sk-canary-4711-do-not-show"


class Ear:
    """A listener who wants to hear agents while they speak."""

    deltas = True

    def __init__(self) -> None:
        self.pieces: list[Mapping[str, Any]] = []

    def hear(self, run: Any, event: Any) -> None:
        if isinstance(event, Heard):
            self.pieces.append(event.piece)

    @property
    def text(self) -> str:
        return "".join(each["text"] for each in self.pieces if each["item"] == "delta")


class Note(State):
    n: int = 0
    text: str = ""


def look(path: str) -> str:
    """Look at a file."""
    return f"{path} says so"


@agent(writes="text", instructions="Write.", tools=[look], retry=Retry(2, first=timedelta(seconds=1)))
def write(n: int) -> str:
    return "Write."


flow = workflow("flow", state=Note, edges=[START >> write >> END])


@BOTH
async def test_who_listens_hears_the_words_as_they_come_and_what_is_done(wire: Wire, opened: Open, ledger: Any) -> None:
    ear = Ear()
    async with (
        ScriptedEndpoint([call(("look", {"path": "a"})), say(WORDS, tokens=(30, 40))], wire) as served,
        opened(flow, agents=OpenAIAgentsRunner(served.endpoint()), listeners=[ear]) as engine,
    ):
        view = await engine.run(flow, {})
        events = [each.event for each in await ledger.journal(view.id)]
    assert (view.status, view.state.text, ear.text) == ("succeeded", WORDS, WORDS)
    assert all(each.body["stream"] for each in served.requests)
    if wire == "chat":
        assert len([each for each in ear.pieces if each["item"] == "delta"]) > 5
    whole = [each["item"] for each in ear.pieces if each["item"] != "delta"]
    assert whole == ["tool_call", "tool_result", "message"]
    calls = [each for each in events if isinstance(each, CallFinished) and each.what == "model"]
    assert [each.usage and each.usage.output_tokens for each in calls] == [5, 40], "tokens are counted as ever"
    assert view.run.answered_by == ("stand-in-1",)


async def test_without_a_listener_who_wants_them_nothing_is_streamed(opened: Open) -> None:
    ear = Ear()
    ear.deltas = False
    async with (
        ScriptedEndpoint([say(WORDS)]) as served,
        opened(flow, agents=OpenAIAgentsRunner(served.endpoint()), listeners=[ear]) as engine,
    ):
        await engine.run(flow, {})
    assert not served.requests[0].body.get("stream")
    assert ear.pieces == []


@BOTH
@pytest.mark.parametrize("after", [1, 3])
async def test_a_stream_that_stops_in_the_middle_is_a_failed_call_and_never_half_an_answer(
    wire: Wire, after: int, opened: Open, ledger: Any
) -> None:
    ear = Ear()
    async with (
        ScriptedEndpoint([stopped(say(WORDS), after), say("well")], wire) as served,
        opened(flow, agents=OpenAIAgentsRunner(served.endpoint()), listeners=[ear]) as engine,
    ):
        view = await engine.run(flow, {})
        events = [each.event for each in await ledger.journal(view.id)]
    assert (view.status, view.state.text, len(served.requests)) == ("succeeded", "well", 2)
    [failed] = [each for each in events if isinstance(each, CallFailed)]
    assert (failed.kind, failed.usage and failed.usage.cost) == ("infrastructure", None)
    assert {"item": "broken_off", "agent": "write"} in ear.pieces


@BOTH
@pytest.mark.parametrize(
    "broken",
    [status(429), status(500), fault("cut"), fault("drop"), raw(b"<html>", "text/html"), stopped(say(WORDS), 2)],
    ids=["429", "500", "cut", "drop", "html", "stopped"],
)
async def test_the_next_model_gives_the_whole_answer_and_no_two_are_mixed(wire: Wire, broken: Script) -> None:
    pieces: list[Mapping[str, Any]] = []
    async with two([broken], [say('{"title": "t"}', model="second-1")], wires=(wire, wire)) as (runner, _, second):
        answer = await runner.run(task(hear=pieces.append))
    assert (answer.value, answer.answered_by) == (Design(title="t"), ("second-1",))
    assert len(second.requests) == 1
    last = max(at for at, each in enumerate(pieces) if each["item"] == "broken_off")
    assert "".join(each["text"] for each in pieces[last:] if each["item"] == "delta") == '{"title": "t"}'


async def test_a_receipt_is_told_in_one_piece() -> None:
    kept: list[ModelReply] = []
    pieces: list[Mapping[str, Any]] = []

    async def ask(call: ModelCall) -> ModelReply:
        kept.append(await call.make(""))
        return kept[-1]

    async def find(_: ModelCall) -> ModelReply:
        return kept[0]

    async with ScriptedEndpoint([say(WORDS)]) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        await runner.run(task(str, hear=pieces.append, ask=ask))
        assert len([each for each in pieces if each["item"] == "delta"]) > 5
        pieces.clear()
        await runner.run(task(str, hear=pieces.append, ask=find))
        await runner.close()
    assert len(served.requests) == 1
    assert [each["text"] for each in pieces if each["item"] == "delta"] == [WORDS]


async def test_a_key_is_not_told_though_it_comes_in_two_pieces() -> None:
    pieces: list[Mapping[str, Any]] = []
    given = task(str, hear=pieces.append, tools=(tool("read", "x"),))
    async with ScriptedEndpoint([say(f"it is {KEY} they say")]) as served:
        runner = OpenAIAgentsRunner(served.endpoint(api_key=SecretStr(KEY)))
        answer = await runner.run(given)
        await runner.close()
    told = "".join(each["text"] for each in pieces if each["item"] == "delta")
    assert told == "it is ••• they say"
    assert KEY not in repr(answer)
