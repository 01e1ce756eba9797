"""Workflows for single scenes: a body that takes its process down, one that waits at a gate, one that asks at once."""

from __future__ import annotations

import asyncio
from typing import Annotated

from tests.crash.flows import Flow, act, begin
from tests.crash.outside import here, lines, those
from workflow_engine import END, START, Question, State, Step, append, function, human
from workflow_engine import workflow as declared
from workflow_engine.testing import kill

# ------------------------------------------------------------------------------------------------ five deaths


class Fall(State):
    stood: str | None = None
    fallen: str | None = None


@function(writes="stood")
async def stand(step: Step) -> str:
    begin(step)
    return "stands"


@function(writes="fallen")
async def fall(step: Step) -> str:
    begin(step)
    while not any(line["event"] == "StepFinished" for line in those(lines(here().path.parent), "heard")):  # noqa: ASYNC110 (other processes give the sign)
        await asyncio.sleep(0.001)  # the sibling's step is committed first
    if sum(line["node"] == "fall" for line in those(lines(here().path.parent), "body")) < 6:
        kill()
    return "caught"


@function
async def rest(stood: str, fallen: str, step: Step) -> None:
    begin(step)


FALL = declared("fall", state=Fall, edges=[START >> (stand, fall) >> rest >> END])

# ------------------------------------------------------------------------------------------------ a gate


class Held(State):
    passed: int = 0
    closed: int = 0


@function(writes="passed")
async def hold(step: Step) -> int:
    begin(step)
    while not (here().path.parent / "open").exists():  # noqa: ASYNC110 (other processes give the sign)
        await asyncio.sleep(0.005)
    return 1


@function(writes="closed")
async def shut(passed: int, step: Step) -> int:
    begin(step)
    return passed + 1


HELD = declared("held", state=Held, edges=[START >> hold >> shut >> END])

# ------------------------------------------------------------------------------------------------ a question


class Poll(State):
    opinion: int | None = None
    passed: int = 0
    counted: str | None = None


@human(writes="opinion")
def ask() -> Question[int]:
    return Question("How many?")


@function(writes="counted")
async def count(opinion: int, step: Step) -> str:
    begin(step)
    return f"{opinion} it is"


POLL = declared("poll", state=Poll, edges=[START >> ask >> count >> END])
BESIDE = declared("beside", state=Poll, edges=[START >> (hold, ask) >> count >> END])

# ------------------------------------------------------------------------------------------------ short and many


class Rush(State):
    ticket: str
    sorted: str | None = None
    stamped: str | None = None
    weighed: int | None = None
    marks: Annotated[list[str], append] = []
    gone: str | None = None


@function(name="sort", writes="sorted")
async def sort_out(ticket: str, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.001)
    return ticket[::-1]


@function(writes="stamped", effect=True, in_doubt="rerun")
async def stamp(sorted: str, step: Step) -> str:
    begin(step)
    return str(act(step, f"{sorted} stamped"))


@function(writes="weighed")
async def weigh(sorted: str, step: Step) -> int:
    begin(step)
    return len(sorted)


@function(writes="marks")
async def mark(weighed: int, step: Step) -> list[str]:
    begin(step)
    await asyncio.sleep(0.001)
    return [f"{weighed} g"]


@function(writes="gone")
async def ship(stamped: str, marks: list[str], step: Step) -> str:
    begin(step)
    return f"{stamped}, {marks[0]}"


RUSH = declared("rush", state=Rush, edges=[START >> sort_out >> (stamp, weigh >> mark) >> ship >> END])


def shipped(ticket: str) -> dict[str, object]:
    """The state in which a rush ends."""
    back, grams = ticket[::-1], f"{len(ticket)} g"
    stamped = f"{back} stamped"
    return {
        "ticket": ticket,
        "sorted": back,
        "stamped": stamped,
        "weighed": len(ticket),
        "marks": [grams],
        "gone": f"{stamped}, {grams}",
    }


SPECIAL = {
    "fall": Flow(FALL),
    "held": Flow(HELD),
    "poll": Flow(POLL, answers={"ask": (7,)}),
    "beside": Flow(BESIDE, answers={"ask": (7,)}),
    "rush": Flow(RUSH, {"ticket": "abc"}),
}
