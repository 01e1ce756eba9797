"""What it runs on: Linux in full, macOS without a sandbox, Windows refused before anything else can break."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workflow_engine.errors import UsageError
from workflow_engine.sandbox import open_sandbox, probe
from workflow_engine.sandbox.choose import Probe

LACKING = ("fcntl", "resource", "pwd", "grp", "termios", "pydantic", "typer")


def told(what: str) -> subprocess.CompletedProcess[str]:
    """A child that takes itself for Windows, where these modules cannot be imported."""
    prelude = f"import sys\nsys.platform = 'win32'\nfor name in {LACKING!r}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", prelude + what], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "what", ["from workflow_engine.cli import main; main()", "from workflow_engine.stores.memory import MemoryLedger"]
)
def test_windows_is_refused_with_one_error_and_its_cure(what: str) -> None:
    done = told(what)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "workflow_engine does not run on Windows: a store needs locks that it does not have",
        "  use WSL, the Linux within Windows: type `wsl --install`, then install and run it there",
    ]


def test_who_imports_it_on_windows_may_go_on_without() -> None:
    done = told("try:\n    import workflow_engine\nexcept ImportError as error:\n    print(error.cure)\n1 / 0")
    assert "WSL" in done.stdout
    assert "ZeroDivisionError" in done.stderr  # other errors keep their traceback


async def test_macos_says_that_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("workflow_engine.sandbox.choose._proven", {})
    assert await probe() == Probe(False, "there is no sandbox on this system: bubblewrap needs Linux")
    with pytest.raises(UsageError, match="would run unsandboxed"):
        async with open_sandbox():
            pass
