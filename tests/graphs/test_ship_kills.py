"""A shipping process is killed in each node and between a node's end and its commit, and another one goes on.

Each death is a real SIGKILL. How often a body ran is read from a log outside of the engine (see dying.py).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.graphs.dying import Death, recover, ship_and_die
from tests.graphs.test_ship_runs import PLAYBOOK, SLUGIFY
from tests.processes import ended

NODES = ("analyze", "design", "implement", "test", "deploy")
UNDISTURBED = Counter(analyze=1, design=1, implement=2, test=2, deploy=1)


def executions(folder: Path) -> Counter[str]:
    return Counter((folder / "log").read_text().split())


def outcome(folder: Path) -> dict[str, Any]:
    """What a run came to, without what differs between any two runs: times, ids, folders."""
    run = json.loads((folder / "run.json").read_text())
    state = run["state"]
    return {
        "status": run["status"],
        "steps": [(step["node"], step["visit"], step["status"]) for step in run["steps"]],
        "state": {name: state[name] for name in ("analysis", "design", "patch")},
        "release": {name: state["release"][name] for name in ("package", "version", "sha256")},
        "tests": state["report"]["passed"],
    }


@pytest.fixture(scope="module")
def undisturbed(proven: str | None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if proven is not None:
        pytest.skip(f"no sandbox here: {proven}")
    folder = tmp_path_factory.mktemp("undisturbed")
    assert ended(ship_and_die, folder, SLUGIFY, None) == 0
    assert executions(folder) == UNDISTURBED
    return outcome(folder)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["during", "before", pytest.param("after", marks=pytest.mark.crash)])
@pytest.mark.parametrize("node", NODES)
def test_a_killed_run_ends_as_it_would_have_and_repeats_no_committed_step(
    undisturbed: dict[str, Any], tmp_path: Path, node: str, moment: str
) -> None:
    assert ended(ship_and_die, tmp_path, SLUGIFY, Death(node, moment)) == -signal.SIGKILL
    assert not (tmp_path / "run.json").exists()
    died = executions(tmp_path)
    # Whoever goes on may do so on the other executor.
    assert ended(recover, tmp_path, "langgraph" if moment == "during" else "native") == 0
    assert outcome(tmp_path) == undisturbed
    # The step that was in flight ran twice. Not the deploy whose link had moved: the probe saw its release. Nor an
    # agent whose model had answered: its prompt is kept. The body of `implement` fills the new workspace once more.
    probed = (node, moment) == ("deploy", "before")
    answered = (node, moment) in {("analyze", "before"), ("design", "before")}
    repeated = Counter() if moment == "after" or probed or answered else Counter([node])
    assert executions(tmp_path) == UNDISTURBED + repeated
    assert died[node] >= 1
    releases = tmp_path / "releases" / "slugify"
    assert sorted(path.name for path in releases.iterdir()) == [".lock", "0.1.1", "current"]
    assert os.readlink(releases / "current") == "0.1.1"


# ------------------------------------------------------------------------------------------------ from the command line

TARGET = """
import os
from pathlib import Path
from tests.graphs.dying import logged

ship = logged(Path(), os.environ.get("DIES_AFTER"))
"""


@pytest.fixture
def command(tmp_path: Path, proven: str | None) -> Any:
    if proven is not None:
        pytest.skip(f"no sandbox here: {proven}")
    (tmp_path / "shipping.py").write_text(TARGET)
    shutil.copy(PLAYBOOK, tmp_path / "shipping.playbook.toml")

    def command(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "workflow_engine.cli", *words, "--model", "offline", "--json"]
        house = {**os.environ, "PYTHONPATH": str(PLAYBOOK.parents[1]), **environ}
        return subprocess.run(argv, cwd=tmp_path, env=house, capture_output=True, text=True, check=False)

    return command


@pytest.mark.slow
@pytest.mark.parametrize(("node", "repeated"), [("test", Counter(["test"])), ("deploy", Counter())])
def test_workflow_recover_goes_on_with_a_killed_workflow_run(
    command: Any, tmp_path: Path, node: str, repeated: Counter[str]
) -> None:
    died = command("run", "shipping.py", f"request={SLUGIFY}", DIES_AFTER=node)
    assert died.returncode == -signal.SIGKILL, died.stderr
    recovered = command("recover")
    assert recovered.returncode == 0, recovered.stderr
    [run] = json.loads(recovered.stdout)
    assert run["status"] == "succeeded"
    assert run["state"]["release"]["version"] == "0.1.1"
    assert executions(tmp_path) == UNDISTURBED + repeated
