"""A run whose process is killed: a page that is open sees it, and sees it go on elsewhere, in the same stream."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.http import slow as slowly
from tests.http.conftest import serving
from tests.http.slow import slow
from tests.http.streams import reading
from workflow_engine import Engine

HOUSE = Path(__file__).parents[2]


async def test_a_run_killed_and_recovered_by_another_process_goes_on_in_the_same_stream(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    process = subprocess.Popen([sys.executable, slowly.__file__, str(tmp_path)], cwd=HOUSE)  # noqa: ASYNC220
    while not (tmp_path / "reached").exists():
        assert process.poll() is None
        await asyncio.sleep(0.02)
    async with serving(drives=False, ledger=None, store=store) as served:
        [run] = await served.engine.runs()
        async with reading(served.app, f"/api/runs/{run.run}/events") as stream:
            before = await stream.until("status")
            assert before[-1].data == {"status": "running", "reason": None}
            process.kill()
            process.wait()
            assert (await stream.until("status"))[-1].data == {"status": "running", "reason": "interrupted"}
            [listed] = (await served.client.get("/api/runs")).json()["items"]
            assert listed["interrupted"] is True
            async with Engine.connect(store, workflows=[slow]) as other:
                await other.recover()
            after = [each async for each in stream]
        facts = [each.id for each in [*before, *after] if each.id is not None]
        assert facts == [each.seq for each in await served.engine.journal(run.run)]
        assert after[-1].data == {"status": "succeeded", "reason": None}
