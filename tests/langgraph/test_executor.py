"""The LangGraph executor: what the two executors' common tests do not see."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Annotated, Any, Literal, TypedDict

import langsmith.utils
import pytest
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers import langchain as tracers
from langgraph._internal import _config
from langgraph.graph import StateGraph

from tests.runtime.held import HeldLedger
from workflow_engine import (
    END,
    START,
    Engine,
    Question,
    State,
    Step,
    Workflow,
    append,
    at_most,
    function,
    human,
    route,
    workflow,
)
from workflow_engine.errors import StoreError, WorkflowError
from workflow_engine.langgraph.scheme import scheme_of
from workflow_engine.langgraph.session import Session
from workflow_engine.ports.ledger import Batch, Fence
from workflow_engine.record.events import EffectStarted, QuestionAnswered, QuestionAsked
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Letter
from workflow_engine.spec.regions import regions_of
from workflow_engine.stores.memory import MemoryLedger


class Said(State):
    n: int = 0
    told: Annotated[list[str], append] = []


def named(name: str) -> Any:
    @function(name=name, writes="told")
    async def body() -> list[str]:
        return [name]

    return body


a, b, c, d, e, f, g = (named(each) for each in "abcdefg")
NESTED = workflow("nested", state=Said, edges=[START >> a >> (b >> (c, d) >> e, f) >> g >> END])


def opened(*workflows: Workflow[Any], **settings: Any) -> AbstractAsyncContextManager[Engine]:
    return Engine.connect(
        "unused", workflows=workflows, **{"ledger": MemoryLedger(), "executor": "langgraph", **settings}
    )


async def told(flow: Workflow[Any]) -> list[str]:
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert view.status == "succeeded"
    return list(view.values["told"])


def test_each_arm_of_a_fork_is_a_region_of_its_own() -> None:
    regions = regions_of(NESTED)
    whole, outer, other = (), (("a > b + f", 0),), (("a > b + f", 1),)
    assert {place: tuple(region.steps) for place, region in regions.all.items()} == {
        whole: ("a", "g"),
        outer: ("b", "e"),
        other: ("f",),
        (*outer, ("b > c + d", 0)): ("c",),
        (*outer, ("b > c + d", 1)): ("d",),
    }


async def test_arms_within_arms_run_and_join() -> None:
    lines = await told(NESTED)
    assert sorted(lines) == list("abcdefg")
    assert lines[0] == "a"
    assert lines[-1] == "g"
    assert lines.index("e") > max(lines.index("c"), lines.index("d"))


async def test_a_word_with_characters_that_langgraph_reserves_may_lead_into_a_fork() -> None:
    @route
    def way(n: int) -> Literal["a:b|c"]:
        return "a:b|c"

    flow = workflow("odd", state=Said, edges=[START >> way, way["a:b|c"] >> (a, b) >> c >> END])
    assert sorted(await told(flow)) == ["a", "b", "c"]


async def test_a_run_may_take_more_steps_than_langgraph_would_allow_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "DEFAULT_RECURSION_LIMIT", 25)

    @route
    def more(told: list[str]) -> Literal["again", "done"]:
        return "again"

    flow = workflow(
        "long",
        state=Said,
        edges=[START >> a >> more, more["done"] >> END, more["again"] >> at_most(40, a, then=b), b >> END],
    )
    assert len(await told(flow)) == 42


async def test_a_fork_entered_anew_with_no_step_between_is_left_by_all_its_arms_first() -> None:
    """The last arm leads through the join and two routes straight into the fork again, and must not go on alone."""

    class Answers(State):
        said: int = 0

    doors = {1: asyncio.Event(), 2: asyncio.Event()}
    begun = {1: asyncio.Event(), 2: asyncio.Event()}

    @human(writes="said")
    def ask() -> Question[int]:
        return Question("?")

    @function
    async def slow(step: Step) -> None:
        begun[step.visit].set()
        await doors[step.visit].wait()

    @function
    async def begin() -> None: ...

    @route
    def enough(said: int) -> Literal["yes", "no"]:
        return "yes" if said > 1 else "no"

    @route
    def way(said: int) -> Literal["arms"]:
        return "arms"

    flow = workflow(
        "anew",
        state=Answers,
        edges=[
            START >> begin >> way,
            way["arms"] >> (ask, slow) >> enough,
            enough["yes"] >> END,
            enough["no"] >> at_most(5, way, then=begin),
        ],
    )
    asked: asyncio.Queue[Any] = asyncio.Queue()
    arrived: asyncio.Queue[Any] = asyncio.Queue()

    class Ear:
        def hear(self, run: RunId, event: Any) -> None:
            if isinstance(event, QuestionAsked):
                asked.put_nowait(event.question)
            elif isinstance(event, QuestionAnswered):
                arrived.put_nowait(event)

    async with opened(flow, listeners=[Ear()]) as engine, asyncio.timeout(5):
        run = asyncio.create_task(engine.run(flow))
        for number in (1, 2):
            await begun[number].wait()
            question = await asked.get()
            assert question.visit == number
            await engine.answer(question.id, number)
            await arrived.get()
            for _ in range(20):
                await asyncio.sleep(0)
            doors[number].set()
        assert (await run).status == "succeeded"


async def test_a_node_that_rests_waits_and_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    take = Session.take

    async def counted(session: Session, name: str) -> None:
        taken.append(name)
        await take(session, name)

    monkeypatch.setattr(Session, "take", counted)
    door = asyncio.Event()
    ledger = HeldLedger()

    class Answers(State):
        said: int = 0

    @human(writes="said")
    def ask() -> Question[int]:
        return Question("?")

    @function
    async def slow() -> None:
        await door.wait()

    @function
    async def after() -> None: ...

    last = after.named("last")
    flow = workflow("resting", state=Answers, edges=[START >> (ask >> after, slow) >> last >> END])
    async with opened(flow, ledger=ledger) as engine, asyncio.timeout(5):
        run = asyncio.create_task(engine.run(flow))
        while not (asked := await engine.inbox()):  # noqa: ASYNC110 (a few turns of the loop)
            await asyncio.sleep(0)
        await turns()
        assert sorted(taken) == ["ask", "slow"]
        ledger.stop()
        await engine.answer(asked[0].question.id, 3)
        await ledger.held_back()
        await turns()
        assert sorted(taken) == ["ask", "slow"]
        ledger.go_on()
        await turns()
        door.set()
        assert (await run).status == "succeeded"
    assert taken[2:] == ["after", "last"]


async def turns() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


class NoEffects(MemoryLedger):
    """Its disk fails whenever an effect is to begin; its letters are slow to come once `slow` is said."""

    refused = 0

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()
        self.came.set()

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        if not any(isinstance(event, EffectStarted) for event in batch.events):
            return super().commit(fence, batch)
        self.refused += 1
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(StoreError("the disk is gone"))
        return failed

    async def letters(self, run: RunId) -> Sequence[Letter]:
        await self.came.wait()
        return await super().letters(run)


async def test_a_node_whose_step_ended_the_drive_begins_no_other() -> None:
    """While the driver, who will take the graph down, is still busy with a letter."""
    begun, door = asyncio.Event(), asyncio.Event()
    ledger = NoEffects()

    @function
    async def first() -> None:
        begun.set()
        await door.wait()

    @function(effect=True)
    async def charge() -> None: ...

    flow = workflow("gone", state=Said, edges=[START >> first >> charge >> END])
    async with opened(flow, ledger=ledger) as engine, asyncio.timeout(5):
        run = asyncio.create_task(engine.run(flow))
        await begun.wait()
        ledger.came.clear()
        engine._shop.wake(await engine.find("@last"))
        await turns()
        door.set()
        await turns()
        assert ledger.refused == 1
        ledger.came.set()
        with pytest.raises(StoreError, match="the disk is gone"):
            await run
    assert ledger.refused == 1


CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


async def test_a_body_sees_its_callers_context_and_nothing_of_langgraph() -> None:
    class Inner(TypedDict):
        x: int

    inner = StateGraph(Inner)

    def twice(state: Inner) -> Inner:
        return {"x": state["x"] * 2}

    inner.add_node("twice", twice)
    inner.add_edge("__start__", "twice")
    graph = inner.compile()
    seen: list[Any] = []

    @function(writes="told")
    async def inside() -> list[str]:
        seen.extend([CALLER.get(), var_child_runnable_config.get()])
        CALLER.set("somebody else")
        return [str((await graph.ainvoke({"x": 21}))["x"])]

    flow = workflow("inside", state=Said, edges=[START >> (inside, inside.named("again")) >> a >> END])
    CALLER.set("me")
    assert await told(flow) == ["42", "42", "a"]
    assert seen == ["me", None, "me", None]


async def test_nothing_is_traced_even_where_the_environment_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Tracer(tracers.LangChainTracer):
        def __init__(self, **settings: Any) -> None:
            made.append(settings)
            raise AssertionError("a tracer was made")

    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setattr(tracers, "LangChainTracer", Tracer)
    forget: Any = langsmith.utils.get_env_var
    forget.cache_clear()
    try:
        assert langsmith.utils.tracing_is_enabled()
        assert sorted(await told(NESTED)) == list("abcdefg")
        assert made == []
    finally:
        forget.cache_clear()


async def test_a_workflow_is_compiled_once_and_let_go_of() -> None:
    flow = workflow("short", state=Said, edges=[START >> a >> END])
    await told(flow)
    assert scheme_of(flow) is scheme_of(flow)
    gone = weakref.ref(flow)
    scheme = weakref.ref(scheme_of(flow))
    del flow
    await asyncio.sleep(0)  # what the engine left to the loop lets go of it
    gc.collect()
    assert gone() is None
    assert scheme() is None


async def test_a_graph_that_leads_nowhere_is_an_error_and_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = workflow("lost", state=Said, edges=[START >> a >> END])
    scheme = scheme_of(flow)

    def nothing(state: Said) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(scheme, "graph", StateGraph(Said).add_node("x", nothing).set_entry_point("x").compile())
    with pytest.raises((RuntimeError, WorkflowError), match="does not lead to"):
        await told(flow)
