"""graphs/order.py: four workflows in one; whatever fails, exactly what is owed is made good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphs.order import order
from tests.engine.conftest import KeptLedger
from workflow_engine import Engine, verify
from workflow_engine.testing import Crashed, FakeClock, SeededMint, crash_after

INPUTS: dict[str, Any] = json.loads(Path("graphs/order.json").read_text(encoding="utf-8"))
DESKS = [{"item": "desk", "count": 2, "cents": 400_00}]


@pytest.fixture
def kept() -> KeptLedger:
    return KeptLedger()


def engine(ledger: Any) -> Any:
    return Engine.connect("unused", ledger=ledger, workflows=[order], clock=FakeClock(), mint=SeededMint(1))


def test_it_breaks_no_law() -> None:
    assert verify(order) == ()


async def test_an_order_is_reserved_paid_and_shipped(kept: KeptLedger) -> None:
    async with engine(kept) as one:
        view = await one.run(order, INPUTS)
        assert (view.status, view.state.undone) == ("succeeded", [])
        assert view.state.parcel is not None
        assert (view.state.parcel.carrier, view.state.parcel.tracking) == ("Steady", f"{view.id}-ship-1/hand_over/1")


@pytest.mark.parametrize(
    ("changes", "why", "undone"),
    [
        ({"lines": [{"item": "desk", "count": 3, "cents": 1}]}, "reserve: out of stock", []),
        ({"card": "expired"}, "pay: the card has expired", ["released lamp, chair of {}-reserve-1/keep/1"]),
        (
            {"country": "Atlantis"},
            "ship: no carrier goes there",
            ["gave back 227.00 of {}-pay-1/take/1", "released lamp, chair of {}-reserve-1/keep/1"],
        ),
    ],
)
async def test_what_fails_is_made_good(kept: KeptLedger, changes: Any, why: str, undone: list[str]) -> None:
    async with engine(kept) as one:
        view = await one.run(order, {**INPUTS, **changes})
        assert (view.status, view.reason) == ("failed", "called off, and made good")
        assert view.state.why == why
        assert view.state.undone == [each.format(view.id) for each in undone]


@pytest.mark.parametrize("word", ["take", "refuse"])
async def test_a_large_payment_waits_for_a_person(kept: KeptLedger, word: str) -> None:
    async with engine(kept) as one:
        view = await one.run(order, {**INPUTS, "lines": DESKS})
        assert (view.status, [each.question.node for each in view.open_questions]) == ("waiting", ["approve"])
        await one.answer(view.id, word, by="ana")
    async with engine(kept) as one:
        [view] = await one.recover()
        if word == "take":
            assert (view.status, view.state.payment.cents) == ("succeeded", 800_00)
        else:
            assert (view.state.payment, view.state.undone) == (None, [f"released desk of {view.id}-reserve-1/keep/1"])


async def test_a_death_at_any_write_makes_good_exactly_what_is_owed() -> None:
    number, crashed = 0, True
    while crashed:
        number += 1
        kept, crashed = KeptLedger(), False
        dying = crash_after(kept, number)
        try:
            async with engine(dying) as one:
                await dying.until_crash(one.run(order, {**INPUTS, "country": "Atlantis"}))
        except Crashed:
            crashed = True
        kept.abandon()
        async with engine(kept) as one:
            await one.recover()
            [listed] = await one.runs()
            view = await one.get(listed.run)
            assert view.reason == "called off, and made good", number
            assert view.state.undone == [
                f"gave back 227.00 of {view.id}-pay-1/take/1",
                f"released lamp, chair of {view.id}-reserve-1/keep/1",
            ]
    assert number > 20
