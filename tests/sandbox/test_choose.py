"""Which sandbox one gets, and the refusal when it would be none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workflow_engine import errors
from workflow_engine.sandbox import Bubblewrap, open_sandbox, probe


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "bwrap"
    path.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    path.chmod(0o755)
    return path


async def test_the_best_one_is_isolated(sandbox: Bubblewrap) -> None:
    found = await probe()
    assert found.isolated
    assert found.why.startswith("bubblewrap, ")
    assert await probe() is found
    async with open_sandbox(unsandboxed="refused") as chosen:
        assert (chosen.isolated, chosen.name) == (True, "bubblewrap")


async def test_without_bwrap_the_plain_subprocess_comes_only_if_it_is_allowed(broken: Path) -> None:
    async with open_sandbox(unsandboxed="allowed", program=broken) as chosen:
        assert (chosen.isolated, chosen.name) == (False, "unsandboxed")
    with pytest.raises(errors.UsageError, match="No permissions to create new namespace") as caught:
        async with open_sandbox(unsandboxed="refused", program=broken):
            pass
    assert "install bubblewrap" in (caught.value.cure or "")
    assert "--allow-unsandboxed" in (caught.value.cure or "")


async def test_a_probe_that_fails_says_why_and_is_tried_again(
    broken: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Bubblewrap
) -> None:
    real = shutil.which("bwrap") or ""
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(broken.parent))
        found = await probe()
        assert not found.isolated
        assert "No permissions to create new namespace" in found.why
        broken.unlink()
        assert (await probe()).why == "bwrap was not found on the PATH"
        broken.symlink_to(real)
        assert (await probe()).isolated
