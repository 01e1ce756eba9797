"""What a command in the sandbox may use, and that nothing of it is left once it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from workflow_engine import errors
from workflow_engine.ports.sandbox import Limits
from workflow_engine.sandbox import Bubblewrap

Alive = Callable[[str], list[int]]


async def test_a_loop_that_burns_cpu_is_stopped(sandbox: Bubblewrap, workspace: Path) -> None:
    code = "while True: pass"
    done = await sandbox.run(
        [sys.executable, "-c", code], workspace=workspace, limits=Limits(seconds=20, cpu_seconds=1)
    )
    assert (done.exit, done.stopped_by, done.ok) == (None, "cpu time", False)
    assert done.seconds < 15


async def test_a_memory_bomb_is_stopped(footed: Bubblewrap, workspace: Path) -> None:
    code = "kept = [bytearray(2**24) for _ in range(64)]"  # a gigabyte and no more, should the limit be missing
    done = await footed.run([sys.executable, "-c", code], workspace=workspace, limits=Limits(seconds=20, memory_mb=200))
    assert done.exit == 1
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
async def test_scratch_space_is_bounded_like_memory(sandbox: Bubblewrap, workspace: Path, place: str) -> None:
    command = f"for i in 1 2 3 4; do head -c 20000000 /dev/zero > {place}/$i || exit 9; done"
    limits = Limits(seconds=20, memory_mb=64, file_mb=50)
    done = await sandbox.run(["sh", "-c", command], workspace=workspace, limits=limits)
    assert done.exit == 9
    assert "No space left" in done.stderr


async def test_a_fork_bomb_is_bounded_and_leaves_nothing(
    sandbox: Bubblewrap, workspace: Path, marker: str, alive: Alive
) -> None:
    # Bounded by itself too (300), so that a missing limit fails the test and not the machine.
    code = """if True:
        import os, signal
        made = 0
        for _ in range(300):
            try:
                if os.fork() == 0:
                    signal.pause()
            except BlockingIOError:
                break
            made += 1
        print(made)
    """
    limits = Limits(seconds=20, processes=12)
    done = await sandbox.run([sys.executable, "-c", code, marker], workspace=workspace, limits=limits)
    assert 8 <= int(done.stdout) <= 12
    assert alive(marker) == []


async def test_huge_output_keeps_head_and_tail(sandbox: Bubblewrap, workspace: Path) -> None:
    command = "echo first; yes | head -c 300000000; echo last; yes | head -c 3000000 >&2"
    done = await sandbox.run(["sh", "-c", command], workspace=workspace, limits=Limits(seconds=30, output_kb=8))
    assert done.exit == 0
    assert done.stdout.startswith("first\ny\n")
    assert done.stdout.endswith("y\nlast\n")
    assert f"{300000011 - 8192:,} bytes cut" in done.stdout
    assert len(done.stdout) < 9000
    assert len(done.stderr) < 9000


async def test_a_file_that_grows_without_end_is_stopped(sandbox: Bubblewrap, workspace: Path) -> None:
    command = "exec head -c 50000000 /dev/zero > big"
    done = await sandbox.run(["sh", "-c", command], workspace=workspace, limits=Limits(seconds=20, file_mb=1))
    assert (done.exit, done.stopped_by) == (None, "file size")
    assert (workspace / "big").stat().st_size <= 2**20


async def test_a_timeout_leaves_no_process_behind(
    footed: Bubblewrap, workspace: Path, marker: str, alive: Alive
) -> None:
    stubborn = f"trap '' TERM INT HUP; : {marker}; while :; do sleep 1000; done"
    command = f'echo begun; setsid sh -c "{stubborn}" & setsid setsid sh -c "{stubborn}" & {stubborn}'
    done = await footed.run(["sh", "-c", command], workspace=workspace, limits=Limits(seconds=0.3))
    assert (done.exit, done.stopped_by, done.stdout) == (None, "wall time", "begun\n")
    assert 0.3 <= done.seconds < 5
    assert alive(marker) == []


async def test_what_a_command_left_in_the_background_ends_with_it(
    footed: Bubblewrap, workspace: Path, marker: str, alive: Alive
) -> None:
    command = f"setsid sh -c ': {marker}; sleep 1000' & echo done"
    done = await footed.run(["sh", "-c", command], workspace=workspace, limits=Limits(seconds=20))
    assert (done.exit, done.stdout) == (0, "done\n")
    assert alive(marker) == []


async def test_cancelling_leaves_no_process_behind(
    footed: Bubblewrap, workspace: Path, marker: str, alive: Alive, signalled: Callable[[], Awaitable[None]]
) -> None:
    command = f"setsid sh -c ': {marker}; sleep 1000' & echo > ready; : {marker}; sleep 1000"
    running = asyncio.create_task(footed.run(["sh", "-c", command], workspace=workspace))
    await signalled()
    assert alive(marker) != []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alive(marker) == []


async def test_cancelling_at_any_moment_of_the_start_leaves_no_process_behind(
    sandbox: Bubblewrap, workspace: Path, marker: str, alive: Alive
) -> None:
    await sandbox.settle()
    outside = str(workspace)  # stands in the command line of bwrap itself
    for turns in range(0, 60, 4):
        running = asyncio.create_task(sandbox.run(["sh", "-c", f": {marker}; sleep 1000"], workspace=workspace))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert alive(marker) == []
        assert alive(outside) == []
    assert workspace.stat().st_uid == os.geteuid()


async def test_a_second_cancellation_does_not_interrupt_the_ending(
    sandbox: Bubblewrap, workspace: Path, marker: str, alive: Alive, signalled: Callable[[], Awaitable[None]]
) -> None:
    running = asyncio.create_task(
        sandbox.run(["sh", "-c", f": {marker}; echo > ready; sleep 1000"], workspace=workspace)
    )
    await signalled()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alive(marker) == []
    assert {path.stat().st_uid for path in (workspace, workspace / "ready")} == {os.geteuid()}


async def test_an_engine_that_is_killed_takes_its_sandbox_along(
    sandbox: Bubblewrap, workspace: Path, marker: str, alive: Alive, signalled: Callable[[], Awaitable[None]]
) -> None:
    command = f"setsid sh -c ': {marker}; sleep 1000' & echo > ready; : {marker}; sleep 1000"
    engine = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from workflow_engine.sandbox import Bubblewrap
        asyncio.run(Bubblewrap().run(["sh", "-c", {command!r}], workspace=Path({str(workspace)!r})))
    """)
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", engine, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    await signalled()
    left = [pid for pid in alive(marker) if pid != process.pid]
    assert len(left) >= 2
    process.kill()
    await process.wait()
    await _ended(left)
    assert alive(marker) == []


async def test_limits_that_allow_nothing_are_refused(sandbox: Bubblewrap, workspace: Path) -> None:
    with pytest.raises(errors.UsageError, match="processes=0"):
        await sandbox.run(["true"], workspace=workspace, limits=Limits(processes=0))


async def _ended(pids: list[int]) -> None:
    """Waits until the kernel says each of them ended, 10 s at most."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            await asyncio.to_thread(select.select, [handle], [], [], 10)
            os.close(handle)
