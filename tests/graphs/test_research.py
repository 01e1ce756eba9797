"""The ready workflow graphs/research.py: a graph of LangGraph's that asks, and an arm that does not wait for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.research import flow
from workflow_engine import Engine, verify
from workflow_engine.errors import AnswerRejected


async def test_only_what_was_approved_is_quoted(tmp_path: Path) -> None:
    assert verify(flow) == ()
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow, request="what do bees do?")
        assert (view.run.status, view.values["title"]) == ("waiting", "What do bees do")
        with pytest.raises(AnswerRejected):
            await engine.answer(view.run.id, ["wasp.txt"])
        await engine.answer(view.run.id, ["dance.txt"])
        view = await engine.resume(view.run.id)
    assert view.values["page"] == "# What do bees do\n\nBees dance to tell each other where flowers are."
