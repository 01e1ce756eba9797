"""Mistakes a type checker must see. A line that ends in `# error` fails in both, `# error: mypy` in mypy alone."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from tests.typing.accepted import (
    Analysis,
    Change,
    Design,
    Patch,
    Report,
    analyze,
    announce,
    approve,
    deploy,
    design,
    implement,
    note,
    review,
    run_tests,
    verdict,
)
from workflow_engine import (
    END,
    FAIL,
    START,
    Question,
    Retry,
    Step,
    agent,
    at_most,
    function,
    human,
    leaving,
    route,
    workflow,
)

# Misspelt words
verdict["pased"] >> END  # error
approve["maybe"] >> END  # error
review["retyr"] >> END  # error: mypy
announce["done"] >> END  # error
verdict.expired >> END  # error
deploy.expired >> END  # error
deploy["failed"] >> END  # error
analyze["done"] >> END  # error

# Calls that do not fit
design("text")  # error
design()  # error
design(Analysis(requirements=[]), Step())  # error
note(Patch(files={}))  # error
verdict(report=None)  # error
implement(Design(modules=[]), None, None)  # error
lines: list[int] = note(Report(green=True))  # error
word: Literal["green"] = verdict(Report(green=True))  # error


async def called() -> str:
    return await run_tests(Patch(files={}))  # error


# Things that cannot stand in a chain
START >> 3  # error
analyze >> "design"  # error
analyze >> (design, "implement") >> END  # error
at_most(3, implement)  # error
at_most("3", implement, then=END)  # error
at_most(3, "implement", then=END)  # error
leaving("implement")  # error
leaving((analyze, design))  # error


def plain(request: str) -> str:
    return request


START >> plain  # error


# Bodies of the wrong type
@agent(writes="analysis", instructions="Answer.")  # error
def counts(request: str) -> int:
    return len(request)


@route  # error
def loose(request: str) -> int:
    return 3


@human()  # error
def asks(request: str) -> str:
    return request


class Odd(BaseModel):
    name: str


@human()
def open_end(request: str) -> Question[Odd]:
    return Question(3)  # error


# Settings of the wrong type
@function(writes=3)  # error
def writer(request: str) -> str:
    return request


@function(timeout=10)  # error
async def hasty(request: str) -> None: ...


@function(in_doubt="guess", effect=True)  # error
async def doubtful(request: str) -> None: ...


@agent(instructions="No field to write.")  # error
def mute(request: str) -> str:
    return request


@human(within=2)  # error
def hurried(request: str) -> Question[str]:
    return Question(request)


Retry("three")  # error
FAIL(3)  # error
workflow("nameless", edges=[])  # error
workflow("odd", state=dict, edges=[])  # error
workflow("odd", state=Change, edges=[analyze])  # error
workflow("odd", state=Change(request="x"), edges=[])  # error
