"""Budgets of runs, nodes and loops: what they count, what they stop, and how one goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest

from workflow_engine import (
    END,
    FAIL,
    START,
    Budget,
    Failure,
    Question,
    Retry,
    State,
    agent,
    at_most,
    each,
    function,
    human,
    route,
    subflow,
    to_document,
    workflow,
)
from workflow_engine.cli.exits import Exit, exit_of_run
from workflow_engine.errors import AgentFailed
from workflow_engine.frontier.leave import leave
from workflow_engine.ports.agents import AgentAnswer, AgentTask
from workflow_engine.record.fold import fold
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.usage import NOTHING, Spent, Usage
from workflow_engine.spec.loop import body_of
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import FakeClock, crash_after
from workflow_engine.testing.crash import Crashed

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])
FAR = timedelta(hours=1)


class Thinker:
    """Answers every task, and says that it used what it is told to."""

    def __init__(self, tokens: int = 100, cost: float | None = 0.5, fails: int = 0) -> None:
        self.tokens, self.cost, self.fails = tokens, cost, fails
        self.asked: list[str] = []

    async def run(self, task: AgentTask) -> AgentAnswer:
        self.asked.append(task.node)
        answer = AgentAnswer("done", Usage(1, self.tokens - 1, 1, self.cost), ("some-model",))
        if self.fails:
            self.fails -= 1
            error = AgentFailed("cut off")
            error.so_far = answer
            raise error
        return answer

    async def close(self) -> None:
        pass


class Job(State):
    n: int = 0
    text: str = ""
    note: str = ""
    why: str = ""


@agent(writes="text", instructions="Write.", retry=Retry(1))
def write(n: int) -> str:
    return "Write."


@function(writes="n")
async def count(n: int) -> int:
    return n + 1


@function(writes="why")
async def tell(failure: Failure | None) -> str:
    return f"{failure.node} {failure.kind}: {failure.message}" if failure else ""


@route
def enough(n: int) -> Literal["more", "enough"]:
    return "enough" if n >= 5 else "more"


@human(writes="note")
def ask(n: int) -> Question[Literal["on", "stop"]]:
    return Question("Go on?")


# What is left, decided


@pytest.mark.parametrize(
    ("budget", "used", "thinks", "why"),
    [
        (Budget(steps=3), Spent(2), True, None),
        (Budget(steps=3), Spent(3), False, "3 of 3 steps"),
        (Budget(seconds=1.5), Spent(0, 1.49), True, None),
        (Budget(seconds=1.5), Spent(0, 1.5), False, "1.5 of 1.5 seconds"),
        (Budget(tokens=1000), Spent(0, 0, 1200), True, "1,200 of 1,000 tokens"),
        (Budget(tokens=1000), Spent(0, 0, 1200), False, None),  # what asks no model cannot use any more
        (Budget(money=2), Spent(0, 0, 9, 1.99), True, None),
        (Budget(money=2), Spent(0, 0, 9, 2.0), True, "$2.0000 of $2"),
        (Budget(money=2), Spent(0, 0, 9, None), True, "what was used has no known price, and $2 is all there is"),
        (Budget(tokens=10), Spent(0, 0, 9, None), True, None),
        (Budget(steps=9, tokens=10), Spent(1, 0, 10), True, "10 of 10 tokens"),
    ],
)
def test_a_budget_says_which_bound_is_spent(budget: Budget, used: Spent, thinks: bool, why: str | None) -> None:
    told = budget.spent(steps=used.steps, seconds=used.seconds, tokens=used.tokens, money=used.money, thinks=thinks)
    assert told == why


def test_an_unknown_price_makes_every_sum_unknown() -> None:
    assert (Spent(money=1.0) + Spent(money=None)).money is None
    assert Spent.of(Usage(1, 5, 5, None)) == Spent(0, 0.0, 10, None)
    assert Spent.of(Usage(0, 0, 0, None)) == NOTHING, "who asked no model has cost nothing"


# Loops


def looped(budget: Budget | None, limit: int = 9, then: Any = ask) -> Any:
    return workflow(
        "looped",
        state=Job,
        edges=[
            START >> count >> write >> enough,
            enough["enough"] >> END,
            enough["more"] >> at_most(limit, count, then=then, budget=budget),
            ask["on"] >> count,
            ask["stop"] >> FAIL("stopped"),
        ],
    )


def test_the_body_of_a_loop_is_what_lies_between_its_ends() -> None:
    inner = enough["more"] >> at_most(2, write, then=ask)
    rows = [START >> count >> write >> enough, enough["enough"] >> END, inner, ask["on"] >> count, ask["stop"] >> END]
    edges = [edge for row in rows for edge in row.edges]
    assert body_of(inner.edges[0], edges) == {"write", "enough"}, "the outer loop, by a person, is none of it"


def test_the_edge_of_a_loop_decides_with_what_its_last_step_cost() -> None:
    flow = looped(Budget(tokens=100))
    key = "enough[more] > count"
    at = Frontier().after(leave(flow, Frontier(), "START", None, lambda _: "more").move)
    at = at.after(leave(flow, at, "count", None, lambda _: "more", Spent(1)).move)
    assert at.spent == {key: Spent(1)}
    there = leave(flow, at, "write", None, lambda _: "more", Spent(1, 0.0, 99)).move
    assert (there.entered, there.spent[key]) == (("count",), Spent(2, 0.0, 99))
    there = leave(flow, at, "write", None, lambda _: "more", Spent(1, 0.0, 100)).move
    assert (there.entered, there.via[-1]) == (("ask",), f"{key} then")
    asked = at.after(there)
    again = leave(flow, asked, "ask", "on", lambda _: "more").move
    assert (again.entered, asked.after(again).spent) == (("count",), {}), "who enters it anew has a full budget"


@EXECUTORS
async def test_a_loop_whose_budget_is_spent_escalates_as_if_its_bound_were(opened: Any, executor: str) -> None:
    flow = looped(Budget(tokens=250))
    thinker = Thinker()
    async with opened(flow, agents=thinker, executor=executor) as engine:
        view = await engine.run(flow)
        assert (view.status, view.values["n"]) == ("waiting", 3), "300 of 250 tokens: what was begun is finished"
        await engine.answer(view.id, "on")
        view = await engine.resume(view.id)
        assert (view.status, view.values["n"]) == ("succeeded", 5)
        journal = [each.event for each in await engine.journal(view.id)]
        assert fold(journal) == (await engine.get(view.id)).run


async def test_a_loop_counts_on_after_a_crash(opened: Any, ledger: Any) -> None:
    flow = looped(Budget(tokens=250))
    dying = crash_after(ledger, 4, when="after")
    async with opened(flow, agents=Thinker(), ledger=dying) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.run(flow))
    async with opened(flow, agents=Thinker()) as engine:
        [view] = await engine.recover()
    assert (view.status, view.values["n"]) == ("waiting", 3)


async def test_two_loops_count_apart(opened: Any) -> None:
    @route
    def fine(n: int) -> Literal["no", "yes"]:
        return "yes" if n >= 4 else "no"

    polish = write.named("polish", writes="note")
    flow = workflow(
        "nested",
        state=Job,
        edges=[
            START >> count >> write >> enough,
            enough["more"] >> at_most(9, write, then=polish, budget=Budget(steps=1)),
            enough["enough"] >> polish >> fine,
            fine["no"] >> at_most(9, count, then=FAIL("dear"), budget=Budget(tokens=700)),
            fine["yes"] >> END,
        ],
    )
    async with opened(flow, agents=Thinker()) as engine:
        view = await engine.run(flow)
    # The inner loop is left after one step each time, and the outer one pays for it: 200 tokens a round.
    assert (view.status, view.values["n"], view.usage.input_tokens) == ("succeeded", 4, 8 * 99)


# Runs and nodes


def straight(budget: Budget | None, **settings: Any) -> Any:
    first = agent(writes="text", instructions="Write.", **{"retry": Retry(1), **settings})(write.body)
    second = write.named("second")
    return workflow("straight", state=Job, edges=[START >> first >> count >> second >> END], budget=budget)


@EXECUTORS
async def test_a_run_whose_budget_is_spent_fails_and_goes_on_under_a_higher_one(opened: Any, executor: str) -> None:
    flow, thinker = straight(Budget(tokens=100)), Thinker()
    async with opened(flow, agents=thinker, executor=executor) as engine:
        view = await engine.run(flow)
        assert (view.status, view.error.kind, view.error.node) == ("failed", "budget", "second")
        assert view.error.message == "second does not begin: the run's budget is spent: 100 of 100 tokens"
        assert exit_of_run(view) is Exit.SPENT
        assert thinker.asked == ["write"]
        assert view.values["n"] == 1, "what asks no model goes on"
        assert (await engine.resume(view.id)).error.kind == "budget"
    more = straight(Budget(tokens=200))
    assert more.shape == flow.shape
    async with opened(more, agents=thinker, executor=executor) as engine:
        assert (await engine.resume(view.id)).status == "succeeded"


@EXECUTORS
@pytest.mark.parametrize(("steps", "left"), [(2, "second"), (1, "count")])
async def test_steps_are_counted_whatever_they_do(opened: Any, executor: str, steps: int, left: str) -> None:
    flow = straight(Budget(steps=steps))
    async with opened(flow, agents=Thinker(), executor=executor) as engine:
        view = await engine.run(flow)
    assert (view.error.kind, view.error.node, view.run.frontier.spent[""].steps) == ("budget", left, steps)


async def test_seconds_are_those_of_work_and_not_of_waiting(opened: Any, clock: FakeClock) -> None:
    tries: list[int] = []

    @function(name="slow", writes="n", retry=Retry(2, first=FAR, most=FAR, jitter=False))
    async def slow(n: int) -> int:
        tries.append(n)
        await clock.sleep(4)
        if len(tries) == 1:
            raise OSError("down")
        return 1

    flow = workflow(
        "slow",
        state=Job,
        edges=[START >> slow >> ask, ask["on"] >> count >> END, ask["stop"] >> END],
        budget=Budget(seconds=8.5),
    )
    async with opened(flow) as engine:
        view = await engine.run(flow)
        clock.advance(86400)
        await engine.answer(view.id, "on")
        view = await engine.resume(view.id)
    assert view.status == "succeeded"
    assert view.run.frontier.spent[""].seconds == 8


async def test_no_further_attempt_begins_once_the_budget_is_spent(opened: Any) -> None:
    thinker = Thinker(fails=3)
    flow = straight(Budget(tokens=200), retry=Retry(9, jitter=False))
    async with opened(flow, agents=thinker) as engine:
        view = await engine.run(flow)
    assert (view.error.kind, view.error.node, thinker.asked) == ("budget", "write", ["write"] * 2)
    assert (view.usage.input_tokens, view.run.frontier.spent[""].tokens) == (198, 200), "tries that failed are paid for"


@EXECUTORS
async def test_a_node_has_a_budget_of_its_own_and_a_failure_edge_reads_that_it_is_spent(
    opened: Any, executor: str
) -> None:
    frugal = agent(writes="text", instructions="Write.", name="write", budget=Budget(tokens=150))(write.body)
    flow = workflow(
        "frugal",
        state=Job,
        edges=[
            START >> count >> frugal >> enough,
            enough["more"] >> at_most(9, count, then=FAIL("odd")),
            enough["enough"] >> END,
            frugal.failed >> tell >> END,
        ],
    )
    async with opened(flow, agents=Thinker(), executor=executor) as engine:
        view = await engine.run(flow)
    assert view.status == "succeeded"
    assert view.values["why"] == ("write budget: write does not begin: the budget of write is spent: 200 of 150 tokens")


async def test_the_node_a_spent_budget_leads_to_may_work(opened: Any) -> None:
    second = count.named("second")
    flow = workflow(
        "caught",
        state=Job,
        edges=[START >> count >> second >> END, second.failed >> tell >> END],
        budget=Budget(steps=1),
    )
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert (view.status, view.values["why"].partition(":")[0]) == ("succeeded", "second budget")


@EXECUTORS
async def test_siblings_do_not_pass_a_budget_of_steps_together(opened: Any, executor: str) -> None:
    class Wide(State):
        a: int = 0
        b: int = 0
        c: int = 0

    async def one() -> int:
        return 1

    arms = tuple(function(name=f"do_{each}", writes=each)(one) for each in "abc")
    flow = workflow("wide", state=Wide, edges=[START >> arms >> END], budget=Budget(steps=2))
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
    assert (view.status, view.error.kind) == ("failed", "budget")
    assert sum(view.values.values()) == 2


# Money


async def test_money_of_unknown_price_fails_at_once_and_is_never_nothing(opened: Any) -> None:
    flow, thinker = straight(Budget(money=5)), Thinker(cost=None)
    async with opened(flow, agents=thinker) as engine:
        view = await engine.run(flow)
        assert (view.error.kind, view.error.node) == ("budget", "write")
        assert view.error.message == "write used 100 tokens of unknown price, and its budget is of money"
        assert view.usage.input_tokens == 99, "it was used all the same"
        again = await engine.resume(view.id)
    assert again.error.message.endswith("what was used has no known price, and $5 is all there is")
    assert thinker.asked == ["write"]


async def test_money_is_counted_where_its_price_is_known(opened: Any) -> None:
    flow = straight(Budget(money=0.5))
    async with opened(flow, agents=Thinker()) as engine:
        view = await engine.run(flow)
    assert view.error.message == "second does not begin: the run's budget is spent: $0.5000 of $0.5"


def test_budgets_are_told_to_people_and_are_no_part_of_the_shape() -> None:
    flow = looped(Budget(tokens=250))
    document = to_document(flow)
    assert document["notes"]["policies"] == {"loops": {"enough[more] > count": {"budget": {"tokens": 250}}}}
    assert flow.shape == looped(None).shape
    assert "policies" not in to_document(looped(None))["notes"]


async def test_a_run_without_budgets_counts_nothing(opened: Any) -> None:
    flow = straight(None)
    async with opened(flow, agents=Thinker()) as engine:
        view = await engine.run(flow)
    assert (view.status, view.run.frontier.spent, flow.guarded) == ("succeeded", {}, frozenset())


@EXECUTORS
async def test_a_run_within_and_a_list_of_items_are_one_step_each(opened: Any, executor: str) -> None:
    class Many(State):
        n: int = 0
        items: list[int] = []
        done: list[int] = []

    @each("items", writes="done")
    async def double(item: int) -> int:
        return 2 * item

    inner = workflow("inner", state=Job, edges=[START >> count >> count.named("again") >> END])
    within = subflow(inner, reads="n", writes="n")

    def flow(steps: int) -> Any:
        edges = [START >> double >> within >> count >> END]
        return workflow("outer", state=Many, edges=edges, budget=Budget(steps=steps))

    async with opened(flow(1), executor=executor) as engine:
        view = await engine.run(flow(1), items=[1, 2, 3])
        assert (view.error.kind, view.error.node, view.values["done"]) == ("budget", "inner", [2, 4, 6])
    async with opened(flow(3), executor=executor) as engine:
        view = await engine.resume(view.id)
        assert (view.status, view.values["n"], view.run.frontier.spent[""].steps) == ("succeeded", 3, 3)


async def test_items_stop_where_the_budget_is_spent_and_go_on_under_a_larger_one(opened: Any) -> None:
    class Many(State):
        items: list[int] = []
        done: list[str] = []

    def flow(tokens: int) -> Any:
        @each("items", writes="done", at_once=1, on_error="skip")
        @agent(writes="done", instructions="Write.", retry=Retry(1))
        def draft(item: int) -> str:
            return "Write."

        return workflow("many", state=Many, edges=[START >> draft >> END], budget=Budget(tokens=tokens))

    thinker = Thinker()
    async with opened(flow(200), agents=thinker) as engine:
        view = await engine.run(flow(200), items=[1, 2, 3, 4])
        assert (view.status, view.error.kind, len(thinker.asked)) == ("failed", "budget", 2)
    async with opened(flow(1000), agents=thinker) as engine:
        view = await engine.resume(view.id)
        assert (view.status, view.values["done"], len(thinker.asked)) == ("succeeded", ["done"] * 4, 4)


@EXECUTORS
async def test_whatever_crashes_the_same_is_spent_in_the_end(opened: Any, executor: str) -> None:
    flow = looped(Budget(steps=7))
    other = "langgraph" if executor == "native" else "native"
    async with opened(flow, agents=Thinker(), executor=executor, ledger=MemoryLedger()) as engine:
        whole = (await engine.run(flow)).run.frontier
    for writes in range(1, 9):
        for when in ("before", "after"):
            kept = MemoryLedger()
            dying = crash_after(kept, writes, when=when)
            async with opened(flow, agents=Thinker(), executor=executor, ledger=dying) as engine:
                with pytest.raises(Crashed):
                    await dying.until_crash(engine.run(flow))
            async with opened(flow, agents=Thinker(), executor=other, ledger=kept) as engine:
                await engine.recover()
                for each_run in await engine.runs():
                    assert (await engine.get(each_run.run)).run.frontier == whole, (writes, when)
