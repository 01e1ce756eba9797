"""A store with runs of every kind of node, to be forged like that of the victims.

`run0` waits for a signal, and keeps one that nothing waits for yet; its subflow is over. `run1` failed at an item of an
`each` node. `run3` waits for a signal within its subflow. So does `run2`, which is never forged.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tests.crash.victims import BYSTANDER, Names, strange
from workflow_engine import END, START, File, State, each, function, subflow, wait, workflow
from workflow_engine.engine import Engine
from workflow_engine.record.ids import RunId
from workflow_engine.store import Store

WAITER, FAILED, WITHIN = RunId("run0"), RunId("run1"), RunId("run3")
DONE, INNER = RunId(f"{WAITER}-settle-1"), RunId(f"{WITHIN}-settle-1")
TRAVELLERS = (WAITER, FAILED, WITHIN, DONE, INNER)
TOPIC = "bank"
closed: list[int] = []
"""The stop at which nothing can be done."""


class Payment(BaseModel):
    amount: int


class Settling(State):
    rate: int
    word: str = ""
    total: int = 0


class Voyage(State):
    stops: list[int]
    rate: int = 0
    picture: File | None = None
    seen: list[int] = []
    total: int | None = None
    payment: Payment | None = None


def _are(*given: tuple[Any, type]) -> None:
    strange.extend(f"{value!r} for {kind.__name__}"[:200] for value, kind in given if type(value) is not kind)


@function(writes="rate", cache=timedelta(days=36500))
def price(stops: list[int]) -> int:
    _are((stops, list), *((stop, int) for stop in stops))
    return len(stops)


@function(writes="picture")
def draw_up(rate: int) -> File:
    _are((rate, int))
    return File.of(b"x" * 100, name="picture.txt")


@each("stops", writes="seen", at_once=1)
def visit(stop: int, picture: File | None) -> int:
    _are((stop, int), (picture, File))
    if stop in closed:
        raise ValueError("closed")
    return stop


@function(writes="total")
def add_up(rate: int, word: str) -> int:
    _are((rate, int), (word, str))
    return rate


@function
def rejoice(payment: Payment | None, seen: list[int], picture: File | None) -> None:
    _are(*((stop, int) for stop in seen))
    if payment is not None:  # nothing was paid where a run is said to stand further than it came
        _are((payment, Payment), (payment.amount, int))
    if picture is not None and picture.read_bytes() != b"x" * 100:
        strange.append("another content")


SETTLING = workflow("settling", state=Settling, edges=[START >> wait("knock", writes="word") >> add_up >> END])
VOYAGE = workflow(
    "voyage",
    state=Voyage,
    edges=[
        START
        >> price
        >> draw_up
        >> visit
        >> subflow(SETTLING, name="settle", reads="rate", writes="total")
        >> wait("paid", Payment, writes="payment", topic=TOPIC)
        >> rejoice
        >> wait("bell")
        >> END
    ],
    starts_on={"voyages": None},
)


async def made(path: Path) -> None:
    """Make the store, and the page of the run that waits beside it."""
    names = Names([WAITER, FAILED, BYSTANDER, WITHIN])
    async with Engine.connect(path, workflows=[VOYAGE], mint=names) as engine:
        await engine.run(VOYAGE, stops=[1, 2, 3])
        await engine.signal(DONE, "knock", "who", id="a", by="ann")
        await engine.resume(WAITER)
        await engine.signal(WAITER, "bell", id="a", by="ann")
        await engine.resume(WAITER)
        closed.append(2)
        try:
            await engine.run(VOYAGE, stops=[1, 2, 3])
        finally:
            closed.clear()
        await engine.run(VOYAGE, stops=[1])
        await engine.run(VOYAGE, stops=[2])
    page = await Store(path).export(WAITER)
    path.with_name("page.json").write_text(page, encoding="utf-8")
