"""Workflows that wait, in every way there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, field_validator

from workflow_engine import END, FAIL, START, State, all_of, any_of, append, function, signal, wait, workflow


class Payment(BaseModel):
    amount: Annotated[int, Field(gt=0)]
    currency: str = "EUR"

    @field_validator("currency")
    @classmethod
    def known(cls, value: str) -> str:
        if value not in ("EUR", "USD"):
            raise ValueError(f"{value} is no currency we take")
        return value


class Contract(BaseModel):
    signed_by: str


class Order(State):
    order: str
    payment: Payment | None = None
    contract: Contract | None = None
    log: Annotated[list[str], append] = []
    due: AwareDatetime | None = None


@function(writes="log")
async def pack(order: str) -> list[str]:
    return [f"packed {order}"]


@function(writes="log")
async def ship(payment: Payment) -> list[str]:
    return [f"shipped for {payment.amount} {payment.currency}"]


@function(writes="log")
async def tell(payment: Payment | None, contract: Contract | None) -> list[str]:
    return [f"paid {payment is not None}, signed {contract is not None}"]


paid = wait("payment", Payment, writes="payment", within=timedelta(days=2), name="paid")

ONE = workflow(
    "one",
    state=Order,
    edges=[START >> pack >> paid >> ship >> END, paid.expired >> FAIL("nobody paid")],
)

both = wait(
    all_of(signal("contract", Contract), signal("payment", Payment)),
    writes=("contract", "payment"),
    within=timedelta(days=7),
    name="both",
)

BOTH = workflow(
    "both",
    state=Order,
    edges=[START >> pack >> both >> tell >> END, both.expired >> FAIL("not in time")],
)

first = wait(any_of(signal("contract", Contract), signal("payment", Payment), "stop"), writes=("contract", "payment"))

FIRST = workflow(
    "first",
    state=Order,
    edges=[
        START >> pack >> first,
        first["payment"] >> ship >> END,
        first["contract"] >> tell >> END,
        first["stop"] >> FAIL("stopped"),
    ],
)

cool = wait(timedelta(days=3), name="cool")
SLOW = workflow("slow", state=Order, edges=[START >> pack >> cool >> tell >> END])

until = wait(until="due")


@function(writes="due")
async def plan(order: str) -> AwareDatetime | None:
    from datetime import UTC, datetime

    return None if order == "never" else datetime(2026, 1, 5, 12, tzinfo=UTC)


class Dated(State):
    due: AwareDatetime
    log: Annotated[list[str], append] = []


@function(writes="log")
async def wake() -> list[str]:
    return ["awake"]


DATED = workflow("dated", state=Dated, edges=[START >> until >> wake >> END])
