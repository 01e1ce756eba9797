"""An order: check it, reserve stock, take the money, ship; and make good exactly what is owed when one of them fails.

Each of the four is a workflow of its own, with its own bounds and its own questions, and a node of the order. Try:

    workflow run graphs/order.py -i @graphs/order.json
    workflow run graphs/order.py -i @graphs/order.json country=Atlantis
    workflow run graphs/order.py -i @graphs/order.json card=expired
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Failure,
    Question,
    State,
    Step,
    append,
    at_most,
    function,
    human,
    route,
    subflow,
    workflow,
)

STOCK = {"lamp": 5, "desk": 2, "chair": 8}
CARRIERS = {"Swift": {"Austria", "Germany"}, "Steady": {"Austria", "Germany", "Italy", "Norway"}, "Far": {"Iceland"}}
ASK_ABOVE = 500_00


class Line(BaseModel):
    """So many of one thing, at a price in cents each."""

    item: str
    count: Annotated[int, Field(ge=1)]
    cents: Annotated[int, Field(ge=0)]


class Reservation(BaseModel):
    """Stock that is kept for an order. Its key is that of the step that reserved it."""

    key: str
    items: dict[str, int]


class Payment(BaseModel):
    """Money that was taken."""

    key: str
    cents: int


class Parcel(BaseModel):
    """What a carrier has."""

    carrier: str
    tracking: str


# Stock ------------------------------------------------------------------------------------------------------------


class Stock(State):
    lines: list[Line]
    missing: list[str] = []
    reservation: Reservation | None = None


@function(writes="missing")
def look(lines: list[Line]) -> list[str]:
    """What there is too little of."""
    return [each.item for each in lines if STOCK.get(each.item, 0) < each.count]


@route
def there(missing: list[str]) -> Literal["all", "too little"]:
    return "too little" if missing else "all"


@function(writes="reservation", effect=True, in_doubt="rerun")
def keep(lines: list[Line], step: Step) -> Reservation:
    return Reservation(key=step.key, items={each.item: each.count for each in lines})


reserving = workflow(
    "reserving",
    state=Stock,
    edges=[START >> look >> there, there["all"] >> keep >> END, there["too little"] >> FAIL("out of stock")],
)

# Money ------------------------------------------------------------------------------------------------------------


class Money(State):
    customer: str
    card: str
    cents: int
    ruling: Literal["take", "refuse"] | None = None
    payment: Payment | None = None


@route
def large(cents: int) -> Literal["ask", "take"]:
    return "ask" if cents > ASK_ABOVE else "take"


@human(writes="ruling", within=timedelta(days=2))
def approve(customer: str, cents: int) -> Question[Literal["take", "refuse"]]:
    return Question(f"Take {cents / 100:,.2f} from {customer}?", title="A large payment")


@function(writes="payment", effect=True, in_doubt="rerun")
def take(card: str, cents: int, step: Step) -> Payment:
    if card == "expired":
        raise ValueError("the card has expired")
    return Payment(key=step.key, cents=cents)


paying = workflow(
    "paying",
    state=Money,
    edges=[
        START >> large,
        large["take"] >> take >> END,
        large["ask"] >> approve,
        approve["take"] >> take,
        approve["refuse"] >> FAIL("the payment was refused"),
        approve.expired >> FAIL("nobody allowed the payment"),
    ],
)

# The way there ----------------------------------------------------------------------------------------------------


class Way(State):
    country: str
    asked: Annotated[list[str], append] = []
    parcel: Parcel | None = None


@function(writes="asked")
def ask_carrier(asked: list[str]) -> list[str]:
    """The next carrier that was not asked yet."""
    return [next(each for each in CARRIERS if each not in asked)]


@route
def goes_there(country: str, asked: list[str]) -> Literal["yes", "no"]:
    return "yes" if country in CARRIERS[asked[-1]] else "no"


@function(writes="parcel", effect=True, in_doubt="rerun")
def hand_over(asked: list[str], step: Step) -> Parcel:
    return Parcel(carrier=asked[-1], tracking=step.key)


shipping = workflow(
    "shipping",
    state=Way,
    edges=[
        START >> ask_carrier >> goes_there,
        goes_there["yes"] >> hand_over >> END,
        goes_there["no"] >> at_most(2, ask_carrier, then=FAIL("no carrier goes there")),
    ],
)

# Making good ------------------------------------------------------------------------------------------------------


class Debts(State):
    reservation: Reservation | None = None
    payment: Payment | None = None
    undone: Annotated[list[str], append] = []


@route
def money_owed(payment: Payment | None) -> Literal["give back", "nothing"]:
    return "nothing" if payment is None else "give back"


@route
def stock_owed(reservation: Reservation | None) -> Literal["release", "nothing"]:
    return "nothing" if reservation is None else "release"


@function(writes="undone", effect=True, in_doubt="rerun")
def give_back(payment: Payment | None) -> list[str]:
    return [] if payment is None else [f"gave back {payment.cents / 100:,.2f} of {payment.key}"]


@function(writes="undone", effect=True, in_doubt="rerun")
def release(reservation: Reservation | None) -> list[str]:
    return [] if reservation is None else [f"released {', '.join(reservation.items)} of {reservation.key}"]


undoing = workflow(
    "undoing",
    state=Debts,
    edges=[
        START >> money_owed,
        money_owed["give back"] >> give_back >> stock_owed,
        money_owed["nothing"] >> stock_owed,
        stock_owed["release"] >> release >> END,
        stock_owed["nothing"] >> END,
    ],
)

# The order --------------------------------------------------------------------------------------------------------


class Order(State):
    customer: str
    lines: list[Line]
    card: str
    country: str
    cents: int = 0
    reservation: Reservation | None = None
    payment: Payment | None = None
    parcel: Parcel | None = None
    why: str = ""
    undone: list[str] = []


@function(writes="cents")
def check(lines: list[Line]) -> int:
    """What it comes to, in cents."""
    if not lines:
        raise ValueError("nothing is ordered")
    return sum(each.count * each.cents for each in lines)


reserve = subflow(reserving, name="reserve", reads="lines", writes="reservation")
pay = subflow(paying, name="pay", reads=("customer", "card", "cents"), writes="payment")
ship = subflow(shipping, name="ship", reads="country", writes="parcel")
undo = subflow(undoing, name="undo", reads=("reservation", "payment"), writes="undone")


@function(writes="why")
def note(failure: Failure) -> str:
    return f"{failure.node}: {failure.message.rpartition(': ')[2]}"


order = workflow(
    "order",
    state=Order,
    edges=[
        START >> check >> reserve >> pay >> ship >> END,
        reserve.failed >> note,
        pay.failed >> note,
        ship.failed >> note,
        note >> undo >> FAIL("called off, and made good"),
    ],
)
