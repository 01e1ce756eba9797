"""What deploy leaves in the release folder, whatever happens on the way: whole or not at all, believed when seen."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from graphs import ship
from graphs.ship import Analysis, Patch, Release, deploy, shipped
from workflow_engine import Step, StepError
from workflow_engine.errors import Infrastructure
from workflow_engine.sandbox import Bubblewrap


class Killed(BaseException):
    """Stands for a process that ends here: nobody catches it."""


def said(*argv: str, cwd: Path) -> str:
    return subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    return tmp_path / "releases"


@pytest.fixture
def deployed(sandbox: Bubblewrap, analysis: Analysis, patch: Patch, releases: Path, make_step: Any) -> Any:
    async def deployed(run: str = "run", patch: Patch = patch) -> Release:
        return await deploy(analysis, patch, str(releases), sandbox, make_step("deploy", run=run))

    return deployed


@pytest.fixture
def seen(analysis: Analysis, releases: Path) -> Any:
    """What the probe says of a run's deploy."""
    return lambda run="run": shipped(analysis, str(releases), Step(key=f"{run}/deploy/1"))


async def test_a_release_is_a_wheel_its_checksum_and_a_link(deployed: Any, seen: Any, releases: Path) -> None:
    release = await deployed()
    folder = releases / "adder" / "0.1.1"
    wheel = folder / "adder-0.1.1-py3-none-any.whl"
    assert release == Release(
        package="adder", version="0.1.1", wheel=str(wheel), sha256=ship._sha256(wheel.read_bytes())
    )
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", wheel.name]
    assert os.readlink(releases / "adder" / "current") == "0.1.1"
    assert "# key run/deploy/1\n" in (folder / "SHA256SUMS").read_text()
    assert zipfile.ZipFile(wheel).read("adder/__init__.py") == b"def add(a, b):\n    return a + b\n"
    assert seen() == release
    assert seen("another") is None


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
async def test_the_manifest_is_one_that_sha256sum_reads(deployed: Any, releases: Path) -> None:
    release = await deployed()
    current = releases / "adder" / "current"
    assert said("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=current) == f"{Path(release.wheel).name}: OK\n"


async def test_the_same_step_releases_once_and_another_anew(deployed: Any, releases: Path) -> None:
    first = await deployed("first")
    assert await deployed("first") == first
    second = await deployed("second")
    assert (first.version, second.version) == ("0.1.1", "0.1.2")
    assert os.readlink(releases / "adder" / "current") == "0.1.2"
    # Once more, after somebody else: a step that came back must not push a later release aside.
    assert await deployed("first") == first
    assert os.readlink(releases / "adder" / "current") == "0.1.2"


# ------------------------------------------------------------------------------------------------ looking again


def another_wheel(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b"!")


def no_wheel(wheel: Path) -> None:
    wheel.unlink()


def a_second_wheel(wheel: Path) -> None:
    shutil.copy(wheel, wheel.with_name("extra.whl"))


def another_version(wheel: Path) -> None:
    data = wheel.read_bytes().replace(b"Version: 0.1.1", b"Version: 0.1.9")
    with zipfile.ZipFile(wheel) as opened:
        parts = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(wheel, "w") as made:
        for name, text in parts.items():
            made.writestr(name, text.replace(b"Version: 0.1.1", b"Version: 0.1.9"))
    data = wheel.read_bytes()
    manifest = wheel.with_name("SHA256SUMS")
    manifest.write_text(f"# key run/deploy/1\n{ship._sha256(data)}  {wheel.name}\n")


def no_archive(wheel: Path) -> None:
    wheel.write_bytes(b"PK")
    wheel.with_name("SHA256SUMS").write_text(f"# key run/deploy/1\n{ship._sha256(b'PK')}  {wheel.name}\n")


def another_checksum(wheel: Path) -> None:
    manifest = wheel.with_name("SHA256SUMS")
    manifest.write_text(f"# key run/deploy/1\n{'0' * 64}  {wheel.name}\n")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (another_wheel, "another checksum"),
        (another_checksum, "another checksum"),
        (no_wheel, "does not hold what its SHA256SUMS lists"),
        (a_second_wheel, "does not hold what its SHA256SUMS lists"),
        (another_version, "does not say that it is adder 0.1.1"),
        (no_archive, "does not say that it is adder 0.1.1"),
    ],
)
async def test_a_release_that_is_not_what_it_says_is_noticed(
    deployed: Any, seen: Any, spoil: Any, complaint: str
) -> None:
    release = await deployed()
    spoil(Path(release.wheel))
    assert seen() is None
    with pytest.raises(StepError, match=complaint):
        await deployed()


async def test_a_link_that_was_not_moved_is_noticed(
    deployed: Any, seen: Any, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", lambda *_: None)
    with pytest.raises(StepError, match=r"does not lead to 0\.1\.1"):
        await deployed()
    assert seen() is None


# ------------------------------------------------------------------------------------------------ what is not released


async def test_a_wheel_that_cannot_be_imported_is_not_released(deployed: Any, releases: Path) -> None:
    with pytest.raises(StepError, match=r"cannot be imported(?s:.)*no such luck"):
        await deployed(patch=Patch(files={"adder/__init__.py": "raise RuntimeError('no such luck')"}, summary=""))
    assert list((releases / "adder").glob("[0-9c]*")) == []


async def test_a_patch_without_its_package_is_not_released(deployed: Any, releases: Path) -> None:
    with pytest.raises(StepError, match=r"cannot be imported(?s:.)*No module named 'adder'"):
        await deployed(patch=Patch(files={"other/__init__.py": ""}, summary=""))
    assert list((releases / "adder").glob("[0-9c]*")) == []


async def test_a_wheel_that_cannot_be_built_is_not_released(
    deployed: Any, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "PYPROJECT", "[build-system")
    with pytest.raises(StepError, match="the wheel was not built"):
        await deployed()
    assert list((releases / "adder").glob("[0-9c]*")) == []


async def test_importing_cannot_change_what_is_released(deployed: Any) -> None:
    text = "import sys\nfor path in sys.path:\n    if path.endswith('.whl'): open(path, 'w').close()\n"
    release = await deployed(patch=Patch(files={"adder/__init__.py": text}, summary=""))
    assert zipfile.ZipFile(release.wheel).read("adder/__init__.py").decode() == text


async def test_a_missing_hatchling_is_an_infrastructure_fault(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "find_spec", lambda _: None)
    with pytest.raises(Infrastructure, match="hatchling is not installed"):
        await deployed()


# ------------------------------------------------------------------------------------------------ killed, and at once

POINTS = {
    "while it builds": (ship, "_build", False),
    "before the release appears": (os, "rename", False),
    "before the link is begun": (ship, "_make_current", False),
    "before the link moves": (os, "replace", False),
    "after the link moved": (ship, "_verified", True),
}


@pytest.mark.parametrize("point", POINTS)
async def test_the_probe_decides_after_a_death_and_going_on_releases_once(
    deployed: Any, seen: Any, releases: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    place, name, there = POINTS[point]

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(place, name, die)
        with pytest.raises(Killed):
            await deployed()
    assert (seen() is not None) is there
    release = await deployed()
    assert seen() == release
    assert release.version == "0.1.1"
    assert sorted(path.name for path in (releases / "adder").iterdir()) == [".lock", "0.1.1", "current"]


async def test_a_deploy_overtaken_while_it_was_dead_leaves_the_later_one_current(
    deployed: Any, seen: Any, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(os, "replace", die)
        with pytest.raises(Killed):
            await deployed("first")
    second = await deployed("second")
    assert (await deployed("first")).version == "0.1.1"
    assert os.readlink(releases / "adder" / "current") == second.version == "0.1.2"
    assert seen("second") == second


async def test_runs_that_deploy_one_package_at_once_each_have_their_release(
    deployed: Any, seen: Any, releases: Path
) -> None:
    runs = [f"run-{number}" for number in range(5)]
    made = await asyncio.gather(*map(deployed, runs))
    assert sorted(release.version for release in made) == [f"0.1.{number}" for number in range(1, 6)]
    assert os.readlink(releases / "adder" / "current") == "0.1.5"
    assert [seen(run) for run in runs] == made


# ------------------------------------------------------------------------------------------------ the wheel


@pytest.mark.slow
async def test_the_wheel_installs_in_a_fresh_environment_and_works(deployed: Any, tmp_path: Path) -> None:
    release = await deployed()
    python = str(tmp_path / "fresh" / "bin" / "python")
    said(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "fresh"), cwd=tmp_path)
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", "--no-cache-dir")
    said(*pip, release.wheel, cwd=tmp_path)
    asked = "import adder, importlib.metadata as m; print(adder.add(20, 22), m.version('adder'), adder.__file__)"
    answer = said(python, "-I", "-c", asked, cwd=tmp_path).split()
    assert answer[:2] == ["42", "0.1.1"]
    assert Path(answer[2]).is_relative_to(tmp_path / "fresh")
