"""Each: a function done for every item of a list, several at once, finished items kept, results in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    START,
    Failure,
    Result,
    Retry,
    RunLimits,
    State,
    Step,
    StepError,
    agent,
    append,
    each,
    from_document,
    function,
    human,
    to_document,
    workflow,
)
from workflow_engine.ports.agents import AgentAnswer, AgentTask
from workflow_engine.record.events import AttemptFailed, ItemFailed, ItemFinished, RunInterrupted, StepFailed
from workflow_engine.record.usage import Usage
from workflow_engine.spec.each import Each
from workflow_engine.spec.question import Question


class Table(BaseModel):
    name: str
    rows: list[int] = Field(default_factory=list)


class Load(State):
    tables: list[Table]
    day: int = 1
    loaded: list[str] = Field(default_factory=list)
    tried: list[Result[str]] = Field(default_factory=list)
    log: Annotated[list[str], append] = Field(default_factory=list)
    counts: tuple[int, ...] = ()
    note: str = ""


def tables(count: int) -> list[Table]:
    return [Table(name=f"t{index}", rows=[index]) for index in range(count)]


class World:
    """What the items did: how often each was tried, how many at once, and which hold still or fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.keys: list[str] = []
        self.most = self.now = 0
        self.bad: set[str] = set()
        self.held: set[str] = set()
        self.stuck = asyncio.Event()
        self.go = asyncio.Event()

    async def load(self, table: Table, day: int, step: Step) -> str:
        self.calls.append(table.name)
        self.keys.append(step.key)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            if table.name in self.held:
                self.stuck.set()
                await self.go.wait()
            if table.name in self.bad:
                raise ConnectionError(f"{table.name} is locked")
            return f"{table.name} on {day}"
        finally:
            self.now -= 1


def flow(world: World, writes: str = "loaded", **settings: Any) -> Any:
    load = each("tables", name="load", writes=writes, **settings)(world.load)
    return workflow("load", state=Load, edges=[START >> load >> END])


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_results_stand_in_the_order_of_the_items(opened: Any, executor: str) -> None:
    world = World()
    made = flow(world, at_once=3)
    async with opened(made, executor=executor) as engine:
        view = await engine.run(made, tables=tables(10))
    assert view.values["loaded"] == [f"t{index} on 1" for index in range(10)]
    assert world.most == 3, "as many at once as allowed, and no more"
    assert sorted(world.keys) == sorted(f"{view.id}/load/1/{index}" for index in range(10))
    assert view.history.steps[0].words == "10 items"
    assert len(view.history.steps) == 1, "one step, however many items"


async def test_nothing_to_do_is_done_at_once(opened: Any) -> None:
    made = flow(World())
    async with opened(made) as engine:
        view = await engine.run(made, tables=[])
    assert (view.status, view.values["loaded"]) == ("succeeded", [])


async def test_each_item_has_copies_of_its_own(opened: Any) -> None:
    class Shared(State):
        names: list[str]
        seen: list[str] = Field(default_factory=list)
        found: list[int] = Field(default_factory=list)

    @each("names", writes="found", retry=Retry(2, first=timedelta(0)))
    async def find(name: str, seen: list[str], names: list[str], step: Step) -> int:
        seen.append(name)
        names.clear()
        if step.attempt == 1:
            raise ConnectionError
        return len(seen)

    made = workflow("shared", state=Shared, edges=[START >> find >> END])
    async with opened(made) as engine:
        view = await engine.run(made, names=["a", "b"])
    assert view.values["found"] == [1, 1]
    assert view.values["names"] == ["a", "b"]


async def test_an_item_is_tried_again_as_its_policy_says(opened: Any, clock: Any) -> None:
    world = World()
    world.bad = {"t1"}
    made = flow(world, retry=Retry(3, on=ConnectionError), writes="tried", on_error="collect")
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(3))
        journal = await engine.journal(view.id)
    tries = [each.event for each in journal if isinstance(each.event, AttemptFailed)]
    assert [(event.item, event.attempt) for event in tries] == [(1, 1), (1, 2)]
    assert world.calls.count("t1") == 3
    assert len({key for key in world.keys if key.endswith("/1")}) == 1, "one key for all tries of an item"


async def test_failures_are_collected_as_results(opened: Any) -> None:
    world = World()
    world.bad = {"t1", "t3"}
    made = flow(world, writes="tried", on_error="collect")
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(4))
    results: Sequence[Result[str]] = view.state.tried
    assert [each.ok for each in results] == [True, False, True, False]
    assert [each.value for each in results] == ["t0 on 1", None, "t2 on 1", None]
    failure = results[1].failure
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message) == ("error", "ConnectionError: t1 is locked")
    assert view.history.steps[0].words == "2 of 4 items, 2 failed"


async def test_failures_are_skipped(opened: Any) -> None:
    world = World()
    world.bad = {"t1", "t3"}
    made = flow(world, on_error="skip")
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(4))
    assert view.values["loaded"] == ["t0 on 1", "t2 on 1"]


async def test_a_failed_item_fails_the_step_and_a_resume_does_only_what_is_missing(opened: Any) -> None:
    world = World()
    world.bad = {"t2"}
    made = flow(world, at_once=2)
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(6))
        assert view.status == "failed"
        assert view.run.error is not None
        assert view.run.error.message == "item 2: ConnectionError: t2 is locked"
        done = set(world.calls) - {"t2"}
        assert len(done) < 5, "no item began after one failed for good"
        world.bad.clear()
        world.calls.clear()
        view = await engine.resume(view.id)
    assert view.values["loaded"] == [f"t{index} on 1" for index in range(6)]
    assert set(world.calls) == {f"t{index}" for index in range(6)} - done
    assert view.run.items == {}


async def test_a_failure_edge_catches_what_an_item_failed_of(opened: Any) -> None:
    @function(writes="note")
    async def excuse(failure: Failure) -> str:
        return failure.message

    world = World()
    world.bad = {"t0"}
    load = each("tables", name="load", writes="loaded")(world.load)
    made = workflow("caught", state=Load, edges=[START >> load >> END, load.failed >> excuse >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(2))
    assert view.values["note"] == "item 0: ConnectionError: t0 is locked"
    assert view.run.items == {}, "what was left by its failure edge is not gone on with"


async def test_a_death_in_the_middle_costs_no_finished_item(opened: Any, ledger: Any) -> None:
    world = World()
    world.held = {"t3", "t4"}
    made = flow(world, at_once=2)
    async with opened(made) as engine:
        running = asyncio.create_task(engine.run(made, tables=tables(6)))
        await world.stuck.wait()
        while len(world.calls) < 5:  # noqa: ASYNC110 (no event of ours tells of it)
            await asyncio.sleep(0)
        ledger.abandon()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert world.calls == ["t0", "t1", "t2", "t3", "t4"]
    world.held.clear()
    world.calls.clear()
    async with opened(made) as engine:
        [view] = await engine.recover()
    assert view.values["loaded"] == [f"t{index} on 1" for index in range(6)]
    assert sorted(world.calls) == ["t3", "t4", "t5"], "those in hand and those not begun"


async def test_draining_finishes_the_items_in_hand_and_begins_none(opened: Any) -> None:
    world = World()
    world.held = {"t1"}
    made = flow(world, at_once=1)
    async with opened(made) as engine:
        running = asyncio.create_task(engine.run(made, tables=tables(4)))
        await world.stuck.wait()
        engine.drain()
        world.go.set()
        view = await running
        journal = await engine.journal(view.id)
    assert world.calls == ["t0", "t1"]
    assert view.run.items["load"].done == 2
    assert isinstance(journal[-1].event, RunInterrupted)
    async with opened(made) as engine:
        view = await engine.resume(view.id)
    assert view.values["loaded"] == [f"t{index} on 1" for index in range(4)]
    assert world.calls == ["t0", "t1", "t2", "t3"]


async def test_cancelling_stops_the_items_in_hand(opened: Any) -> None:
    world = World()
    world.held = {"t1", "t2"}
    made = flow(world, at_once=4)
    async with opened(made) as engine:
        running = asyncio.create_task(engine.run(made, tables=tables(3)))
        await world.stuck.wait()
        await engine.cancel(await engine.find("@last"), by="ana")
        view = await running
    assert view.status == "cancelled"
    assert world.now == 0


async def test_a_sibling_arm_goes_on_while_a_person_is_asked(opened: Any) -> None:
    @human(writes="note")
    def ask(day: int) -> Question[str]:
        return Question("Well?")

    world = World()
    load = each("tables", name="load", writes="loaded")(world.load)
    made = workflow("both", state=Load, edges=[START >> (load, ask) >> count >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(3))
        assert view.status == "waiting"
        assert len(view.values["loaded"]) == 3
        await engine.answer(view.id, "fine")
        view = await engine.resume(view.id)
    assert view.values["counts"] == [1, 1, 1]


@each("loaded", writes="counts")
async def count(entry: str) -> int:
    return entry.count("on")


async def test_an_append_reducer_is_given_the_new_results(opened: Any) -> None:
    world = World()
    first = each("tables", name="load", writes="log")(world.load)
    made = workflow("twice", state=Load, edges=[START >> first >> first.named("again") >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(2))
    assert view.values["log"] == ["t0 on 1", "t1 on 1"] * 2


async def test_without_writes_the_items_are_only_done(opened: Any) -> None:
    seen: list[str] = []

    @each("tables")
    async def touch(table: Table) -> None:
        seen.append(table.name)

    made = workflow("touch", state=Load, edges=[START >> touch >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(3))
    assert (view.status, seen) == ("succeeded", ["t0", "t1", "t2"])


async def test_a_plain_function_is_done_in_threads(opened: Any) -> None:
    @each("tables", writes="loaded")
    def name(table: Table) -> str:
        return table.name

    made = workflow("threads", state=Load, edges=[START >> name >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(5))
    assert view.values["loaded"] == [f"t{index}" for index in range(5)]


async def test_a_result_of_another_type_is_that_items_failure(opened: Any) -> None:
    @each("tables", writes="tried", on_error="collect")
    async def odd(table: Table) -> Any:
        return table.name if table.name == "t0" else 7

    made = workflow("odd", state=Load, edges=[START >> odd >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(2))
    first, second = view.state.tried
    assert first.value == "t0"
    assert second.failure is not None
    assert "odd wrote item 1 of 'tried'" in second.failure.message


async def test_results_that_are_too_large_together_fail_the_step_and_keep_what_is_done(opened: Any) -> None:
    @each("tables", writes="tried", on_error="collect", at_once=1)
    async def large(table: Table) -> str:
        return "x" * 400

    made = workflow("large", state=Load, edges=[START >> large >> END])
    async with opened(made, limits=RunLimits(write=1_000)) as engine:
        view = await engine.run(made, tables=tables(4))
        assert view.run.error is not None
        assert view.run.error.kind == "limit"
        assert view.run.items["large"].done == 2
    async with opened(made, limits=RunLimits(write=10_000)) as engine:
        view = await engine.resume(view.id)
        journal = await engine.journal(view.id)
    assert len(view.values["tried"]) == 4
    finished = [each.event.item for each in journal if isinstance(each.event, ItemFinished)]
    assert finished == [0, 1, 2, 3], "none of them twice"


async def test_a_field_that_holds_no_list_now_is_the_steps_failure(opened: Any) -> None:
    class Loose(State):
        go: bool
        names: list[str] | None = None
        found: list[str] = Field(default_factory=list)

    @function(writes="names")
    async def look(go: bool) -> Any:
        return ["a"] if go else None

    @each("names", writes="found")
    async def find(name: str) -> str:
        return name

    made = workflow("loose", state=Loose, edges=[START >> look >> find >> END])
    async with opened(made) as engine:
        view = await engine.run(made, go=False)
        assert view.run.error is not None
        assert view.run.error.message == "field 'names' holds nothing now"
        assert (await engine.run(made, go=True)).values["found"] == ["a"]


async def test_quick_items_share_their_commits(opened: Any, ledger: Any) -> None:
    made = flow(World(), at_once=50)
    commits = 0
    keep = ledger.commit

    def counted(*given: Any) -> Any:
        nonlocal commits
        commits += 1
        return keep(*given)

    ledger.commit = counted
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(500))
    assert len(view.values["loaded"]) == 500
    assert commits < 100


async def test_a_run_stays_small_however_many_items_are_done(opened: Any) -> None:
    world = World()
    world.held = {"t400"}
    made = flow(world, at_once=4)
    async with opened(made) as engine:
        running = asyncio.create_task(engine.run(made, tables=tables(401)))
        await world.stuck.wait()
        while (await engine.get("@last")).run.items["load"].done < 400:  # noqa: ASYNC110 (no event of ours tells of it)
            await asyncio.sleep(0)
        run = (await engine.get("@last")).run
        assert len(str(run)) < 2_000
        world.go.set()
        await running


async def test_a_body_may_say_that_no_later_try_will_differ(opened: Any) -> None:
    tried: list[str] = []

    @each("tables", writes="loaded", on_error="skip", retry=Retry(5, first=timedelta(0)))
    async def refuse(table: Table) -> str:
        tried.append(table.name)
        raise StepError("no such table", retryable=False)

    made = workflow("refuse", state=Load, edges=[START >> refuse >> END])
    async with opened(made) as engine:
        view = await engine.run(made, tables=tables(2))
        journal = await engine.journal(view.id)
    assert sorted(tried) == ["t0", "t1"]
    assert [each.event.final for each in journal if isinstance(each.event, ItemFailed)] == [True, True]
    assert not [each for each in journal if isinstance(each.event, StepFailed)]


async def test_a_node_is_unit_tested_by_calling_it() -> None:
    assert await count("on and on") == 2


async def test_a_workflow_with_items_is_read_back_from_its_document() -> None:
    made = flow(World(), writes="tried", on_error="collect", effect=True)
    again = from_document(to_document(made))
    assert again.shape == made.shape
    node = again.nodes["load"]
    assert isinstance(node, Each)
    assert (node.items, node.on_error, node.effect) == ("tables", "collect", True)


async def test_an_agent_is_asked_for_each_item(opened: Any) -> None:
    class Answers:
        def __init__(self) -> None:
            self.tasks: list[AgentTask] = []

        async def run(self, task: AgentTask) -> AgentAnswer:
            self.tasks.append(task)
            return AgentAnswer(f"about {task.prompt}", Usage(1, 10, 5), ("scripted",))

        async def close(self) -> None: ...

    @each("tables", writes="loaded", at_once=2)
    @agent(writes="loaded", instructions="Describe the table.")
    def describe(table: Table, day: int) -> str:
        return f"{table.name} on {day}"

    made = workflow("describe", state=Load, edges=[START >> describe >> END])
    runner = Answers()
    async with opened(made, agents=runner) as engine:
        view = await engine.run(made, tables=tables(3))
    assert view.values["loaded"] == ["about t0 on 1", "about t1 on 1", "about t2 on 1"]
    assert {task.output for task in runner.tasks} == {str}, "one answer is one item"
    assert {task.key for task in runner.tasks} == {f"{view.id}/describe/1/{index}" for index in range(3)}
    assert (view.run.usage.requests, view.run.answered_by) == (3, ("scripted",))
    step = view.history.steps[0]
    assert step.usage is not None
    assert step.usage.requests == 3
