"""The driver: every measurement in a fresh process, subjects taken in turn, round after round.

Whatever the machine does to one subject in some minute, it does to its neighbours as well: ratios are computed within
a round, and their median is what counts. A child that fails or takes too long costs its own figures and no other's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.disk import EXTRA_US, Shim
from bench.measurement import Measurement, Profile, Results
from bench.order import Order
from bench.roster import Subject
from bench.works import Work

HOUSE = Path(__file__).resolve().parent.parent
CACHE = HOUSE / ".cache" / "bench"
SECONDS = 120.0
LONG = 20.0
"""Seconds; a measurement that takes longer is made once."""
KILLED = "it was killed"
PREPARED = ("resume", "many")
_TRACERS = ("LANGCHAIN_", "LANGSMITH_", "OTEL_", "WORKFLOW_", "PYTHON", "LD_", "DBOS_", "BURR_")


@dataclass
class Driver:
    """Runs children. `pythons` gives each home its interpreter, or the reason why there is none."""

    results: Results
    keep: Callable[[], None]
    shim: Shim
    pythons: Callable[[str], Path | str]
    tell: Callable[[str], None]
    stores: Path
    seconds: float = SECONDS
    _left: dict[str, str] = field(default_factory=dict)
    _enough: set[tuple[str, str, str]] = field(default_factory=set)

    def measure(self, works: Sequence[Work], subjects: Sequence[Subject], *, rounds: int | None, slow: bool) -> None:
        """Every work by every subject: audits first, then the rounds, the slow disk in fewer of them."""
        for work in works:
            able = [each for each in subjects if does(each, work)]
            many = rounds or work.rounds
            if work.audited:
                self._take_turns(work, able, -1, audit=True)
            for number in range(many):
                self._take_turns(work, able, number)
                if slow and work.slow and self.shim.library and number < max(1, many // 2):
                    self._take_turns(work, [each for each in able if each.slow], number, disk="slow")
            self.keep()

    def _take_turns(
        self, work: Work, subjects: Sequence[Subject], number: int, *, disk: str = "here", audit: bool = False
    ) -> None:
        start = max(number, 0) % max(len(subjects), 1)  # nobody is always the one that comes after another
        for subject in (*subjects[start:], *subjects[:start]):
            if (work.name, subject.name, disk) in self._enough:
                continue
            measured = self.one(work, subject, number, disk=disk, audit=audit)
            self.results.measurements.append(measured)
            # What takes so long varies little, and would make the bench one of its own.
            if not audit and measured.figures.get("took", 0) > LONG:
                self._enough.add((work.name, subject.name, disk))
            self.tell(told(measured))
            self.keep()

    def one(self, work: Work, subject: Subject, number: int, *, disk: str = "here", audit: bool = False) -> Measurement:
        """One measurement. Never raises for what its child does."""
        python = self.pythons(subject.home)
        if isinstance(python, str):
            return Measurement(work.name, subject.name, number, disk, audit, problem=python)
        with folder() as place:
            order = Order(subject.module, work, str(place), dict(subject.options), audit=audit)
            if work.kind in PREPARED and (problem := self._prepared(python, order, subject, place)):
                return Measurement(work.name, subject.name, number, disk, audit, problem=problem)
            extra = {"BENCH_AUDIT": "1", **self.shim.environment()} if audit else {}
            if disk == "slow":
                extra = self.shim.environment(EXTRA_US)
            began = time.monotonic()
            figures = child(python, order, extra, self.seconds)
            figures["took"] = time.monotonic() - began
        problem = str(figures.pop("problem", ""))
        return Measurement(work.name, subject.name, number, disk, audit, work.all_steps, figures, problem)

    def look(self, work: Work, subject: Subject) -> Profile | None:
        """Where the time of a work goes; None if it could not be seen."""
        python = self.pythons(subject.home)
        if isinstance(python, str):
            return None
        with folder() as place:
            order = Order(subject.module, work, str(place), dict(subject.options), profile=True)
            if work.kind in PREPARED and self._prepared(python, order, subject, place):
                return None
            figures = child(python, order, {}, self.seconds)
        rows = figures.get("profile")
        return Profile(work.name, subject.name, rows) if rows else None

    def _prepared(self, python: Path, order: Order, subject: Subject, place: Path) -> str:
        """Put the store of a process that was killed into the folder; it is made once. The problem, if it was not."""
        kept = self.stores / f"{order.work.name}-{subject.name}"
        if not kept.exists():
            kept.mkdir(parents=True)
            said = child(python, replace(order, phase="prepare", folder=str(kept)), {}, 2 * self.seconds)
            self._left[kept.name] = str(said.get("problem", "it outlived its death"))
        if self._left[kept.name] != KILLED:
            return f"its store could not be made: {self._left[kept.name]}"
        shutil.copytree(kept, place, dirs_exist_ok=True)
        return ""


def does(subject: Subject, work: Work) -> bool:
    if work.subjects and subject.name not in work.subjects:
        return False
    return not subject.works or work.name in subject.works


def child(python: Path, order: Order, extra: dict[str, str], seconds: float) -> dict[str, Any]:
    """What a child printed, or {"problem": why it printed nothing}."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_TRACERS)}
    # A session of its own: what a child leaves behind ends with it, and nothing else does.
    running = subprocess.Popen(
        [str(python), "-m", "bench.child", order.text()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HOUSE,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(HOUSE), **extra},
        start_new_session=True,
    )
    try:
        out, err = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(running)
        return {"problem": f"too slow: not done in {seconds:.0f} s"}
    except BaseException:
        _end(running)
        raise
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            figures: dict[str, Any] = json.loads(line)
            return figures
    if running.returncode == -signal.SIGKILL:
        return {"problem": KILLED}
    last = err.strip().splitlines()[-1:] or [f"it ended with {running.returncode}"]
    return {"problem": last[0][:300]}


def _end(running: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder on the disk of the checkout, gone afterwards."""
    stores = CACHE / "stores"
    stores.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=stores))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def told(measured: Measurement) -> str:
    """One line for who watches."""
    where = f"{measured.work} {measured.subject}{' (slow disk)' if measured.disk == 'slow' else ''}"
    if measured.problem:
        return f"{where}: {measured.problem}"
    if measured.audit:
        return f"{where}: counted {measured.figures.get('commits', '?')} commits"
    if measured.figures.get("wall") is None or not measured.steps:
        return f"{where}: " + ", ".join(f"{k} {v:.4g}" for k, v in measured.figures.items() if isinstance(v, float))
    return f"{where}: {measured.figures['wall'] * 1000 / measured.steps:.3f} ms a step"
