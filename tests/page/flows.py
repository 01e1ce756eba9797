"""Workflows for the page's tests: one that asks much of a form, with markup in its texts, and one that waits."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from workflow_engine import END, FAIL, START, Question, State, Step, at_most, function, human, route, wait, workflow

MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script><b>bold</b>"


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: Annotated[str, Field(pattern="^[0-9]{4}$", description="the last four digits")]


class Invoice(BaseModel):
    kind: Literal["invoice"] = "invoice"
    days: Annotated[int, Field(ge=1, le=90)]


class Reply(BaseModel):
    choice: Literal["buy", "leave"]
    colour: Literal["red", "orange", "yellow", "green", "blue", "violet"]
    amount: int
    price: float
    when: date
    urgent: bool = False
    note: str | None = None
    payment: Annotated[Card | Invoice, Field(discriminator="kind")]
    tags: list[str]
    sizes: dict[str, int] = {}


class Survey(State):
    """<i>A survey</i>"""

    topic: str
    reply: Reply | None = None


@human(writes="reply")
def ask(topic: str) -> Question[Reply]:
    return Question(f"{topic} {MARKUP}", title=f"Title {MARKUP}", evidence=[MARKUP, f"first line\n{MARKUP}"])


survey = workflow("survey", state=Survey, edges=[START >> ask >> END])


class Gate(State):
    opened: str = ""
    passed: bool = False


@function(writes="opened")
async def knock() -> str:
    return "knocked"


@function(writes="passed")
async def walk(opened: str) -> bool:
    while not Path("open").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return bool(opened)


gate = workflow("gate", state=Gate, edges=[START >> knock >> walk >> END])


class Fee(BaseModel):
    cents: int


class Club(State):
    member: str
    seats: int = 2
    guests: int = 0
    fee: Fee | None = None
    verdict: Literal["welcome", "away"] | None = None


@function(writes="guests")
def seat(guests: int, step: Step) -> int:
    step.log(f"guest {guests + 1} is seated")
    return guests + 1


@route
def full(guests: int, seats: int) -> Literal["full", "free"]:
    return "full" if guests >= seats else "free"


due = wait("fee", Fee, writes="fee", name="due")


@human(writes="verdict")
def greet(member: str) -> Question[Literal["welcome", "away"]]:
    return Question(f"Let {member} in?")


club = workflow(
    "club",
    state=Club,
    edges=[
        START >> seat >> full,
        full["free"] >> at_most(5, seat, then=due),
        full["full"] >> due,
        due >> greet,
        greet["welcome"] >> END,
        greet["away"] >> FAIL("away"),
    ],
)
