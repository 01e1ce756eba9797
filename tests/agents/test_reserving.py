"""Budgets that reserve before the call: whatever a model answers, no more is used than was declared, to the token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.agents.endpoint import Reply, Script, ScriptedEndpoint, call, fault, say, status
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Budget, Failure, Retry, State, agent, each, function, workflow
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.record.events import CallFailed, CallFinished, CallStarted
from workflow_engine.record.usage import Usage

__all__ = ["clock", "ledger", "opened"]

ONCE = Retry(1)


class Note(State):
    n: int = 0
    text: str = ""
    why: str = ""
    parts: list[str] = []
    said: list[str] = []


def look(path: str) -> str:
    """Look at a file."""
    return f"{path}: nothing yet, look again"


def asking(**given: Any) -> Any:
    @agent(writes="text", instructions="Look until it is there.", tools=[look], retry=ONCE, turns=1000, **given)
    def work(n: int) -> str:
        return "Look for it. " * 10

    return work


class Counting:
    """Counts tokens as a model does that is as greedy as it may be: it uses all it may for its answer."""

    def __init__(
        self, served: ScriptedEndpoint, script: Callable[..., Script], per_token: int = 2, most: int = 700
    ) -> None:
        self.served, self.script, self.per_token = served, script, per_token
        self.most = most
        self.used: list[int] = []
        self.cost = 0.0

    def __call__(self, wire: Wire) -> Reply:
        body = self.served.requests[-1].body
        given = len(json.dumps(body.get("messages", body.get("input"))).encode()) // self.per_token
        names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
        made = next((body[name] for name in names if name in body), None)
        assert made is not None, "every call is limited"
        made = min(made, self.most)
        self.used.append(given + made)
        return self.script(tokens=(given, made))(wire)


def looking(tokens: tuple[int, int]) -> Script:
    def script(wire: Wire) -> Reply:
        whole = json.loads(call(("look", {"path": "a"}))(wire).body)
        names = ("prompt_tokens", "completion_tokens") if wire == "chat" else ("input_tokens", "output_tokens")
        whole["usage"] |= dict(zip(names, tokens, strict=True)) | {"total_tokens": sum(tokens)}
        return Reply(json.dumps(whole).encode())

    return script


def saying(tokens: tuple[int, int]) -> Script:
    return say("there it is", tokens=tokens)


def failure_of(view: Any) -> Failure:
    [failure] = view.run.failed.values()
    assert isinstance(failure, Failure)
    return failure


@pytest.mark.parametrize("wire", ["chat", "responses"])
@pytest.mark.parametrize("tokens", [900, 3_001, 12_000])
async def test_a_runaway_loop_never_uses_more_than_was_declared(opened: Open, tokens: int, wire: Wire) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(tokens=tokens))
    async with ScriptedEndpoint([], wire) as served:
        counting = Counting(served, looking)
        served.script = [counting] * 500
        async with opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(flow, {})
    assert (view.status, failure_of(view).kind) == ("failed", "budget")
    assert counting.used, "it may begin"
    assert sum(counting.used) <= tokens
    usage = view.run.usage
    assert usage.input_tokens + usage.output_tokens == sum(counting.used), "and the record knows it"


async def test_what_is_left_is_used_before_it_stops(opened: Open) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(tokens=12_000))
    async with ScriptedEndpoint([]) as served:
        counting = Counting(served, looking)
        served.script = [counting] * 500
        async with opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            await engine.run(flow, {})
    assert len(counting.used) > 4, "what was counted is known, so that only what is new is bounded by its bytes"
    assert sum(counting.used) > 8_000


@pytest.mark.parametrize(("most", "status"), [(700, "succeeded"), (9_000, "failed")])
async def test_many_at_once_share_one_budget_and_wait_for_what_others_hold(
    most: int, status: str, opened: Open
) -> None:
    @each("parts", writes="said", at_once=8)
    @agent(writes="said", instructions="Say.", retry=ONCE)
    def say_it(part: str) -> str:
        return f"Say {part}."

    flow = workflow("flow", state=Note, edges=[START >> say_it >> END], budget=Budget(tokens=20_000))
    async with ScriptedEndpoint([]) as served:
        counting = Counting(served, saying, most=most)
        served.script = [counting] * 50
        async with opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(flow, {"parts": [str(number) for number in range(8)]})
    assert view.status == status, view.run.failed
    assert len(served.requests) == 8 or status == "failed"
    assert sum(counting.used) <= 20_000


async def test_an_answer_that_the_budget_cut_is_none(opened: Open, ledger: Any) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(tokens=700))
    async with ScriptedEndpoint([]) as served:
        counting = Counting(served, saying)
        served.script = [counting] * 5
        async with opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(flow, {})
            events = [each.event for each in await ledger.journal(view.id)]
    assert "was cut at" in failure_of(view).message
    [failed] = [each for each in events if isinstance(each, CallFailed)]
    assert failed.usage == Usage(1, failed.usage.input_tokens, failed.usage.output_tokens) if failed.usage else False
    assert sum(counting.used) <= 700


async def test_a_spent_budget_is_left_by_the_declared_edge(opened: Open) -> None:
    work = asking(budget=Budget(tokens=2_000))

    @function(writes="why")
    async def tell(failure: Failure) -> str:
        return f"{failure.kind}: {failure.message}"

    flow = workflow("flow", state=Note, edges=[START >> work >> END, work.failed >> tell >> END])
    async with ScriptedEndpoint([]) as served:
        served.script = [Counting(served, looking)] * 50
        async with opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(flow, {})
    assert view.status == "succeeded"
    assert view.state.why.startswith("budget: work")


async def test_a_larger_budget_goes_on_where_it_stopped(opened: Open) -> None:
    def flow(tokens: int) -> Any:
        return workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(tokens=tokens))

    async with ScriptedEndpoint([]) as served:
        counting = Counting(served, looking)
        served.script = [counting] * 50
        small, large = flow(2_000), flow(90_000)
        async with opened(small, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(small, {})
        before = len(served.requests)
        served.script = [say("there it is")]
        async with opened(large, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.resume(view.id)
    assert (view.status, view.state.text) == ("succeeded", "there it is")
    assert len(served.requests) == before + 1, "what was answered is not asked again"


async def test_a_call_whose_end_nobody_knows_counts_as_what_it_held(opened: Open, ledger: Any) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(tokens=60_000))
    async with (
        ScriptedEndpoint([fault("hang")]) as served,
        opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine,
    ):
        running = asyncio.create_task(engine.run(flow, {}))
        await served.asked.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        [row] = await engine.runs()
        served.script = [say("there it is", tokens=(100, 200))]
        async with opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.resume(row.run)
            events = [each.event for each in await ledger.journal(view.id)]
    assert view.status == "succeeded"
    [lost, _] = [each for each in events if isinstance(each, CallStarted)]
    assert lost.reserved is not None
    held = lost.reserved.input_tokens + lost.reserved.output_tokens
    assert held > 16_384
    assert view.run.frontier.spent[""].tokens == held + 300


@pytest.mark.parametrize(("broken", "counts"), [(fault("drop"), True), (status(500), False)])
async def test_a_call_that_was_broken_off_counts_and_a_refused_one_does_not(
    opened: Open, ledger: Any, broken: Script, counts: bool
) -> None:
    @agent(writes="text", instructions="Say.", retry=Retry(2, first=timedelta(seconds=1)))
    def work(n: int) -> str:
        return "Say it."

    flow = workflow("flow", state=Note, edges=[START >> work >> END], budget=Budget(tokens=60_000))
    async with (
        ScriptedEndpoint([broken, say("well", tokens=(10, 20))]) as served,
        opened(flow, agents=OpenAIAgentsRunner(served.endpoint())) as engine,
    ):
        view = await engine.run(flow, {})
    assert view.status == "succeeded"
    assert (view.run.frontier.spent[""].tokens > 16_384) is counts


# Money


def priced(served: ScriptedEndpoint, model: str = "gpt-4o", **given: Any) -> OpenAIAgentsRunner:
    return OpenAIAgentsRunner(served.endpoint(model=model, **given))


async def test_a_call_has_the_price_of_the_model_that_answered(opened: Open, ledger: Any) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END])
    script = [call(("look", {"path": "a"}), model="gpt-4o"), say("well", model="gpt-4o", tokens=(1000, 100))]
    async with ScriptedEndpoint(script) as served, opened(flow, agents=priced(served, prices="openai")) as engine:
        view = await engine.run(flow, {})
        events = [each.event for each in await ledger.journal(view.id)]
    costs = [each.usage.cost for each in events if isinstance(each, CallFinished) and each.usage]
    assert costs[1] == pytest.approx(0.0035)
    assert view.run.usage.cost == pytest.approx(sum(each or 0 for each in costs))
    assert view.history.steps[-1].usage == view.run.usage


@pytest.mark.parametrize(("model", "prices"), [("stand-in-1", "openai"), ("gpt-4o", ""), ("gpt-4o", "nobody")])
async def test_a_price_that_nobody_knows_is_unknown_and_never_nothing(opened: Open, model: str, prices: str) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END])
    async with (
        ScriptedEndpoint([say("well", model=model)]) as served,
        opened(flow, agents=priced(served, model, prices=prices)) as engine,
    ):
        view = await engine.run(flow, {})
    assert view.status == "succeeded"
    assert (view.run.usage.input_tokens, view.run.usage.cost) == (3, None)


@pytest.mark.parametrize("money", [0.012, 0.05])
async def test_a_runaway_loop_never_costs_more_than_was_declared(opened: Open, money: float) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(money=money))

    def look_at_4o(tokens: tuple[int, int]) -> Script:
        return lambda wire: Reply(looking(tokens)(wire).body.replace(b"stand-in-1", b"gpt-4o"))

    async with ScriptedEndpoint([]) as served:
        counting = Counting(served, look_at_4o)
        served.script = [counting] * 100
        async with opened(flow, agents=priced(served, prices="openai")) as engine:
            view = await engine.run(flow, {})
    assert failure_of(view).kind == "budget"
    assert len(counting.used) > 0
    assert view.run.usage.cost is not None
    assert 0 < view.run.usage.cost <= money


async def test_a_budget_of_money_asks_nobody_whose_price_is_unknown(opened: Open) -> None:
    flow = workflow("flow", state=Note, edges=[START >> asking() >> END], budget=Budget(money=1))
    async with ScriptedEndpoint([say("well")]) as served, opened(flow, agents=priced(served, "stand-in-1")) as engine:
        view = await engine.run(flow, {})
    assert served.requests == []
    assert "the price of its model is unknown" in failure_of(view).message
