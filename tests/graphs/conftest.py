"""What the nodes of graphs/ship.py are handed when a test calls them: a step, a sandbox, a small design."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graphs.ship import Analysis, Design, Module, Patch, TestFile
from workflow_engine import Step

MakeStep = Callable[..., Step]


@pytest.fixture
def make_step(tmp_path: Path) -> MakeStep:
    """Steps, each with an empty workspace of its own."""
    made: list[Path] = []

    def make(node: str = "node", visit: int = 1, run: str = "run") -> Step:
        workspace = tmp_path / f"workspace-{len(made)}"
        workspace.mkdir()
        made.append(workspace)
        return Step(run=run, node=node, visit=visit, key=f"{run}/{node}/{visit}", workspace_at=lambda: workspace)

    return make


@pytest.fixture
def analysis() -> Analysis:
    return Analysis(package="adder", requirements=["add adds two numbers."])


@pytest.fixture
def design() -> Design:
    return Design(
        modules=[Module(path="adder/__init__.py", offers="add(a: int, b: int) -> int")],
        tests=[
            TestFile(
                name="test_adder.py",
                text="from adder import add\n\n\ndef test_one_and_one():\n    assert add(1, 1) == 2\n\n\n"
                "def test_minus_one():\n    assert add(3, -1) == 2\n",
            )
        ],
    )


@pytest.fixture
def patch() -> Patch:
    return Patch(files={"adder/__init__.py": "def add(a, b):\n    return a + b\n"}, summary="add adds.")
