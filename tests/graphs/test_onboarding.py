"""The ready workflow graphs/onboarding.py: an account that is made live once contract and money are both there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from graphs.onboarding import close, go_live, onboarding, open_account, play
from workflow_engine import Engine, verify
from workflow_engine.errors import SignalRejected
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import Crashed, FakeClock, crash_after

CONTRACT = {"signed_by": "Ana Ruiz", "signed_on": "2026-05-04"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Engine]:
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[onboarding], clock=clock) as engine:
        yield engine


def account(tmp_path: Path) -> list[str]:
    return [each.read_text(encoding="utf-8") for each in (tmp_path / "accounts").glob("*.json")]


def test_it_is_sound() -> None:
    assert verify(onboarding) == ()


async def test_the_day_that_is_played_ends_well(tmp_path: Path) -> None:
    assert [line async for line in play(str(tmp_path))] == [
        "waiting for a signal",
        "payment bank-1: kept",
        "payment bank-2: kept",
        "payment bank-1: was there",
        "contract sign-1: refused, it: 'signed_on' is a required property",
        "contract sign-2: kept",
        "succeeded: 40.00 paid, live",
    ]


@pytest.mark.parametrize("order", [("contract", "payment"), ("payment", "contract")])
async def test_both_must_come_in_any_order(engine: Engine, tmp_path: Path, order: tuple[str, str]) -> None:
    view = await engine.run(onboarding, company="Ruiz", folder=str(tmp_path / "accounts"))
    carried = {"contract": CONTRACT, "payment": {"cents": 4000}}
    for name in order:
        assert (view.status, view.reason) == ("waiting", "signal")
        await engine.signal(view.id, name, carried[name], id=name)
        view = await engine.resume(view.id)
    assert view.status == "succeeded"
    assert '"live": true' in account(tmp_path)[0]


async def test_a_part_of_the_money_is_not_enough_and_the_rest_is_waited_for(engine: Engine, tmp_path: Path) -> None:
    view = await engine.run(onboarding, company="Ruiz", plan="large", folder=str(tmp_path / "accounts"))
    await engine.signal(view.id, "contract", CONTRACT)
    for part in (500_00, 300_00, 100_00):
        assert view.status == "waiting"
        await engine.signal(view.id, "payment", {"cents": part})
        view = await engine.resume(view.id)
    assert (view.status, view.state.paid) == ("succeeded", 900_00)


async def test_a_payment_told_twice_is_booked_once(engine: Engine, tmp_path: Path) -> None:
    view = await engine.run(onboarding, company="Ruiz", plan="large", folder=str(tmp_path / "accounts"))
    await engine.signal(view.id, "contract", CONTRACT)
    for _ in range(3):
        await engine.signal(view.id, "payment", {"cents": 500_00}, id="bank-1")
        view = await engine.resume(view.id)
    assert (view.status, view.state.paid) == ("waiting", 500_00)


async def test_a_customer_who_does_not_come_has_no_account(engine: Engine, tmp_path: Path, clock: FakeClock) -> None:
    view = await engine.run(onboarding, company="Ruiz", folder=str(tmp_path / "accounts"))
    await engine.signal(view.id, "payment", {"cents": 4000})
    clock.advance(timedelta(days=14).total_seconds())
    [view] = await engine.recover()
    assert (view.status, view.reason) == ("failed", "the customer did not come")
    assert account(tmp_path) == []


async def test_who_pays_a_part_has_a_week_for_the_rest(engine: Engine, tmp_path: Path, clock: FakeClock) -> None:
    view = await engine.run(onboarding, company="Ruiz", folder=str(tmp_path / "accounts"))
    clock.advance(timedelta(days=13).total_seconds())
    await engine.signal(view.id, "payment", {"cents": 1})
    await engine.signal(view.id, "contract", CONTRACT)
    view = await engine.resume(view.id)
    assert view.run.waits[0].until == clock.now() + timedelta(days=7)


async def test_what_is_no_payment_is_refused(engine: Engine, tmp_path: Path) -> None:
    view = await engine.run(onboarding, company="Ruiz", folder=str(tmp_path / "accounts"))
    for wrong in ({"cents": 0}, {"cents": "many"}, {}, None):
        with pytest.raises(SignalRejected):
            await engine.signal(view.id, "payment", wrong)


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_death_at_any_write_leaves_one_account_live(tmp_path: Path, executor: str) -> None:
    for dies in range(1, 12):
        kept, folder = MemoryLedger(), tmp_path / str(dies)
        dying: Any = crash_after(kept, dies)

        async def act(ledger: Any, work: Any) -> Any:
            async with Engine.connect("unused", workflows=[onboarding], ledger=ledger, executor=executor) as engine:
                return await work(engine)

        async def day(engine: Engine) -> None:
            view = await engine.run(onboarding, company="Ruiz", folder=str(folder))  # noqa: B023
            await engine.signal(view.id, "payment", {"cents": 4000}, id="p")
            await engine.signal(view.id, "contract", CONTRACT, id="c")
            await engine.resume(view.id)

        async def rest(engine: Engine) -> Any:
            await engine.recover()
            await engine.signal("@last", "payment", {"cents": 4000}, id="p")
            await engine.signal("@last", "contract", CONTRACT, id="c")
            await engine.recover()
            return await engine.get("@last")

        with suppress(Crashed):
            await act(dying, lambda engine: dying.until_crash(day(engine)))  # noqa: B023
        view = await act(kept, rest)
        assert (view.status, view.state.paid) == ("succeeded", 4000), dies
        assert len(list(folder.glob("*.json"))) == 1


def test_its_nodes_are_functions(make_step: Any, tmp_path: Path) -> None:
    step, folder = make_step("open_account"), str(tmp_path)
    made = open_account("Ruiz", folder, step)
    assert open_account("Ruiz", folder, step) == made
    from graphs.onboarding import Contract

    assert go_live(made, Contract.model_validate(CONTRACT), folder, step).live
    close(made, folder)
    close(made, folder)
    assert not list(tmp_path.glob("*.json"))
