"""The plain subprocess: the same answers as a sandbox gives, and no claim to be one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from workflow_engine import errors
from workflow_engine.ports.sandbox import Limits
from workflow_engine.sandbox import PlainSubprocess

Alive = Callable[[str], list[int]]


@pytest.fixture
def plain() -> PlainSubprocess:
    return PlainSubprocess()


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 1", 1), ("kill -TERM $$", 143)])
async def test_an_exit_code_passes_through_and_it_says_unsandboxed(
    plain: PlainSubprocess, workspace: Path, command: str, code: int
) -> None:
    done = await plain.run(["sh", "-c", command], workspace=workspace)
    assert (done.exit, done.isolated, plain.isolated, plain.name) == (code, False, False, "unsandboxed")


async def test_it_works_in_the_workspace_with_a_clean_environment_and_an_empty_home(
    plain: PlainSubprocess, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    done = await plain.run(
        ["sh", "-c", "pwd; env; ls -A $HOME; echo x > made"], workspace=workspace, env={"COLOUR": "green"}
    )
    assert done.stdout.startswith(f"{workspace}\n")
    assert "COLOUR=green" in done.stdout
    assert "very-secret" not in done.stdout
    assert (workspace / "made").read_text() == "x\n"


async def test_limits_hold(plain: PlainSubprocess, workspace: Path) -> None:
    hungry = await plain.run(
        [sys.executable, "-c", "bytearray(2**30)"], workspace=workspace, limits=Limits(seconds=20, memory_mb=200)
    )
    assert "MemoryError" in hungry.stderr
    growing = await plain.run(
        ["sh", "-c", "exec head -c 9000000 /dev/zero > big"], workspace=workspace, limits=Limits(seconds=20, file_mb=1)
    )
    assert growing.stopped_by == "file size"


async def test_a_timeout_ends_the_process_group(
    plain: PlainSubprocess, workspace: Path, marker: str, alive: Alive
) -> None:
    command = f"sh -c 'trap \"\" TERM; : {marker}; sleep 1000' & : {marker}; sleep 1000"
    done = await plain.run(["sh", "-c", command], workspace=workspace, limits=Limits(seconds=0.3))
    assert (done.exit, done.stopped_by) == (None, "wall time")
    assert alive(marker) == []


async def test_cancelling_ends_the_process_group(
    plain: PlainSubprocess, workspace: Path, marker: str, alive: Alive, signalled: Callable[[], Awaitable[None]]
) -> None:
    running = asyncio.create_task(plain.run(["sh", "-c", f": {marker}; echo > ready; sleep 1000"], workspace=workspace))
    await signalled()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alive(marker) == []


async def test_a_missing_program_is_the_surroundings_fault_and_a_missing_script_the_commands(
    plain: PlainSubprocess, workspace: Path
) -> None:
    with pytest.raises(errors.Infrastructure, match="no-such-program"):
        await plain.run(["no-such-program"], workspace=workspace)
    assert (await plain.run(["./script"], workspace=workspace)).exit == 127
