"""What models use in a graph is the step's use, over its interrupts and its failed attempts; budgets count it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.types import interrupt

from tests.foreign.graphs import chain
from tests.foreign.test_running import reporting
from workflow_engine import Engine, Retry


def model() -> GenericFakeChatModel:
    said = AIMessage(
        "well",
        usage_metadata={"input_tokens": 10, "output_tokens": 3, "total_tokens": 13},
        response_metadata={"model_name": "parrot-1"},
    )
    return GenericFakeChatModel(messages=iter([said.model_copy(update={"id": str(n)}) for n in range(9)]))


async def test_use_before_and_after_a_question_is_added_up(tmp_path: Path) -> None:
    parrot = model()

    async def think(state: Any) -> dict[str, Any]:
        return {"notes": [str((await parrot.ainvoke("think")).content)]}

    def ask(state: Any) -> dict[str, Any]:
        return {"answer": interrupt("go on?")}

    def again(state: Any) -> dict[str, Any]:
        return {"notes": [str(parrot.invoke("again").content)]}

    flow = reporting(chain(think=think, ask=ask, again=again))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        await engine.answer(run, "yes")
        view = await engine.resume(run)
    used = view.run.usage
    assert (used.requests, used.input_tokens, used.output_tokens, used.cost) == (2, 20, 6, None)
    assert view.run.answered_by == ("parrot-1",)


async def test_what_a_failed_attempt_used_counts(tmp_path: Path) -> None:
    parrot, tried = model(), []

    async def think(state: Any) -> dict[str, Any]:
        tried.append(await parrot.ainvoke("think"))
        if len(tried) == 1:
            raise ConnectionError("gone")
        return {"answer": "well"}

    flow = reporting(chain(think=think), retry=Retry(2, first=timedelta(0)))
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(flow, request="bees")
    assert (view.run.status, view.run.usage.requests, view.run.usage.output_tokens) == ("succeeded", 2, 6)


async def test_a_graph_without_models_uses_nothing(tmp_path: Path) -> None:
    async def answer(state: Any) -> dict[str, Any]:
        return {"answer": "well"}

    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(reporting(chain(answer=answer)), request="bees")
    assert (view.run.usage.requests, view.run.answered_by) == (0, ())
