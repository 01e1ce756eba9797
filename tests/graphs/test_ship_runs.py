"""The delivery workflow from end to end: real answers over the wire, real tests, real wheels, on both executors."""

from __future__ import annotations

import os
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from graphs.ship import Change, Patch, ship
from workflow_engine import Engine, RunView
from workflow_engine.agents import ModelChoice, choose_model
from workflow_engine.agents.models import Offline
from workflow_engine.agents.server import PlaybookServer
from workflow_engine.sandbox import Bubblewrap

PLAYBOOK = Path(__file__).parents[2] / "graphs" / "ship.playbook.toml"
SLUGIFY = "Add a slugify function that makes short ASCII slugs of titles"
DURATIONS = "Parse durations like 1h30m into seconds"
ROMAN = "Convert whole numbers to roman numerals and back"
SORTING = "Sort a list in constant time"

Shipped = Callable[..., Awaitable[RunView[Change]]]


@pytest.fixture(params=["native", "langgraph"])
def executor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def opened(tmp_path: Path, sandbox: Bubblewrap, executor: str) -> Any:
    """The store, opened as a new process would: nothing is shared with the engine before."""

    @asynccontextmanager
    async def opened(model: ModelChoice | None = None) -> AsyncIterator[Engine]:
        choice = model or choose_model("offline", {}, PLAYBOOK)
        async with Engine.connect(
            tmp_path / "runs.sqlite", workflows=[ship], model=choice, executor=executor
        ) as engine:
            yield engine

    return opened


@pytest.fixture
def shipped(opened: Any, tmp_path: Path) -> Shipped:
    async def shipped(request: str, model: ModelChoice | None = None) -> RunView[Change]:
        async with opened(model) as engine:
            view: RunView[Change] = await engine.run(ship, request=request, releases=str(tmp_path / "releases"))
            return view

    return shipped


def visits(view: RunView[Any]) -> list[tuple[str, int]]:
    return [(step.node, step.visit) for step in view.history.steps]


ONE_LOOP = [
    ("analyze", 1),
    ("design", 1),
    ("implement", 1),
    ("test", 1),
    ("implement", 2),
    ("test", 2),
    ("deploy", 1),
]


async def test_a_first_patch_that_fails_is_mended_and_shipped(shipped: Shipped, tmp_path: Path) -> None:
    view = await shipped(SLUGIFY)
    assert view.status == "succeeded"
    assert visits(view) == ONE_LOOP
    assert view.document()["answered_by"] == ["offline-playbook/ship"]
    assert view.state.report is not None
    assert view.state.report.title == "6 tests passed"
    assert "2 of 6 tests failed" in view.state.evidence[0]
    assert view.state.release is not None
    current = tmp_path / "releases" / "slugify" / "current"
    assert os.readlink(current) == view.state.release.version == "0.1.1"
    assert "unicodedata" in zipfile.ZipFile(view.state.release.wheel).read("slugify/__init__.py").decode()


async def test_a_patch_that_passes_at_once_is_shipped_without_a_loop(shipped: Shipped) -> None:
    view = await shipped(DURATIONS)
    assert view.status == "succeeded"
    assert visits(view) == [("analyze", 1), ("design", 1), ("implement", 1), ("test", 1), ("deploy", 1)]


async def test_two_loops_are_taken_where_two_are_needed(shipped: Shipped) -> None:
    view = await shipped(ROMAN)
    assert view.status == "succeeded"
    assert visits(view).count(("test", 3)) == 1
    assert ("test", 4) not in visits(view)


# ------------------------------------------------------------------------------------------------ a person


async def test_what_never_succeeds_waits_for_a_person_with_the_evidence_of_every_visit(
    shipped: Shipped, opened: Any
) -> None:
    view = await shipped(SORTING)
    assert (view.status, view.document()["reason"]) == ("waiting", "person")
    async with opened() as engine:
        [standing] = await engine.inbox()
    assert list(standing.question.choices) == ["retry", "abandon"]
    assert standing.question.message == f"'{SORTING}': 1 of 2 tests failed. Try again?"
    assert [text.splitlines()[0] for text in standing.question.evidence] == [
        f"visit {number}: 1 of 2 tests failed" for number in (1, 2, 3, 4)
    ]
    assert all("assert cost(1000) <= cost(10)" in text for text in standing.question.evidence)
    # Four patches were really tried, not one four times.
    assert len(set(standing.question.evidence)) == 4


async def test_a_retry_goes_on_in_a_new_process_and_buys_a_full_round(shipped: Shipped, opened: Any) -> None:
    run = (await shipped(SORTING)).id
    async with opened() as engine:
        await engine.answer(run, {"choice": "retry"}, by="tester")
        view = await engine.resume(run)
        assert view.status == "waiting"
        assert [number for node, number in visits(view) if node == "test"] == [1, 2, 3, 4, 5, 6, 7, 8]
        [standing] = await engine.inbox(run)
    assert len(standing.question.evidence) == 8


async def test_a_hint_reaches_implement_and_can_turn_the_run(shipped: Shipped, opened: Any) -> None:
    run = (await shipped(SORTING)).id
    async with opened() as engine:
        await engine.answer(run, {"choice": "retry", "hint": "Do not compare: count them."}, by="tester")
        view = await engine.resume(run)
    assert view.status == "succeeded"
    assert visits(view)[-3:] == [("implement", 5), ("test", 5), ("deploy", 1)]
    assert view.state.patch is not None
    assert "counts" in view.state.patch.files["quicker/__init__.py"]


async def test_abandon_ends_the_run_failed(shipped: Shipped, opened: Any, tmp_path: Path) -> None:
    run = (await shipped(SORTING)).id
    async with opened() as engine:
        await engine.answer(run, {"choice": "abandon"}, by="tester")
        view = await engine.resume(run)
    assert view.status == "failed"
    assert view.document()["error"]["message"] == "abandoned"
    assert not (tmp_path / "releases").exists()


# ------------------------------------------------------------------------------------------------ other answers

# Nothing in it names a node: to an endpoint of somebody else's, a request is only instructions, prompt and tools.
OTHER = r'''
[[rule]]
when.instructions = 'turn a request into requirements'
json = { package = "shout", requirements = ["shout writes a text in capitals and ends it with one !"] }

[[rule]]
when.instructions = 'Choose the smallest design'
json.modules = [{ path = "shout/__init__.py", offers = "shout(text: str) -> str" }]
[[rule.json.tests]]
name = "test_shout.py"
text = """
from shout import shout

def test_a_text_in_capitals(): assert shout("hey") == "HEY!"
def test_one_sign_is_enough(): assert shout("hey!") == "HEY!"
"""

[[rule]]
when.last_tool_result = '^wrote '
text = "shout shouts."

[[rule]]
when.not_prompt = 'tests failed'
[[rule.calls]]
tool = "write_file"
arguments = { path = "shout/__init__.py", text = "def shout(text):\n    return text.upper() + '!'\n" }

[[rule]]
when.not_called = { tool = "read_file" }
calls = [{ tool = "read_file", arguments = { path = "shout/__init__.py" } }]

[[rule]]
when.prompt = 'test_one_sign_is_enough'
when.last_tool_result = "text.upper\\(\\) \\+ '!'"
[[rule.calls]]
tool = "write_file"
arguments = { path = "shout/__init__.py", text = "def shout(text):\n    return text.upper().rstrip('!') + '!'\n" }
'''


@pytest.mark.parametrize("wire", ["chat", "responses"])
async def test_another_endpoint_with_other_answers_loops_and_ships_too(
    shipped: Shipped, tmp_path: Path, wire: str
) -> None:
    (tmp_path / "other.playbook.toml").write_text(OTHER)
    server = PlaybookServer(Offline(tmp_path / "other.playbook.toml"))
    try:
        environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_MODEL": "another", "OPENAI_API": wire}
        view = await shipped("Shout.", choose_model(None, environ, None))
    finally:
        server.close()
    assert view.status == "succeeded"
    assert visits(view) == ONE_LOOP
    assert view.state.patch == Patch(
        files={"shout/__init__.py": "def shout(text):\n    return text.upper().rstrip('!') + '!'\n"},
        summary="shout shouts.",
    )
