"""A hostile store: rows forged with proper seals run no code, open no file, hang nothing, and raise what is ours.

Every door is tried: the port, the engine's verbs, house-keeping, the checkpointer and the command line. What is read is
refused in our own words or of its type; whoever was not forged stays as they were, to the byte.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.crash.forgeries import FORGERIES, PAGES, ROWS, repaged
from tests.crash.forgeries_of_kinds import OF_KINDS
from tests.crash.forging import Forge, forged
from tests.crash.hostile_faults import FAULTS
from tests.crash.travellers import made as made_of_kinds
from tests.crash.victims import BYSTANDER, WELL, made

HOUSE = Path(__file__).parent.parent.parent
PATIENCE = 300
DONE = 90
"""So many acts at least are done with a store that is whole; where all are refused, nothing is tried."""

FEW = (
    "a fork of itself",
    "a run with endlessly many versions",
    "a value that is nested deeply",
    "a field that does not exist",
    "a document that names a class",
    "a question with a schema from elsewhere",
    "a question that commands the terminal",
    "a piece that names a function",
    "a trigger that looks like SQLite's own",
)
"""Those of every day, one of each kind; `make crash` tries them all."""

FEW_OF_KINDS = (
    "a signal that came and is not in the journal",
    "items beyond the list, as many as are missing",
    "runs within each other that wait for each other",
    "a run that entered somebody else's",
    "a descriptor of a path",
    "a result of another type",
    "a publication to runs that are not there",
)

NOTICED = {
    "a_reference_is_fetched": ("a question with a schema from a file", "open('/etc/passwd'"),
    "types_are_believed": ("a run whose epoch is a text", "TypeError"),
    "what_is_named_is_imported": ("a document that names a class", "import planted"),
    "the_schema_is_not_compared": ("a trigger", "others were changed"),
    "a_circle_is_followed": ("a fork of itself", "it was ended"),
}
"""Faults by what is noticed of which forgery."""


@dataclass(frozen=True)
class Shelf:
    """A folder of stores to be forged; the first is whole."""

    folder: Path
    whole: Path

    def add(self, forgery: str, fault: str = "") -> Path:
        place = self.folder / f"{len(list(self.folder.iterdir())):04} {forgery}"
        shutil.copytree(self.whole.parent, place)
        if fault:
            (place / "fault").write_text(fault)
        if forgery in PAGES:
            page = place / "page.json"
            page.write_text(repaged(page.read_text("utf-8"), PAGES[forgery]), "utf-8", "surrogatepass")
        else:
            forged(place / "runs.sqlite", {**FORGERIES, **OF_KINDS}[forgery])
        return place

    def faults(self) -> Mapping[str, list[str]]:
        """What is wrong of each store, once a process went through them all."""
        before = {place.name: _others(place) for place in sorted(self.folder.iterdir())}
        told = {each["place"]: each for each in _opened(self.folder)}
        found: dict[str, list[str]] = {}
        for place in sorted(self.folder.iterdir()):
            if place.name not in told:
                found[place.name] = ["it was ended: it hung, or died"]
                break  # nobody looked at those that follow
            said = told[place.name]
            wrong = [*said["wrong"], *(["others were changed"] if _others(place) != before[place.name] else ())]
            if place != self.whole.parent:
                wrong += said["seen"]
            elif said["done"] < DONE:
                wrong.append(f"only {said['done']} acts were done with a store that is whole")
            found[place.name] = wrong
        return found


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    """Of stores with something of everything in it."""
    async with _shelved(made) as shelf:
        yield shelf


@pytest.fixture
async def shelf_of_kinds() -> AsyncIterator[Shelf]:
    """Of stores with runs of every kind of node."""
    async with _shelved(made_of_kinds) as shelf:
        (shelf.whole.parent / "kinds").touch()
        yield shelf


@asynccontextmanager
async def _shelved(make: Callable[[Path], Awaitable[None]]) -> AsyncIterator[Shelf]:
    # In memory where there is such a place.
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="hostile-", dir=memory if memory.is_dir() else None) as folder:
        whole = Path(folder) / "0000 whole" / "runs.sqlite"
        whole.parent.mkdir()
        await make(whole)
        yield Shelf(Path(folder), whole)


def _opened(folder: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.crash.hostile_world", str(folder)]
    try:
        child = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False, timeout=PATIENCE)
        lines: str | None = child.stdout
    except subprocess.TimeoutExpired as error:
        lines = str(error.stdout, "utf-8") if isinstance(error.stdout, bytes) else error.stdout
    return (json.loads(line) for line in (lines or "").splitlines())


def _others(place: Path) -> Any:
    """All rows of those who are never forged."""
    queries = {
        "SELECT * FROM runs WHERE id = ?": BYSTANDER,
        **{
            f"SELECT * FROM {table} WHERE run = (SELECT key FROM runs WHERE id = ?)": BYSTANDER
            for table in ("journal", "versions", "questions", "letters")
        },
        "SELECT * FROM lines WHERE series = (SELECT key FROM series WHERE id = ?)": WELL,
        **{
            f"SELECT * FROM {table} WHERE line IN (SELECT lines.key FROM lines, series WHERE series.key = series AND "
            "series.id = ?)": WELL
            for table in ("checkpoints", "pending")
        },
        "SELECT * FROM pieces WHERE key >> 32 IN (SELECT lines.key FROM lines, series WHERE series.key = series AND "
        "series.id = ?)": WELL,
    }
    try:
        with closing(sqlite3.connect(place / "runs.sqlite")) as db:
            return [sorted(db.execute(query, (name,)).fetchall(), key=repr) for query, name in queries.items()]
    except sqlite3.DatabaseError as error:
        return str(error)


def _wrong(shelf: Shelf, forgeries: Iterable[str]) -> dict[str, list[str]]:
    for each in forgeries:
        shelf.add(each)
    return {name: wrong for name, wrong in shelf.faults().items() if wrong}


def test_the_few_are_among_the_many() -> None:
    assert set(FEW) <= set(FORGERIES)
    assert set(FEW_OF_KINDS) <= set(OF_KINDS)
    assert len({*FORGERIES, *PAGES, *OF_KINDS}) == len(FORGERIES) + len(PAGES) + len(OF_KINDS)
    assert set(NOTICED) == set(FAULTS)


async def test_every_table_is_forged(tmp_path: Path) -> None:
    await made(tmp_path / "runs.sqlite")
    await made_of_kinds(tmp_path / "kinds.sqlite")
    tables, touched = _touched(tmp_path / "runs.sqlite", [*ROWS.values(), FORGERIES["traits of an encryption"]])
    _, others = _touched(tmp_path / "kinds.sqlite", OF_KINDS.values())
    assert tables <= touched | others


def _touched(path: Path, forgeries: Iterable[Forge]) -> tuple[set[str], set[str]]:
    """All tables of a store, and those in which these forgeries forge."""
    touched: set[str] = set()

    def noted(act: int, name: str | None, *_: str | None) -> int:
        if act in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE):
            touched.add(str(name))
        return sqlite3.SQLITE_OK

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        db.set_authorizer(noted)
        for forgery in forgeries:
            db.execute("BEGIN")
            forgery(db)
            db.execute("ROLLBACK")
    return tables, touched


@pytest.mark.slow
async def test_a_forged_store_runs_no_code_and_hangs_nothing(shelf: Shelf) -> None:
    assert _wrong(shelf, FEW) == {}


@pytest.mark.slow
async def test_a_forged_store_of_every_kind_runs_no_code_and_hangs_nothing(shelf_of_kinds: Shelf) -> None:
    assert _wrong(shelf_of_kinds, FEW_OF_KINDS) == {}


@pytest.mark.crash
@pytest.mark.parametrize("part", range(4))
async def test_no_forgery_of_any_kind_runs_code_or_hangs(shelf_of_kinds: Shelf, part: int) -> None:
    assert _wrong(shelf_of_kinds, [*OF_KINDS][part::4]) == {}


@pytest.mark.crash
@pytest.mark.parametrize("part", range(6))
async def test_no_forgery_of_any_table_runs_code_or_hangs(shelf: Shelf, part: int) -> None:
    assert _wrong(shelf, [*FORGERIES, *PAGES][part::6]) == {}


@pytest.mark.crash
async def test_what_keeps_forged_rows_from_doing_harm_is_missed_where_it_is_taken_away(shelf: Shelf) -> None:
    places = {fault: shelf.add(forgery, fault).name for fault, (forgery, _) in NOTICED.items()}
    found = shelf.faults()
    for fault, (_, words) in NOTICED.items():
        assert any(words in wrong for wrong in found[places[fault]]), (fault, found[places[fault]])
