"""Files in a folder: each content under its SHA-256, in place and on disk before anything names it.

    runs.sqlite.files/ab/cdef...   a content, mode 0600, under the rest of its SHA-256
    runs.sqlite.files/new/...      one that is being written
    runs.sqlite.files/lock         held while a name is given or taken away

A content is written aside, synced, and only then given its name, so that no death leaves half of one under a name. With
a codec it is a row of pieces, each encrypted and bound to its place in this very file.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import struct
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from workflow_engine.errors import FileDamaged, FileMissing, StepError
from workflow_engine.ports.codec import Codec
from workflow_engine.spec.file import PIECE, LendingShelf, Named, Shelf, digest_of

try:
    import fcntl as _fcntl
except ImportError:  # pragma: no cover (Windows)
    fcntl: Any = None
else:
    fcntl = _fcntl

_LENGTH = struct.Struct(">I")
_ID = 16
_NAME = re.compile(r"[0-9a-f]{64}")


def files_of(store: Path) -> Path:
    """The folder beside a store."""
    return store.with_name(f"{store.name}.files")


@dataclass(frozen=True)
class Sealing:
    """What encrypts contents: a codec, and the store's own name, to which they are bound."""

    codec: Codec
    place: bytes


class FolderFiles:
    """Implements ports.files.Files in a folder, which is made when the first content comes."""

    def __init__(self, folder: Path, sealing: Sealing | None = None) -> None:
        self.folder = folder
        self._sealing = sealing
        self._checked: set[tuple[str, int, int, int]] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        if self._sealing is not None:
            raise TypeError("keys leave no process")
        return FolderFiles, (self.folder,)

    @property
    def encrypted(self) -> bool:
        """Whether contents lie there encrypted."""
        return self._sealing is not None

    def path(self, sha256: str) -> Path:
        """Where a content lies, or would. Raises errors.FileMissing for what is no SHA-256, and so leads nowhere."""
        if not _NAME.fullmatch(sha256):
            raise FileMissing("", sha256)
        return self.folder / sha256[:2] / sha256[2:]

    def put(self, content: BinaryIO) -> tuple[str, int]:
        try:
            return self._put(content)
        except OSError as error:
            raise StepError(
                f"a file cannot be kept in {self.folder}: {error.strerror or error}", "make room, or make it writable"
            ) from error

    def _put(self, content: BinaryIO) -> tuple[str, int]:
        new = self.folder / "new"
        _made(new)
        handle, name = tempfile.mkstemp(dir=new)
        try:
            with os.fdopen(handle, "wb") as out:
                sha256, size = self._written(content, out)
                out.flush()
                os.fsync(out.fileno())
            path = self.path(sha256)
            _made(path.parent)
            with self.locked(exclusive=False):
                os.replace(name, path)
            _sync(path.parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        return sha256, size

    def _written(self, content: BinaryIO, out: BinaryIO) -> tuple[str, int]:
        made, size = hashlib.sha256(), 0
        seal = None if self._sealing is None else _Sealed(self._sealing, secrets.token_bytes(_ID))
        if seal is not None:
            out.write(seal.id)
        ahead = content.read(PIECE)
        number = 0
        while ahead or (seal is not None and number == 0):
            piece, ahead = ahead, content.read(PIECE)
            made.update(piece)
            size += len(piece)
            if seal is None:
                out.write(piece)
            else:
                shut = seal.shut(piece, number, last=not ahead)
                out.write(_LENGTH.pack(len(shut)) + shut)
            number += 1
        return made.hexdigest(), size

    def has(self, sha256: str, size: int) -> bool:
        try:
            found = os.stat(self.path(sha256))
        except (OSError, FileMissing):
            return False
        return self._sealing is not None or found.st_size == size

    def hold(self, sha256: str, size: int) -> bool:
        with self.locked(exclusive=False):
            if not self.has(sha256, size):
                return False
            with suppress(OSError):  # in a folder that is not ours to write, nobody else clears away either
                os.utime(self.path(sha256))
        return True

    def open(self, sha256: str, size: int) -> BinaryIO:
        try:
            raw = self.path(sha256).open("rb", buffering=0)
        except FileNotFoundError:
            raise FileMissing("", sha256) from None
        except OSError as error:
            raise FileDamaged(sha256, f"it cannot be read ({error.strerror or error})") from error
        stream = self._stream(raw, sha256)
        try:
            self._check(raw, stream, sha256, size)
        except BaseException:
            stream.close()
            raise
        return stream

    def _stream(self, raw: io.FileIO, sha256: str) -> BinaryIO:
        if self._sealing is None:
            return io.BufferedReader(raw, PIECE)
        return cast("BinaryIO", io.BufferedReader(_Opened(raw, self._sealing, sha256), PIECE))

    def _check(self, raw: io.FileIO, stream: BinaryIO, sha256: str, size: int) -> None:
        """Read it all once; again only if the file was touched since. Raises FileDamaged."""
        found = os.fstat(raw.fileno())
        known = (sha256, found.st_ino, found.st_ctime_ns, found.st_size)
        with self._lock:
            if known in self._checked:
                return
        try:
            real = digest_of(stream)
        except OSError as error:
            raise FileDamaged(sha256, f"it cannot be read ({error.strerror or error})") from error
        if real != (sha256, size):
            raise FileDamaged(sha256, f"it has {real[1]:,} bytes and another digest")
        stream.seek(0)
        with self._lock:
            if len(self._checked) > 10_000:
                self._checked.clear()
            self._checked.add(known)

    def lent(self, wanted: Sequence[Named]) -> AbstractContextManager[LendingShelf]:
        return here(self) if self._sealing is None else aside(self, wanted)

    # What house-keeping does

    def every(self) -> Iterator[tuple[str, os.stat_result]]:
        """The SHA-256 of each content, as its name tells it."""
        with suppress(FileNotFoundError):
            for shelf in sorted(os.scandir(self.folder), key=lambda each: each.name):
                if len(shelf.name) != 2 or not shelf.is_dir(follow_symlinks=False):
                    continue
                for each in os.scandir(shelf.path):
                    with suppress(OSError):
                        yield shelf.name + each.name, each.stat(follow_symlinks=False)

    def unfinished(self) -> Iterator[tuple[Path, os.stat_result]]:
        """What was being written, by somebody who may have died."""
        with suppress(FileNotFoundError):
            for each in os.scandir(self.folder / "new"):
                with suppress(OSError):
                    yield Path(each.path), each.stat(follow_symlinks=False)

    def clear(self, path: Path, before: float) -> int:
        """Remove a file that nobody touched since; how many bytes that freed."""
        with self.locked(exclusive=True), suppress(OSError):
            found = path.lstat()
            if found.st_mtime < before:
                path.unlink()
                return found.st_size
        return 0

    @contextmanager
    def locked(self, *, exclusive: bool) -> Iterator[bool]:
        """Hold the folder's lock; False where there is no folder, or none that can be locked."""
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError:
            yield self.folder.is_dir()
            return
        except OSError:
            yield False
            return
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield True
        finally:
            os.close(handle)


@contextmanager
def here(files: FolderFiles) -> Iterator[LendingShelf]:
    """The folder itself: nothing is copied."""
    yield files


@contextmanager
def aside(files: Shelf, wanted: Sequence[Named]) -> Iterator[LendingShelf]:
    """A folder for a moment, in which contents lie as they are; what comes in is taken over at the end."""
    with tempfile.TemporaryDirectory(prefix="workflow-files-") as name:
        lent = FolderFiles(Path(name))
        for sha256, size in wanted:
            with files.open(sha256, size) as stream:
                lent.put(stream)
        yield lent
        known = {sha256 for sha256, _ in wanted}
        for sha256, _ in lent.every():
            if sha256 not in known:
                with lent.path(sha256).open("rb") as stream:
                    files.put(stream)


def _made(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # A file is as durable as the names that lead to it.
    _sync(folder.parent)
    _sync(folder.parent.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Sealed:
    """Encrypts and decrypts the pieces of one file."""

    def __init__(self, sealing: Sealing, id: bytes) -> None:
        self._codec, self.id = sealing.codec, id
        self._place = b"file" + sealing.place + id

    def shut(self, piece: bytes, number: int, *, last: bool) -> bytes:
        return self._codec.shut(bytes([last]) + piece, self._place + number.to_bytes(8, "big"))

    def open(self, shut: bytes, number: int) -> tuple[bytes, bool]:
        plain = self._codec.open(shut, self._place + number.to_bytes(8, "big"))
        return plain[1:], plain[:1] == b"\x01"


class _Opened(io.RawIOBase):
    """The plain content of an encrypted file."""

    def __init__(self, raw: io.FileIO, sealing: Sealing, sha256: str) -> None:
        self._raw, self._sha256 = raw, sha256
        self._sealed = _Sealed(sealing, raw.read(_ID) or b"")
        self._rest, self._number, self._over = memoryview(b""), 0, False
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """From the beginning on, pieces are read until the place is reached."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("an encrypted file is sought from its beginning")
        self._raw.seek(_ID)
        self._rest, self._number, self._over, self._at = memoryview(b""), 0, False, 0
        while self._at < offset and self.readinto(bytearray(min(offset - self._at, PIECE))):
            pass
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, into: Any) -> int:
        while not self._rest and not self._over:
            self._next()
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._at += count
        return count

    def _next(self) -> None:
        try:
            (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
            if length > 2 * PIECE + 4096:
                raise ValueError("a piece is too long")
            piece, self._over = self._sealed.open(self._exactly(length), self._number)
            if self._over and self._raw.read(1):
                raise ValueError("it goes on after its end")
        except (ValueError, struct.error) as error:
            raise FileDamaged(self._sha256, "a piece of it cannot be decrypted") from error
        self._rest = memoryview(piece)
        self._number += 1

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            more = self._raw.read(length - len(found))
            if not more:
                raise ValueError("it ends too early")
            found += more
        return found

    def close(self) -> None:
        self._raw.close()
        super().close()


__all__ = ["FolderFiles", "Sealing", "aside", "files_of", "here"]
