"""Take on a customer: the account is opened at once, and made live once BOTH the contract and the money are there.

Contract and payment come from other systems, in any order, sometimes before anybody waits for them, sometimes twice.
`python -m graphs.onboarding` plays such a day offline: one early event, one that is sent twice, one that does not fit.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    State,
    Step,
    all_of,
    function,
    route,
    signal,
    wait,
    workflow,
)
from workflow_engine.errors import SignalRejected

FEES = {"small": 40_00, "large": 900_00}


class Contract(BaseModel):
    signed_by: str
    signed_on: date


class Payment(BaseModel):
    cents: Annotated[int, Field(gt=0)]
    reference: str = ""


class Account(BaseModel):
    number: str
    live: bool = False


class Onboarding(State):
    company: str = Field(min_length=1)
    plan: Literal["small", "large"] = "small"
    folder: str = "accounts"
    account: Account | None = None
    contract: Contract | None = None
    payment: Payment | None = None
    paid: int = 0


def opened(company: str, folder: str, step: Step) -> Account | None:
    """The probe: the account, if its file is there."""
    file = _file(folder, step.run)
    return Account.model_validate_json(file.read_text(encoding="utf-8")) if file.exists() else None


@function(writes="account", effect=True, in_doubt=opened)
def open_account(company: str, folder: str, step: Step) -> Account:
    account = Account(number=step.run)
    _write(_file(folder, account.number), account)
    step.progress(f"account {account.number} for {company}")
    return account


both = wait(
    all_of(signal("contract", Contract), signal("payment", Payment)),
    writes=("contract", "payment"),
    within=timedelta(days=14),
    name="both",
)
rest = wait("payment", Payment, writes="payment", within=timedelta(days=7), name="rest")


@function(writes="paid")
def book(payment: Payment, paid: int, step: Step) -> int:
    step.progress(f"{payment.cents / 100:.2f} {payment.reference}".strip())
    return paid + payment.cents


@route
def enough(paid: int, plan: Literal["small", "large"]) -> Literal["covered", "short"]:
    return "covered" if paid >= FEES[plan] else "short"


@function(writes="account", effect=True, in_doubt="rerun")
def go_live(account: Account, contract: Contract, folder: str, step: Step) -> Account:
    live = Account(number=account.number, live=True)
    _write(_file(folder, account.number), live)
    step.progress(f"live; signed by {contract.signed_by}")
    return live


@function(effect=True, in_doubt="rerun")
def close(account: Account, folder: str) -> None:
    _file(folder, account.number).unlink(missing_ok=True)


def _file(folder: str, number: str) -> Path:
    return Path(folder) / f"{number}.json"


def _write(file: Path, account: Account) -> None:
    """Whole or not at all: whoever opens the account again after a crash writes the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".fresh")
    fresh.write_text(json.dumps(account.model_dump()), encoding="utf-8")
    os.replace(fresh, file)


onboarding = workflow(
    "onboarding",
    state=Onboarding,
    edges=[
        START >> open_account >> both >> book >> enough,
        enough["covered"] >> go_live >> END,
        enough["short"] >> rest >> book,
        both.expired >> close,
        rest.expired >> close >> FAIL("the customer did not come"),
    ],
)


async def play(folder: str) -> AsyncIterator[str]:
    """A day of a customer whose systems repeat themselves, and who pays in two parts; what is to be seen of it."""
    contract = {"signed_by": "Ana Ruiz", "signed_on": "2026-05-04"}
    events = [
        ("payment", {"cents": 30_00, "reference": "first part"}, "bank-1"),
        ("payment", {"cents": 10_00, "reference": "second part"}, "bank-2"),  # early: nothing waits for it yet
        ("payment", {"cents": 30_00, "reference": "first part"}, "bank-1"),  # the same once more
        ("contract", {"signed_by": "Ana Ruiz"}, "sign-1"),  # without its day
        ("contract", contract, "sign-2"),
    ]
    async with Engine.open(f"{folder}/runs.sqlite", workflows=[onboarding]) as engine:
        view = await engine.run(onboarding, company="Ruiz & Daughters", folder=folder)
        yield f"{view.status} for a {view.reason}"
        for name, payload, id in events:
            try:
                sent = await engine.signal(view.id, name, payload, id=id, by="another system")
                yield f"{name} {id}: {'kept' if sent.new else 'was there'}"
            except SignalRejected as error:
                yield f"{name} {id}: refused, {error.what.splitlines()[-1].strip()}"
        view = await engine.resume(view.id)
        live = view.state.account is not None and view.state.account.live
        yield f"{view.status}: {view.state.paid / 100:.2f} paid, {'live' if live else 'not live'}"


async def main() -> None:
    """Play it in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        async for line in play(folder):
            print(line)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
