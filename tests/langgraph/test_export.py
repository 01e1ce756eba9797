"""`to_langgraph`: the same end on plain LangGraph, with its own checkpointer, as on our executor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    Failure,
    InvalidWorkflow,
    Question,
    Reducer,
    Result,
    Retry,
    State,
    Step,
    Workflow,
    agent,
    append,
    at_most,
    each,
    function,
    human,
    route,
    to_langgraph,
    total,
    workflow,
)
from workflow_engine.errors import BadWrite, ModelMissing
from workflow_engine.langgraph.plain import ReachedFail
from workflow_engine.ports.agents import AgentAnswer, AgentTask
from workflow_engine.stores.memory import MemoryLedger

Answers = Mapping[str, list[Any]]


async def on_langgraph(flow: Workflow[Any], answers: Answers | None = None, **inputs: Any) -> dict[str, Any]:
    """The end state on plain LangGraph, every interrupt answered by the next answer of its node."""
    graph = to_langgraph(flow).compile(checkpointer=InMemorySaver())
    left = {node: list(values) for node, values in (answers or {}).items()}
    given: Any = inputs
    while True:
        result = await graph.ainvoke(given, {"configurable": {"thread_id": "1"}})
        asked = result.pop("__interrupt__", ())
        if not asked:
            return {name: _plain(value) for name, value in result.items()}
        given = Command(resume={each.id: left[each.value["node"]].pop(0) for each in asked})


async def on_ours(flow: Workflow[Any], answers: Answers | None = None, **inputs: Any) -> dict[str, Any]:
    left = {node: list(values) for node, values in (answers or {}).items()}
    async with Engine.connect("unused", workflows=[flow], ledger=MemoryLedger()) as engine:
        view = await engine.run(flow, inputs)
        while view.status == "waiting":
            for asked in await engine.inbox(view.id):
                await engine.answer(asked.question.id, left[asked.question.node].pop(0))
            view = await engine.resume(view.id)
        assert view.status == "succeeded"
        return dict(view.values)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


class Report(BaseModel):
    lines: list[str]
    green: bool


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""


class Change(State):
    request: str
    patch: str = ""
    report: Report | None = None
    ruling: Ruling | None = None
    log: Annotated[list[str], append] = []
    cost: Annotated[int, total] = 0
    size: int | None = None
    name: str | None = None


@function(writes=("patch", "log"))
async def implement(request: str, ruling: Ruling | None, step: Step) -> tuple[str, list[str]]:
    hint = f" with {ruling.hint}" if ruling else ""
    return f"{request} {step.visit}{hint}", [f"implement {step.visit} {step.key.rpartition('/')[0][-9:]}"]


@function(name="test", writes="report")
def run_tests(patch: str) -> Report:
    return Report(lines=[patch], green="please" in patch)


@route
def verdict(report: Report) -> Literal["passed", "failed"]:
    return "passed" if report.green else "failed"


@human(writes="ruling")
def review(request: str, report: Report) -> Question[Ruling]:
    return Question(f"{request} still fails. Try again?", evidence=report.lines)


@function(writes="log")
async def deploy(patch: str) -> list[str]:
    return [f"deployed {patch}"]


SHIP = workflow(
    "ship",
    state=Change,
    edges=[
        START >> implement >> run_tests >> verdict,
        verdict["passed"] >> deploy >> END,
        verdict["failed"] >> at_most(2, implement, then=review),
        review["retry"] >> implement,
        review["abandon"] >> FAIL("abandoned"),
    ],
)


async def test_a_loop_a_spent_bound_and_a_person_end_alike() -> None:
    answers = {"review": [{"choice": "retry"}, {"choice": "retry", "hint": "please"}]}
    ours = await on_ours(SHIP, answers, request="x")
    theirs = await on_langgraph(SHIP, answers, request="x")
    assert theirs == {"cost": 0, **ours}
    assert theirs["patch"] == "x 7 with please"


async def test_fail_raises() -> None:
    with pytest.raises(ReachedFail, match="ship reached FAIL: abandoned"):
        await on_langgraph(SHIP, {"review": [{"choice": "abandon"}]}, request="x")


async def test_an_interrupt_carries_the_question_and_a_bare_word_is_an_answer() -> None:
    graph = to_langgraph(SHIP).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    result = await graph.ainvoke({"request": "x"}, config)
    (asked,) = result["__interrupt__"]
    assert asked.value["message"] == "x still fails. Try again?"
    assert asked.value["evidence"] == ["x 3"]
    assert asked.value["choices"] == ["retry", "abandon"]
    assert asked.value["schema"]["properties"]["choice"]["enum"] == ["retry", "abandon"]
    with pytest.raises(ReachedFail):
        await graph.ainvoke(Command(resume="abandon"), config)


async def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    graph = to_langgraph(SHIP).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    await graph.ainvoke({"request": "x"}, config)
    result = await graph.ainvoke(Command(resume={"choice": "dance"}), config)
    (asked,) = result["__interrupt__"]
    assert "retry" in asked.value["problem"]
    result = await graph.ainvoke(Command(resume={"choice": "retry", "hint": "please"}), config)
    assert result["patch"] == "x 4 with please"


@function(writes=("size", "cost"))
async def measure(request: str) -> tuple[int, int]:
    return len(request), 1


@function(writes=("log", "cost"))
async def note(request: str) -> tuple[list[str], int]:
    return [f"noted {request}"], 10


@function(writes="log")
async def tell(size: int, name: str) -> list[str]:
    return [f"{name} is {size}"]


@human(writes="name")
def ask_name() -> Question[str]:
    return Question("What is it called?")


@function(writes="patch")
async def slow(request: str, step: Step) -> str:
    return f"{request} {step.visit}"


@route
def slow_enough(patch: str) -> Literal["again", "done"]:
    return "done" if patch.endswith("3") else "again"


async def test_unequal_arms_with_a_loop_and_a_person_join_once() -> None:
    last = slow.named("last")
    flow = workflow(
        "fork",
        state=Change,
        edges=[
            START >> (ask_name, measure >> note, slow >> slow_enough),
            slow_enough["again"] >> at_most(5, slow, then=last),
            slow_enough["done"] >> last,
            (ask_name, note, last) >> tell >> END,
        ],
    )
    answers = {"ask_name": ["Ann"]}
    ours = await on_ours(flow, answers, request="abc")
    assert await on_langgraph(flow, answers, request="abc") == ours
    assert ours["cost"] == 11
    assert ours["log"] == ["noted abc", "Ann is 3"]


async def test_a_word_may_join_and_the_barrier_waits_for_its_last_time() -> None:
    flow = workflow(
        "word",
        state=Change,
        edges=[
            START >> (measure, slow >> slow_enough),
            slow_enough["again"] >> at_most(1, slow, then=ask_name),
            ask_name >> slow,
            (measure, slow_enough["done"]) >> note >> END,
        ],
    )
    answers = {"ask_name": ["Ann"]}
    ours = await on_ours(flow, answers, request="abc")
    assert await on_langgraph(flow, answers, request="abc") == ours
    assert ours["log"] == ["noted abc"]


async def test_a_route_behind_a_join_leads_on_or_back_into_the_fork() -> None:
    @route
    def small(size: int) -> Literal["small", "large"]:
        return "small" if size < 5 else "large"

    @function(writes="log")
    async def begin(request: str) -> list[str]:
        return ["began"]

    flow = workflow(
        "join",
        state=Change,
        edges=[
            START >> begin >> (measure, ask_name) >> small,
            small["small"] >> note >> END,
            small["large"] >> at_most(2, begin, then=deploy),
            deploy >> END,
        ],
    )
    names = {"ask_name": ["a", "b", "c"]}
    for request in ("abc", "abcdefgh"):
        assert await on_langgraph(flow, names, request=request) == await on_ours(flow, names, request=request)


async def test_a_failure_edge_is_taken_once_the_attempts_are_spent() -> None:
    tries: list[int] = []

    @function(writes="patch", retry=Retry(3, first=timedelta(0), jitter=False, on=ConnectionError))
    async def call(request: str, step: Step) -> str:
        tries.append(step.attempt)
        raise ConnectionError("no line")

    @function(writes="log")
    async def rescue(failure: Failure) -> list[str]:
        return [f"{failure.node}: {failure.message}"]

    flow = workflow("rescue", state=Change, edges=[START >> call >> END, call.failed >> rescue >> END])
    ours = await on_ours(flow, request="x")
    assert tries == [1, 2, 3]
    theirs = await on_langgraph(flow, request="x")
    assert tries == [1, 2, 3] * 2
    assert theirs["log"] == ours["log"] == ["call: ConnectionError: no line"]


async def test_a_failure_beside_a_question_is_taken_its_edge_once_that_was_answered() -> None:
    class Beside(State):
        said: str = ""
        told: str = ""
        done: int = 0

    @function
    async def call() -> None:
        raise ConnectionError("gone")

    @human(writes="said")
    def ask() -> Question[str]:
        return Question("who is it?")

    @function(writes="told")
    async def rescue(failure: Failure) -> str:
        return "rescued" if "gone" in failure.message else failure.message

    @function
    async def settle() -> None: ...

    @function(writes="done")
    async def last() -> int:
        return 1

    edges = [START >> (call >> settle, ask) >> last >> END, call.failed >> rescue >> settle]
    flow = workflow("beside", state=Beside, edges=edges)
    result = await on_langgraph(flow, {"ask": ["ann"]})
    assert (result["said"], result["told"], result["done"]) == ("ann", "rescued", 1)


async def test_a_failed_visit_counts_as_a_visit() -> None:
    @function(writes="patch")
    async def call(request: str, step: Step) -> str:
        if step.visit < 3:
            raise ConnectionError("no line")
        return f"visit {step.visit}"

    flow = workflow(
        "visits",
        state=Change,
        edges=[START >> call >> END, call.failed >> at_most(5, note, then=deploy), note >> call, deploy >> END],
    )
    ours = await on_ours(flow, request="x")
    assert await on_langgraph(flow, request="x") == ours
    assert ours["patch"] == "visit 3"


async def test_a_join_restarts_the_counts_of_the_node_behind_it() -> None:
    @route
    def inner(request: str) -> Literal["again"]:
        return "again"

    outer = inner.named("outer")

    @function(writes=("log", "cost"))
    async def behind(step: Step) -> tuple[list[str], int]:
        return [f"behind {step.visit}"], 1

    start, one, other, after, end = (note.named(each) for each in ("start", "one", "other", "after", "end"))
    flow = workflow(
        "counts",
        state=Change,
        edges=[
            START >> start >> (one, other) >> behind >> inner,
            inner["again"] >> at_most(2, behind, then=after),
            after >> outer,
            outer["again"] >> at_most(1, start, then=end),
            end >> END,
        ],
    )
    ours = await on_ours(flow, request="x")
    theirs = await on_langgraph(flow, request="x")
    assert sorted(theirs["log"]) == sorted(ours["log"])
    assert "behind 6" in ours["log"]
    assert "behind 7" not in ours["log"]


async def test_a_route_decides_on_what_its_step_has_just_added() -> None:
    @route
    def enough(cost: int, log: list[str]) -> Literal["more", "enough"]:
        return "more" if cost < 25 or len(log) < 3 else "enough"

    flow = workflow(
        "sums",
        state=Change,
        edges=[
            START >> note >> enough,
            enough["enough"] >> END,
            enough["more"] >> at_most(9, note, then=deploy),
            deploy >> END,
        ],
    )
    assert await on_langgraph(flow, request="x") == await on_ours(flow, request="x")
    assert (await on_ours(flow, request="x"))["cost"] == 30


async def test_a_failure_that_nothing_catches_raises_and_is_retried_only_as_the_policy_says() -> None:
    tries: list[int] = []

    @function(writes="patch", retry=Retry(2, first=timedelta(0), jitter=False, on=ConnectionError))
    async def call(request: str, step: Step) -> str:
        tries.append(step.attempt)
        raise ValueError("wrong")

    flow = workflow("broken", state=Change, edges=[START >> call >> END])
    with pytest.raises(ValueError, match="wrong"):
        await on_langgraph(flow, request="x")
    assert tries == [1]


async def test_a_value_the_field_cannot_hold_is_refused() -> None:
    @function(writes="size")
    async def lie(request: str) -> Any:
        return "three"

    flow = workflow("lie", state=Change, edges=[START >> lie >> END])
    with pytest.raises(BadWrite, match="lie wrote 'size'"):
        await on_langgraph(flow, request="x")


class Bids(State):
    start: int
    best: Annotated[int, Reducer("best", max)] = 7
    bids: Annotated[list[int], append] = [1]
    word: str | None = None


async def test_reducers_begin_at_their_fields_default() -> None:
    @function(writes=("best", "bids"))
    async def low(start: int) -> tuple[int, list[int]]:
        return 3, [3]

    flow = workflow(
        "bids", state=Bids, edges=[START >> (low.named("one"), low.named("other")) >> low.named("last") >> END]
    )
    assert (
        await on_langgraph(flow, start=4)
        == await on_ours(flow, start=4)
        == {"start": 4, "best": 7, "bids": [1, 3, 3, 3]}
    )


async def test_a_body_cannot_change_what_others_read() -> None:
    @function(writes="word")
    async def spoil(bids: list[int]) -> str:
        bids.append(99)
        return "done"

    flow = workflow("spoil", state=Bids, edges=[START >> spoil >> END])
    assert (await on_langgraph(flow, start=1))["bids"] == [1]


class Scripted:
    """An agent runner that answers by rote."""

    async def run(self, task: AgentTask) -> AgentAnswer:
        return AgentAnswer(f"{task.instructions} {task.prompt}")

    async def close(self) -> None: ...


async def test_agents_need_a_runner() -> None:
    @agent(writes="word", instructions="Say it louder:")
    def shout(start: int) -> str:
        return f"{start}!"

    flow = workflow("agents", state=Bids, edges=[START >> shout >> END])
    with pytest.raises(ModelMissing, match="no runner"):
        to_langgraph(flow)
    graph = to_langgraph(flow, agents=Scripted()).compile()
    assert (await graph.ainvoke({"start": 3}))["word"] == "Say it louder: 3!"


async def test_a_step_can_tell_of_itself_and_has_a_workspace_of_its_own() -> None:
    places: list[Any] = []

    @function(writes="word")
    async def work(step: Step) -> str:
        step.progress("halfway")
        (step.workspace / "file").write_text("x")
        places.append(step.workspace)
        return step.run

    flow = workflow("work", state=Bids, edges=[START >> work >> END])
    graph = to_langgraph(flow).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "thread-7"}}
    said = [each async for each in graph.astream({"start": 1}, config, stream_mode="custom")]
    assert said == [{"node": "work", "progress": "halfway"}]
    assert not places[0].exists()
    assert (await graph.aget_state(config)).values["word"] == "thread-7"


def test_a_workflow_with_findings_is_not_exported() -> None:
    lost = workflow("lost", state=Change, edges=[START >> implement >> run_tests])
    with pytest.raises(InvalidWorkflow):
        to_langgraph(lost)


def test_the_exported_graph_can_be_drawn_with_its_words() -> None:
    drawn = to_langgraph(SHIP).compile().get_graph()
    edges = {(each.source, each.target, each.data) for each in drawn.edges}
    assert ("test", "implement", "failed") in edges
    assert ("test", "deploy", "passed") in edges
    assert ("review", "FAIL abandoned", "abandon") in edges
    assert {"implement", "test", "review", "deploy"} <= set(drawn.nodes)


class Lists(State):
    names: list[str]
    tried: list[Result[int]] = Field(default_factory=list)
    kept: list[int] = Field(default_factory=list)


async def length(name: str) -> int:
    if not name:
        raise ValueError("no name")
    return len(name)


async def test_items_come_to_the_same_results() -> None:
    collected = each("names", name="collected", writes="tried", on_error="collect")(length)
    skipped = each("names", name="skipped", writes="kept", on_error="skip", at_once=1)(length)
    flow = workflow("lists", state=Lists, edges=[START >> (collected, skipped) >> collected.named("again") >> END])
    there, here = await on_langgraph(flow, names=["a", "", "ccc"]), await on_ours(flow, names=["a", "", "ccc"])
    there["tried"] = [each.model_dump(mode="json") for each in there["tried"]]
    assert there == here
    assert there["kept"] == [1, 3]
