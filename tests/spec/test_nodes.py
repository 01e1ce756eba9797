"""Nodes: plain functions with a kind, read late, called as they are."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from workflow_engine import Question, Retry, Step, agent, function, human, route
from workflow_engine.errors import AgentFailed, DeclarationError
from workflow_engine.spec.policies import GiveUp, Wait


class Ruling(BaseModel):
    choice: Literal["yes", "no"]


@function(writes=("a", "b"))
def both(x: int, step: Step, flag: bool = True) -> tuple[int, int]:
    return x, x


@route
def verdict(x: int) -> Literal["up", "down"]:
    return "up"


@human(writes="a", within=timedelta(hours=1))
def ask(later: Later) -> Question[Ruling]:
    return Question("?")


class Later(BaseModel):
    pass


def test_a_node_is_unit_tested_by_calling_it() -> None:
    assert both(3, Step()) == (3, 3)
    assert verdict(1) == "up"
    assert ask(Later()).message == "?"


def test_parameters_are_reads_and_may_name_classes_defined_further_down() -> None:
    assert [(each.name, each.type, each.has_default) for each in both.signature.parameters] == [
        ("x", int, False),
        ("step", Step, False),
        ("flag", bool, True),
    ]
    assert ask.signature.parameters[0].type is Later


def test_outcomes_are_the_words_of_the_annotation() -> None:
    assert verdict.outcomes == ("up", "down")
    assert ask.outcomes == ("yes", "no")
    assert both.outcomes == ()


def test_an_annotation_that_cannot_be_read_is_a_problem_and_no_exception() -> None:
    @function
    def odd(x: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821

    assert "Nowhere" in str(odd.signature.problem)


def test_a_second_place_is_the_same_node_under_another_name() -> None:
    again = both.named("again", writes=("c", "d"))
    assert (again.name, again.writes, again.body) == ("again", ("c", "d"), both.body)
    assert both.name == "both"


def test_the_hash_of_a_node_follows_its_source_and_an_agents_settings() -> None:
    def body(x: int) -> str:
        return str(x)

    def other(x: int) -> str:
        return str(x + 1)

    def made(instructions: str, of: Any = body) -> str:
        return agent(name="a", writes="a", instructions=instructions)(of).code

    assert made("Be brief.") == made("Be brief.")
    assert made("Be brief.") != made("Be long.")
    assert made("Be brief.") != made("Be brief.", other)


def test_decorating_what_is_no_function_says_so() -> None:
    with pytest.raises(DeclarationError, match="is a node already"):
        function(both)
    with pytest.raises(DeclarationError, match="decorate a function"):
        function(3)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("attempt", "chance", "wait"),
    [(1, 0.5, 0.5), (2, 0.5, 1.0), (3, 0.5, 2.0), (4, 0.999, 3.996), (60, 0.5, 2.0)],
)
def test_the_wait_grows_by_the_factor_up_to_the_most(attempt: int, chance: float, wait: float) -> None:
    policy = Retry(100, first=timedelta(seconds=1), most=timedelta(seconds=4))
    decision = policy.after(attempt, ValueError(), chance)
    assert isinstance(decision, Wait)
    assert decision.time.total_seconds() == pytest.approx(wait)


def test_what_is_not_retryable_or_spent_is_given_up() -> None:
    assert isinstance(Retry(3).after(3, ValueError(), 0.5), GiveUp)
    assert isinstance(Retry(3, on=KeyError).after(1, ValueError(), 0.5), GiveUp)
    assert isinstance(Retry(3).after(1, AgentFailed("no", retryable=False), 0.5), GiveUp)


def test_a_retry_after_is_honoured() -> None:
    error = AgentFailed("slow down", kind="rate_limit")
    error.retry_after = 42
    assert Retry(3).after(1, error, 0.0) == Wait(timedelta(seconds=42))


def test_code_without_source_has_one_hash_in_every_process() -> None:
    program = (
        "from workflow_engine import function\n"
        "def body(n: int) -> bool:\n"
        "    def inner() -> bool: return str(n) in {'one', 'two', 'three', 'four'}\n"
        "    return inner()\n"
        "import sys; sys.stdout.write(function(name='a', writes='b')(body).code)\n"
    )

    def told(seed: int, text: str = program) -> str:
        env = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=True).stdout

    assert len({told(seed) for seed in range(3)}) == 1
    assert told(0) != told(0, program.replace("four", "five")), "an inner function is code as well"


def test_an_edited_probe_is_an_edited_node() -> None:
    async def body() -> str:
        return "paid"

    async def look() -> str | None:
        return None

    async def look_again() -> str | None:
        return "found"

    codes = {function(name="pay", writes="a", effect=True, in_doubt=each)(body).code for each in (look, look_again)}
    assert len(codes) == 2


@pytest.mark.parametrize("asked", ["Wed, 21 Oct 2026 07:28:00 GMT", float("nan"), 1e300, object(), -5, None])
def test_a_wait_nobody_can_keep_is_not_kept(asked: Any) -> None:
    error = ConnectionError("busy")
    error.retry_after = asked  # type: ignore[attr-defined]
    assert Retry(3, jitter=False).after(1, error, 0.5) == Wait(timedelta(seconds=0.5))


@pytest.mark.parametrize("asked", ["90", 90, 90.0, timedelta(seconds=90)])
def test_a_wait_that_is_asked_for_is_kept(asked: Any) -> None:
    error = ConnectionError("busy")
    error.retry_after = asked  # type: ignore[attr-defined]
    assert Retry(3).after(1, error, 0.5) == Wait(timedelta(seconds=90))
