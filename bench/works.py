"""The works that are measured: what is to be done, in how many steps, by how many runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["loop", "spread", "resume", "many", "takeover", "raw", "turn"]
KB = 1000
MB = 1_000_000
MARGIN = 1000
"""Characters that a field of "1 MB" stays below it: one write of ours holds at most 1,000,000 characters of JSON."""


@dataclass(frozen=True)
class Work:
    """One thing to do. `steps` is of one run, or the number of its items; `payload` a constant field, `item` what a
    step appends, in bytes.
    """

    name: str
    title: str
    kind: Kind = "loop"
    steps: int = 500
    runs: int = 1
    payload: int = 0
    item: int = 0
    reads: bool = False
    rounds: int = 3
    audited: bool = True
    slow: bool = False
    subjects: tuple[str, ...] = ()
    """Who does it; empty means everybody."""

    @property
    def all_steps(self) -> int:
        return self.steps * self.runs


STORES = ("ours", "saver", "plain", "burr-async-wal", "dbos")
SAVERS = ("ours", "ours-lg", "saver", "plain", "none")
SPREADERS = ("ours", "ours-100", "ours-normal", "ours-lg", "saver", "plain", "plain-sync", "none", "dbos", "dbos-wal")
TALKERS = ("ours-agents", "ours-agents-normal", "ours-openai", "ours-openai-normal", "agents", "openai")
WORKS = (
    Work("small", "500-step loop, small state", rounds=5, slow=True),
    Work("100kb", "500 steps, a constant field of 100 KB", payload=100 * KB, rounds=3, audited=False),
    Work("1mb", "500 steps, a constant field of 1 MB", payload=MB - MARGIN, rounds=3, slow=True),
    Work(
        "read1mb",
        "500 steps, each is handed the constant 1 MB",
        payload=MB - MARGIN,
        reads=True,
        rounds=2,
        audited=False,
        subjects=SAVERS,
    ),
    Work("list", "1,000 steps, a list grows 1 KB a step", steps=1000, item=KB, rounds=3, slow=True),
    Work("c100", "100 concurrent runs of 10 steps", steps=10, runs=100, rounds=3, slow=True),
    Work("c1000", "1,000 concurrent runs of 10 steps", steps=10, runs=1000, rounds=3, audited=False),
    Work("each100", "fan-out over 100 items", "spread", steps=100, rounds=3, audited=False, subjects=SPREADERS),
    Work("each1000", "fan-out over 1,000 items", "spread", steps=1000, rounds=3, subjects=SPREADERS),
    Work("each5000", "fan-out over 5,000 items", "spread", steps=5000, rounds=2, audited=False, subjects=SPREADERS),
    Work("resume", "resume of a 1,000-step run", "resume", steps=1000, rounds=2, audited=False),
    Work("few", "a store of 100 runs", "many", steps=2, runs=100, rounds=3, audited=False, subjects=STORES),
    Work("many", "a store of 10,000 runs", "many", steps=2, runs=10_000, rounds=3, audited=False, subjects=STORES),
    Work(
        "takeover",
        "takeover of a dead process's run",
        "takeover",
        steps=1,
        runs=120,
        rounds=1,
        audited=False,
        subjects=("ours", "ours-normal"),
    ),
    Work("turn", "agent turns of 20 model calls", "turn", steps=20, runs=5, rounds=3, subjects=TALKERS),
)
BY_NAME = {each.name: each for each in WORKS}


def quick(work: Work) -> Work:
    """The same work, a fifth of it, for iterating."""
    if work.kind == "many":
        return replace(work, rounds=1, runs=max(work.runs // 10, 60))
    if work.kind not in ("loop", "spread"):
        return replace(work, rounds=1, steps=max(work.steps // 5, 1), runs=max(work.runs // 10, 1))
    if work.runs > 1:
        return replace(work, rounds=2, runs=max(work.runs // 4, 10))
    return replace(work, rounds=2, steps=work.steps // 5 if work.steps <= 500 else 250)
