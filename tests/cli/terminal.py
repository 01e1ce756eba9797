"""What a test sees of a command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any


@dataclass(frozen=True)
class Typed:
    """What came of one command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def next(self) -> str:
        """The command on the last line."""
        last = self.err.rstrip().splitlines()[-1]
        return last[last.index("workflow") :]


Cli = Callable[..., Typed]
Write = Callable[[str, str], Path]
Spawn = Callable[..., Popen[str]]
