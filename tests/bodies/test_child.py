"""Bodies in a process of their own: the pipes are theirs to fill, their errors come home as what they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bodies import bodies_apart
from workflow_engine.bodies.child import call_in_child
from workflow_engine.errors import BadWrite, StepError


async def test_what_a_body_and_its_programs_print_does_not_reach_the_pipe() -> None:
    assert await call_in_child(bodies_apart.noisy, {"n": 3}) == "said"


async def test_a_body_finds_nothing_to_read() -> None:
    assert await call_in_child(bodies_apart.listening, {"n": 3}) == ""


async def test_an_error_keeps_its_type_and_tells_where_it_was_raised() -> None:
    with pytest.raises(bodies_apart.Refused, match="no") as caught:
        await call_in_child(bodies_apart.raising, {"n": 0})
    assert "bodies_apart.py" in caught.value.__notes__[0]
    with pytest.raises(StepError, match="final") as final:
        await call_in_child(bodies_apart.raising, {"n": 1})
    assert (final.value.kind, final.value.retryable) == ("validation", False)
    with pytest.raises(StepError, match=r"Locked: in there"):
        await call_in_child(bodies_apart.raising, {"n": 2})
    with pytest.raises(SystemExit):
        await call_in_child(bodies_apart.raising, {"n": 3})


async def test_a_body_that_takes_its_process_down_says_so() -> None:
    with pytest.raises(StepError, match="the process of dying died before it answered"):
        await call_in_child(bodies_apart.dying, {"n": 3})


async def test_a_value_of_another_type_is_refused_where_it_was_made() -> None:
    with pytest.raises(BadWrite, match="lying returned: Input should be a valid string"):
        await call_in_child(bodies_apart.lying, {"n": 3})


SCRIPT = """
from workflow_engine import END, START, State, function, run_sync, workflow

class Count(State):
    n: int

@function(writes="n", process=True)
def add(n: int) -> int:
    return n + 1

flow = workflow("flow", state=Count, edges=[START >> add >> END])
GUARD
    view = run_sync(flow, {"n": 1}, store="runs.sqlite")
    print(view.status, view.state, view.run.error and view.run.error.message)
"""


def script(folder: Path, guard: str) -> Any:
    (folder / "script.py").write_text(SCRIPT.replace("GUARD", guard))
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )


def test_a_script_runs_its_own_bodies_in_processes(tmp_path: Path) -> None:
    assert script(tmp_path, 'if __name__ == "__main__":').stdout == "succeeded n=2 None\n"


def test_a_script_without_a_guard_does_not_run_its_workflow_again_in_the_child(tmp_path: Path) -> None:
    done = script(tmp_path, "if True:")
    assert done.stdout.startswith("failed n=1 the process of add could not start: a node with process=True")
    assert 'if __name__ == "__main__":' in done.stdout
