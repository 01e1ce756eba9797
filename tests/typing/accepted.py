"""A whole workflow as a user writes it, without a cast or an ignore: both type checkers must find nothing in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Edge,
    Failure,
    Question,
    Retry,
    State,
    Step,
    Workflow,
    agent,
    append,
    at_most,
    ceiling,
    function,
    human,
    leaving,
    route,
    verify,
    workflow,
)


class Analysis(BaseModel):
    requirements: list[str]

    def as_text(self) -> str:
        return "\n".join(self.requirements)


class Design(BaseModel):
    modules: list[str]


class Patch(BaseModel):
    files: dict[str, str]


class Report(BaseModel):
    green: bool
    failures: list[str] = Field(default_factory=list)
    log: str = ""


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""


class Change(State):
    request: str
    analysis: Analysis | None = None
    design: Design | None = None
    patch: Patch | None = None
    report: Report | None = None
    evidence: Annotated[list[str], append] = Field(default_factory=list)
    ruling: Ruling | None = None
    approved: Literal["yes", "no"] | None = None
    version: str | None = None


class Shelf:
    """A resource."""

    def put(self, files: dict[str, str], key: str) -> str:
        return f"{len(files)} files under {key}"


@asynccontextmanager
async def open_shelf() -> AsyncIterator[Shelf]:
    yield Shelf()


def read(path: str, step: Step) -> str:
    """A tool of an agent."""
    return (step.workspace / path).read_text()


def signed(answer: Patch, step: Step) -> Patch:
    """What finishes an agent's answer."""
    return Patch(files={**answer.files, "KEY": step.key})


def on_the_shelf(patch: Patch, shelf: Shelf, step: Step) -> str | None:
    """The probe of an effect."""
    return None


@agent(writes="analysis", instructions="Turn the request into requirements.")
def analyze(request: str) -> str:
    return request


@agent(writes="design", instructions="Choose the smallest design.")
def design(analysis: Analysis) -> str:
    return analysis.as_text()


@agent(
    writes="patch",
    instructions="Write the patch.",
    tools=[read],
    timeout=timedelta(minutes=10),
    finish=signed,
    retry=Retry(2),
)
def implement(design: Design, report: Report | None, ruling: Ruling | None, step: Step) -> str:
    step.log(f"visit {step.visit}")
    hint = "" if ruling is None else ruling.hint
    return "\n".join([*design.modules, *(report.failures if report else ()), hint])


@function(name="test", writes="report", retry=Retry(3, on=ConnectionError))
async def run_tests(patch: Patch) -> Report:
    return Report(green=bool(patch.files))


@function(writes="evidence")
def note(report: Report) -> list[str]:
    return [report.log]


@function
async def announce(request: str) -> None:
    Step().log(request)


@route
def verdict(report: Report) -> Literal["passed", "failed"]:
    return "passed" if report.green else "failed"


@route(name="sign_off")
def decided(approved: str | None) -> Literal["yes", "no"]:
    return "yes" if approved == "yes" else "no"


@human(writes="ruling", within=timedelta(days=2))
def review(request: str, report: Report) -> Question[Ruling]:
    return Question(f"{request!r} still fails. Try again?", evidence=[report.log])


@human(writes="approved")
def approve(request: str) -> Question[Literal["yes", "no"]]:
    return Question(request)


@function(writes="version", effect=True, in_doubt=on_the_shelf)
async def deploy(patch: Patch, shelf: Shelf, step: Step) -> str:
    return shelf.put(patch.files, step.key)


@function
async def regret(failure: Failure) -> None:
    Step().log(failure.message)


ship = workflow(
    "ship",
    state=Change,
    resources={Shelf: open_shelf},
    edges=[
        START >> analyze >> design >> implement >> run_tests >> verdict,
        verdict["passed"] >> (note, approve >> announce) >> decided,
        decided["yes"] >> deploy >> END,
        decided["no"] >> FAIL("not approved"),
        verdict["failed"] >> at_most(3, implement, then=review),
        review["retry"] >> implement,
        review["abandon"] >> FAIL("abandoned"),
        review.expired >> FAIL("nobody answered"),
        deploy.failed >> regret >> FAIL("not deployed"),
    ],
)

early: Workflow[Change] = workflow(
    "early",
    state=Change,
    edges=[
        START >> analyze >> (approve, announce) >> deploy >> END,
        announce.failed >> leaving(regret),
        approve.failed >> leaving(FAIL("not approved")),
        Edge(approve, regret, outcome="expired", leaves=True),
        regret >> END,
    ],
)

generated: Workflow[Change] = workflow(
    "generated",
    state=Change,
    edges=[
        Edge(START, analyze),
        Edge("analyze", announce.named("tell")),
        Edge("tell", "END"),
        Edge(analyze.failed, FAIL("no analysis")),
    ],
)

# A node is called like the function it was.
prompt: str = design(Analysis(requirements=["small"]))
word: Literal["passed", "failed"] = verdict(Report(green=True))
lines: list[str] = note(Report(green=True))
question: Question[Ruling] = review("x", Report(green=False))
again: str = implement.named("again")(Design(modules=[]), None, None, Step())


async def called() -> Report:
    await announce("a change")
    return await run_tests(Patch(files={}))


findings = verify(ship)
most = ceiling(ship)
steps: int = 0 if most is None else most.steps
