"""Release a version: checked by a machine, approved by two people, held where nobody has time.

Try it: workflow run graphs/release.py version=2.4.0 author=ann
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from workflow_engine import END, FAIL, START, Question, State, function, human, workflow


class Ruling(BaseModel):
    choice: Literal["release", "hold"]
    percent: int = 100


class Release(State):
    version: str
    author: str
    notes: str = ""
    ruling: Ruling | None = None
    where: str = ""


@function(writes="notes")
def describe(version: str, author: str) -> str:
    return f"{version} by {author}: 3 changes, all tests green"


@human(
    writes="ruling",
    to="alice",
    candidates=("bob", "group:release"),
    approvals={"release": 2},
    within=timedelta(days=2),
    remind=(timedelta(hours=4), timedelta(days=1)),
    default="hold",
)
def approve(version: str, author: str, notes: str) -> Question[Ruling]:
    return Question(f"Release {version}?", evidence=[notes], not_by=author)


@function(writes="where")
def publish(version: str, ruling: Ruling) -> str:
    return f"{version} for {ruling.percent} of 100 users"


release = workflow(
    "release",
    state=Release,
    edges=[
        START >> describe >> approve,
        approve["release"] >> publish >> END,
        approve["hold"] >> FAIL("held back"),
    ],
)
