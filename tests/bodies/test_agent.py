"""Agent nodes through the port: what the runner is asked, what tools may do, how an answer becomes a write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from workflow_engine import END, START, Engine, Retry, State, Step, agent, workflow
from workflow_engine.errors import AgentFailed, ModelMissing
from workflow_engine.ports.agents import AgentAnswer, AgentTask, ToolUse, Usage
from workflow_engine.stores.memory import MemoryLedger


class Plan(BaseModel):
    steps: list[str]


class Work(State):
    goal: str
    plan: Plan | None = None
    files: dict[str, str] = {}


class Scripted:
    """A runner that answers as a test says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[AgentTask], Awaitable[AgentAnswer]]) -> None:
        self.answer, self.tasks, self.closed = answer, list[AgentTask](), False

    async def run(self, task: AgentTask) -> AgentAnswer:
        self.tasks.append(task)
        return await self.answer(task)

    async def close(self) -> None:
        self.closed = True


class Disk:
    def __init__(self) -> None:
        self.written: dict[str, str] = {}


@asynccontextmanager
async def open_disk():  # type: ignore[no-untyped-def]
    yield Disk()


def write_file(path: str, text: str, step: Step, disk: Disk, mode: int = 0o644) -> str:
    """Write a file."""
    if ".." in path:
        raise ValueError(f"{path} leads outside")
    (step.workspace / path).write_text(text)
    disk.written[path] = text
    return f"wrote {path}"


@agent(writes="plan", instructions="Plan it.")
def planner(goal: str) -> str:
    return f"Plan: {goal}"


class Summary(BaseModel):
    text: str


def collect(answer: Summary, step: Step) -> dict[str, str]:
    return {"summary": answer.text, **{each.name: each.read_text() for each in sorted(step.workspace.iterdir())}}


@agent(writes="files", instructions="Build it.", tools=[write_file], finish=collect)
def builder(plan: Plan) -> str:
    return "\n".join(plan.steps)


FLOW = workflow("flow", state=Work, edges=[START >> planner >> builder >> END], resources={Disk: open_disk})


async def run(answer: Callable[[AgentTask], Awaitable[AgentAnswer]], flow: Any = FLOW) -> tuple[Any, Scripted]:
    runner = Scripted(answer)
    async with Engine.connect("unused", ledger=MemoryLedger(), agents=runner) as engine:
        view = await engine.run(flow, goal="a wall")
    assert runner.closed
    return view, runner


async def test_the_written_field_is_the_schema_and_finish_turns_the_answer_into_the_write() -> None:
    async def answer(task: AgentTask) -> AgentAnswer:
        if task.node == "planner":
            return AgentAnswer(Plan(steps=["dig", "build"]), Usage(1, 10, 5), ("model-a",))
        said = await task.tools[0].call(ToolUse({"path": "wall.txt", "text": "bricks"}))
        assert said == "wrote wall.txt"
        return AgentAnswer(Summary(text="built"), Usage(2, 20, 10), ("model-b", "model-a"))

    view, runner = await run(answer)
    assert view.status == "succeeded"
    assert view.values["files"] == {"summary": "built", "wall.txt": "bricks"}
    plan, build = runner.tasks
    assert (plan.output, plan.prompt, plan.instructions) == (Plan, "Plan: a wall", "Plan it.")
    assert (build.output, build.prompt) == (Summary, "dig\nbuild")
    assert build.key.endswith("/builder/1")
    document = view.document()
    assert document["usage"] == {"requests": 3, "input_tokens": 30, "output_tokens": 15, "cost": None}
    assert document["answered_by"] == ["model-a", "model-b"]


async def test_a_tool_shows_the_model_its_own_parameters_only() -> None:
    async def answer(task: AgentTask) -> AgentAnswer:
        if task.node == "planner":
            return AgentAnswer(Plan(steps=["x"]))
        [tool] = task.tools
        assert (tool.name, tool.description) == ("write_file", "Write a file.")
        assert set(tool.schema["properties"]) == {"path", "text", "mode"}
        assert tool.schema["required"] == ["path", "text"]
        assert await tool.call(ToolUse({"path": "../x", "text": ""})) == "error: ../x leads outside"
        assert (await tool.call(ToolUse({"path": 3}))).startswith("error: write_file cannot be called like this: path:")
        assert "text: Field required" in await tool.call(ToolUse({"path": "x"}))
        assert "step: Extra inputs" in await tool.call(ToolUse({"path": "x", "text": "", "step": "mine"}))
        return AgentAnswer(Summary(text=""))

    assert (await run(answer))[0].status == "succeeded"


async def test_an_agent_that_may_differ_later_is_tried_again_and_one_that_may_not_is_not() -> None:
    tries: list[int] = []

    async def answer(task: AgentTask) -> AgentAnswer:
        tries.append(1)
        raise AgentFailed("no such model", kind="model", retryable=len(tries) < 2)

    quick = agent(writes="plan", instructions="", retry=Retry(5, jitter=False, most=Retry().first * 0))(planner.body)
    flow = workflow("flow", state=Work, edges=[START >> quick >> END])
    view, _ = await run(answer, flow)
    assert view.status == "failed"
    assert (view.run.error.kind, view.run.error.message, len(tries)) == ("model", "no such model", 2)


async def test_a_failed_attempt_is_paid_for_too() -> None:
    async def answer(task: AgentTask) -> AgentAnswer:
        if task.node == "planner" and len(runner_tasks) == 0:
            runner_tasks.append(task)
            failed = AgentFailed("cut off", kind="infrastructure")
            failed.so_far = AgentAnswer(None, Usage(2, 30, 3), ("model-x",))
            raise failed
        return AgentAnswer(Plan(steps=["x"]), Usage(1, 10, 5), ("model-a",))

    runner_tasks: list[AgentTask] = []
    quick = agent(writes="plan", instructions="", retry=Retry(2, jitter=False, most=Retry().first * 0))(planner.body)
    view, _ = await run(answer, workflow("flow", state=Work, edges=[START >> quick >> END]))
    assert view.usage == Usage(3, 40, 8)
    assert view.run.answered_by == ("model-x", "model-a")


async def test_no_model_means_no_run() -> None:
    async with Engine.connect("unused", ledger=MemoryLedger()) as engine:
        with pytest.raises(ModelMissing, match="no model was chosen") as caught:
            await engine.run(FLOW, goal="x")
        assert "OPENAI_API_KEY" in str(caught.value)
        assert "--model offline" in str(caught.value)
        assert await engine.runs() == []
