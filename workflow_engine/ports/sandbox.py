"""The sandbox port: run a command on a folder, isolated, and say honestly whether it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Limits:
    """What one command may use. `seconds` is wall time; memory and files are in megabytes (2**20 bytes)."""

    seconds: float = 60.0
    cpu_seconds: int = 60
    memory_mb: int = 1024
    file_mb: int = 64
    processes: int = 64
    output_kb: int = 256


@dataclass(frozen=True)
class Completed:
    """How the command ended. `exit` is None when a limit stopped it; `stopped_by` then says which."""

    exit: int | None
    stdout: str
    stderr: str
    seconds: float
    isolated: bool
    stopped_by: str | None = None

    @property
    def ok(self) -> bool:
        return self.exit == 0


class Sandbox(Protocol):
    """A place to run code nobody vouches for."""

    name: str
    isolated: bool

    async def run(
        self, argv: Sequence[str], *, workspace: Path, limits: Limits = Limits(), env: Mapping[str, str] | None = None
    ) -> Completed:
        """Run `argv` with `workspace` as its writable working folder.

        Raises `errors.Infrastructure` when the sandbox itself could not start: never a verdict on the command.
        """
        ...
