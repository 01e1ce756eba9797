"""A body's process group: what it starts ends with it, and Ctrl-C in a terminal reaches its engine alone.

A terminal sends Ctrl-C to a whole group. The engine answers it by letting bodies finish, so they stand in groups of
their own; whoever stops a body kills its group, and on Linux the kernel kills a body whose engine died.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


class Mark:
    """Where a child writes which group it leads, before its body begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def group(self) -> int | None:
        """The group, once the body has begun."""
        try:
            text = self.path.read_text("ascii")
        except OSError:
            return None
        return int(text) if text.isdecimal() else None

    def kill(self) -> None:
        """End every process of the group."""
        group = self.group
        if group is not None and group > 1:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


@contextmanager
def marked() -> Iterator[Mark]:
    """A mark for one child. Whatever leaves this by an error, a cancellation too, takes the child's group with it."""
    number, name = mkstemp(prefix="workflow-body-")
    os.close(number)
    mark = Mark(Path(name))
    try:
        yield mark
    except BaseException:
        mark.kill()
        raise
    finally:
        mark.path.unlink(missing_ok=True)


def stand_apart(mark: str, parent: int) -> None:
    """Lead a group, die with the parent, and say so: what a child does before its body."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be told
        os._exit(1)
    Path(mark).write_text(str(os.getpid()), "ascii")
