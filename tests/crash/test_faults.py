"""The disk fails while the engine drives runs: it says so, nothing acknowledged is lost, and the run goes on later."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.crash.disk import OPEN, READ, SYNC, TRUNCATE, UNLINK, WRITE, watched
from workflow_engine.errors import FenceLost, StoreError
from workflow_engine.stores.sqlite import open_ledger, writer, writing
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.testing.tale import Tale, append

HOUSE = Path(__file__).parent.parent.parent
ONCE, THRICE, FOR_GOOD = 1, 3, 0
CASES = {
    "a disk that fills up": (WRITE, errno.ENOSPC, FOR_GOOD),
    "a disk that is full for a moment": (WRITE, errno.ENOSPC, ONCE),
    "writes that fail": (WRITE, errno.EIO, FOR_GOOD),
    "a write that fails": (WRITE, errno.EIO, ONCE),
    "a disk that becomes read-only": (WRITE, errno.EROFS, FOR_GOOD),
    "syncs that fail": (SYNC, errno.EIO, FOR_GOOD),
    "a sync that fails": (SYNC, errno.EIO, ONCE),
    "a sync that fails three times": (SYNC, errno.EIO, THRICE),
    "reads that fail": (READ, errno.EIO, FOR_GOOD),
    "a read that fails": (READ, errno.EIO, ONCE),
    "files that cannot be opened": (OPEN, errno.EACCES, FOR_GOOD),
    "a file that cannot be opened at once": (OPEN, errno.EMFILE, ONCE),
    "files that cannot be cut": (TRUNCATE, errno.EIO, FOR_GOOD),
    "files that cannot be removed": (UNLINK, errno.EIO, FOR_GOOD),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="faults-", dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def failed(
    folder: Path, case: tuple[int, int, int], *, first: int, step: int, most: int, plant: str = ""
) -> list[dict[str, Any]]:
    """What came of runs on a disk that fails at every so many calls."""
    kind, error, times = case
    words = [str(each) for each in (folder, kind, error, times, first, step, most)]
    child = subprocess.run(
        [sys.executable, "-m", "tests.crash.failing", *words, plant],
        cwd=HOUSE,
        env=watched(folder),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in child.stdout.splitlines()]


def clear(told: dict[str, Any]) -> bool:
    """Whether a run succeeded in spite of the fault, or said in one line what is wrong, with its cure."""
    if told["outcome"] != "StoreError":
        return bool(told["outcome"] == "succeeded")
    return bool(told["what"] and told["cure"]) and "\n" not in told["what"] + told["cure"]


@pytest.mark.parametrize("case", ["a disk that fills up", "syncs that fail", "a read that fails"])
def test_a_disk_that_fails_is_said_and_the_run_goes_on_once_it_is_well(folder: Path, case: str) -> None:
    seen = failed(folder, CASES[case], first=2, step=11, most=16)
    assert [each for each in seen if each["wrong"] or not clear(each)] == []
    assert any(each["failed"] and each["outcome"] == "StoreError" for each in seen)


@pytest.mark.crash
@pytest.mark.parametrize("case", CASES)
def test_a_disk_that_fails_at_every_call_is_said_and_the_run_goes_on(folder: Path, case: str) -> None:
    seen = failed(folder, CASES[case], first=1, step=1, most=400)
    assert [each for each in seen if each["wrong"] or not clear(each)] == []
    assert not seen[-1]["failed"], "every call has to have its turn"
    # In such a life one file is cut, once; everything else is done often.
    assert len(seen) > (1 if case == "files that cannot be cut" else 2)
    assert seen[0]["failed"]


def test_a_command_says_what_is_wrong_with_the_disk_and_exits_with_8(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    full = {**watched(store), "DISK_FAIL": f"{WRITE} 120 0 {errno.ENOSPC}"}
    child = commanded("run", "graphs/hello.py", store, full)
    assert child.returncode == 8
    assert "Traceback" not in child.stderr
    assert "cannot grow" in child.stderr
    assert "make room on the disk" in child.stderr
    assert commanded("recover", "", store, dict(os.environ)).returncode in (0, 3)


def commanded(verb: str, target: str, store: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = [verb, *([target] if target else []), "--store", str(store / "runs.sqlite")]
    command = [sys.executable, "-m", "workflow_engine.cli", *words]
    return subprocess.run(command, cwd=HOUSE, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root mounts a small disk")
async def test_a_disk_that_is_really_full_is_said_and_the_run_goes_on_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not _mounted(disk):
        pytest.skip("root may not mount here")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(300_000))
        ledger = await open_ledger(disk / "runs.sqlite")
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        before, error = tale.run, None
        while error is None:
            before = tale.run
            commit = ledger.commit(fence, tale.stepped(append("log", "x" * 5000)))
            error = (await asyncio.gather(commit, return_exceptions=True))[0]
        assert isinstance(error, StoreError)
        assert error.cure
        assert (await ledger.read(tale.id)).run == before
        await ledger.release(fence)
        ballast.unlink()
        again, found = await ledger.claim(tale.id)
        await ledger.commit(again, Tale.of(found.run).stepped())
        await ledger.close()
    finally:
        _unmounted(disk)


def _mounted(disk: Path) -> bool:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


def _unmounted(disk: Path) -> None:
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_store_that_another_program_keeps_locked_is_said_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_engine.stores.sqlite.transaction.BUSY_SECONDS", 0.05)
    path = tmp_path / "runs.sqlite"
    ledger = await open_ledger(path)
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    before = tale.run
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            await ledger.commit(fence, tale.stepped())
        assert (await ledger.read(tale.id)).run == before
    await ledger.release(fence)
    again, found = await ledger.claim(tale.id)
    await ledger.commit(again, Tale.of(found.run).stepped())
    await ledger.close()


# ------------------------------------------------------------------------------------------------ planted faults


class InDoubt(sqlite3.Connection):
    """A connection whose next COMMIT fails, before or after it is made."""

    when = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        when = InDoubt.when if sql == "COMMIT" else ""
        if not when:
            return super().execute(sql, *values)
        InDoubt.when = ""
        if when == "after":
            super().execute(sql, *values)
        error = sqlite3.OperationalError("planted")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error


async def doubted(path: Path, when: str) -> list[str]:
    """What is wrong with a commit whose COMMIT failed, before or after it was made."""
    ledger, elsewhere = await open_ledger(path, factory=InDoubt), await open_ledger(path)
    try:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        InDoubt.when = when
        wrong: list[str] = []
        try:
            await ledger.commit(fence, tale.stepped(append("log", 1)))
        except Exception as error:
            return [f"the commit was refused: {error}"]
        found = await elsewhere.read(tale.id)
        if found.run != tale.run or found.state["log"].json() != [1]:
            wrong.append("it was acknowledged, and is not there once")
        return wrong
    finally:
        await ledger.close()
        await elsewhere.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_in_doubt_is_made_once(tmp_path: Path, when: str) -> None:
    assert await doubted(tmp_path / "runs.sqlite", when) == []


@pytest.mark.parametrize(("when", "taken"), [("before", True), ("after", False)])
async def test_a_store_that_guesses_what_became_of_a_commit_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, taken: bool
) -> None:
    monkeypatch.setattr(writer, "found", lambda jobs, outcomes, db: taken)
    assert await doubted(tmp_path / "runs.sqlite", when)


def test_a_store_that_takes_a_failed_sync_for_done_is_found_out_by_failing_disks(folder: Path) -> None:
    seen = failed(folder, CASES["syncs that fail"], first=1, step=1, most=40, plant="done")
    assert any(each["wrong"] or not clear(each) for each in seen)


async def superseded(path: Path) -> Awaitable[None] | None:
    """What becomes of the commit of an owner whose run another has claimed, past the lock."""
    first = await open_ledger(path)
    tale = Tale("r1")
    fence = await first.create(tale.begun())
    path.with_name("runs.sqlite.owners").unlink()
    second = await open_ledger(path)
    await second.claim(tale.id)
    outcome = (await asyncio.gather(first.commit(fence, tale.stepped()), return_exceptions=True))[0]
    await first.close()
    await second.close()
    return outcome  # type: ignore[return-value]


async def test_a_store_that_ignores_the_fence_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(await superseded(tmp_path / "runs.sqlite"), FenceLost)
    unfenced = {name: text.replace(" AND epoch = :epoch", "") for name, text in SQL.items()}
    monkeypatch.setattr(writing, "SQL", unfenced)
    (tmp_path / "other").mkdir()
    assert not isinstance(await superseded(tmp_path / "other" / "runs.sqlite"), FenceLost)
