"""Migrations of nodes of every kind: items, subflows, waits, and both executors."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tests.engine.conftest import KeptLedger, Open
from workflow_engine import (
    END,
    START,
    Engine,
    File,
    Question,
    State,
    Step,
    Store,
    each,
    function,
    human,
    rename_field,
    rename_node,
    subflow,
    wait,
    workflow,
)
from workflow_engine.errors import WorkflowChanged
from workflow_engine.ports.ledger import Page
from workflow_engine.testing import crash_after
from workflow_engine.testing.crash import Crashed

done: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


class Basket(State):
    items: list[str]
    packed: list[str] | None = None


broken = [True]


@each("items", writes="packed", at_once=1)
async def pack(item: str, step: Step) -> str:
    done.append(f"{item} {step.key.partition('/')[2]}")
    if item == "b" and broken[0]:
        raise RuntimeError("no box")
    return item.upper()


def basket(node: Any, **more: Any) -> Any:
    return workflow("basket", state=Basket, edges=[START >> node >> END], **more)


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_items_that_are_done_are_not_done_again_under_the_nodes_new_name(opened: Open, executor: str) -> None:
    broken[0] = True
    async with opened(basket(pack), executor=executor) as engine:
        run = (await engine.run(basket(pack), items=["a", "b", "c"])).id
    broken[0] = False
    new = basket(pack.named("wrap"), migrations=[rename_node("pack", "wrap")])
    async with opened(new) as engine:
        view = await engine.resume(run, executor=executor)
        assert (view.status, view.values["packed"]) == ("succeeded", ["A", "B", "C"])
        assert done == ["a pack/1/0", "b pack/1/1", "b pack/1/1", "c pack/1/2"]  # and with the keys they had
        assert (await engine.replay(run, against=new)).same


class Bill(State):
    total: int
    paid: bool | None = None


class Order(State):
    price: int
    settled: bool | None = None


@human(writes="paid")
def ask(total: int) -> Question[bool]:
    return Question(f"paid {total}?")


def order(person: Any, name: str, *, billing_moves: Any = (), moves: Any = ()) -> Any:
    billing = workflow("billing", state=Bill, edges=[START >> person >> END], migrations=billing_moves)
    bill = subflow(billing, name=name, reads={"total": "price"}, writes={"settled": "paid"})
    return workflow("order", state=Order, edges=[START >> bill >> END], migrations=moves)


async def test_a_run_within_another_is_carried_over_with_it(opened: Open) -> None:
    old = order(ask, "bill")
    async with opened(old) as engine:
        run = (await engine.run(old, price=3)).id
        assert (await engine.get(run)).status == "waiting"
    moves = [rename_node("bill", "charge")]
    new = order(ask.named("confirm"), "charge", billing_moves=[rename_node("ask", "confirm")], moves=moves)
    undeclared = order(ask.named("confirm"), "charge", moves=moves)
    async with opened(undeclared) as engine:
        told = {each.verdict async for each in engine.in_flight(undeclared)}
        assert told == {"fits", "refused"}
        await engine.answer((await engine.inbox())[0].question.id, True)
        with pytest.raises(WorkflowChanged, match="W601  ask"):  # and nothing of the run around it is stored
            await engine.resume(run, verb="answer")
        assert (await engine.get(run)).run.frontier.due == ("bill",)
    async with opened(new) as engine:
        assert {each.verdict async for each in engine.in_flight(new)} == {"fits"}
        view = await engine.resume(run, verb="answer")
        assert (view.status, view.values["settled"]) == ("succeeded", True)
        assert (await engine.replay(run, against=new)).same


class Payment(BaseModel):
    amount: int


class Onboarding(State):
    who: str
    payment: Payment | None = None
    note: str | None = None


def onboarding(name: str, *, moves: Any = (), within: timedelta = timedelta(days=2), state: Any = Onboarding) -> Any:
    paid = wait("payment", Payment, name=name, writes="payment", within=within)

    @function(writes="note")
    async def greet(payment: Payment) -> str:
        return f"got {payment.amount}"

    return workflow(
        "onboarding", state=state, edges=[START >> paid >> greet >> END, paid.expired >> END], migrations=moves
    )


async def test_a_run_that_waits_for_a_signal_waits_under_its_new_name(opened: Open) -> None:
    old = onboarding("paid")
    async with opened(old) as engine:
        run = (await engine.run(old, who="ana")).id
        assert (await engine.get(run)).run.reason == "signal"
    new = onboarding("received", moves=[rename_node("paid", "received")])
    async with opened(new) as engine:
        await engine.resume(run)
        assert (await engine.get(run)).run.resting == frozenset({"received"})
        await engine.signal(run, "payment", {"amount": 3})
        view = await engine.resume(run, verb="answer")
        assert (view.status, view.values["note"]) == ("succeeded", "got 3")
        assert (await engine.replay(run, against=new)).same
        assert [(step.node, step.how) for step in (await engine.replay(run, against=new)).steps] == [
            ("received", "recorded"),
            ("greet", "ran"),
        ]


async def test_a_wait_that_is_declared_otherwise_has_to_be_accepted(opened: Open) -> None:
    async with opened(onboarding("paid")) as engine:
        run = (await engine.run(onboarding("paid"), who="ana")).id
    other = onboarding("paid", within=timedelta(days=9))
    async with opened(other) as engine:
        if onboarding("paid").shape == other.shape:
            pytest.skip("the time it waits is no part of the shape")
        with pytest.raises(WorkflowChanged, match="W615"):
            await engine.resume(run)
        assert (await engine.resume(run, accept_changes=True)).status == "waiting"


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_both_executors_go_on_with_a_migrated_run(opened: Open, executor: str) -> None:
    class Case(State):
        n: int
        word: Literal["yes", "no"] | None = None
        out: int | None = None

    class Later(State):
        number: int
        word: Literal["yes", "no"] | None = None
        out: int | None = None

    @human(writes="word")
    def ok(n: int) -> Question[Literal["yes", "no"]]:
        return Question(f"{n}?")

    @human(writes="word")
    def fine(number: int) -> Question[Literal["yes", "no"]]:
        return Question(f"{number}?")

    @function(writes="out")
    async def add(n: int) -> int:
        return n + 1

    @function(writes="out")
    async def plus(number: int) -> int:
        return number + 1

    def flow(state: Any, left: Any, right: Any, **more: Any) -> Any:
        rows = [START >> right >> left, left["yes"] >> END, left["no"] >> left]
        return workflow("case", state=state, edges=rows, **more)

    old = flow(Case, ok, add)
    new = flow(
        Later,
        fine,
        plus,
        migrations=[rename_node("ok", "fine"), rename_node("add", "plus"), rename_field("n", "number")],
    )
    async with opened(old, executor=executor) as engine:
        run = (await engine.run(old, n=1)).id
    async with opened(new, executor=executor) as engine:
        await engine.answer(run, "no")
        await engine.resume(run, verb="answer")
        await engine.answer(run, "yes")
        view = await engine.resume(run, verb="answer")
        assert (view.status, view.values) == ("succeeded", {"number": 1, "word": "yes", "out": 2})


class Papers(State):
    text: str
    packed: File | None = None
    fine: bool | None = None


class Shelved(State):
    text: str
    archive: File | None = None
    fine: bool | None = None


@function(writes="packed")
def bind(text: str) -> File:
    return File.of(text.encode(), name="book.txt")


@human(writes="fine")
def proofread(packed: File) -> Question[bool]:
    return Question(packed.read_text())


@function(writes="archive", name="bind")
def bind_anew(text: str) -> File:
    return File.of(text.encode(), name="book.txt")


@human(writes="fine", name="proofread")
def proofread_anew(archive: File) -> Question[bool]:
    return Question(archive.read_text())


async def test_a_file_is_carried_over_and_a_replay_keeps_none(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    old = workflow("papers", state=Papers, edges=[START >> bind >> proofread >> END])
    new = workflow(
        "papers",
        state=Shelved,
        edges=[START >> bind_anew >> proofread_anew >> END],
        migrations=[rename_field("packed", "archive")],
    )
    async with Engine.connect(path, workflows=[old]) as engine:
        run = (await engine.run(old, text="a long book")).id
    async with Engine.connect(path, workflows=[new]) as engine:
        assert (await engine.resume(run)).state.archive.read_text() == "a long book"
        await engine.answer(run, True)
        assert (await engine.resume(run, verb="answer")).status == "succeeded"
        before = sorted(each.name for each in tmp_path.rglob("*"))
        assert (await engine.replay(run, against=new)).difference is None
        assert sorted(each.name for each in tmp_path.rglob("*")) == before
    assert (await Store(path).check()).whole


@pytest.mark.parametrize("dies", range(1, 14))
async def test_a_run_within_that_was_begun_and_not_noted_is_found_under_the_new_name(
    opened: Open, ledger: KeptLedger, dies: int
) -> None:
    old = order(ask, "bill")
    new = order(ask, "charge", moves=[rename_node("bill", "charge")])
    dying = crash_after(ledger, dies)
    async with Engine.connect(ledger=dying, workflows=[old]) as engine:
        with suppress(Crashed):
            await dying.until_crash(engine.run(old, price=3))
    async with opened(new) as engine:
        await engine.recover()
        if not await engine.runs():  # it died before there was a run
            return
        run = (await engine.runs())[0].run
        await engine.answer((await engine.inbox())[0].question.id, True)
        assert (await engine.resume(run, verb="answer")).values["settled"] is True
        within = [each for each in await ledger.runs(Page(children=True)) if each.run != run]
        assert len(within) == 1
