"""Ship a change: analyze, design, implement, test, deploy. Real files, real tests, a real wheel.

Three agents write, and two functions find out whether it is true. The state is what counts: a step that needs files
rebuilds its workspace from `patch`, so a run that was killed, or rested for days until a person answered, lost nothing.
The edge table at the end reads like the diagram: begin there.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import keyword
import os
import shutil
import sys
import zipfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.parser import BytesParser
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree

from pydantic import AfterValidator, BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Completed,
    Failure,
    Limits,
    Question,
    Retry,
    Sandbox,
    State,
    Step,
    StepError,
    agent,
    append,
    at_most,
    function,
    human,
    route,
    workflow,
)
from workflow_engine.errors import Infrastructure
from workflow_engine.sandbox import FileRefused, collect, open_sandbox, unpack

# ------------------------------------------------------------------------------------------------ the state


def _unused(name: str) -> str:
    """A package called `json` would stand in front of the real one, and for everybody, pytest included."""
    tools = {"pytest", "pluggy", "iniconfig", "packaging", "pygments", "tests"}
    if name in {*sys.stdlib_module_names, *keyword.kwlist, *tools}:
        raise ValueError(f"{name!r} means something in Python already: choose another name")
    return name


class Analysis(BaseModel):
    package: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{1,39}$"), AfterValidator(_unused)]
    requirements: list[str]


class Module(BaseModel):
    path: str
    offers: str


class TestFile(BaseModel):
    __test__ = False  # pytest would take the name for a test

    # Only tests: a conftest.py or a pytest.ini would decide what a test is.
    name: Annotated[str, Field(pattern=r"^test_[a-z0-9_]+\.py$")]
    text: str


class Design(BaseModel):
    # Lists rather than dicts: a model can be held to a schema strictly only if every key in it is known.
    modules: list[Module]
    tests: Annotated[list[TestFile], Field(min_length=1)]


class Patch(BaseModel):
    files: dict[str, str]
    summary: str


class Report(BaseModel):
    green: bool
    passed: int
    failed: int
    failures: list[str]
    log: str
    sandbox: str
    isolated: bool

    @property
    def title(self) -> str:
        every = self.passed + self.failed
        found = f"{self.failed} of {every} tests failed" if self.failed else f"{every} tests passed"
        return found if self.isolated else f"{found} (UNSANDBOXED)"


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""


class Release(BaseModel):
    package: str
    version: str
    wheel: str
    sha256: str


class Change(State):
    request: str
    releases: str = "releases"
    analysis: Analysis | None = None
    design: Design | None = None
    patch: Patch | None = None
    report: Report | None = None
    evidence: Annotated[list[str], append] = Field(default_factory=list)
    ruling: Ruling | None = None
    release: Release | None = None


# ------------------------------------------------------------------------------------------------ analyze, design


@agent(
    writes="analysis",
    instructions="""
    You turn a request into requirements for one small Python package that needs nothing beyond the standard library.
    Give each requirement as one sentence that a test can check, and choose a short importable package name.
    """,
)
def analyze(request: str) -> str:
    return f"Request: {request}"


@agent(
    writes="design",
    instructions="""
    Choose the smallest design that meets the requirements. List the modules of the package by path
    (slugify/__init__.py), each with the exact signatures it offers. Then write acceptance tests for pytest: they import
    only what the modules offer, and fail for every requirement that is not met. Whoever implements it will not see the
    tests, only what they say when they fail.
    """,
)
def design(request: str, analysis: Analysis) -> str:
    return _sections(Request=request, Package=analysis.package, Requirements=_bullets(analysis.requirements))


# ------------------------------------------------------------------------------------------------ implement


def list_files(step: Step) -> str:
    """List the files of the package."""
    return "\n".join(collect(step.workspace, ["**"])) or "no files yet"


def read_file(path: str, step: Step) -> str:
    """Read one file of the package."""
    try:
        return collect(step.workspace, ["**"])[path]
    except KeyError:
        return f"error: there is no {path}; list_files shows what there is"
    except FileRefused as refused:
        return f"error: {refused}"


def write_file(path: str, text: str, step: Step) -> str:
    """Create or replace one file of the package."""
    # The body made the package's folder, and nothing else stands in the workspace. What lies outside of it cannot be
    # written: no conftest.py, no pytest.ini, no module that stands in front of another, no tests.
    package = next(step.workspace.iterdir()).name
    if not path.startswith(f"{package}/"):
        return f"error: {path} is out of reach; write beneath {package}/"
    try:
        unpack({path: text}, step.workspace)
    except FileRefused as refused:
        return f"error: {refused}"
    return f"wrote {path}"


def collect_patch(summary: str, step: Step) -> Patch:
    files = collect(step.workspace, ["**"], total_kb=512)
    if not files:
        raise StepError("implement ended without writing a file")
    step.progress(summary)
    return Patch(files=files, summary=summary)


@agent(
    writes="patch",
    instructions="""
    Write the package with your tools. Look first: list the files, and read those you are about to change. Acceptance
    tests you cannot see will be run on your work; if some failed before, mend what they found. When you are done, say
    what you did in one sentence.
    """,
    tools=[list_files, read_file, write_file],
    finish=collect_patch,
    timeout=timedelta(minutes=10),
)
def implement(
    request: str,
    analysis: Analysis,
    design: Design,
    patch: Patch | None,
    report: Report | None,
    ruling: Ruling | None,
    step: Step,
) -> str:
    (step.workspace / analysis.package).mkdir()
    unpack(patch.files if patch else {}, step.workspace)
    return _sections(
        Request=request,
        Requirements=_bullets(analysis.requirements),
        Modules=_bullets(f"{module.path}: {module.offers}" for module in design.modules),
        Tests=f"{report.title}\n{report.log}" if report else "",
        Hint=ruling.hint if ruling else "",
    )


# ------------------------------------------------------------------------------------------------ test

PYTEST_INI = """\
[pytest]
testpaths = tests
pythonpath = src
addopts = --quiet --no-header --color=no --tb=short --import-mode=importlib --junitxml=junit.xml -p no:cacheprovider
"""


# A patch shares pytest's process and could lie to it. This guards against mistakes; the sandbox guards against harm.
@function(name="test", writes=("report", "evidence"), retry=Retry(3, on=Infrastructure), timeout=timedelta(minutes=5))
async def run_tests(design: Design, patch: Patch, sandbox: Sandbox, step: Step) -> tuple[Report, list[str]]:
    _need("pytest")
    files = {f"src/{path}": text for path, text in patch.files.items()}
    files |= {f"tests/{test.name}": test.text for test in design.tests}
    unpack(files | {"pytest.ini": PYTEST_INI}, step.workspace)
    if not sandbox.isolated:
        step.log("UNSANDBOXED: the patch runs with everything you may do")
    done = await sandbox.run(
        # -I: neither the folder nor the environment puts a module in front of pytest's own.
        [sys.executable, "-I", "-B", "-m", "pytest"],
        workspace=step.workspace,
        limits=Limits(seconds=60, cpu_seconds=30, memory_mb=1024),
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    if _failed_itself(done, files):
        raise Infrastructure(f"pytest itself failed: {_excerpt(done.stdout + done.stderr)}")
    report = _report(done, _cases(step.workspace), sandbox.name)
    step.progress(report.title)
    return report, [f"visit {step.visit}: {report.title}\n{report.log}"]


def _failed_itself(done: Completed, files: Iterable[str]) -> bool:
    """Whether pytest broke down, and not because of a file it was given: that says nothing about the patch."""
    said = done.stdout + done.stderr
    broke = done.exit in (3, 4) and ("INTERNALERROR>" in said or done.stderr.startswith("ERROR:"))
    return broke and not any(path in said for path in files)


def _report(done: Completed, cases: dict[str, bool], sandbox: str) -> Report:
    failures = [name for name, passed in cases.items() if not passed]
    log = _excerpt(done.stdout + done.stderr)
    if done.stopped_by or (not failures and (done.exit != 0 or not cases)):
        # Silence is no success: a patch that ends the process early, with 0 too, has passed nothing.
        failures.append(f"stopped by its limit of {done.stopped_by}" if done.stopped_by else f"exit code {done.exit}")
        log = f"pytest did not come to its end: {failures[-1]}\n{log}"
    return Report(
        green=not failures,
        passed=sum(cases.values()),
        failed=len(failures),
        failures=failures,
        log=log,
        sandbox=sandbox,
        isolated=done.isolated,
    )


def _cases(workspace: Path) -> dict[str, bool]:
    """Which tests passed, by name, from the report pytest left. A skipped acceptance test has accepted nothing."""
    try:
        cases = ElementTree.fromstring(collect(workspace, ["junit.xml"])["junit.xml"]).iter("testcase")
    except (KeyError, FileRefused, ElementTree.ParseError):
        return {}
    names = [(f"{case.get('classname', '')}::{case.get('name', '')}".removeprefix("::"), case) for case in cases]
    return {name: not any(part.tag in ("failure", "error", "skipped") for part in case) for name, case in names}


@route
def verdict(report: Report) -> Literal["passed", "failed"]:
    return "passed" if report.green else "failed"


@human(writes="ruling", within=timedelta(days=2))
def review(request: str, report: Report, evidence: list[str], failure: Failure | None) -> Question[Ruling]:
    found = f"deploying it failed: {failure.message}" if failure else report.title
    return Question(f"{request!r}: {found}. Try again?", evidence=evidence[-8:], title="The change is not ready")


# ------------------------------------------------------------------------------------------------ deploy
#
#   releases/slugify/0.1.1/SHA256SUMS    the key of the step that put it there, and the checksum of the wheel
#   releases/slugify/0.1.1/slugify-0.1.1-py3-none-any.whl
#   releases/slugify/current             a link to 0.1.1
#
# A release appears by one rename and becomes current by another, so whoever looks sees it whole or not at all. The key
# tells a step that died and came back which release is its own.

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{package}"
version = "{version}"
requires-python = ">=3.11"

[tool.hatch.build]
ignore-vcs = true

[tool.hatch.build.targets.wheel]
packages = ["src/{package}"]
"""

IMPORT_IT = """\
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
"""


def shipped(analysis: Analysis, releases: str, step: Step) -> Release | None:
    """The probe: this step's release if it stands there, complete and linked. It only looks."""
    try:
        return _verified(Path(releases), analysis.package, step.key)
    except (StepError, OSError):
        return None


@function(writes="release", effect=True, in_doubt=shipped)
async def deploy(analysis: Analysis, patch: Patch, releases: str, sandbox: Sandbox, step: Step) -> Release:
    _need("hatchling")
    shelf = Path(releases) / analysis.package
    shelf.mkdir(parents=True, exist_ok=True)
    async with _alone_at(shelf):
        if (release := _release_of(shelf, step.key)) is None:
            version = f"0.1.{max((_number(one) for one in _released(shelf)), default=0) + 1}"
            step.progress(f"building {analysis.package} {version}")
            name, wheel = await _build(analysis.package, version, patch, sandbox, step.workspace)
            release = _put(shelf / version, name, wheel, step.key)
        _make_current(release)
        found = _verified(Path(releases), analysis.package, step.key)
    step.progress(f"released {found.wheel}")
    return found


async def _build(package: str, version: str, patch: Patch, sandbox: Sandbox, workspace: Path) -> tuple[str, bytes]:
    """The wheel's name and bytes. Raises StepError with the log if it cannot be built, or built cannot be imported."""
    unpack({f"src/{path}": text for path, text in patch.files.items()}, workspace)
    unpack({"pyproject.toml": PYPROJECT.format(package=package, version=version)}, workspace)
    hatchling = [sys.executable, "-I", "-m", "hatchling", "build", "-t", "wheel"]
    built = await sandbox.run(hatchling, workspace=workspace)
    found = list((workspace / "dist").glob("*.whl"))
    if not built.ok or len(found) != 1:
        raise StepError(f"the wheel was not built: {_excerpt(built.stdout + built.stderr)}")
    # Read now: importing runs the patch, and what runs in the workspace may change what lies there.
    wheel = found[0].read_bytes()
    place = found[0].relative_to(workspace).as_posix()
    imported = await sandbox.run([sys.executable, "-I", "-B", "-c", IMPORT_IT, place, package], workspace=workspace)
    if not imported.ok:
        raise StepError(f"the wheel cannot be imported: {_excerpt(imported.stdout + imported.stderr)}")
    return found[0].name, wheel


def _put(release: Path, name: str, wheel: bytes, key: str) -> Path:
    fresh = release.with_name(".fresh")
    shutil.rmtree(fresh, ignore_errors=True)  # a deploy that was killed may have left one
    fresh.mkdir()
    (fresh / name).write_bytes(wheel)
    (fresh / "SHA256SUMS").write_text(f"# key {key}\n{_sha256(wheel)}  {name}\n")
    _to_disk(fresh / name, fresh / "SHA256SUMS", fresh)
    os.rename(fresh, release)
    _to_disk(release.parent)
    return release


def _make_current(release: Path) -> None:
    current, fresh = release.with_name("current"), release.with_name(".current")
    # A step that died and came back must not push a later release aside.
    if current.is_symlink() and _number(current.readlink()) >= _number(release):
        return
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(release.name)
    os.replace(fresh, current)
    _to_disk(release.parent)


def _verified(releases: Path, package: str, key: str) -> Release:
    """The key's release as it really lies there. Raises StepError for the first thing that is wrong with it."""
    release = _release_of(releases / package, key)
    if release is None:
        raise StepError(f"{package} has no release of {key}")
    listed = [line.partition("  ") for line in _lines(release) if not line.startswith("#")]
    sums = {name: checksum for checksum, _, name in listed}
    wheels = sorted(path.name for path in release.glob("*.whl"))
    if wheels != sorted(sums) or len(wheels) != 1:
        raise StepError(f"{release} does not hold what its SHA256SUMS lists")
    name = wheels[0]
    if _sha256((release / name).read_bytes()) != sums[name]:
        raise StepError(f"{release / name} has another checksum than its SHA256SUMS says")
    if _metadata(release / name) != (package, release.name):
        raise StepError(f"{release / name} does not say that it is {package} {release.name}")
    current = release.with_name("current")
    if not current.is_symlink() or _number(current.readlink()) < _number(release):
        raise StepError(f"{current} does not lead to {release.name}")
    return Release(package=package, version=release.name, wheel=str(release / name), sha256=sums[name])


def _metadata(wheel: Path) -> tuple[str | None, str | None]:
    try:
        with zipfile.ZipFile(wheel) as opened:
            inside = next(name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
            found = BytesParser().parsebytes(opened.read(inside), headersonly=True)
    except (zipfile.BadZipFile, StopIteration):
        return None, None
    return found["Name"], found["Version"]


@asynccontextmanager
async def _alone_at(shelf: Path) -> AsyncIterator[None]:
    """One deploy of a package at a time, in any process. The kernel lets go of the lock when its process dies."""
    with (shelf / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.05)
        yield


def _released(shelf: Path) -> list[Path]:
    return [path for path in shelf.glob("0.1.*") if _number(path)]


def _release_of(shelf: Path, key: str) -> Path | None:
    return next((release for release in _released(shelf) if f"# key {key}" in _lines(release)), None)


def _lines(release: Path) -> list[str]:
    manifest = release / "SHA256SUMS"
    return manifest.read_text(errors="replace").splitlines() if manifest.is_file() else []


def _number(release: Path) -> int:
    last = release.name.rpartition(".")[2]
    return int(last) if last.isdecimal() else 0


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _to_disk(*paths: Path) -> None:
    """A step that ended is not repeated, so its effect must outlast a power cut as the step's own record does."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ------------------------------------------------------------------------------------------------ text


def _sections(**texts: str) -> str:
    return "\n\n".join(f"{title}:\n{text}" for title, text in texts.items() if text)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _excerpt(text: str, most: int = 6000) -> str:
    """The beginning, where the first failure stands, and the end, where they are summed up."""
    text = text.strip()
    return text if len(text) <= most else f"{text[: most // 2]}\n[...]\n{text[-most // 2 :]}"


def _need(tool: str) -> None:
    if find_spec(tool) is None:
        raise Infrastructure(f"{tool} is not installed", "pip install 'workflow-proof[ship]'", retryable=False)


# ------------------------------------------------------------------------------------------------ the workflow

ship = workflow(
    "ship",
    state=Change,
    resources={Sandbox: open_sandbox},
    edges=[
        START >> analyze >> design >> implement >> run_tests >> verdict,
        verdict["passed"] >> deploy >> END,
        verdict["failed"] >> at_most(3, implement, then=review),
        review["retry"] >> implement,
        review["abandon"] >> FAIL("abandoned"),
        review.expired >> FAIL("nobody answered"),
        deploy.failed >> review,
    ],
)
