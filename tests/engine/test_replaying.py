"""Replay: every state of a run shown again, and a recorded run held against code that changed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from tests.engine.conftest import KeptLedger, Open
from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    Failure,
    Question,
    State,
    Step,
    add_field,
    agent,
    append,
    at_most,
    change_field,
    function,
    human,
    rename_field,
    rename_node,
    route,
    workflow,
)
from workflow_engine.errors import InvalidWorkflow
from workflow_engine.ports.agents import AgentAnswer

calls: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


class Ruling(BaseModel):
    choice: Literal["retry", "stop"]


class Case(State):
    n: int
    tries: int = 0
    log: Annotated[list[str], append] = []
    sent: str | None = None
    draft: str | None = None
    ruling: Ruling | None = None


@function(writes=("tries", "log"))
async def attempt(tries: int) -> tuple[int, list[str]]:
    calls.append("attempt")
    return tries + 1, [f"try {tries + 1}"]


@route
def verdict(n: int, tries: int) -> Literal["done", "again"]:
    return "done" if tries >= n else "again"


@human(writes="ruling", within=timedelta(days=1))
def review(tries: int) -> Question[Ruling]:
    calls.append("review")
    return Question(f"tried {tries} times")


@function(writes="sent", effect=True)
async def send(log: list[str], step: Step) -> str:
    calls.append("send")
    return f"sent by {step.key}"


def made(attempt: Any = attempt, verdict: Any = verdict, review: Any = review, send: Any = send, **more: Any) -> Any:
    return workflow(
        "case",
        state=more.pop("state", Case),
        edges=[
            START >> attempt >> verdict,
            verdict["done"] >> send >> END,
            verdict["again"] >> at_most(2, attempt, then=review),
            review["retry"] >> attempt,
            review["stop"] >> FAIL("stopped"),
            review.expired >> FAIL("nobody answered"),
        ],
        **more,
    )


CASE = made()


async def recorded(opened: Open, n: int = 4) -> str:
    """A run that loops until its bound is spent, asks a person, loops again and sends."""
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=n)).id
        await engine.answer(run, {"choice": "retry"})
        await engine.resume(run, verb="answer")
    calls.clear()
    return str(run)


async def test_a_replay_shows_every_state_and_executes_nothing(opened: Open) -> None:
    run = await recorded(opened)
    async with opened() as engine:  # no code is here
        replay = await engine.replay(run)
        told = [(each.step, each.kind, each.node, each.run.frontier.due) for each in replay.moments]
        assert told == [
            (0, "begun", "START", ("attempt",)),
            (1, "finished", "attempt", ("attempt",)),
            (2, "finished", "attempt", ("attempt",)),
            (3, "finished", "attempt", ("review",)),
            (4, "finished", "review", ("attempt",)),
            (5, "finished", "attempt", ("send",)),
            (6, "finished", "send", ()),
        ]
        for moment in replay.moments:
            state = await engine.state_at(run, moment.step)
            assert {name: each.json() for name, each in moment.state.items()} == state
        assert [each.run.frontier.counts.get("verdict[again] > attempt", 0) for each in replay.moments][:4] == [
            0,
            1,
            2,
            2,
        ]
        assert replay.moments[5].before == replay.moments[4].state
        assert replay.same
    assert calls == []


async def test_the_same_code_comes_to_the_same(opened: Open) -> None:
    run = await recorded(opened)
    async with opened(CASE) as engine:
        before = (await engine.get(run), await engine.journal(run))
        replay = await engine.replay(run, against=CASE)
        assert replay.difference is None
        assert [(each.node, each.how) for each in replay.steps] == [
            *[("attempt", "ran")] * 3,
            ("review", "recorded"),
            ("attempt", "ran"),
            ("send", "recorded"),
        ]
        assert (await engine.get(run), await engine.journal(run)) == before
    assert calls == ["attempt", "attempt", "attempt", "review", "attempt"]  # and nothing was sent


async def test_the_first_value_that_differs_is_told_with_what_differs(opened: Open) -> None:
    run = await recorded(opened)

    @function(name="attempt", writes=("tries", "log"))
    async def changed(tries: int) -> tuple[int, list[str]]:
        return tries + 1, [f"try {tries + 1}" if tries < 2 else "another"]

    async with opened(CASE) as engine:
        replay = await engine.replay(run, against=made(changed))
        found = replay.difference
        assert found is not None
        assert (found.step, found.node, found.visit, found.kind) == (3, "attempt", 3, "value")
        assert [(each.place, each.before, each.after) for each in found.changes] == [("log[2]", "try 3", "another")]
        assert "--only-routes" in str(found.hint)
        assert (await engine.replay(run, against=made(changed), only_routes=True)).same


async def test_a_route_that_decides_otherwise_is_told(opened: Open) -> None:
    run = await recorded(opened)

    @route(name="verdict")
    def hasty(n: int, tries: int) -> Literal["done", "again"]:
        return "done" if tries >= n - 2 else "again"

    async with opened(CASE) as engine:
        found = (await engine.replay(run, against=made(verdict=hasty))).difference
        assert found is not None
        assert (found.step, found.kind, found.recorded, found.now) == (2, "route", "again", "done")
        assert found.what == "route verdict says done, and said again"


async def test_a_node_that_is_new_or_missing_is_told(opened: Open) -> None:
    run = await recorded(opened)

    @function
    async def check(tries: int) -> None: ...

    longer = workflow(
        "case",
        state=Case,
        edges=[
            START >> attempt >> check >> verdict,
            verdict["done"] >> send >> END,
            verdict["again"] >> at_most(2, attempt, then=review),
            review["retry"] >> attempt,
            review["stop"] >> FAIL("stopped"),
            review.expired >> FAIL("nobody answered"),
        ],
    )
    async with opened(CASE) as engine:
        found = (await engine.replay(run, against=longer)).difference
        assert found is not None
        assert (found.step, found.kind, found.now, found.recorded) == (1, "way", ["check"], ["attempt"])
        found = (await engine.replay(run, against=made(send=send.named("post")))).difference
        assert found is not None
        assert (found.step, found.kind, found.now, found.recorded) == (5, "way", ["post"], ["send"])


async def test_another_question_is_told_and_the_recorded_answer_is_used(opened: Open) -> None:
    run = await recorded(opened)

    @human(name="review", writes="ruling", within=timedelta(days=1))
    def curt(tries: int) -> Question[Ruling]:
        return Question(f"{tries}?")

    async with opened(CASE) as engine:
        found = (await engine.replay(run, against=made(review=curt))).difference
        assert found is not None
        assert (found.step, found.kind, found.recorded, found.now) == (4, "question", "tried 3 times", "3?")
        assert (await engine.replay(run, against=made(review=curt), only_routes=True)).same


async def test_a_function_that_fails_now_is_told_as_a_failure(opened: Open) -> None:
    run = await recorded(opened)

    @function(name="attempt", writes=("tries", "log"))
    async def broken(tries: int) -> tuple[int, list[str]]:
        raise ValueError("no")

    async with opened(CASE) as engine:
        found = (await engine.replay(run, against=made(broken))).difference
        assert found is not None
        assert (found.step, found.kind, found.now) == (1, "failure", "ValueError: no")


async def test_a_function_of_chance_is_told_so(opened: Open) -> None:
    @function(name="attempt", writes=("tries", "log"))
    async def dice(tries: int) -> tuple[int, list[str]]:
        return tries + 1, [str(random.random())]

    flow = made(dice)
    async with opened(flow) as engine:
        run = (await engine.run(flow, n=1)).id
        found = (await engine.replay(run, against=flow)).difference
        assert found is not None
        assert "another value each time" in str(found.hint)
        assert (await engine.replay(run, against=flow, only_routes=True)).same


async def test_a_recorded_failure_is_that_failure_again(opened: Open) -> None:
    class Job(State):
        n: int = 0
        done: bool = False
        why: str | None = None

    broken = [True]

    @function(writes="done")
    async def work(n: int) -> bool:
        calls.append("work")
        if broken[0]:
            raise RuntimeError("on fire")
        return True

    @function(writes="why")
    async def explain(failure: Failure) -> str:
        return failure.message

    job = workflow("job", state=Job, edges=[START >> work >> END])
    caught = workflow("job", state=Job, edges=[START >> work >> END, work.failed >> explain >> END])
    async with opened(job) as engine:
        run = (await engine.run(job)).id
        broken[0] = False
        assert (await engine.resume(run)).status == "succeeded"
        calls.clear()
        assert (await engine.replay(run, against=job)).same
        assert calls == ["work"]  # the failure was not tried again, the success was
        found = (await engine.replay(run, against=caught)).difference
        assert found is not None
        assert (found.step, found.kind) == (1, "way")
        assert "its failure is caught now" in found.what
    async with opened(caught) as engine:
        broken[0] = True
        run = (await engine.run(caught)).id
        calls.clear()
        replay = await engine.replay(run, against=caught)  # what reads the failure is given the recorded one
        assert (replay.same, calls) == (True, [])
        assert [(each.node, each.how) for each in replay.steps] == [("work", "recorded"), ("explain", "ran")]


async def test_arms_are_followed_in_the_order_in_which_they_were_recorded(opened: Open) -> None:
    class Pair(State):
        a: int = 0
        log: Annotated[list[str], append] = []

    @function(writes="log")
    async def left() -> list[str]:
        return ["left"]

    @function(writes="log")
    async def right() -> list[str]:
        return ["right"]

    @function(writes="a")
    async def join(log: list[str]) -> int:
        return len(log)

    pair = workflow("pair", state=Pair, edges=[START >> (left, right), (left, right) >> join >> END])
    turned = workflow("pair", state=Pair, edges=[START >> (right, left), (right, left) >> join >> END])
    async with opened(pair) as engine:
        run = (await engine.run(pair)).id
        assert (await engine.replay(run, against=pair)).same
        assert (await engine.replay(run, against=turned)).same


class Pool:
    pass


@asynccontextmanager
async def open_pool() -> AsyncIterator[Pool]:
    calls.append("opened")
    yield Pool()


async def test_a_function_with_a_resource_is_taken_as_recorded_unless_told_otherwise(opened: Open) -> None:
    class Query(State):
        found: int | None = None

    @function(writes="found")
    async def look(pool: Pool) -> int:
        calls.append("look")
        return 1

    query = workflow("query", state=Query, edges=[START >> look >> END], resources={Pool: open_pool})
    async with opened(query) as engine:
        run = (await engine.run(query)).id
    calls.clear()
    async with opened(query) as engine:
        assert (await engine.replay(run, against=query)).same
        assert calls == []
        assert (await engine.replay(run, against=query, live_resources=True)).same
        assert calls == ["opened", "look"]


class Scripted:
    """A model that must not be asked in a replay."""

    async def run(self, task: Any) -> AgentAnswer:
        calls.append("model")
        return AgentAnswer("a draft", answered_by=("m",))

    async def close(self) -> None: ...


async def test_an_agents_prompt_is_made_anew_and_its_answer_is_the_recorded_one(opened: Open) -> None:
    @agent(writes="draft", instructions="Write.")
    def write(n: int) -> str:
        calls.append("prompt")
        return f"about {n}"

    @agent(name="write", writes="draft", instructions="Write.")
    def broken(n: int) -> str:
        raise KeyError("topic")

    flow = workflow("w", state=Case, edges=[START >> write >> END])
    async with opened(flow, agents=Scripted()) as engine:
        run = (await engine.run(flow, n=1)).id
        assert calls == ["prompt", "model"]
        calls.clear()
        assert (await engine.replay(run, against=flow)).same
        assert calls == ["prompt"]
        found = (await engine.replay(run, against=workflow("w", state=Case, edges=[START >> broken >> END]))).difference
        assert found is not None
        assert found.kind == "failure"


async def test_a_fork_is_replayed_with_what_came_before_it(opened: Open) -> None:
    run = await recorded(opened)
    async with opened(CASE) as engine:
        fork = await engine.fork(run, at=2, n=2)
        assert fork.status == "succeeded"
        replay = await engine.replay(fork.id)
        assert [(each.step, each.kind) for each in replay.moments] == [
            (0, "begun"),
            (1, "finished"),
            (2, "finished"),
            (2, "forked"),
            (3, "finished"),
        ]
        assert replay.moments[3].state["n"].json() == 2
        assert replay.moments[2].state["n"].json() == 4
        again = await engine.fork(fork.id, at=2, n=3)
        for each in (fork, again):
            calls.clear()
            assert (await engine.replay(each.id, against=CASE)).same
            assert "send" not in calls


async def test_a_migrated_run_is_replayed_and_held_against_its_later_version(opened: Open) -> None:
    class Later(State):
        goal: int
        tries: int = 0
        log: Annotated[list[str], append] = []
        sent: str | None = None
        draft: str | None = None
        ruling: Ruling | None = None
        who: str

    @function(name="essay", writes=("tries", "log"))
    async def essay(tries: int, who: str) -> tuple[int, list[str]]:
        return tries + 1, [f"try {tries + 1}" + ("" if who == "nobody" else "!")]

    @route(name="verdict")
    def judged(goal: int, tries: int) -> Literal["done", "again"]:
        return "done" if tries >= goal else "again"

    moves = [
        rename_node("attempt", "essay"),
        rename_field("n", "goal"),
        change_field("goal", lambda held: held),
        add_field("who", "nobody"),
    ]
    later = made(essay, judged, state=Later, migrations=moves)
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=4)).id
        over = await recorded(opened)
    async with opened(later) as engine:
        await engine.resume(run)
        await engine.answer(run, {"choice": "retry"})
        view = await engine.resume(run, verb="answer")
        assert view.status == "succeeded"
        replay = await engine.replay(run)
        assert [each.kind for each in replay.moments].count("migrated") == 1
        assert replay.moments[3].state["n"].json() == 4
        assert replay.moments[-1].state["goal"].json() == 4
        assert (await engine.replay(run, against=later)).difference is None
        assert (await engine.replay(over, against=later)).difference is None  # one that never took them up
        found = (await engine.replay(run, against=made(essay, judged, state=Later))).difference
        assert found is not None
        fork = await engine.fork(run, at=1)
        assert (await engine.replay(fork.id, against=later)).difference is None


async def test_a_workflow_that_breaks_laws_is_not_replayed_against(opened: Open) -> None:
    run = await recorded(opened)
    async with opened(CASE) as engine:
        with pytest.raises(InvalidWorkflow):
            await engine.replay(run, against=workflow("case", state=Case, edges=[START >> attempt]))


async def test_a_run_of_many_steps_is_replayed_in_pieces(tmp_path: Path) -> None:
    flow = workflow(
        "case",
        state=Case,
        edges=[
            START >> attempt >> verdict,
            verdict["done"] >> END,
            verdict["again"] >> at_most(2000, attempt, then=send),
            send >> END,
        ],
    )
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, n=1200)).id
        replay = await engine.replay(run)
        assert len(replay.moments) == 1201
        assert [replay.moments[at].state["tries"].json() for at in (1, 499, 500, 501, 1200)] == [1, 499, 500, 501, 1200]
        assert len(replay.moments[700].state["log"].json()) == 700


async def test_a_run_under_way_is_replayed_as_far_as_it_came(opened: Open, ledger: KeptLedger) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=4)).id
        replay = await engine.replay(run, against=CASE)
        assert (replay.same, len(replay.steps)) == (True, 3)
