"""Text files into a workspace and out of it again, without ever following the workspace out of itself."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.sandbox.patterns import leads_to, matches, pattern_of
from workflow_engine.sandbox.tree import DEEPEST, FOLDER, Entry, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MOST_FILES = 2000
TOTAL_KB = 8192


class FileRefused(errors.StepError):
    """A file that cannot be carried: its path leads out, it is no plain text file, or it is too much."""

    kind = "validation"
    retryable = False


def collect(
    workspace: Path, patterns: Sequence[str], *, total_kb: int = TOTAL_KB, most_files: int = MOST_FILES
) -> dict[str, str]:
    """The workspace's text files that match a pattern, by path, in the order of their paths.

    In a pattern `*` matches within one name and `**` any number of folders: "src/**/*.py". Raises FileRefused if one
    is a link, a device or no UTF-8 text, or if all are more than `total_kb` or `most_files`. Links are never followed.
    """
    wanted = [pattern_of(pattern) for pattern in patterns]
    found: dict[str, str] = {}
    left = total_kb * 1024
    try:
        for entry in walk(workspace.resolve()):
            if entry.is_folder:
                _refuse_depth(entry, wanted)
                continue
            if not any(matches(entry.parts, pattern) for pattern in wanted):
                _refuse_detour(entry, wanted)
                continue
            if len(found) >= most_files:
                raise FileRefused(f"more than {most_files} files match {', '.join(patterns)}", "name fewer of them")
            data = _read(entry, left)
            left -= len(data)
            if left < 0:
                raise FileRefused(f"the files that match {', '.join(patterns)} are more than {total_kb} KB")
            found[_name(entry)] = _text(entry, data)
    except OSError as error:
        raise FileRefused(f"the workspace cannot be read: {error.strerror}: {error.filename}") from error
    return dict(sorted(found.items()))


def unpack(
    files: Mapping[str, str], workspace: Path, *, total_kb: int = TOTAL_KB, most_files: int = MOST_FILES
) -> None:
    """Write the files into the workspace, over what stands there. Raises FileRefused before anything is written if one
    of the paths leads out of it or the files are too much, and when a link or a device is in the way.

    >>> from pathlib import Path
    >>> unpack({"../etc/cron.d/x": ""}, Path())
    Traceback (most recent call last):
        ...
    workflow_engine.sandbox.files.FileRefused: '../etc/cron.d/x' is not a path within the workspace
      write it relative, with / between names, and without '.' or '..'
    """
    if len(files) > most_files:
        raise FileRefused(f"{len(files)} files are more than {most_files}")
    contents = {_parts(path): _bytes(path, text) for path, text in sorted(files.items())}
    total = sum(len(data) for data in contents.values())
    if total > total_kb * 1024:
        raise FileRefused(f"the files are {total // 1024} KB, more than {total_kb} KB")
    for parts in contents:
        for length in range(1, len(parts)):
            if parts[:length] in contents:
                raise FileRefused(f"{'/'.join(parts[:length])!r} cannot be a file and a folder")
    top = os.open(workspace.resolve(), FOLDER)
    try:
        for parts, data in contents.items():
            _write(top, parts, data)
    finally:
        os.close(top)


# One by one


def read(workspace: Path, path: str, *, most_kb: int = TOTAL_KB) -> str:
    """One text file of the workspace. Raises FileRefused where `collect` would, and if it is not there."""
    parts = _parts(path)
    if not _encodable(path):
        raise FileRefused(f"{path!r} is not UTF-8 text")
    try:
        with contextlib.ExitStack() as held:
            folder = os.open(workspace.resolve(), FOLDER)
            held.callback(os.close, folder)
            for name in parts[:-1]:
                folder = os.open(name, FOLDER, dir_fd=folder)
                held.callback(os.close, folder)
            entry = Entry(parts, folder, os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))
            return _whole(entry, most_kb)
    except OSError as error:
        raise FileRefused(f"{path!r} cannot be read: {error.strerror}") from error


def texts(workspace: Path, pattern: str, *, most_kb: int = TOTAL_KB) -> Iterator[tuple[str, str]]:
    """Path and text of the files that match, one at a time; what is no text, too much or a link is passed over."""
    for entry in matching(workspace, pattern):
        with contextlib.suppress(FileRefused, OSError):
            yield entry.path, _whole(entry, most_kb)


def matching(workspace: Path, pattern: str) -> Iterator[Entry]:
    """The plain files of the workspace that match, by name. Raises FileRefused if it cannot be read."""
    wanted = pattern_of(pattern)
    try:
        for entry in walk(workspace.resolve()):
            if stat.S_ISREG(entry.status.st_mode) and matches(entry.parts, wanted):
                yield entry
    except OSError as error:
        raise FileRefused(f"the workspace cannot be read: {error.strerror}: {error.filename}") from error


def _whole(entry: Entry, most_kb: int) -> str:
    data = _read(entry, most_kb * 1024)
    if len(data) > most_kb * 1024:
        raise FileRefused(f"{entry.path!r} is more than {most_kb} KB")
    return _text(entry, data)


# Out


def _refuse_depth(entry: Entry, wanted: Iterable[tuple[str, ...]]) -> None:
    if len(entry.parts) >= DEEPEST and any("**" in pattern or len(pattern) > DEEPEST for pattern in wanted):
        raise FileRefused(f"the workspace has folders nested deeper than {DEEPEST}")


def _refuse_detour(entry: Entry, wanted: Iterable[tuple[str, ...]]) -> None:
    """A link where a folder was expected would make files silently missing."""
    if stat.S_ISLNK(entry.status.st_mode) and any(leads_to(entry.parts, pattern) for pattern in wanted):
        raise FileRefused(f"{entry.path!r} is a symbolic link", "put the files themselves there")


def _name(entry: Entry) -> str:
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        raise FileRefused(f"the name of {entry.path!r} is not UTF-8") from None
    return entry.path


def _read(entry: Entry, left: int) -> bytes:
    _refuse_special(entry.path, entry.status)
    # NOFOLLOW and the second look: the first look and the opening are two moments.
    file = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=entry.folder)
    with open(file, "rb") as opened:
        _refuse_special(entry.path, os.fstat(file))
        return opened.read(left + 1)


def _text(entry: Entry, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FileRefused(f"{entry.path!r} is not UTF-8 text") from None


def _refuse_special(path: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise FileRefused(f"{path!r} is a symbolic link", "put the file itself there")
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused(f"{path!r} is a device, pipe, socket or folder, not a file")


# In


def _parts(path: str) -> tuple[str, ...]:
    parts = tuple(path.split("/"))
    odd = any(character < " " or character in "\\\x7f" for character in path)
    if odd or any(part in ("", ".", "..") for part in parts):
        raise FileRefused(
            f"{path!r} is not a path within the workspace",
            "write it relative, with / between names, and without '.' or '..'",
        )
    if len(parts) > DEEPEST or any(len(os.fsencode(part)) > 255 for part in parts if _encodable(part)):
        raise FileRefused(f"the path {path[:80]!r}... is too long")
    return parts


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes(path: str, text: str) -> bytes:
    if not _encodable(path) or not _encodable(text):
        raise FileRefused(f"{path!r} is not UTF-8 text")
    return text.encode()


def _write(top: int, parts: tuple[str, ...], data: bytes) -> None:
    path = "/".join(parts)
    with contextlib.ExitStack() as held:
        folder = top
        for name in parts[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=folder)
            try:
                folder = os.open(name, FOLDER, dir_fd=folder)
            except OSError as error:
                raise FileRefused(f"{path!r}: {name!r} is in the way and no folder: {error.strerror}") from error
            held.callback(os.close, folder)
        try:
            _refuse_special(path, os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))
            # Away with the old name first: writing into the file would change whatever else shares it.
            os.unlink(parts[-1], dir_fd=folder)
        except FileNotFoundError:
            pass
        fresh = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            made = os.open(parts[-1], fresh, 0o644, dir_fd=folder)
        except (FileNotFoundError, FileExistsError) as error:
            raise FileRefused(f"{path!r} cannot be written: its folder is changed meanwhile") from error
        with open(made, "wb") as file:
            file.write(data)
