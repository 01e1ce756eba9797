"""Who drives which run: a lock for each run that the kernel takes back the moment its owner dies.

One lock file stands beside the store, and a run is one byte of it, chosen by the run's id: an open-file-description
lock on that byte is held from before the first body until the run rests. Compared with a file for each run, a process
that drives a thousand runs needs one descriptor instead of a thousand (the usual limit is 1,024), no run leaves a file
behind, and a byte can be asked about without being taken, so that looking never stands in a claimer's way. As with
flock, two descriptors of one process exclude each other, and closing an unrelated file cancels nothing.

The file is never removed: a process that locked the removed one would own a run beside one that locked its successor.
If somebody does remove it, or a process is stopped and thawed after its lock was taken back, the epoch still keeps the
superseded owner from writing: the lock guards effects, the epoch guards state.
"""

from __future__ import annotations

import os
import struct
import sys
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import Any

from workflow_engine.errors import StoreError

try:
    import fcntl as _fcntl
except ImportError:  # pragma: no cover (Windows)
    fcntl: Any = None
else:
    fcntl = _fcntl

_DOOR = 2**62  # the byte of whoever opens the store; those of the runs lie below


class Owners:
    """The locks of one store, as seen by one ledger. `path` is the lock file."""

    def __init__(self, path: Path) -> None:
        require()
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _OPEN.add(self)

    def take(self, run: str) -> bool:
        """Own a run; False if somebody does already, be it another ledger of this process."""
        return self._take(_place(run))

    def drop(self, run: str) -> None:
        """Stop owning a run."""
        self._ask(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _place(run))

    def taken(self, run: str) -> bool:
        """Whether another ledger owns a run. Takes nothing, so nobody who claims it meanwhile is turned away."""
        return bool(self._ask(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, _place(run)) != fcntl.F_UNLCK)

    def anybody(self) -> bool:
        """Whether another ledger owns any run."""
        return bool(self._ask(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, 0, _DOOR) != fcntl.F_UNLCK)

    def enter(self) -> bool:
        """Be the one who opens the store; False while another does."""
        return self._take(_DOOR)

    def leave(self) -> None:
        """Let others open the store."""
        self._ask(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _DOOR)

    def _take(self, place: int) -> bool:
        try:
            self._ask(fcntl.F_OFD_SETLK, fcntl.F_WRLCK, place)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise StoreError(f"{self.path} cannot be locked: {error.strerror}", "put it on a local disk") from error
        return True

    def _ask(self, act: int, kind: int, place: int, length: int = 1) -> int:
        """Lock, unlock or look at one byte, or more; the kind of lock that stands there."""
        if self._fd < 0:
            raise StoreError(f"the store of {self.path} is closed", "open it again")
        if sys.platform == "darwin":
            answer = fcntl.fcntl(self._fd, act, struct.pack("qqihh", place, length, 0, kind, os.SEEK_SET))
            return int(struct.unpack("qqihh", answer)[3])
        answer = fcntl.fcntl(self._fd, act, struct.pack("hhqqi0q", kind, os.SEEK_SET, place, length, 0))
        return int(struct.unpack("hhqqi0q", answer)[0])

    def close(self) -> None:
        """Stop owning anything; closing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_OPEN: weakref.WeakSet[Owners] = weakref.WeakSet()


def _forked() -> None:
    # A forked child shares its parent's locks, and would hold them beyond the parent's death. Closing its copies
    # releases nothing of the parent's.
    for each in list(_OPEN):
        each.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def require() -> None:
    """Raises StoreError where the system has no such locks."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise StoreError(
            f"a store needs locks that {sys.platform} does not have, or this Python does not know",
            "use Linux or macOS (on Windows: WSL)",
        )


def _place(run: str) -> int:
    return int.from_bytes(blake2b(run.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 2
