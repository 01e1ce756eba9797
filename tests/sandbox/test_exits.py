"""How a command's own end is told apart from a sandbox that failed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from workflow_engine import errors
from workflow_engine.sandbox import WORKSPACE, Bubblewrap

REAL = shutil.which("bwrap") or "bwrap"


def program(folder: Path, text: str) -> Path:
    path = folder / "bwrap"
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 1", 1), ("exit 2", 2), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)],
)
async def test_an_exit_code_passes_through(footed: Bubblewrap, workspace: Path, command: str, code: int) -> None:
    done = await footed.run(["sh", "-c", command], workspace=workspace)
    assert (done.exit, done.stopped_by, done.isolated, done.ok) == (code, None, True, code == 0)


async def test_a_command_that_speaks_like_bwrap_has_failed_itself(sandbox: Bubblewrap, workspace: Path) -> None:
    command = "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"
    assert (await sandbox.run(["sh", "-c", command], workspace=workspace)).exit == 1


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n",
        "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\nkill -9 $$\n",
        f'#!/bin/sh\n[ "$1" = --help ] && exec {REAL} --help\necho "bwrap: setting up uid map: denied" >&2; exit 1\n',
        "no program at all",
    ],
)
async def test_a_bwrap_that_cannot_start_is_an_infrastructure_fault(tmp_path: Path, workspace: Path, text: str) -> None:
    with pytest.raises(errors.Infrastructure) as caught:
        await Bubblewrap(program=program(tmp_path, text)).run(["true"], workspace=workspace)
    assert "bwrap" in caught.value.what
    assert caught.value.cure


async def test_a_bwrap_that_fails_only_later_is_an_infrastructure_fault(
    sandbox: Bubblewrap, workspace: Path, tmp_path: Path
) -> None:
    once = program(
        tmp_path, f'#!/bin/sh\n[ -e {tmp_path}/broken ] && {{ echo "bwrap: broken" >&2; exit 1; }}\nexec {REAL} "$@"\n'
    )
    mended = Bubblewrap(program=once)
    assert (await mended.run(["true"], workspace=workspace)).ok
    (tmp_path / "broken").touch()
    with pytest.raises(errors.Infrastructure, match="bwrap: broken"):
        await mended.run(["true"], workspace=workspace)


async def test_a_missing_bwrap_is_an_infrastructure_fault_with_a_cure(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.Infrastructure, match="not found on the PATH") as caught:
        await Bubblewrap().run(["true"], workspace=workspace)
    assert "install bubblewrap" in (caught.value.cure or "")
    assert not caught.value.retryable


async def test_a_sandbox_killed_from_outside_is_an_infrastructure_fault(
    sandbox: Bubblewrap,
    workspace: Path,
    alive: Callable[[str], list[int]],
    signalled: Callable[[], Awaitable[None]],
) -> None:
    running = asyncio.create_task(sandbox.run(["sh", "-c", "echo > ready; sleep 1000"], workspace=workspace))
    await signalled()
    for pid in alive(str(workspace)):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(errors.Infrastructure, match="killed from outside"):
        await running


async def test_a_program_the_sandbox_lacks_is_no_verdict_on_the_workspace(sandbox: Bubblewrap, workspace: Path) -> None:
    for missing in ("no-such-program", "/opt/no-such-program"):
        with pytest.raises(errors.Infrastructure, match=r"no-such-program.* cannot be started"):
            await sandbox.run([missing], workspace=workspace)


@pytest.mark.parametrize("script", ["./script", f"{WORKSPACE}/script"])
async def test_a_script_the_workspace_lacks_has_failed_as_in_a_shell(
    sandbox: Bubblewrap, workspace: Path, script: str
) -> None:
    done = await sandbox.run([script], workspace=workspace)
    assert done.exit == 127
    assert "No such file" in done.stderr
    (workspace / "script").write_text("#!/bin/sh\n")
    assert (await sandbox.run([script], workspace=workspace)).exit == 126


@pytest.mark.parametrize("argv", [[], "ls -l", [""], ["ls", "a\0b"]])
async def test_what_is_no_command_is_refused(sandbox: Bubblewrap, workspace: Path, argv: list[str]) -> None:
    with pytest.raises(errors.UsageError):
        await sandbox.run(argv, workspace=workspace)


async def test_a_workspace_that_is_no_folder_is_refused(sandbox: Bubblewrap, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="is not a folder"):
        await sandbox.run(["true"], workspace=tmp_path / "missing")


async def test_arguments_arrive_as_they_were_given(sandbox: Bubblewrap, workspace: Path) -> None:
    words = ["", "two words", "ü€😀", "'\"$HOME\n", "--help", "x" * 100_000]
    done = await sandbox.run(
        [sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *words], workspace=workspace
    )
    assert done.stdout.strip() == ascii(words)
