"""A store whose pages, rows or log were damaged is never silently read wrong: what the port tells is true, or an error.

Every reading is compared with what it gave before the harm. It must be the same, or raise an error of ours. Of lists
this is asked: what stands in one is true, or marked as damaged; the list of all runs and the inbox are complete, or say
what is damaged. What a store does not notice, and these tests therefore leave out:

- A list that rests on one index (narrowed by workflow or status, `find`, `unfinished`, `boxes`, the mark of a listed
  run that letters wait) misses what a damaged page of that very index has lost. All of it is still found by the list of
  all runs and by reading the run, and `workflow store check` compares the indexes.
- `unfinished` may name a run that waits, for nothing: whoever claims it finds so.
- A whole row of `runs` or `letters` that is deleted through SQL, which takes it out of every index as well; what stood
  in no row is in none. The same holds for a store that was replaced by an older copy of itself.
- A log that lies beside a file it does not belong to, or was cut after the file had taken it in: each reading of a run
  is still true as of some commit, but not all of the same one.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.crash.harm import PAGES, forge
from tests.crash.story import MOST, Reading, Story, of_all, of_run
from tests.crash.teller import Short
from tests.crash.test_power import truth, whole
from workflow_engine.errors import RunNotFound, StoreError
from workflow_engine.ports.ledger import Ledger, Listed, Recorded
from workflow_engine.record.events import read_event
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Standing
from workflow_engine.stores.sqlite import open_ledger, reading
from workflow_engine.stores.sqlite.queries import SQL

RUNS = [RunId(f"run{number}") for number in range(MOST)]
READINGS: dict[str, Reading] = {
    **of_all(),
    **{f"{run}: {name}": read for run in RUNS for name, read in of_run(run, (3, 9, 20)).items()},
}
INCOMPLETE = {"find", "find one", "unfinished", "boxes"}
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="damage-", dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


async def told(path: Path, acts: int, seed: int = 2) -> bytes:
    """The store of a story, whole in one file."""

    async def opened() -> Ledger:
        return await open_ledger(path, factory=Short)

    async def nothing(number: int, run: RunId) -> None: ...

    await Story(opened, seed, nothing, lambda number: None).tell(acts)
    content = path.read_bytes()
    path.unlink()
    return content


async def looked(ledger: Ledger) -> Seen:
    """What every reading gives; an error where it raised one."""
    seen: Seen = {}
    for name, read in READINGS.items():
        try:
            seen[name] = await read(ledger)
        except Exception as error:
            seen[name] = error
    return seen


@dataclass
class Verdict:
    """What was read silently wrong, by the harm; how often harm was noticed, and how often a list missed something."""

    wrong: list[str] = field(default_factory=list)
    noticed: int = 0
    missed: Counter[str] = field(default_factory=Counter)

    def judge(self, harm: str, seen: Seen, truth: Seen, logged: str) -> None:
        harmed = {each.run for each in _list(seen["runs"]) if each.status == "damaged"}
        harmed |= {run for run in RUNS if any(isinstance(seen[f"{run}: {name}"], StoreError) for name in of_run(run))}
        if any(each.run not in RUNS for each in _list(seen["runs"])):
            # A run whose id was damaged: it stands in the list, and is found under no name.
            harmed |= set(RUNS) - {each.run for each in _list(seen["runs"])}
        if harmed or logged or any(isinstance(each, StoreError) for each in seen.values()):
            self.noticed += 1
        for name, found in seen.items():
            if isinstance(found, StoreError) or (isinstance(found, RunNotFound) and name.split(": ")[0] in harmed):
                continue
            why = self._fault(name, found, truth[name], harmed, logged)
            if why is not None:
                self.wrong.append(f"{harm}: {name}: {why}")

    def _fault(self, name: str, found: Any, true: Any, harmed: set[RunId], logged: str) -> str | None:
        if isinstance(true, Exception):
            return None if isinstance(found, type(true)) else f"{found!r}"[:300]
        if name in INCOMPLETE or (isinstance(true, list) and name in of_all()):
            if isinstance(found, Exception):
                return f"raised {found!r}"
            return self._list_fault(name, found, true, harmed, logged)
        return None if found == true else f"{found!r}"[:300] + f" and not {true!r}"[:300]

    def _list_fault(self, name: str, found: Any, true: Any, harmed: set[RunId], logged: str) -> str | None:
        known = {_name(each): each for each in true}
        for each in found:
            if isinstance(each, Listed):
                if each.status != "damaged" and each != known.get(_name(each)):
                    if replace(each, letters=not each.letters) != known.get(_name(each)):
                        return f"{each!r}"
                    self.missed["the mark of letters"] += 1
            elif _name(each) not in known and _name(each) not in harmed and name != "unfinished":
                return f"{each!r} does not belong here"
            elif isinstance(each, Standing) and each != known[_name(each)]:
                return f"{each!r}"
        lost = known.keys() - {_name(each) for each in found}
        if name == "runs":
            nameless = sum(each.status == "damaged" and each.run not in RUNS for each in found)
            return f"lacks {lost}" if len(lost) > nameless else None
        if name == "open questions":
            return (
                f"lacks {lost}"
                if any(each not in logged and each.split(".")[0] not in harmed for each in lost)
                else None
            )
        if lost - harmed:
            self.missed[name] += 1
        return None


def _name(each: Any) -> str:
    if isinstance(each, Listed):
        return each.run
    return each.question.id if isinstance(each, Standing) else str(each)


def _list(found: Any) -> list[Listed]:
    return [] if isinstance(found, Exception) else list(found)


def lay(path: Path, content: bytes | bytearray, log: bytes | bytearray | None = None) -> None:
    """A store of these bytes and no others."""
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    path.write_bytes(content)
    if log is not None:
        path.with_name(path.name + "-wal").write_bytes(log)


class Patient:
    """A store that is whole, and can be looked at with any of its bytes changed."""

    def __init__(self, shelf: Path, content: bytes, truth: Seen, caplog: pytest.LogCaptureFixture) -> None:
        self.path = shelf / "patient" / "runs.sqlite"
        self.content, self.truth, self._caplog = content, truth, caplog

    def lay(self, content: bytes | bytearray) -> None:
        lay(self.path, content)

    async def examined(self, harm: str, verdict: Verdict) -> None:
        """Judge the store as it lies there."""
        self._caplog.clear()
        try:
            ledger = await open_ledger(self.path, create=False)
        except StoreError:
            verdict.noticed += 1
            return
        try:
            verdict.judge(harm, await looked(ledger), self.truth, self._caplog.text)
        finally:
            await ledger.close()


@pytest.fixture
async def patient(shelf: Path, caplog: pytest.LogCaptureFixture) -> Patient:
    caplog.set_level(logging.WARNING)
    content = await told(shelf / "whole.sqlite", 260)
    path = shelf / "truth.sqlite"
    path.write_bytes(content)
    ledger = await open_ledger(path)
    truth = await looked(ledger)
    await ledger.close()
    assert all(truth[each] for each in of_all() if each != "succeeded runs"), "there has to be something to lose"
    return Patient(shelf, content, truth, caplog)


async def damaged(patient: Patient, shelf: Path, count: int, seed: int) -> Verdict:
    """Harm a page of the store that often."""
    earlier = [await told(shelf / "earlier.sqlite", acts) for acts in (90, 180, 240)]
    verdict, chance = Verdict(), Random(seed)
    for number in range(count):
        harm = PAGES[number % len(PAGES)]
        content = bytearray(patient.content)
        harm(content, chance, earlier)
        patient.lay(content)
        await patient.examined(f"{harm.__name__} {number}", verdict)
    return verdict


async def forged(patient: Patient, count: int, seed: int) -> Verdict:
    """Forge a row of the store that often."""
    verdict, chance = Verdict(), Random(seed)
    for _ in range(count):
        patient.lay(patient.content)
        await patient.examined(forge(patient.path, chance), verdict)
    return verdict


async def test_a_damaged_page_is_never_silently_read_wrong(patient: Patient, shelf: Path) -> None:
    verdict = await damaged(patient, shelf, 60, 1)
    assert verdict.wrong == []
    assert verdict.noticed > 30


async def test_a_forged_row_is_never_silently_read_wrong(patient: Patient) -> None:
    verdict = await forged(patient, 60, 1)
    assert verdict.wrong == []
    assert verdict.noticed > 40


async def test_no_forged_place_hides_a_run_that_lies_within_none(patient: Patient) -> None:
    verdict = Verdict()
    for forged in ("", "run1", b"\xff"):
        patient.lay(patient.content)
        with closing(sqlite3.connect(patient.path)) as db, db:
            assert db.execute("UPDATE runs SET within = ? WHERE id = 'run0'", (forged,)).rowcount == 1
        await patient.examined(f"within is {forged!r}", verdict)
    assert verdict.wrong == []


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(2, 5))
async def test_four_hundred_damaged_pages_are_never_silently_read_wrong(
    patient: Patient, shelf: Path, seed: int
) -> None:
    verdict = await damaged(patient, shelf, 400, seed)
    assert verdict.wrong == []
    assert verdict.noticed > 200
    assert verdict.missed.total() < 100, verdict.missed


@pytest.mark.crash
async def test_many_forged_rows_are_never_silently_read_wrong(patient: Patient) -> None:
    verdict = await forged(patient, 400, 5)
    assert verdict.wrong == []
    assert verdict.noticed > 250


# ------------------------------------------------------------------------------------------------ logs


@dataclass(frozen=True)
class Moment:
    """The files of a store that is being written, once `number` acts were acknowledged."""

    number: int
    content: bytes
    log: bytes


async def moments(path: Path, seed: int, acts: int) -> Sequence[Moment]:
    """A story's files after each act."""
    seen: list[Moment] = []

    async def opened() -> Ledger:
        return await open_ledger(path, factory=Short)

    async def nothing(number: int, run: RunId) -> None: ...

    def known(number: int) -> None:
        log = path.with_name(path.name + "-wal")
        seen.append(Moment(number, path.read_bytes(), log.read_bytes() if log.exists() else b""))

    await Story(opened, seed, nothing, known).tell(acts)
    return seen


async def cut_logs(shelf: Path, count: int, seed: int) -> list[str]:
    """Cut or damage the log of a store that often; what was read then and never was true."""
    stood, chance = await truth(seed, 100), Random(seed)
    wrong: list[str] = []
    seen = [each for each in await moments(shelf / f"cut{seed}.sqlite", seed, 100) if each.log]
    path, behind = shelf / "patient" / "runs.sqlite", 0
    for _ in range(count):
        moment = chance.choice(seen)
        at = chance.randrange(len(moment.log))
        log = bytearray(moment.log)
        if chance.random() < 0.7:
            del log[at:]
        else:
            log[at : at + 9] = chance.randbytes(min(9, len(log) - at))
        lay(path, moment.content, log)
        try:
            ledger = await open_ledger(path)
        except StoreError:
            continue
        found = await whole(ledger)
        await ledger.close()
        fits = [number for number in range(moment.number + 1) if stood[number] == found]
        behind += bool(fits) and max(fits) < moment.number
        if not fits:  # what the log lost was in the file already, which then is newer than what is left of the log
            wrong += _never(f"the log of act {moment.number}, {at} of {len(moment.log)} bytes", found, stood)
    assert behind > count / 4, "the cuts have to take something away"
    return wrong


def _never(harm: str, found: dict[str, str], stood: Sequence[dict[str, str]]) -> list[str]:
    """The readings of runs that were true after no act."""
    allowed = {"StoreDamaged", "StoreError"}
    return [
        f"{harm}: {name}: {text}"[:2000]
        for name, text in found.items()
        if ": " in name and text not in {each[name] for each in stood} | allowed
    ]


async def stale_logs(shelf: Path, count: int, seed: int) -> list[str]:
    """Lay the log of one moment beside the file of another that often."""
    stood, chance = await truth(seed, 100), Random(seed)
    wrong: list[str] = []
    seen = await moments(shelf / f"stale{seed}.sqlite", seed, 100)
    path, mixed = shelf / "patient" / "runs.sqlite", 0
    for _ in range(count):
        moment, other = chance.choice(seen), chance.choice([each for each in seen if each.log])
        lay(path, moment.content, other.log)
        try:
            ledger = await open_ledger(path)
        except StoreError:
            continue
        found = await whole(ledger)
        await ledger.close()
        mixed += found not in stood
        wrong += _never(f"the log of act {other.number} on the file of act {moment.number}", found, stood)
    assert mixed > 0, "some of them have to fit together badly"
    return wrong


async def test_a_log_that_was_cut_leaves_what_was_true_at_some_commit(shelf: Path) -> None:
    assert await cut_logs(shelf, 40, 1) == []


async def test_a_log_beside_a_file_that_is_not_its_own_is_read_as_some_commit_or_not_at_all(shelf: Path) -> None:
    assert await stale_logs(shelf, 40, 1) == []


@pytest.mark.crash
@pytest.mark.parametrize("seed", [6, 7])
async def test_many_damaged_logs_leave_what_was_true_at_some_commit(shelf: Path, seed: int) -> None:
    assert await cut_logs(shelf, 300, seed) == []
    assert await stale_logs(shelf, 300, seed) == []


# ------------------------------------------------------------------------------------------------ planted faults


async def test_a_store_that_skips_its_seals_is_found_out(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def trusted(kept: Any, text: Any, run: str, place: str, *parts: Any) -> Any:
        return text

    for module in ("rows", "reading", "inbox"):
        monkeypatch.setattr(f"workflow_engine.stores.sqlite.{module}.checked", trusted)
    assert (await forged(patient, 60, 1)).wrong


async def test_a_store_that_misses_no_lost_event_is_found_out(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lenient(db: sqlite3.Connection, run: RunId, after: int) -> list[Recorded]:
        kept = reading.row(db, run)
        return [Recorded(seq, read_event(text)) for seq, _, text in db.execute(SQL["events"], (kept.key, after))]

    monkeypatch.setattr(reading, "journal", lenient)
    verdict = await forged(patient, 60, 1)
    assert any("journal" in each for each in verdict.wrong)
