"""The wheel alone, in an environment that knows nothing: what it writes runs, asks, is answered, and its tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
pytestmark = pytest.mark.crash  # it builds, which takes longer than a test may


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel as `pip install --target` lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder)]
    subprocess.run([sys.executable, *build, str(HOUSE)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_first_five_minutes_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    bare = {"HOME": str(home), "PATH": os.defpath, "PYTHONPATH": str(unpacked)}

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", *words]
        return subprocess.run(command, cwd=here, env=bare, capture_output=True, text=True, check=False, timeout=120)

    where = subprocess.run(
        [sys.executable, "-P", "-c", "import workflow_engine; print(workflow_engine.__file__)"],
        cwd=here,
        env=bare,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(unpacked))

    made = typed("workflow_engine.cli", "new", "hello")
    assert made.returncode == 0, made.stderr
    asked = typed("workflow_engine.cli", "run", "hello.py", "--model", "offline")
    assert asked.returncode == 3, asked.stdout + asked.stderr
    assert "draft         visit 2" in asked.stdout
    assert "picture of the run: hello.png" in asked.stderr
    assert (here / "hello.png").stat().st_size > 10_000
    answering = asked.stderr.rstrip().splitlines()[-1].split()
    assert answering[:3] == ["answer", "workflow", "answer"]
    done = typed("workflow_engine.cli", *answering[2:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    tests = typed("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "test_hello.py")
    assert "5 passed" in tests.stdout, tests.stdout + tests.stderr
    assert list(home.iterdir()) == []
