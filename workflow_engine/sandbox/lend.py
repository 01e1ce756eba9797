"""The workspace, lent for one command to a user who owns nothing else on the machine.

Root is exempt from the limit on processes, and its files are protected from itself by nothing but the mounts. So when
the engine runs as root, a command runs as a user of its own: a number no account has, derived from the workspace, which
counts its processes apart from all others. That user must own the workspace meanwhile; afterwards everything goes back
to whoever had it, and with the change of owner the kernel takes setuid bits away.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine.sandbox.tree import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

# (first, how many): above every range distributions hand out; else, in a container with only 2**16 ids, Debian's
# reserve.
RANGES = ((0x7000_0000, 0x0FFF_FFFF), (60_000, 4_999))


def stranger(workspace: Path) -> int | None:
    """The user and group number for this workspace, or None where the running user namespace has none to spare."""
    number = zlib.crc32(os.fsencode(workspace))
    for first, size in RANGES:
        if all(_maps(Path(table), first, first + size) for table in ("/proc/self/uid_map", "/proc/self/gid_map")):
            return first + number % size
    return None


def _maps(table: Path, first: int, last: int) -> bool:
    try:
        rows = [[int(word) for word in line.split()] for line in table.read_text().splitlines()]
    except OSError:
        return False
    return any(inside <= first and last <= inside + size for inside, _, size in rows)


# Commands that share a workspace share its user too: only the last one gives it back.
_lent: Counter[Path] = Counter()


@contextlib.contextmanager
def lent(workspace: Path, user: int) -> Iterator[None]:
    owner = os.stat(workspace)
    back = (owner.st_uid, owner.st_gid) if owner.st_uid != user else (os.geteuid(), os.getegid())
    _lent[workspace] += 1
    try:
        _give(workspace, to=(user, user), unless=user)
        yield
    finally:
        _lent[workspace] -= 1
        if not _lent[workspace]:
            del _lent[workspace]
            _give(workspace, to=back, only=user)


def _give(workspace: Path, *, to: tuple[int, int], only: int | None = None, unless: int | None = None) -> None:
    def concerns(status: os.stat_result) -> bool:
        # A file with a second name may be somebody else's as well: it stays theirs.
        shared = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
        return only == status.st_uid or (only is None and status.st_uid != unless and not shared)

    if concerns(os.stat(workspace)):
        os.chown(workspace, *to)
    for entry in walk(workspace):
        if concerns(entry.status):
            os.chown(entry.name, *to, dir_fd=entry.folder, follow_symlinks=False)
