"""Kills in the middle of house-keeping: each act begun again and again, and its process killed one instant later.

`python -m tests.stores.killing prune FOLDER` fills a store, lets a forked child do the act and die at its n-th instant
(a statement begun, or a piece of a long one done), for every n until the child survives, and looks at what is left
each time. The last line says how many were killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_engine.ports.keeping import Retention
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.keeping import connecting
from workflow_engine.stores.sqlite.keeping.backup import backup
from workflow_engine.stores.sqlite.keeping.check import check
from workflow_engine.stores.sqlite.keeping.connecting import Stop
from workflow_engine.stores.sqlite.keeping.export import export
from workflow_engine.stores.sqlite.keeping.importing import take
from workflow_engine.stores.sqlite.keeping.migrating import migrate
from workflow_engine.stores.sqlite.keeping.prune import prune
from workflow_engine.testing.tale import Tale, append

RUNS = 8
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Dying(sqlite3.Connection):
    """Kills its process at an instant."""

    left = 0

    def execute(self, *words: Any) -> sqlite3.Cursor:
        self._instant()
        return super().execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        self._instant()
        return super().executemany(*words)

    def set_progress_handler(self, handler: Any, n: int) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        def look() -> int:
            self._instant()
            return int(handler())

        super().set_progress_handler(look, n)

    @classmethod
    def _instant(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def filled(path: Path) -> None:
    """Runs that are over, and one that goes on."""
    ledger = await open_ledger(path)
    for number in range(RUNS):
        tale = Tale(f"r{number}")
        fence = await ledger.create(tale.begun({"name": f"document {number}"}, n=number))
        for step in range(3):
            await ledger.commit(fence, tale.stepped(append("log", f"{step} " * 100)))
        await ledger.commit(fence, tale.asked())
        letter = tale.answer()
        assert letter.answer is not None
        await ledger.send(letter)
        await ledger.commit(fence, tale.answered(letter.answer, [letter.id]))
        if number:
            await ledger.commit(fence, tale.succeeded())
        await ledger.release(fence)
    await ledger.close()


def pruned(folder: Path) -> Callable[[], Any]:
    return lambda: prune(folder / "runs.sqlite", Retention(keep=0), NOW, Stop(), dry=False)


def imported(folder: Path) -> Callable[[], Any]:
    text = (folder / "r1.json").read_text()
    return lambda: take(folder / "runs.sqlite", text, Stop())


def backed_up(folder: Path) -> Callable[[], Any]:
    return lambda: backup(folder / "runs.sqlite", folder / "copy.sqlite", Stop())


def migrated(folder: Path) -> Callable[[], Any]:
    return lambda: migrate(folder / "runs.sqlite", Stop(), backup=True)


ACTS = {"prune": pruned, "import": imported, "backup": backed_up, "migrate": migrated}


def prepared(act: str, folder: Path) -> None:
    """The store as it is before the act."""
    path = folder / "runs.sqlite"
    if act == "migrate":
        shutil.copyfile(Path(__file__).parent / "kept" / "schema1.sqlite", path)
        return
    asyncio.run(filled(path))
    if act == "import":
        (folder / "r1.json").write_text(export(path, "r1", Stop()))  # type: ignore[arg-type]
        prune(path, Retention(keep=0), NOW, Stop(), dry=False)


def look(act: str, folder: Path, before: int) -> None:
    """Whatever the kill left: a whole store, with all that was not to go."""
    health = check(folder / "runs.sqlite", Stop())
    assert health.whole, health.harms
    match act:
        case "prune":
            assert 1 <= health.runs <= RUNS
            export(folder / "runs.sqlite", "r0", Stop())  # type: ignore[arg-type]
        case "import":
            assert health.runs in (before, before + 1)
        case _:
            assert health.runs == before
    for copy in (*folder.glob("copy.sqlite"), *folder.glob("runs.schema1*.sqlite")):
        made = check(copy, Stop())
        assert made.whole, made.harms
        assert made.runs == before
    # And the store goes on: the act can be done again, to its end.
    for copy in folder.glob("copy.sqlite"):
        copy.unlink()
    if act != "import" or health.runs == before:
        ACTS[act](folder)()
    assert check(folder / "runs.sqlite", Stop()).whole


def main(act: str, work: Path) -> int:
    template = work / "template"
    template.mkdir()
    prepared(act, template)
    before = check(template / "runs.sqlite", Stop()).runs
    kills, instant = 0, 1
    while True:
        folder = work / f"at{instant}"
        shutil.copytree(template, folder)
        child = os.fork()
        if child == 0:
            Dying.left = instant
            sqlite3.Connection = Dying  # type: ignore[misc]
            connecting.STEPS = 50
            try:
                ACTS[act](folder)()
            finally:
                os._exit(0 if sys.exc_info()[0] is None else 1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            sys.stdout.write(f"{kills}\n")
            return 0
        kills += 1
        look(act, folder, before)
        shutil.rmtree(folder)
        # Every instant of the beginning, then ever fewer: what is far on is much like what came before.
        instant += 1 + instant // 12


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
