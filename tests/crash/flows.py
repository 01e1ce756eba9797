"""The workflows that are killed: in sequence, in a loop, in arms, over items, with people.

Bodies are pure functions of visit and reads, so a run must end alike however often its processes died. Each first
leaves a line outside of the engine; an effect leaves a second one when it is done. All three answers to "what if the
process died in the middle" are among them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

from tests.crash.outside import done, here
from workflow_engine import (
    END,
    FAIL,
    START,
    Question,
    Result,
    State,
    Step,
    StepError,
    Workflow,
    append,
    at_most,
    each,
    function,
    human,
    leaving,
    route,
    wait,
)
from workflow_engine import workflow as declared
from workflow_engine.record.ids import place_of


@dataclass(frozen=True)
class Flow:
    """A workflow with its inputs, and what people answer at each visit of a node that asks."""

    workflow: Workflow[Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


def begin(step: Step, **more: Any) -> None:
    """A body begins, for one item of many where its node does many."""
    place = place_of(step.node, step.item)
    here().note("body", run=step.run, node=place, visit=step.visit, attempt=step.attempt, key=step.key, **more)


def act(step: Step, value: Any) -> Any:
    """An effect is done, as the world outside sees it."""
    here().note("done", key=step.key, node=step.node, value=value)
    return value


def look(step: Step) -> Any:
    """A probe: what the world outside says of an effect."""
    return done(here().path.parent, step.key)


# ------------------------------------------------------------------------------------------------ in sequence


class Order(State):
    wanted: int
    taken: int | None = None
    paid: str | None = None
    sent: str | None = None
    booked: str | None = None
    told: str | None = None


@function(writes="taken")
def take(wanted: int, step: Step) -> int:
    begin(step)
    return wanted * 2


@function(writes="paid", effect=True)
async def pay(taken: int, step: Step) -> str:
    begin(step)
    return str(act(step, f"paid {taken}"))


@function(writes="sent", effect=True, in_doubt="rerun")
async def send(taken: int, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0)
    return str(act(step, f"sent {taken}"))


def booking(step: Step) -> str | None:
    return look(step)  # type: ignore[no-any-return]


@function(writes="booked", effect=True, in_doubt=booking)
def book(paid: str, sent: str, step: Step) -> str:
    begin(step)
    return str(act(step, f"{paid}, {sent}"))


@function(writes="told")
async def tell(booked: str, step: Step) -> str:
    begin(step)
    return f"{booked}!"


ORDER = declared("order", state=Order, edges=[START >> take >> pay >> send >> book >> tell >> END])

# ------------------------------------------------------------------------------------------------ looping


class Search(State):
    goal: int
    tries: Annotated[list[int], append] = []
    receipt: str | None = None
    verdict: str | None = None


@function(writes="tries")
async def attempt(goal: int, tries: list[int], step: Step) -> list[int]:
    begin(step)
    return [goal - 3 + len(tries)]


def trace(step: Step) -> str | None:
    return look(step)  # type: ignore[no-any-return]


@function(writes="receipt", effect=True, in_doubt=trace)
async def record(tries: list[int], step: Step) -> str:
    begin(step)
    return str(act(step, f"{len(tries)} tries"))


@route
def found(goal: int, tries: list[int]) -> Literal["yes", "no"]:
    return "yes" if tries[-1] == goal else "no"


@function(writes="verdict")
def conclude(tries: list[int], receipt: str, step: Step) -> str:
    begin(step)
    return f"{tries[-1]} after {receipt}"


SEARCH = declared(
    "search",
    state=Search,
    edges=[
        START >> attempt >> record >> found,
        found["yes"] >> conclude,
        found["no"] >> at_most(5, attempt, then=conclude),
        conclude >> END,
    ],
)

# ------------------------------------------------------------------------------------------------ in arms


class Build(State):
    source: str
    plan: str | None = None
    law: str | None = None
    binary: str | None = None
    smoke: str | None = None
    page: str | None = None
    release: str | None = None


@function(writes="plan")
async def outline(source: str, step: Step) -> str:
    begin(step)
    return source.upper()


@function(writes="law", effect=True)
async def clear(plan: str, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.002)
    return str(act(step, f"{plan} is cleared"))


@function(writes="binary", effect=True, in_doubt="rerun")
def compiled(plan: str, step: Step) -> str:
    begin(step)
    return str(act(step, f"{plan}.bin"))


@function(writes="smoke")
async def smoke(binary: str, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.001)
    return f"{binary} runs"


@function(writes="page")
async def document(plan: str, step: Step) -> str:
    begin(step)
    return f"{plan}.html"


@function(writes="release")
async def release(law: str, smoke: str, page: str, step: Step) -> str:
    begin(step)
    return f"{law}; {smoke}; {page}"


BUILD = declared(
    "build",
    state=Build,
    edges=[START >> outline >> (clear, compiled >> smoke, document) >> release >> END],
)

# ------------------------------------------------------------------------------------------------ with people


class Draft(State):
    topic: str
    text: str | None = None
    ruling: Literal["again", "good", "never"] | None = None
    price: int | None = None
    proof: str | None = None
    printed: str | None = None


@function(writes="text")
async def write(topic: str, ruling: str | None, step: Step) -> str:
    begin(step)
    return f"{topic} {step.visit}"


@human(writes="ruling")
def review(text: str) -> Question[Literal["again", "good", "never"]]:
    return Question(f"Print {text}?")


@function(name="prepare")
async def prepare(text: str, step: Step) -> None:
    begin(step)


@human(writes="price")
def appraise(text: str) -> Question[int]:
    return Question(f"What does {text} cost?")


@function(writes="proof")
async def proofread(text: str, step: Step) -> str:
    begin(step)
    return f"{text}, read"


@function(writes="printed", effect=True)
async def put_out(proof: str, price: int, step: Step) -> str:
    begin(step)
    return str(act(step, f"{proof}, for {price}"))


DRAFT = declared(
    "draft",
    state=Draft,
    edges=[
        START >> write >> review,
        review["again"] >> write,
        review["never"] >> FAIL("rejected"),
        review["good"] >> prepare,
        prepare >> (appraise, proofread) >> put_out >> END,
    ],
)

# ------------------------------------------------------------------------------------------------ over items


class Party(State):
    guests: list[str]
    invited: list[Result[str]] = []
    sent: list[str] = []
    seats: list[int] = []
    plan: str | None = None


@each("guests", writes="invited", at_once=2, on_error="collect")
async def invite(guest: str, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.001)
    if not guest:
        raise StepError("nobody has no name", retryable=False)
    return f"dear {guest}"


def posted(step: Step) -> str | None:
    return look(step)  # type: ignore[no-any-return]


@each("guests", writes="sent", at_once=3, effect=True)
async def post(guest: str, step: Step) -> str:
    begin(step)
    return str(act(step, f"letter to {guest}"))


@each("sent", name="stamped", writes="sent", at_once=2, effect=True, in_doubt=posted)
def stamp_letter(letter: str, step: Step) -> str:
    begin(step)
    return str(act(step, f"{letter}, stamped"))


@each("invited", writes="seats", at_once=2, effect=True, in_doubt="rerun")
async def seat(invited_one: Result[str], step: Step) -> int:
    begin(step)
    return len(str(act(step, invited_one.value or "")))


@function(writes="plan")
async def arrange(seats: list[int], sent: list[str], step: Step) -> str:
    begin(step)
    return f"{sum(seats)} seats, {len(sent)} letters"


PARTY = declared("party", state=Party, edges=[START >> invite >> (post >> stamp_letter, seat) >> arrange >> END])

# ------------------------------------------------------------------------------------------------ left early


class Deal(State):
    wanted: str
    rounds: int = 0
    offer: str | None = None
    ruling: Literal["yes", "no"] | None = None
    charged: str | None = None
    thought: str | None = None
    sealed: str | None = None


@function(writes="offer")
async def make_offer(wanted: str, rounds: int, step: Step) -> str:
    begin(step)
    return f"{wanted} {rounds}"


@human(writes="ruling")
def counsel(offer: str) -> Question[Literal["yes", "no"]]:
    return Question(f"Send {offer}?")


@function(writes="charged", effect=True)
async def charge(offer: str, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.002)
    return str(act(step, f"charged for {offer}"))


@function(writes="thought")
async def ponder(offer: str, step: Step) -> str:
    begin(step)
    return f"{offer} is fine"


@route
def patience(rounds: int) -> Literal["wait", "go"]:
    return "go" if rounds else "wait"


@function(name="ready")
async def ready(thought: str, step: Step) -> None:
    begin(step)


@function(writes="rounds")
async def redo(rounds: int, step: Step) -> int:
    begin(step)
    return rounds + 1


@function(writes="sealed")
async def seal(charged: str, thought: str, step: Step) -> str:
    begin(step)
    return f"{charged}; {thought}"


month = wait(timedelta(days=30), name="month")

# The first time its fork is left while one arm waits for a month, and perhaps while an effect is in doubt in another.
DEAL = declared(
    "deal",
    state=Deal,
    edges=[
        START >> make_offer >> (counsel, charge, ponder),
        ponder >> patience,
        patience["wait"] >> month >> ready,
        patience["go"] >> ready,
        (counsel["yes"], charge, ready) >> seal >> END,
        counsel["no"] >> leaving(redo),
        redo >> make_offer,
    ],
)

FLOWS = {
    "order": Flow(ORDER, {"wanted": 21}),
    "search": Flow(SEARCH, {"goal": 7}),
    "build": Flow(BUILD, {"source": "engine"}),
    "party": Flow(PARTY, {"guests": ["ann", "", "kim", "eve"]}),
    "deal": Flow(DEAL, {"wanted": "boat"}, {"counsel": ("no", "yes")}),
    "draft": Flow(DRAFT, {"topic": "Rain"}, {"review": ("again", "good"), "appraise": (12,)}),
}
REPEATABLE = {"send", "compiled", "stamp", "seat"}
"""Effects that say that repeating them is harmless. All others happen once."""
