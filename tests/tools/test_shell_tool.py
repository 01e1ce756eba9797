"""The shell tool: a command in the sandbox, bounded, and what holds where there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import Limits, Step
from workflow_engine.errors import DeclarationError, Infrastructure
from workflow_engine.sandbox import probe
from workflow_engine.tools import Refused, shell_tool


@pytest.fixture(scope="module")
def isolated() -> None:
    found = asyncio.run(probe())
    if not found.isolated:
        pytest.skip(f"no sandbox here: {found.why}")


@pytest.mark.usefixtures("isolated")
async def test_a_command_works_in_the_workspace_and_sees_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the key")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    run = shell_tool()
    assert (run.effect, run.approval, run.risk) == (False, "never", "write")
    step = Step(workspace_at=lambda: workspace)
    assert await run("echo hi > a; cat a; echo no >&2; exit 3", step) == "exit 3\n--- stdout\nhi\n--- stderr\nno"
    assert (workspace / "a").read_text() == "hi\n"
    seen = await run(f"cat {tmp_path}/secret ../secret; ls /proc/1/root/root; env", step)
    assert "the key" not in seen
    assert "TOKEN" not in seen


@pytest.mark.usefixtures("isolated")
async def test_a_command_is_bounded(tmp_path: Path) -> None:
    step = Step(workspace_at=lambda: tmp_path)
    run = shell_tool(limits=Limits(seconds=1, output_kb=4))
    assert (await run("sleep 60", step)).startswith("stopped: ")
    assert len(await run("yes", step)) < 10_000


@pytest.mark.usefixtures("isolated")
async def test_in_a_folder_a_command_is_an_effect(tmp_path: Path) -> None:
    run = shell_tool(tmp_path)
    assert (run.effect, run.in_doubt) == (True, "ask")
    assert (await run("touch made")).startswith("exit 0")
    assert (tmp_path / "made").exists()


async def test_without_a_sandbox_the_step_fails_and_the_model_is_not_asked_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    step = Step(workspace_at=lambda: tmp_path)
    with pytest.raises(Infrastructure, match="unsandboxed") as caught:
        await shell_tool()("true", step)
    assert not caught.value.retryable
    allowed = shell_tool(unsandboxed="allowed")
    assert (allowed.approval, allowed.risk) == ("always", "danger")
    assert await allowed("true", step) == "exit 0 (unsandboxed)"


@pytest.mark.parametrize("command", ["", "  ", "a\0b", "\ud800", "x" * 30_000])
async def test_a_command_that_is_none_is_told(command: str, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        await shell_tool()(command, Step(workspace_at=lambda: tmp_path))


@pytest.mark.parametrize("given", [{"unsandboxed": "yes"}, {"in_doubt": "rerun"}])
def test_a_declaration_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        shell_tool(**given)
