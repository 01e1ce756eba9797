"""The first workflow of the README: a loop, a bound, a person, and no model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphs.hello import hello
from workflow_engine import Engine


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    return lambda: Engine.connect(tmp_path / "runs.sqlite", workflows=[hello])


async def test_a_note_that_can_be_shortened_fits_in_the_end(opened: Any) -> None:
    async with opened() as engine:
        view = await engine.run(hello)
    assert (view.status, view.state.text) == ("succeeded", "Hello from a")
    assert [step.node for step in view.history.steps] == ["shorten"] * 4


@pytest.mark.parametrize(("word", "status"), [("keep", "succeeded"), ("drop", "failed")])
async def test_a_note_that_stays_too_long_is_for_a_person(opened: Any, word: str, status: str) -> None:
    async with opened() as engine:
        view = await engine.run(hello, room=3)
        assert view.status == "waiting"
        [question] = view.open_questions
        assert question.question.message == "'Hello from a' is still too long. Keep it as it is?"
    async with opened() as engine:
        await engine.answer(view.id, word, by="tester")
        view = await engine.resume(view.id)
    assert (view.status, view.state.decision) == (status, word)
