"""The rlimits that stand for `Limits`, and what has to be added to them so that they mean the command alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine import errors

if TYPE_CHECKING:
    from workflow_engine.ports.sandbox import Limits

MEGABYTE = 2**20


def rlimits(limits: Limits, *, other_tasks: int) -> dict[str, tuple[int, int]]:
    """Soft and hard values by name. `other_tasks` are those the kernel counts with the command's own.

    Beyond the soft CPU limit comes SIGXCPU, which says why; SIGKILL follows a second later for whoever ignores it.
    """
    memory, file = limits.memory_mb * MEGABYTE, limits.file_mb * MEGABYTE
    tasks = limits.processes + other_tasks
    return {
        "RLIMIT_CPU": (limits.cpu_seconds, limits.cpu_seconds + 1),
        "RLIMIT_AS": (memory, memory),
        "RLIMIT_FSIZE": (file, file),
        "RLIMIT_NPROC": (tasks, tasks),
        "RLIMIT_CORE": (0, 0),
    }


def refuse_nonsense(limits: Limits) -> None:
    """Raises UsageError for a limit nothing could run under."""
    for name in ("seconds", "cpu_seconds", "memory_mb", "file_mb", "processes", "output_kb"):
        value = getattr(limits, name)
        if not value > 0:
            raise errors.UsageError(f"the limit {name}={value!r} leaves nothing to run with", "give a number above 0")


def tasks_of(user: int) -> int:
    """How many tasks (threads, as the kernel counts) the user has now; 0 where there is no /proc to count in."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == user:
                total += len(os.listdir(folder / "task"))
        except OSError:
            continue  # it ended while we counted
    return total
