"""The ready workflow graphs/claims.py: every claim a run of its own, people asked for the large ones alone."""

from __future__ import annotations

import json
from pathlib import Path

from graphs.claims import claims
from workflow_engine import Engine, Store
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import FakeClock

GIVEN = json.loads((Path(__file__).parents[2] / "graphs" / "claims.json").read_text(encoding="utf-8"))


async def test_small_claims_are_paid_while_people_think_about_large_ones(tmp_path: Path) -> None:
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[claims]) as engine:
        view = await engine.run(claims, GIVEN)
        asked = {each.question.message: each.question.id for each in view.questions}
        assert list(asked) == ["Pay 429.00 to Ben for a desk?", "Pay 1,312.00 to Ana for a week in Oslo?"]
        paid = [each.run for each in await engine.runs(children=True) if each.status == "succeeded"]
        assert sorted(paid) == [f"{view.id}-settle-1-0", f"{view.id}-settle-1-4"]
        for message, answer in zip(asked, ("refuse", "pay"), strict=True):
            await engine.answer(asked[message], answer, by="ana")
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[claims]) as engine:
        [view] = await engine.recover()
        assert (view.status, view.state.report) == ("succeeded", "paid 1,379.70, and not for Ben: a desk, Cleo: books")
        keys = [each.value and each.value.key for each in view.state.paid]
        assert keys == [f"{view.id}-settle-1-{item}/pay/1" if item in (0, 3, 4) else None for item in range(5)]
    assert (await Store(tmp_path / "runs.sqlite").check()).whole


async def test_claims_nobody_looks_at_do_not_hold_the_month_up_for_ever() -> None:

    clock = FakeClock()
    async with Engine.connect("unused", ledger=MemoryLedger(), workflows=[claims], clock=clock) as engine:
        view = await engine.run(claims, GIVEN)
        clock.advance(5 * 86_400)
        [view] = await engine.recover()
        assert view.state.report == "paid 67.70, and not for Ben: a desk, Cleo: books, Ana: a week in Oslo"
