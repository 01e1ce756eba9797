"""Files beside the store: the contract on every keeper, and what only a folder can suffer."""

from __future__ import annotations

import io
import os
import stat
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from workflow_engine.errors import FileDamaged, FileMissing, StepError
from workflow_engine.spec.file import PIECE
from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.stores.folder import FolderFiles, Sealing
from workflow_engine.stores.memory.files import MemoryFiles
from workflow_engine.testing.files import WORDS, FilesContract, digest


class TestMemoryFiles(FilesContract):
    @pytest.fixture
    def files(self) -> MemoryFiles:
        return MemoryFiles()


class TestFolderFiles(FilesContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> FolderFiles:
        return FolderFiles(tmp_path / "runs.sqlite.files")


class TestEncryptedFiles(FilesContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> FolderFiles:
        return FolderFiles(tmp_path / "runs.sqlite.files", Sealing(Keys(new_key()), b"a place"))


@pytest.fixture(params=["plain", "encrypted"])
def files(request: Any, tmp_path: Path) -> FolderFiles:
    sealing = Sealing(Keys(new_key()), b"a place") if request.param == "encrypted" else None
    return FolderFiles(tmp_path / "runs.sqlite.files", sealing)


class Long(io.RawIOBase):
    """So many bytes, of which none is kept."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return b"x" * size


def test_a_long_file_is_never_whole_in_memory(files: FolderFiles) -> None:
    long: Any = Long(40 * PIECE)
    tracemalloc.start()
    name, size = files.put(long)
    with files.open(name, size) as stream:
        assert sum(len(piece) for piece in iter(lambda: stream.read(PIECE), b"")) == 40 * PIECE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * PIECE


def test_files_are_their_owners_alone(files: FolderFiles) -> None:
    name, _ = files.put(io.BytesIO(WORDS))
    assert stat.S_IMODE(files.path(name).stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700


HARMS: dict[str, Any] = {
    "a byte changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "emptied": lambda path: os.truncate(path, 0),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"!"),
    "another's": lambda path: path.write_bytes(b"something else"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_damaged_is_never_given(files: FolderFiles, harm: str) -> None:
    content = WORDS * 100_000
    name, size = files.put(io.BytesIO(content))
    with files.open(name, size) as stream:
        assert len(stream.read()) == size
    HARMS[harm](files.path(name))
    with pytest.raises(FileDamaged):
        files.open(name, size)
    if harm != "a folder":  # made anew, it is whole again
        files.put(io.BytesIO(content))
        with files.open(name, size) as stream:
            assert stream.read() == content


def test_pieces_of_an_encrypted_file_cannot_be_moved(tmp_path: Path) -> None:
    keys = Keys(new_key())
    files = FolderFiles(tmp_path / "files", Sealing(keys, b"here"))
    a, b = (files.put(io.BytesIO(each * (3 * PIECE))) for each in (b"a", b"b"))
    raw = files.path(a[0]).read_bytes()
    head, rest = raw[:16], raw[16:]
    piece = len(rest) // 3
    swapped = head + rest[piece : 2 * piece] + rest[:piece] + rest[2 * piece :]
    short = head + rest[:piece] + rest[2 * piece :]
    other = files.path(b[0]).read_bytes()
    for forged in (swapped, short, raw[: 16 + piece], other, head + other[16:]):
        files.path(a[0]).write_bytes(forged)
        with pytest.raises(FileDamaged):
            files.open(*a)
    files.path(a[0]).write_bytes(raw)
    assert b"a" * 20 not in raw
    for elsewhere in (Sealing(keys, b"there"), Sealing(Keys(new_key()), b"here")):
        with pytest.raises(FileDamaged):
            FolderFiles(tmp_path / "files", elsewhere).open(*a)
    with files.open(*a) as stream:
        assert stream.seek(2 * PIECE + 5) == 2 * PIECE + 5
        assert stream.read(3) == b"aaa"


def test_a_full_disk_is_told(files: FolderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StepError, match="No space left on device"):
        files.put(io.BytesIO(WORDS))
    monkeypatch.undo()
    assert not files.has(digest(WORDS), len(WORDS))
    assert list(files.unfinished()) == []


def test_what_somebody_holds_is_not_cleared_away(files: FolderFiles) -> None:
    name, size = files.put(io.BytesIO(WORDS))
    os.utime(files.path(name), (1, 1))
    assert files.hold(name, size)
    assert files.clear(files.path(name), time.time() - 3600) == 0
    os.utime(files.path(name), (1, 1))
    assert files.clear(files.path(name), time.time() - 3600) > 0
    with pytest.raises(FileMissing):
        files.open(name, size)


def test_a_content_is_read_twice_and_checked_once(files: FolderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow_engine.stores import folder

    name, size = files.put(io.BytesIO(WORDS))
    files.open(name, size).close()
    monkeypatch.setattr(folder, "digest_of", None)
    files.open(name, size).close()
