"""What belongs to a question and not to a runner holds on every runner: pieces, chains with breakers, reservations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.agents.asking import BOTH, Design, task, tool
from tests.agents.endpoint import Script, ScriptedEndpoint, call, say, status, stopped
from tests.agents.runners import EVERY, KINDS, Kind
from tests.agents.test_contract import GOOD, Book, asked
from tests.agents.test_reserving import Counting, Note, asking, failure_of, looking
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Budget, errors, workflow
from workflow_engine.agents import Asking, Said, chained, function_runner
from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.models import Chain, Endpoint, Wire
from workflow_engine.agents.plain import openai_runner
from workflow_engine.record.usage import Usage
from workflow_engine.testing import FakeClock

__all__ = ["clock", "ledger", "opened"]

LIMIT = timedelta(seconds=30)
OF = {each.name: each for each in KINDS}


@EVERY
async def test_whoever_listens_hears_the_answer_while_it_is_made(kind: Kind) -> None:
    heard: list[Mapping[str, Any]] = []
    book = Book()
    async with asked(kind, call(("look", {"path": "a"})), say(GOOD)) as (runner, served):
        given = task(tools=(tool("look", "text"),), hear=heard.append, ask=book.ask)
        answer = await runner.run(given)
        book.number = 0
        assert (await runner.run(given)).value == answer.value
        assert len(served.requests) == 2
    assert (answer.value, answer.usage) == (Design(title="t", parts=["a"], size=2), Usage(2, 6, 10))
    deltas = [each["text"] for each in heard if each["item"] == "delta"]
    assert "".join(deltas) == GOOD * 2, "and once more from its receipt"
    assert len(deltas) > 5 or kind.name == "callable" or kind.wire == "responses", "that server says it in one piece"
    assert [each["item"] for each in heard if each["item"] != "delta"] == ["tool_call", "tool_result", "message"] * 2


@pytest.mark.parametrize("name", [each for each in OF if each.startswith("openai")])
async def test_half_an_answer_is_none(name: str) -> None:
    async with asked(OF[name], stopped(say(GOOD), 2)) as (runner, _):
        with pytest.raises(errors.AgentFailed) as raised:
            await runner.run(task(hear=lambda _: None))
    assert (raised.value.kind, raised.value.retryable) == ("infrastructure", True)


@EVERY
async def test_a_runaway_loop_never_uses_more_than_its_budget(opened: Open, kind: Kind) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(tokens=6_000))
    async with ScriptedEndpoint([], kind.wire) as served:
        counting = Counting(served, looking)
        served.script = [counting] * 50
        async with opened(flow, agents=kind.made(served, LIMIT)) as engine:
            view = await engine.run(flow, {})
    assert (view.status, failure_of(view).kind) == ("failed", "budget")
    assert 3_000 < sum(counting.used) <= 6_000
    assert view.run.usage.input_tokens + view.run.usage.output_tokens == sum(counting.used)


async def test_money_is_counted_by_the_list_that_a_speaker_names(opened: Open) -> None:
    def model(_: Asking) -> Said:
        return Said("there", usage=Usage(1, 1_000_000, 0), model="gpt-4o-mini")

    flow = workflow("flow", state=Note, edges=[START >> asking() >> END])
    async with opened(flow, agents=function_runner(model, prices="openai")) as engine:
        assert (await engine.run(flow, {})).run.usage.cost == pytest.approx(0.15)
    dear = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(money=1.0))
    asked_: list[Asking] = []
    async with opened(dear, agents=function_runner(asked_.append)) as engine:
        view = await engine.run(dear, {})
    assert (view.status, asked_) == ("failed", []), "of unknown price it is not asked"


# ------------------------------------------------------------------------------------------------ chains


@asynccontextmanager
async def plain(
    first: list[Script], second: list[Script], wires: tuple[Wire, Wire] = ("chat", "chat"), now: Any = None
) -> AsyncIterator[tuple[LoopRunner, ScriptedEndpoint, ScriptedEndpoint]]:
    """A chain of two models on the plain client."""
    async with ScriptedEndpoint(first, wires[0]) as one, ScriptedEndpoint(second, wires[1]) as two:
        links = (one.endpoint(model="big", name="a"), two.endpoint(model="small", name="b"))
        chain = Chain(links, {each.name: each for each in links})
        runner = openai_runner(chain, LIMIT, **({} if now is None else {"now": now}))
        try:
            yield runner, one, two
        finally:
            await runner.close()


@BOTH
@pytest.mark.parametrize("heard", [False, True], ids=["whole", "streamed"])
async def test_the_next_model_goes_on_with_a_talk_that_the_first_began(wire: Wire, heard: bool) -> None:
    first, second = [call(("look", {"path": "a"})), status(500)], [say(GOOD, model="second-1")]
    other: Wire = "responses" if wire == "chat" else "chat"
    pairs: tuple[tuple[Wire, Wire], ...] = ((wire, wire), (wire, other))
    for wires in pairs:
        async with plain([*first], [*second], wires) as (runner, one, two):
            hear = {"hear": lambda _: None} if heard else {}
            answer = await runner.run(task(tools=(tool("look", "text"),), **cast("Any", hear)))
        assert (answer.value.title, answer.answered_by, answer.usage.requests) == ("t", ("stand-in-1", "second-1"), 3)
        said = str(two.requests[0].body)
        assert "text" in said
        assert "fcall" not in said, "an item of one endpoint is none of another"
        assert (len(one.requests), len(two.requests)) == (2, 1)


async def test_a_breaker_leaves_a_model_alone_and_the_plain_chain_fails_back() -> None:
    clock = FakeClock()
    async with plain([status(500)] * 3 + [say(GOOD)], [say(GOOD, model="second-1")] * 5, now=clock.now) as (
        runner,
        one,
        two,
    ):
        for _ in range(5):
            assert (await runner.run(task())).answered_by == ("second-1",)
        assert (len(one.requests), len(two.requests)) == (3, 5)
        clock.advance(31)
        assert (await runner.run(task())).answered_by == ("stand-in-1",)


async def test_a_node_names_a_model_of_the_plain_chain_and_an_unknown_one_is_said() -> None:
    async with plain([say(GOOD)], [say(GOOD, model="tiny-1")]) as (runner, one, two):
        assert (await runner.run(task(model="tiny@b"))).answered_by == ("tiny-1",)
        assert ([each.body["model"] for each in two.requests], one.requests) == (["tiny"], [])
        with pytest.raises(errors.AgentFailed, match="no endpoint is called 'c'") as raised:
            await runner.run(task(model="tiny@c"))
    assert not raised.value.retryable


async def test_models_of_different_libraries_are_one_chain() -> None:
    def ill(_: Asking) -> Said:
        raise errors.AgentFailed("it is ill", kind="infrastructure")

    def wrong(_: Asking) -> Said:
        raise errors.AgentFailed("what a question", kind="model", retryable=False)

    async with ScriptedEndpoint([say(GOOD)]) as served:
        other = openai_runner(Endpoint(served.base_url, "small", "chat"), LIMIT)
        both = chained(function_runner(ill, name="mine"), other)
        answer = await both.run(task())
        assert (answer.value.title, answer.answered_by) == ("t", ("stand-in-1",))
        with pytest.raises(errors.AgentFailed, match="what a question"):
            await chained(function_runner(wrong), other).run(task())
        await both.close()
    assert len(served.requests) == 1
