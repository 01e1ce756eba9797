"""`each` over a subflow under a saboteur: death at every write, forged and missing children, and thousands of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

import pytest
from pydantic import Field

from tests.engine.conftest import KeptLedger
from tests.engine.deaths import die_at_every_write
from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    Question,
    Result,
    State,
    each,
    function,
    human,
    leaving,
    route,
    subflow,
    workflow,
)
from workflow_engine.errors import StoreDamaged
from workflow_engine.record.ids import RunId
from workflow_engine.testing import Crashed, crash_after

done: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    done.clear()
    yield
    done.clear()


class Bill(State):
    order: str
    total: int | None = None
    ok: Literal["yes", "no"] | None = None
    paid: str = ""


class Shop(State):
    carts: list[str]
    invoices: list[str] = Field(default_factory=list)
    found: list[Result[str]] = Field(default_factory=list)
    sent: int = 0
    beside: int = 0


@function(writes="total")
async def add(order: str) -> int:
    done.append(f"add {order}")
    return len(order)


@route
def kind(order: str) -> Literal["ask", "small"]:
    return "ask" if order.startswith("q") else "small"


@human(writes="ok")
def approve(order: str) -> Question[Literal["yes", "no"]]:
    return Question(f"pay {order}?")


@function(writes="paid")
async def pay(order: str) -> str:
    done.append(f"pay {order}")
    if order == "bad":
        raise ValueError("no money")
    return f"paid {order}"


@function(writes="sent")
async def send(carts: list[str]) -> int:
    done.append("send")
    return len(carts)


billing = workflow(
    "billing",
    state=Bill,
    edges=[
        START >> add >> kind,
        kind["ask"] >> approve,
        kind["small"] >> pay,
        approve["yes"] >> pay >> END,
        approve["no"] >> FAIL("no"),
    ],
)


def flow(name: str, writes: str, on_error: Any, at_once: int = 2) -> Any:
    bills = each("carts", writes=writes, at_once=at_once, on_error=on_error)(subflow(billing, writes="paid"))
    return workflow(name, state=Shop, edges=[START >> bills >> send >> END])


PLAIN = flow("plain", "invoices", "fail")
COLLECTED = flow("collected", "found", "collect")
SKIPPED = flow("skipped", "invoices", "skip", at_once=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "carts", "answer"),
    [
        (PLAIN, ["a", "qq", "ccc"], "yes"),
        (COLLECTED, ["a", "bad", "qq"], "no"),
        (SKIPPED, ["qq", "bad", "c"], "no"),
    ],
    ids=lambda each: getattr(each, "name", "-"),
)
@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_death_at_any_write_changes_nothing_about_the_end(
    made: Any, carts: list[str], answer: str, executor: str
) -> None:
    runs, writes = await die_at_every_write(made, done, answer, len(carts), executor=executor, carts=carts)
    assert runs == 4
    assert writes > 12


async def test_items_that_are_done_never_run_again_and_those_in_hand_go_on_where_they_were() -> None:
    carts = [f"c{number}" for number in range(30)]
    for number in range(20, 120, 9):
        done.clear()
        kept = KeptLedger()
        dying = crash_after(kept, number)
        async with Engine.connect("unused", ledger=dying, workflows=[PLAIN]) as engine:
            with pytest.raises(Crashed):
                await dying.until_crash(engine.run(PLAIN, carts=carts))
        kept.abandon()
        [run] = [run for run in kept._boxes if "-" not in run]
        over = kept._boxes[run].run.items["billing"].done
        in_hand = dict(kept._boxes[run].run.entered)
        assert len(in_hand) <= 2
        before = list(done)
        done.clear()
        async with Engine.connect("unused", ledger=kept, workflows=[PLAIN]) as engine:
            [view] = await engine.recover()
        assert view.state.invoices == [f"paid {cart}" for cart in carts]
        again = [each for each in done if each in before and each != "send"]
        assert len(again) <= 2, again
        assert len([each for each in done if each.startswith("pay")]) <= 30 - over


async def _interrupted(kept: KeptLedger, number: int = 9) -> tuple[RunId, list[RunId]]:
    """A run that died while the runs of two items were at work."""
    dying = crash_after(kept, number)
    async with Engine.connect("unused", ledger=dying, workflows=[PLAIN]) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.run(PLAIN, carts=["a", "b", "c"]))
    kept.abandon()
    run = RunId(next(each for each in kept._boxes if "-" not in each))
    return run, list(kept._boxes[run].run.entered.values())


async def test_the_run_of_an_item_that_is_gone_is_damage_and_not_begun_again() -> None:
    kept = KeptLedger()
    run, within = await _interrupted(kept)
    assert within
    del kept._boxes[within[0]]
    async with Engine.connect("unused", ledger=kept, workflows=[PLAIN]) as engine:
        with pytest.raises(StoreDamaged, match=f"run {within[0]}, which does its step billing, is missing"):
            await engine.resume(run)
        assert (await engine.get(run)).status == "running"


@pytest.mark.parametrize(("was", "forged"), [(r'"item":\d+', '"item":7'), (r'"visit":1,', '"visit":2,')])
async def test_a_run_that_claims_the_place_of_another_item_is_damage(was: str, forged: str) -> None:
    kept = KeptLedger()
    run, within = await _interrupted(kept)
    box = kept._boxes[within[0]]
    head, mark, tail = box.text.partition('"within":')
    box.text = head + mark + re.sub(was, forged, tail, count=1)
    async with Engine.connect("unused", ledger=kept, workflows=[PLAIN]) as engine:
        with pytest.raises(StoreDamaged, match="is not the one that does step billing"):
            await engine.resume(run)


async def test_two_who_resume_at_once_do_each_item_once() -> None:
    kept = KeptLedger()
    run, within = await _interrupted(kept)
    done.clear()
    async with Engine.connect("unused", ledger=kept, workflows=[PLAIN]) as engine:
        names = [run, *within] * 4
        outcomes = await asyncio.gather(*(engine.resume(name) for name in names), return_exceptions=True)
        assert sum(not isinstance(each, BaseException) for each in outcomes) == 1
        assert {type(each).__name__ for each in outcomes} <= {"RunView", "RunOwned", "RunEnded"}
        assert (await engine.get(run)).state.invoices == ["paid a", "paid b", "paid c"]
        assert all(done.count(each) == 1 for each in done)


@pytest.mark.slow
async def test_two_thousand_items_leave_a_small_run_and_cost_what_they_weigh() -> None:
    quick = workflow("quick", state=Bill, edges=[START >> pay >> END])
    many = each("carts", writes="invoices", at_once=8)(subflow(quick, writes="paid"))
    made = workflow("many", state=Shop, edges=[START >> many >> END])
    kept = KeptLedger()
    sizes: list[int] = []

    class Ear:
        def hear(self, run: RunId, event: Any) -> None:
            if event.__class__.__name__ == "ItemFinished" and event.item % 100 == 0:
                sizes.append(len(kept._boxes[run].text))

    async with Engine.connect("unused", ledger=kept, workflows=[made], listeners=[Ear()]) as engine:
        view = await engine.run(made, carts=[str(number) for number in range(2000)])
        assert (view.status, len(view.state.invoices), len(kept._boxes)) == ("succeeded", 2000, 2001)
        assert len(sizes) == 20
        assert max(sizes) < 3000
        assert [each.run for each in await engine.runs()] == [view.id]


async def until(look: Callable[[], Awaitable[Any]], there: Callable[[Any], bool]) -> Any:
    for _ in range(20_000):
        if there(found := await look()):
            return found
        await asyncio.sleep(0)
    raise AssertionError("it did not come to that")


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_leaving_the_fork_around_them_ends_the_runs_of_items_first(executor: str) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    @function(writes="paid", effect=True)
    async def slow(order: str) -> str:
        done.append(f"slow {order}")
        begun.set()
        await go.wait()
        return order

    @human()
    def stop(carts: list[str]) -> Question[Literal["yes", "no"]]:
        return Question("go on?")

    inner = workflow(
        "inner",
        state=Bill,
        edges=[
            START >> kind,
            kind["ask"] >> approve,
            kind["small"] >> slow,
            approve["yes"] >> slow >> add >> END,
            approve["no"] >> FAIL("no"),
        ],
    )
    bills = each("carts", writes="invoices", at_once=2)(subflow(inner, name="bills", writes="paid"))
    made = workflow(
        "made",
        state=Shop,
        edges=[
            START >> (stop, bills),
            (stop["yes"], bills) >> send >> END,
            stop["no"] >> leaving(FAIL("stopped")),
        ],
    )
    kept = KeptLedger()
    async with Engine.connect("unused", ledger=kept, workflows=[made], executor=executor) as engine:
        going = asyncio.create_task(engine.run(made, carts=["q", "a", "never"]))
        await begun.wait()
        asked = await until(engine.inbox, lambda found: len(found) == 2)
        [ours] = [each.question for each in asked if each.question.node == "stop"]
        await engine.answer(ours.id, "no", by="ana")
        await until(lambda: engine.get(ours.run), lambda view: view.run.frontier.leaving != {})
        go.set()
        view = await going
        assert (view.status, view.reason, done) == ("failed", "stopped", ["slow a"])
        assert {each.run: each.status for each in await engine.runs(children=True) if each.run != view.id} == {
            f"{view.id}-bills-1-0": "cancelled",
            f"{view.id}-bills-1-1": "cancelled",
        }
        assert await engine.inbox() == []
        assert await engine.recover() == []
