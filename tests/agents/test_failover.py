"""Chains of models: the next one answers where one cannot, a breaker leaves it alone, the record says who it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.agents.asking import BOTH, Design, task, tool
from tests.agents.endpoint import Script, ScriptedEndpoint, call, fault, raw, say, status
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Retry, State, agent, errors, workflow
from workflow_engine.agents.models import Chain, Endpoint, Wire, choose_model, links_of
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.record.events import CallFailed, CallFinished
from workflow_engine.testing import FakeClock

__all__ = ["clock", "ledger", "opened"]

GOOD = say('{"title": "t"}', model="second-1")


@asynccontextmanager
async def two(
    first: Sequence[Script],
    second: Sequence[Script],
    clock: FakeClock | None = None,
    wires: Sequence[Wire] = (),
    limit: float = 60,
) -> AsyncIterator[tuple[OpenAIAgentsRunner, ScriptedEndpoint, ScriptedEndpoint]]:
    """A runner whose chain is the model `big` at one endpoint and then `small` at another."""
    async with AsyncExitStack() as stack:
        served = [
            await stack.enter_async_context(ScriptedEndpoint(list(script), wire))
            for script, wire in zip((first, second), wires or ("chat", "chat"), strict=True)
        ]
        links = tuple(
            each.endpoint(model=model, name=name)
            for each, model, name in zip(served, ("big", "small"), ("a", "b"), strict=True)
        )
        chain = Chain(links, {each.name: each for each in links})
        given = {} if clock is None else {"now": clock.now}
        runner = OpenAIAgentsRunner(chain, timedelta(seconds=limit), **given)
        stack.push_async_callback(runner.close)
        yield runner, served[0], served[1]


@BOTH
@pytest.mark.parametrize(
    "broken",
    [
        status(429, Retry_After="7"),
        status(429, {"error": {"message": "x", "code": "insufficient_quota"}}),
        status(500),
        status(401),
        status(404),
        fault("cut"),
        fault("drop"),
        raw(b"<html>hello</html>", "text/html"),
        raw(b"{}"),
        raw(b"{" + b" " * (33 * 2**20) + b"}"),
    ],
    ids=["429", "quota", "500", "401", "404", "cut", "drop", "html", "hollow", "huge"],
)
async def test_the_next_model_answers_what_one_cannot(wire: Wire, broken: Script) -> None:
    async with two([broken], [GOOD], wires=(wire, wire)) as (runner, first, second):
        answer = await runner.run(task())
    assert (answer.value, answer.answered_by) == (Design(title="t"), ("second-1",))
    assert [each.body["model"] for each in (*first.requests, *second.requests)] == ["big", "small"]
    assert answer.usage.requests == 2


@pytest.mark.parametrize("endless", [fault("hang"), fault("drip")], ids=["hang", "drip"])
async def test_the_next_model_answers_what_one_never_ends_to_answer(endless: Script) -> None:
    async with two([endless], [GOOD], limit=2) as (runner, first, second):
        answer = await runner.run(task())
    assert (answer.answered_by, len(first.requests), len(second.requests)) == (("second-1",), 1, 1)


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_a_question_that_is_wrong_is_not_asked_elsewhere(code: int) -> None:
    async with two([status(code)], [GOOD]) as (runner, _, second):
        with pytest.raises(errors.AgentFailed):
            await runner.run(task())
    assert second.requests == []


async def test_a_chain_of_which_nobody_answers_tells_of_all_and_is_tried_again_as_soon_as_one_may_be() -> None:
    async with two([status(429, Retry_After="9")], [status(429, Retry_After="4")]) as (runner, _first, _second):
        with pytest.raises(errors.AgentFailed) as failed:
            await runner.run(task())
    assert (failed.value.kind, failed.value.retryable, failed.value.retry_after) == ("rate_limit", True, 4.0)
    assert str(failed.value).count("answered 429") == 2


async def test_a_breaker_leaves_a_model_alone_and_the_chain_fails_back() -> None:
    clock = FakeClock()
    async with two([status(500)] * 3 + [say('{"title": "back"}')], [GOOD] * 5, clock) as (runner, first, second):
        for _ in range(5):
            await runner.run(task())
        assert (len(first.requests), len(second.requests)) == (3, 5), "after three failures it is left alone"
        clock.advance(31)
        assert (await runner.run(task())).answered_by == ("stand-in-1",)
        assert len(first.requests) == 4


async def test_a_model_that_asked_to_wait_is_left_alone_so_long() -> None:
    clock = FakeClock()
    async with two([status(429, Retry_After="60"), say('{"title": "t"}')], [GOOD] * 2, clock) as (runner, first, _):
        await runner.run(task())
        clock.advance(59)
        await runner.run(task())
        assert len(first.requests) == 1
        clock.advance(2)
        await runner.run(task())
        assert len(first.requests) == 2


async def test_a_chain_all_of_which_is_left_alone_asks_nobody() -> None:
    clock = FakeClock()
    failed = []
    async with two([status(429, Retry_After="60")], [status(429, Retry_After="20")], clock) as (runner, first, second):
        for _ in range(2):
            with pytest.raises(errors.AgentFailed) as raised:
                await runner.run(task())
            failed.append(raised.value)
    assert (len(first.requests), len(second.requests)) == (1, 1)
    assert (failed[1].kind, failed[1].retryable, failed[1].retry_after) == ("infrastructure", True, 20.0)
    assert failed[1].so_far is not None
    assert failed[1].so_far.usage.requests == 0


@pytest.mark.parametrize("wires", [("chat", "responses"), ("responses", "chat"), ("responses", "responses")])
async def test_a_talk_that_one_model_began_is_taken_up_by_the_next(wires: Any) -> None:
    async with two([call(("read", {"path": "a"})), status(500)], [GOOD], wires=wires) as (runner, _, second):
        answer = await runner.run(task(tools=(tool("read", "what it says"),)))
    assert answer.value == Design(title="t")
    said = str(second.requests[0].body)
    assert "what it says" in said
    assert "fcall_" not in said, "items of another endpoint are not asked for by their ids"


# The record


class Note(State):
    n: int
    text: str = ""


@agent(writes="text", instructions="Write.", retry=Retry(2, first=timedelta(seconds=1)))
def write(n: int) -> str:
    return "Write."


flow = workflow("flow", state=Note, edges=[START >> write >> END])


async def test_the_record_says_who_failed_and_who_answered(opened: Open, ledger: Any) -> None:
    async with (
        two([status(429)], [say("well", model="second-1", tokens=(3, 5))]) as (runner, _, _),
        opened(flow, agents=runner) as engine,
    ):
        view = await engine.run(flow, {"n": 1})
        events = [each.event for each in await ledger.journal(view.id)]
    [failed] = [each for each in events if isinstance(each, CallFailed)]
    [finished] = [each for each in events if isinstance(each, CallFinished)]
    assert (failed.name, failed.kind, failed.usage and failed.usage.cost) == ("big@a", "rate_limit", 0.0)
    assert (finished.name, finished.answered_by) == ("small@b", ("second-1",))
    assert view.run.answered_by == ("second-1",)
    assert view.run.usage.requests == 2


async def test_a_receipt_of_one_model_is_read_by_the_next(opened: Open, ledger: Any) -> None:
    def read(path: str) -> str:
        """Read a file."""
        return f"{path} says so"

    @agent(writes="text", instructions="Write.", tools=[read], retry=Retry(2, first=timedelta(seconds=1)))
    def work(n: int) -> str:
        return "Write."

    talk = workflow("talk", state=Note, edges=[START >> work >> END])
    wires: tuple[Wire, Wire] = ("responses", "chat")
    script = [call(("read", {"path": "a"})), status(500), status(500)]
    async with (
        two(script, [status(500), say("well")], wires=wires) as (runner, first, second),
        opened(talk, agents=runner) as engine,
    ):
        view = await engine.run(talk, {"n": 1})
    assert (view.status, view.state.text) == ("succeeded", "well")
    assert (len(first.requests), len(second.requests)) == (3, 2), "what was answered is not asked again"
    assert "a says so" in str(second.requests[-1].body)


# Names


NAMED: dict[str, dict[str, Any]] = {
    "spare": {"base_url": "http://127.0.0.1:9/v1", "api": "responses", "max_output_tokens": 100},
    "other": {"base_url": "http://127.0.0.1:8/v1"},
}
HERE = {"OPENAI_BASE_URL": "http://127.0.0.1:7/v1"}


def chosen(model: str | None, environ: dict[str, str] = HERE, node: str | None = None) -> list[str]:
    choice = choose_model(model, environ, None, NAMED)
    assert isinstance(choice, Endpoint | Chain)
    return [f"{each.label} {each.base_url[-4]} {each.wire}" for each in links_of(choice, node)]


@pytest.mark.parametrize(
    ("model", "links"),
    [
        ("big", ["big 7 chat"]),
        ("big,small@spare", ["big 7 chat", "small@spare 9 responses"]),
        (" small@other , big,big", ["small@other 8 chat", "big 7 chat"]),
        ("large@20250219", ["large@20250219 7 chat"]),
        ("large@20250219@spare", ["large@20250219@spare 9 responses"]),
    ],
)
def test_a_name_says_its_endpoint(model: str, links: list[str]) -> None:
    assert chosen(model) == links


def test_a_node_beats_the_run_and_the_run_beats_the_surroundings() -> None:
    environ = {**HERE, "OPENAI_MODEL": "usual"}
    assert chosen(None, environ) == ["usual 7 chat"]
    assert chosen("of-run", environ) == ["of-run 7 chat"]
    assert chosen("of-run", environ, "of-node@other") == ["of-node@other 8 chat"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("big@spar", "did you mean big@spare?"),
        ("big@zzz", "known are: spare, other"),
        ("offline,big", "offline is no link"),
        ("big,offline", "offline is no link"),
        (",", "names no model"),
    ],
)
def test_a_wrong_name_is_one_clear_error(model: str, says: str) -> None:
    with pytest.raises(errors.UsageError, match=says.replace("?", r"\?")):
        chosen(model)


def test_a_name_without_an_endpoint_is_not_guessed_among_several() -> None:
    with pytest.raises(errors.UsageError, match="says no endpoint, and there are 2"):
        chosen("big", {})


async def test_a_node_that_names_an_unknown_endpoint_fails_once() -> None:
    async with two([], []) as (runner, first, _):
        with pytest.raises(errors.AgentFailed, match="no endpoint is called") as failed:
            await runner.run(task(model="big@nowhere"))
    assert not failed.value.retryable
    assert first.requests == []
