"""Files are looked after with their store: checked, copied, cleared away, exported, encrypted."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import END, START, Engine, File, State, Store, function, workflow
from workflow_engine.errors import InputError, StoreDamaged, StoreError, UsageError
from workflow_engine.spec.file import OUTSIDE
from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.stores.folder import FolderFiles, files_of
from workflow_engine.stores.sqlite.keeping import contents, page
from workflow_engine.testing.clock import FakeClock

WORDS = b"what a run holds" * 100
NOW = datetime.now(UTC)


class Papers(State):
    words: str = ""
    file: File | None = None
    again: File | None = None


@function(writes="file")
async def make(words: str) -> File:
    return File.of(words.encode() + WORDS, name="words.txt")


@function(writes="again")
async def copy_(file: File) -> File:
    return File.of(file.read_bytes()[::-1])


FLOW = workflow("flow", state=Papers, edges=[START >> make >> copy_ >> END])


@pytest.fixture(params=["plain", "encrypted"])
def keys(request: Any) -> Keys | None:
    return Keys(new_key()) if request.param == "encrypted" else None


async def filled(path: Path, keys: Keys | None, *words: str) -> list[str]:
    """Runs that hold two files each; runs of equal words hold the same."""
    OUTSIDE.clear()
    async with Engine.connect(path, workflows=[FLOW], codec=keys) as engine:
        return [(await engine.run(FLOW, words=each)).id for each in words]


async def held(path: Path, keys: Keys | None, run: str) -> bytes:
    async with Engine.connect(path, codec=keys, create=False) as engine:
        values = (await engine.get(run)).values
        with engine.open_file(File(**values["file"])) as first, engine.open_file(File(**values["again"])) as second:
            found = first.read()
            assert second.read() == found[::-1]
            return found


def contents_of(path: Path) -> list[Path]:
    return sorted(files_of(path).glob("??/*"))


async def content(path: Path, keys: Keys | None, run: str, field: str) -> Path:
    async with Engine.connect(path, codec=keys, create=False) as engine:
        return FolderFiles(files_of(path)).path((await engine.get(run)).values[field]["sha256"])


async def test_a_harmed_content_is_told_of_each_run_that_names_it(path: Path, keys: Keys | None) -> None:
    one, same, other = await filled(path, keys, "a", "a", "b")
    store = Store(path, codec=keys)
    assert (await store.check()).whole
    harmed = await content(path, keys, one, "file")
    whole = harmed.read_bytes()
    harmed.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert set((await store.check()).damaged) == {one, same}
    harmed.unlink()
    health = await store.check()
    assert set(health.damaged) == {one, same}
    assert "is missing" in health.harms[0].what
    assert other not in health.damaged
    with pytest.raises(StoreDamaged):
        await store.export(one)
    assert not (await store.prune(statuses=["damaged"])).runs  # the runs themselves can be read
    harmed.write_bytes(whole)
    assert (await store.check()).whole


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE files SET size = size + 1",
        "UPDATE files SET seal = x'00'",
        "UPDATE files SET run = run + 1 WHERE run = 1",
        "UPDATE files SET sha256 = '../../../../etc/passwd' WHERE sha256 = (SELECT min(sha256) FROM files)",
        "UPDATE files SET sha256 = 7 WHERE sha256 = (SELECT min(sha256) FROM files)",
    ],
)
async def test_a_forged_row_is_told_and_leads_nowhere(path: Path, forgery: str, tmp_path: Path) -> None:
    await filled(path, None, "a")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(forgery)
    health = await Store(path).check()
    assert not health.whole
    copied = await Store(path).backup(tmp_path / "copy.sqlite")
    assert not copied.whole
    assert all(
        each.parent.parent == files_of(tmp_path / "copy.sqlite") for each in contents_of(tmp_path / "copy.sqlite")
    )


async def test_a_backup_has_its_files_and_opens_as_a_store(path: Path, keys: Keys | None, tmp_path: Path) -> None:
    one, _ = await filled(path, keys, "a", "b")
    before = contents_of(path)
    (tmp_path / "copies").mkdir()
    to = tmp_path / "copies" / "copy.sqlite"
    assert (await Store(path, codec=keys).backup(to)).whole
    assert len(contents_of(to)) == len(before) == 4
    assert sorted(each.name for each in to.parent.iterdir()) == ["copy.sqlite", "copy.sqlite.files"]
    shutil.rmtree(files_of(path))
    assert await held(to, keys, one) == b"a" + WORDS
    if keys is not None:
        assert all(WORDS not in each.read_bytes() for each in contents_of(to))
    to.unlink()
    with pytest.raises(UsageError, match="is there already"):
        await Store(path, codec=keys).backup(to)


async def test_a_backup_of_a_store_with_a_harmed_file_says_so(path: Path, tmp_path: Path) -> None:
    (one,) = await filled(path, None, "a")
    (await content(path, None, one, "file")).unlink()
    health = await Store(path).backup(tmp_path / "copy.sqlite")
    assert health.damaged == (one,)
    assert len(contents_of(tmp_path / "copy.sqlite")) == 1


async def test_files_go_with_the_last_run_that_names_them(path: Path, keys: Keys | None) -> None:
    one, same, other = await filled(path, keys, "a", "a", "b")
    for each in contents_of(path):
        os.utime(each, (1, 1))
    store = Store(path, codec=keys, clock=FakeClock(NOW + timedelta(days=9)))
    await store.prune(keep=2)
    assert len(contents_of(path)) == 4
    pruned = await store.prune(keep=1)
    assert [each.run for each in pruned.runs] == [same]
    assert len(contents_of(path)) == 2
    assert any("MB of files that nothing names were cleared away" in each for each in pruned.notes)
    assert await held(path, keys, other) == b"b" + WORDS
    assert (await store.check()).whole
    assert one != same


async def test_what_a_crash_left_behind_is_noted_and_cleared_away_when_it_is_a_day_old(path: Path) -> None:
    await filled(path, None, "a")
    files = FolderFiles(files_of(path))
    name, _ = files.put(io.BytesIO(b"made, and never committed"))
    unfinished = files.folder / "new" / "half"
    unfinished.write_bytes(b"half of it")
    store = Store(path)
    health = await store.check()
    assert health.whole
    assert any(each.startswith("2 files belong to no run") for each in health.notes)
    await store.prune(keep=9)
    assert files.path(name).exists()
    assert unfinished.exists()
    for each in (files.path(name), unfinished):
        os.utime(each, (1, 1))
    await store.prune(keep=9)
    assert not files.path(name).exists()
    assert not unfinished.exists()
    assert len(contents_of(path)) == 2


async def test_a_run_takes_its_files_along_in_its_document(path: Path, keys: Keys | None, tmp_path: Path) -> None:
    (one,) = await filled(path, keys, "a")
    text = await Store(path, codec=keys).export(one)
    other = Store(tmp_path / "other.sqlite")
    assert await other.import_(text) == one
    assert await held(tmp_path / "other.sqlite", None, one) == b"a" + WORDS
    assert (await other.check()).whole
    assert await other.export(one) == text


async def test_files_too_large_for_a_document_are_refused_with_the_way_that_takes_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await filled(path, None, "a")
    monkeypatch.setattr(contents, "CARRIED", 1000)
    with pytest.raises(StoreError, match="a document carries at most 1,000") as caught:
        await Store(path).export(one)
    assert "workflow store backup" in str(caught.value.cure)


FORGED: dict[str, Any] = {
    "another content": {"content": "AAAA"},
    "no base64": {"content": "%"},
    "a path": {"sha256": "../../x"},
    "another size": {"size": 7},
    "a part too many": {"path": "/etc/passwd"},
    "no text": {"content": 7},
}


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_file_in_a_document_is_refused(path: Path, tmp_path: Path, forgery: str) -> None:
    (one,) = await filled(path, None, "a")
    parts = page.read(await Store(path).export(one))
    parts["files"][0].update(FORGED[forgery])
    text = page.written({name: parts[name] for name in page.PARTS if name not in ("format", "schema", "digest")})
    with pytest.raises(InputError):
        await Store(tmp_path / "other.sqlite").import_(text)
    assert not (tmp_path / "other.sqlite").exists()


async def test_what_runs_hold_is_encrypted(path: Path) -> None:
    keys = Keys(new_key())
    (one,) = await filled(path, keys, "a secret")
    for each in path.parent.rglob("*"):
        if each.is_file():
            assert WORDS[:16] not in each.read_bytes()
    assert await held(path, keys, one) == b"a secret" + WORDS


async def test_a_document_without_files_is_as_it_was(path: Path) -> None:
    class Bare(State):
        n: int = 0

    @function(writes="n")
    async def one() -> int:
        return 1

    bare = workflow("bare", state=Bare, edges=[START >> one >> END])
    async with Engine.connect(path, workflows=[bare]) as engine:
        view = await engine.run(bare)
    assert "files" not in json.loads(await Store(path).export(view.id))
    assert not files_of(path).exists()
