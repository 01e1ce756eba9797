"""A process that is killed loses nothing that was acknowledged, and another goes on from the file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.langgraph.graphs import looping, on
from workflow_engine import open_saver

HOUSE = Path(__file__).parents[2]

PROGRAM = """
import asyncio, sys
from tests.langgraph.graphs import looping, on
from workflow_engine import open_saver

async def main():
    async with open_saver(sys.argv[1]) as saver:
        put = saver.aput
        async def telling(config, checkpoint, metadata, versions):
            done = await put(config, checkpoint, metadata, versions)
            print(checkpoint["channel_values"].get("n", -1), flush=True)
            return done
        saver.aput = telling
        await looping(saver, lambda n: f"{n}" * 300).ainvoke({"n": 0, "until": 100000}, on("t"), durability=sys.argv[2])

asyncio.run(main())
"""


def _killed(path: Path, durability: str, told: int) -> int:
    """The last step that a process told as stored, before it was killed soon after the step `told`."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), durability], cwd=HOUSE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = -1
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged >= told:
            break
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    assert child.returncode == -signal.SIGKILL
    return max([acknowledged, *map(int, rest.split())])


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("told", [1, 7, 40])
async def test_a_killed_graph_goes_on_from_its_last_checkpoint(tmp_path: Path, told: int, durability: str) -> None:
    path = tmp_path / "runs.sqlite"
    acknowledged = _killed(path, durability, told)
    async with open_saver(path, create=False) as saver:
        graph = looping(saver, lambda n: f"{n}" * 300)
        state = await graph.aget_state(on("t"))
        assert state.values["n"] >= acknowledged
        assert state.values["log"] == [f"{n}" * 300 for n in range(state.values["n"])]
        until = state.values["n"] + 3
        await graph.aupdate_state(state.config, {"until": until})
        ended = await graph.ainvoke(None, on("t"))
        assert ended["log"] == [f"{n}" * 300 for n in range(until)]
