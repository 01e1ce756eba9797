"""The two things `ship` does in a sandbox: run a project's tests, and build its wheel."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path

import pytest

from workflow_engine.ports.sandbox import Limits
from workflow_engine.sandbox import Bubblewrap, collect, unpack

PROJECT = {
    "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    '[project]\nname = "slug"\nversion = "1.0"\nrequires-python = ">=3.11"\n',
    "slug/__init__.py": "def slug(text: str) -> str:\n    return text.lower().replace(' ', '-')\n",
    "tests/test_slug.py": "from slug import slug\n\ndef test_slug(tmp_path):\n    assert slug('A b') == 'a-b'\n",
}


async def test_pytest_works_inside(footed: Bubblewrap, workspace: Path) -> None:
    unpack(PROJECT, workspace)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = await footed.run(argv, workspace=workspace, limits=Limits(seconds=60))
    assert done.exit == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert collect(workspace, ["**/*"]) == dict(sorted(PROJECT.items()))


async def test_a_failing_test_is_a_verdict(sandbox: Bubblewrap, workspace: Path) -> None:
    unpack({**PROJECT, "slug/__init__.py": "def slug(text):\n    return text\n"}, workspace)
    done = await sandbox.run([sys.executable, "-m", "pytest", "-q"], workspace=workspace)
    assert done.exit == 1
    assert "1 failed" in done.stdout


@pytest.mark.skipif(importlib.util.find_spec("build") is None, reason="build is not installed")
@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")
async def test_a_wheel_is_built_inside(footed: Bubblewrap, workspace: Path) -> None:
    unpack(PROJECT, workspace)
    done = await footed.run([sys.executable, "-m", "build", "--wheel", "--no-isolation"], workspace=workspace)
    assert done.exit == 0, done.stdout + done.stderr
    with zipfile.ZipFile(workspace / "dist" / "slug-1.0-py3-none-any.whl") as wheel:
        assert "slug/__init__.py" in wheel.namelist()
