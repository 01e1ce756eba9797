"""Workflow files that tests write into a working directory."""

from __future__ import annotations

HEAD = """
import asyncio, os
from datetime import timedelta
from pathlib import Path
from typing import Literal
from pydantic import BaseModel
from workflow_engine import (
    END, FAIL, START, Question, Retry, State, Step, agent, at_most, function, human, route, workflow,
)
"""

GREET = (
    HEAD
    + """
class Greeting(State):
    name: str
    times: int = 1
    said: str = ""

@function(writes="said")
def greet(name: str, times: int) -> str:
    return " ".join([f"hello {name}"] * times)

greeting = workflow("greeting", state=Greeting, edges=[START >> greet >> END])
"""
)

ASK = (
    HEAD
    + """
class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""

class Draft(State):
    text: str
    ruling: Ruling | None = None
    done: str = ""

@function(writes="done")
def write(text: str, ruling: Ruling | None) -> str:
    return text + (ruling.hint if ruling else "")

@human(writes="ruling", within=timedelta(days=2))
def review(text: str) -> Question[Ruling]:
    return Question(f"{text!r} is not good. Try again?", evidence=["line 1", "line 2"])

@function
def publish(done: str) -> None: ...

draft = workflow("draft", state=Draft, edges=[
    START >> write >> review,
    review["retry"] >> publish >> END,
    review["abandon"] >> FAIL("abandoned"),
    review.expired >> FAIL("nobody answered"),
])
"""
)

# Fails until a file named `mended` is there; says on stderr what it does, so that no test needs to sleep.
FLAKY = (
    HEAD
    + """
class Job(State):
    count: int = 0
    done: bool = False

@function(writes="count")
def prepare(count: int) -> int:
    with open("log.txt", "a") as log:
        log.write("prepared\\n")
    return count + 1

@function(writes="done")
def work(count: int) -> bool:
    if not Path("mended").exists():
        raise RuntimeError("the disk is on fire")
    return True

job = workflow("job", state=Job, edges=[START >> prepare >> work >> END])
"""
)

# `first` prints "begun" and ends once a file named `go` is there.
SLOW = (
    HEAD
    + """
class Slow(State):
    a: int = 0
    b: int = 0

@function(writes="a")
async def first(a: int) -> int:
    print("begun", flush=True)
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    with open("log.txt", "a") as log:
        log.write("first\\n")
    return 1

@function(writes="b")
async def second(a: int) -> int:
    with open("log.txt", "a") as log:
        log.write("second\\n")
    return a + 1

slow = workflow("slow", state=Slow, edges=[START >> first >> second >> END])
"""
)

# Writes one field six times, then asks.
LOOP = (
    HEAD
    + """
class Count(State):
    text: str = ""
    ruling: Literal["keep"] | None = None

@function(writes="text")
def grow(text: str) -> str:
    return text + "ab"

@human(writes="ruling")
def review(text: str) -> Question[Literal["keep"]]:
    return Question("Enough?")

loop = workflow("loop", state=Count, edges=[
    START >> grow >> at_most(5, grow, then=review), review["keep"] >> END,
])
"""
)
