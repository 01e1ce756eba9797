"""Workflows to draw: the delivery pipeline, a fork with a person in one arm, and as many nodes as one likes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from workflow_engine.spec.decorators import agent, function, human, route
from workflow_engine.spec.edges import END, FAIL, START, at_most
from workflow_engine.spec.policies import Retry
from workflow_engine.spec.question import Question
from workflow_engine.spec.state import State
from workflow_engine.spec.workflow import Workflow, workflow


class Change(State):
    request: str
    analysis: str | None = None
    design: str | None = None
    patch: str | None = None
    report: str | None = None
    ruling: Literal["retry", "abandon"] | None = None
    notes: str | None = None
    release: str | None = None


@agent(writes="analysis", instructions="Find what is asked.")
def analyze(request: str) -> str:
    return request


@agent(writes="design", instructions="Choose the smallest design.")
def design(analysis: str) -> str:
    return analysis


@agent(writes="patch", instructions="Write the patch.", timeout=timedelta(minutes=10))
def implement(design: str, report: str | None) -> str:
    return design


@function(name="test", writes="report", retry=Retry(3, on=ConnectionError))
async def run_tests(patch: str) -> str:
    return patch


@route
def verdict(report: str) -> Literal["passed", "failed"]:
    return "passed" if report else "failed"


@human(writes="ruling", within=timedelta(days=2))
def review(request: str, report: str) -> Question[Literal["retry", "abandon"]]:
    return Question("Try again?")


@function(writes="release", effect=True)
def deploy(patch: str) -> str:
    return patch


SHIP: Workflow[Any] = workflow(
    "ship",
    state=Change,
    edges=[
        START >> analyze >> design >> implement >> run_tests >> verdict,
        verdict["passed"] >> deploy >> END,
        verdict["failed"] >> at_most(3, implement, then=review),
        review["retry"] >> implement,
        review["abandon"] >> FAIL("abandoned"),
        review.expired >> FAIL("nobody answered"),
        deploy.failed >> review,
    ],
)


@function
def build(request: str) -> None: ...


@human(writes="ruling")
def legal(request: str) -> Question[Literal["retry", "abandon"]]:
    return Question("May it go out?")


@function
def compile_all(request: str) -> None: ...


@function
def smoke(request: str) -> None: ...


@route
def ready(ruling: str) -> Literal["go", "stop"]:
    return "go"


@function(effect=True)
def publish(request: str) -> None: ...


@function
def tell(request: str) -> None: ...


RELEASE: Workflow[Any] = workflow(
    "release",
    state=Change,
    edges=[
        START >> build >> (legal, compile_all >> smoke) >> ready,
        ready["go"] >> publish >> END,
        ready["stop"] >> tell >> FAIL("stopped"),
    ],
)
