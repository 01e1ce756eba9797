"""A month's expense claims: each is checked, approved by a person where it is large, and paid; the report has them all.

Every claim is a run of its own of the workflow `claiming`. One that a person thinks about holds up no other, and one
that is refused or cannot be paid is left out of what is paid, and told. Try:

    workflow run graphs/claims.py -i @graphs/claims.json
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Question,
    Result,
    State,
    Step,
    StepError,
    each,
    function,
    human,
    route,
    subflow,
    workflow,
)


class Claim(BaseModel):
    """What somebody paid for the company, in cents."""

    by: str
    what: str
    on: date
    cents: Annotated[int, Field(ge=1)]


class Payment(BaseModel):
    """Money that was paid back. Its key is that of the step that paid it."""

    key: str
    to: str
    cents: int


class One(State):
    claim: Claim
    month: str
    limit: int = 200_00
    ruling: Literal["pay", "refuse"] | None = None
    payment: Payment | None = None


@function
async def check(claim: Claim, month: str) -> None:
    if not claim.on.isoformat().startswith(month):
        raise StepError(f"{claim.what} was bought on {claim.on}, not in {month}", "claim it with its own month")


@route
def large(claim: Claim, limit: int) -> Literal["ask", "pay"]:
    return "ask" if claim.cents > limit else "pay"


@human(writes="ruling", within=timedelta(days=5))
def approve(claim: Claim) -> Question[Literal["pay", "refuse"]]:
    return Question(f"Pay {claim.cents / 100:,.2f} to {claim.by} for {claim.what}?", title="A large claim")


@function(writes="payment", effect=True, in_doubt="rerun")
async def pay(claim: Claim, step: Step) -> Payment:
    """A bank that is sent the key pays once, however often it is asked."""
    return Payment(key=step.key, to=claim.by, cents=claim.cents)


claiming = workflow(
    "claiming",
    state=One,
    edges=[
        START >> check >> large,
        large["pay"] >> pay >> END,
        large["ask"] >> approve,
        approve["pay"] >> pay,
        approve["refuse"] >> FAIL("it was refused"),
        approve.expired >> FAIL("nobody looked at it in time"),
    ],
)


class Month(State):
    month: str
    claims: list[Claim]
    paid: list[Result[Payment]] = Field(default_factory=list)
    report: str = ""


settle = each("claims", writes="paid", at_once=10, on_error="collect")(
    subflow(claiming, name="settle", reads="month", writes="payment")
)


@function(writes="report")
async def report(claims: list[Claim], paid: list[Result[Payment]], step: Step) -> str:
    total = sum(each.value.cents for each in paid if each.value is not None)
    open_ = [f"{claim.by}: {claim.what}" for claim, each in zip(claims, paid, strict=True) if not each.ok]
    said = f"paid {total / 100:,.2f}" + (f", and not for {', '.join(open_)}" if open_ else "")
    step.progress(said)
    return said


claims = workflow("claims", state=Month, edges=[START >> settle >> report >> END])
