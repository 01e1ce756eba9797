"""A file: a large artefact that the state only names. Its content is kept by its SHA-256 beside the store.

A `File` is a small frozen value and crosses into the store as plain JSON; nothing in it says where the content lies, so
that a forged one leads nowhere. Content is looked for on the shelf of the run that is under way, then on every shelf
that is open in this process, then among what was made outside of any run: content that has the SHA-256 is the content,
wherever it is found, and it is checked to have it whenever it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import mimetypes
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, cast
from weakref import WeakValueDictionary

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from workflow_engine.errors import FileMissing, StepError, UsageError

Named = tuple[str, int]
"""A content as a File names it: its SHA-256 and its size."""
PIECE = 2**20
"""Bytes that are held in memory at a time."""
LONGEST_NAME = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\]")


class Shelf(Protocol):
    """Keeps contents by their SHA-256, for bodies on any thread."""

    def put(self, content: BinaryIO) -> tuple[str, int]:
        """Keep what can be read from here; its SHA-256 and its size. On disk when this returns."""
        ...

    def has(self, sha256: str, size: int) -> bool:
        """Whether it is there, as far as its name tells."""
        ...

    def hold(self, sha256: str, size: int) -> bool:
        """The same; if it is, it is not cleared away for a day, whatever names it."""
        ...

    def open(self, sha256: str, size: int) -> BinaryIO:
        """The content, checked before the first byte. Raises errors.FileMissing, errors.FileDamaged."""
        ...


class LendingShelf(Shelf, Protocol):
    """A shelf that can be taken into another process."""

    def lent(self, wanted: Sequence[Named]) -> AbstractContextManager[LendingShelf]:
        """A shelf that can be pickled and used in a process of its own, with these contents on it.

        What is put there is on this one when the block ends. Raises errors.FileMissing, errors.FileDamaged.
        """
        ...


SHELF: ContextVar[LendingShelf | None] = ContextVar("SHELF", default=None)
"""Where files made here are kept: the shelf of the run under way."""


class File(BaseModel):
    """A file in a state: `archive: File | None = None`. Make one with `File.of`.

    `sha256` is that of its content in hex, `size` its bytes; `name` is what a person calls it, never a path.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, lt=2**63)
    name: str = Field(default="file", min_length=1, max_length=LONGEST_NAME)
    media_type: str = Field(default="application/octet-stream", pattern=r"^[\w.+-]{1,100}/[\w.+-]{1,100}$")

    @field_validator("name")
    @classmethod
    def _is_no_path(cls, name: str) -> str:
        if _CONTROL.search(name) or name in (".", ".."):
            raise ValueError("a file's name is no path, and has no control characters")
        return name

    @classmethod
    def of(
        cls, content: str | Path | bytes | BinaryIO, *, name: str | None = None, media_type: str | None = None
    ) -> Self:
        """The file of a path, of bytes, or of what an open binary file goes on to hold.

        Within a step its content is copied beside the store, a piece at a time, and is on disk when this returns.
        Outside of one it stays where it is until a run is given it: as in a unit test. Raises errors.UsageError for
        what is no file, errors.StepError where it cannot be kept.
        """
        if isinstance(content, bytes | bytearray | memoryview):
            source: bytes | Path | BinaryIO = bytes(content)
        elif isinstance(content, str | os.PathLike):
            source = Path(content)
            name = name or _CONTROL.sub("_", source.name)[-LONGEST_NAME:]
        elif hasattr(content, "read"):
            source = content
        else:
            raise UsageError(f"a {type(content).__name__} is no file", "File.of(path), or File.of(b'...')")
        shelf: Shelf = SHELF.get() or OUTSIDE
        with opened(source) as stream:
            sha256, size = OUTSIDE.note(source, stream) if shelf is OUTSIDE else shelf.put(stream)
        name = name or "file"
        guessed = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return cls(sha256=sha256, size=size, name=name, media_type=guessed)

    def open(self) -> BinaryIO:
        """The content as a stream to read, checked as a whole before the first byte.

        Raises errors.FileMissing, and errors.FileDamaged for content that is not what its SHA-256 says.
        """
        return shelf_of(self).open(self.sha256, self.size)

    def read_bytes(self) -> bytes:
        """The content as a whole."""
        with self.open() as stream:
            return stream.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """The content as text."""
        return self.read_bytes().decode(encoding)

    def copy_to(self, path: str | Path) -> Path:
        """Write the content to a new file, or into a folder under the file's own name; where it went.

        Raises FileExistsError: nothing is written over.
        """
        to = Path(path)
        to = to / self.name if to.is_dir() else to
        with self.open() as stream, to.open("xb") as out:
            for piece in pieces(stream):
                out.write(piece)
        return to


def named(text: str) -> list[Named]:
    """The contents that a JSON text names, each once: whatever in it has the form of a File."""
    if '"sha256"' not in text:
        return []
    return list(dict.fromkeys(_descriptors(json.loads(text))))


def _descriptors(value: Any) -> Iterator[Named]:
    if isinstance(value, dict):
        if value.keys() == File.model_fields.keys() and isinstance(value["sha256"], str) and type(value["size"]) is int:
            yield value["sha256"], value["size"]
        else:
            for each in value.values():
                yield from _descriptors(each)
    elif isinstance(value, list):
        for each in value:
            yield from _descriptors(each)


def files_in(value: Any, place: str = "") -> Iterator[tuple[str, File]]:
    """Each file in plain JSON, with its place."""
    parts: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        if value.keys() == File.model_fields.keys():
            with contextlib.suppress(ValidationError):
                yield place, File.model_validate(value)
                return
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    for name, each in parts:
        yield from files_in(each, f"{place}.{name}" if place else str(name))


def shelf_of(file: File) -> Shelf:
    """The shelf that has the content. Raises errors.FileMissing."""
    here = SHELF.get()
    shelves: tuple[Shelf, ...] = (*(() if here is None else (here,)), *_known.values(), OUTSIDE)
    for each in shelves:
        if each.has(file.sha256, file.size):
            return each
    raise FileMissing(file.name, file.sha256)


_known: WeakValueDictionary[str, Shelf] = WeakValueDictionary()
_kept: dict[str, Shelf] = {}


def know(place: str, shelf: Shelf, *, keep: bool) -> None:
    """Let files be read from this shelf wherever they are met in this process, for as long as somebody has it.

    One that holds nothing open is kept: the view of a run outlives its engine.
    """
    _known[place] = shelf
    if keep:
        _kept[place] = shelf


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """What a stream holds, in pieces that fit into memory."""
    while piece := stream.read(PIECE):
        yield piece


def digest_of(stream: BinaryIO) -> tuple[str, int]:
    """The SHA-256 of what a stream holds, and how many bytes that are."""
    made, size = hashlib.sha256(), 0
    for piece in pieces(stream):
        made.update(piece)
        size += len(piece)
    return made.hexdigest(), size


def opened(source: bytes | Path | BinaryIO) -> BinaryIO:
    """A stream over a source. Raises errors.UsageError for a path that leads to no file."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not isinstance(source, Path):
        return cast("BinaryIO", _Lent(source))
    try:
        stream = source.open("rb")
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror or error}", "name a file that is there") from error
    except ValueError as error:
        raise UsageError(f"{str(source)!r} is no path: {error}", "name a file that is there") from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise UsageError(f"{source} is no regular file", "name one that has an end")
    return stream


class _Lent(io.BufferedIOBase):
    """Somebody else's stream, which stays open."""

    def __init__(self, beneath: BinaryIO) -> None:
        self._beneath = beneath

    def read(self, size: int | None = -1) -> bytes:
        read: Any = self._beneath.read(-1 if size is None else size)
        if not isinstance(read, bytes):
            raise UsageError(f"the stream gives {type(read).__name__}, and a file holds bytes", 'open it with "rb"')
        return read


class _Outside:
    """Implements Shelf for what is made outside of any run: content stays where it is."""

    def __init__(self) -> None:
        self._sources: dict[Named, bytes | Path] = {}

    def put(self, content: BinaryIO) -> tuple[str, int]:
        return self.note(content, content)

    def note(self, source: bytes | Path | BinaryIO, stream: BinaryIO) -> tuple[str, int]:
        """Remember a source."""
        if not isinstance(source, bytes | Path):
            # It can be read only once: kept in a file that is gone with this process.
            kept = tempfile.NamedTemporaryFile(prefix="workflow-file-")  # noqa: SIM115
            for piece in pieces(stream):
                kept.write(piece)
            kept.flush()
            _temporary.append(kept)
            source = Path(kept.name)
            with source.open("rb") as again:
                sha256, size = digest_of(again)
        else:
            sha256, size = digest_of(stream)
            source = source.absolute() if isinstance(source, Path) else source
        self._sources[sha256, size] = source
        return sha256, size

    def has(self, sha256: str, size: int) -> bool:
        return (sha256, size) in self._sources

    def clear(self) -> None:
        """Forget all of it, as a process does that ends."""
        self._sources.clear()

    def hold(self, sha256: str, size: int) -> bool:
        return self.has(sha256, size)

    def open(self, sha256: str, size: int) -> BinaryIO:
        source = self._sources.get((sha256, size))
        if source is None:
            raise FileMissing("", sha256)
        with opened(source) as stream:
            if isinstance(source, Path) and digest_of(stream) != (sha256, size):
                raise StepError(f"{source} was changed since a File was made of it", "make it anew: File.of(...)")
        return opened(source)


_temporary: list[Any] = []
OUTSIDE = _Outside()
