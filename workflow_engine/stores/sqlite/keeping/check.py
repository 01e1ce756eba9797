"""The check: the whole store read, and everything that is wrong told. It writes nothing and loads nothing.

SQLite looks at its own pages first, which finds entries that an index has lost and so keeps from lists; then every run
is examined by itself, as of one moment each, so that a store in use is not held up and its log not kept from ending.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from workflow_engine.errors import StoreDamaged
from workflow_engine.ports.keeping import Harm, Health
from workflow_engine.record.events import RunCreated, RunForked, read_event
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import logs, notices, opening, people, results, schedules, topics
from workflow_engine.stores.sqlite.faults import code_of
from workflow_engine.stores.sqlite.keeping import contents, foreign
from workflow_engine.stores.sqlite.keeping.connecting import (
    FILES,
    LOGS,
    TOPICS,
    Stop,
    looking,
    moment,
    schema_of,
    size,
)
from workflow_engine.stores.sqlite.keeping.examining import CURE, Tally, harms
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.library import known_against, version
from workflow_engine.stores.sqlite.rows import checked, damaged, decoded
from workflow_engine.stores.texts import letter_of_text

MOST = 100
"""So many mistakes SQLite tells of its pages; where there are more, the file is lost anyway."""
EVERY = 100
FOREIGN = 2
"""The first schema that keeps checkpoints of foreign graphs."""
_PAGES = "restore it from a backup; what can still be read: workflow store export RUN"
_INDEX = "no run is lost by it, but lists may lack some: workflow store backup PATH writes a copy with new indexes"
_ORPHANS = "take the run from a backup; workflow store prune --status damaged removes what is left of it here"
_PUBLISHED = "whom it was for has it or not; publish it again under another id if not"
_SAID = "the run itself is whole; exported and imported again (workflow store export RUN) it is without that part"
_OWN = {"journal": "events", "versions": "versions of fields", "questions": "questions", "letters": "letters"}


@dataclass
class _Seen:
    """What was found so far, whatever breaks off."""

    schema: int = 0
    harms: list[Harm] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def check(path: Path, stop: Stop, told: Callable[[int], None] | None = None) -> Health:
    """The health of a store. Raises StoreError where there is none, StoreTooNew."""
    seen = _Seen()
    with looking(path, stop) as db, _noted(seen, "its header"):
        seen.schema = schema_of(db, path)
        seen.notes += _notes(seen.schema, _free(db))
        with _noted(seen, "its pages"):
            seen.harms += _pages(db)
        if _known(db, path, seen):
            _rows(db, path, seen, told, stop)
    against = known_against()
    if seen.harms and against is not None:  # where all is well, doctor tells it
        seen.notes.append(f"SQLite {version()} {against}")
    counts = seen.tally
    return Health(
        path,
        seen.schema,
        size(path),
        counts.runs,
        counts.events,
        counts.versions,
        counts.questions,
        counts.letters,
        counts.series,
        tuple(dict.fromkeys(seen.harms)),
        tuple(seen.notes),
    )


def _rows(db: sqlite3.Connection, path: Path, seen: _Seen, told: Callable[[int], None] | None, stop: Stop) -> None:
    with _noted(seen, "its list of runs"):
        for key, name in _runs(db, seen):
            with moment(db):
                seen.harms += harms(db, key, name, seen.tally)
            if told is not None and seen.tally.runs % EVERY == 0:
                told(seen.tally.runs)
    with _noted(seen, "its letters"), moment(db):
        seen.harms += _letters(db, seen.tally)
    if seen.schema >= FOREIGN:
        with _noted(seen, "its checkpoints of other graphs"):
            for harm in foreign.series(db):
                seen.tally.series += 1
                seen.harms += [] if harm is None else [harm]
            seen.harms += foreign.strays(db)
    if seen.schema >= TOPICS:
        with _noted(seen, "what was published"), moment(db):
            for name in topics.unsound(db):
                topic, _, id = name.partition("\n")
                what = f"publication {id} to {topic} is damaged: it does not fit its seal"
                seen.harms.append(Harm(None, what, _PUBLISHED))
    if seen.schema >= LOGS:
        with _noted(seen, "what its attempts said"), moment(db):
            seen.harms += _logs(db)
            seen.harms += _orphans(db, "logs", "parts of logs")
    if seen.schema >= LOGS:
        with _noted(seen, "who it knows"), moment(db):
            seen.harms += _people(db)
        with _noted(seen, "its schedules"), moment(db):
            seen.harms += _schedules(db)
        with _noted(seen, "the results it keeps"), moment(db):
            seen.harms += _results(db)
        with _noted(seen, "whom it told of what"), moment(db):
            seen.harms += _notices(db)
            seen.harms += _orphans(db, "notices", "notices")
    if seen.schema >= FILES:
        with _noted(seen, "its files"):
            seen.harms += contents.harms(db, path, stop)
            seen.harms += _orphans(db, "files", "names of files")
            count, bytes_ = contents.nameless(db, path)
            if count:
                what = "file belongs to no run, or to one" if count == 1 else "files belong to no run, or to runs"
                seen.notes.append(
                    f"{count} {what} under way ({bytes_ / 2**20:.1f} MB); workflow store prune clears away old ones"
                )
    for table, what in _OWN.items():
        with _noted(seen, f"its {what}"), moment(db):
            seen.harms += _orphans(db, table, what)


@contextmanager
def _noted(seen: _Seen, place: str) -> Iterator[None]:
    """What SQLite cannot read is harm, and what lies elsewhere is still looked at."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise
        seen.harms.append(Harm(None, f"the store is damaged: {place} cannot be read: SQLite says {error}", _PAGES))


def _known(db: sqlite3.Connection, path: Path, seen: _Seen) -> bool:
    """Whether the tables are the engine's own: in others, nothing else can be looked for."""
    try:
        opening.compare(db, path, seen.schema)
    except StoreDamaged as error:
        seen.harms.append(Harm(None, error.what, error.cure or _PAGES))
        return False
    return True


def _pages(db: sqlite3.Connection) -> Iterator[Harm]:
    for (said,) in db.execute(f"PRAGMA integrity_check({MOST})"):
        for line in str(said).splitlines():
            if line == "ok" or line.startswith("***"):
                continue
            index = "index" in line
            yield Harm(None, f"the store is damaged: {line}", _INDEX if index else _PAGES)


def _runs(db: sqlite3.Connection, seen: _Seen) -> Iterator[tuple[int, str | None]]:
    """The keys of all runs, oldest first. Where the table breaks off, the index on ids leads to the rest."""
    last = 0
    try:
        while True:
            page = db.execute(SQL["keys"], (last,)).fetchall()
            if not page:
                return
            for (key,) in page:
                yield key, None
                last = key
    except sqlite3.DatabaseError as error:
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise
        seen.harms.append(
            Harm(None, f"the store is damaged: its table of runs breaks off: SQLite says {error}", _PAGES)
        )
    for key, name in db.execute(SQL["keys_in_index"]).fetchall():
        if key > last:
            yield key, name


def _people(db: sqlite3.Connection) -> Iterator[Harm]:
    try:
        people.everybody(db)
    except StoreDamaged as error:
        yield Harm(None, error.what, people.CURE)


def _letters(db: sqlite3.Connection, tally: Tally) -> Iterator[Harm]:
    for name, _, question, taken, mark, text, run, seq, asker in db.execute(SQL["letters"]):
        tally.letters += 1
        if run is None:
            continue  # told as an orphan
        place = f"letter {name}"
        try:
            letter = decoded(letter_of_text, checked(mark, text, run, place, run, "letter"), run, place)
            if (letter.id, letter.run, letter.settles) != (name, run, question):
                raise damaged(run, place, "says two things in its columns and its text")
            if question is not None and asker is None:
                raise damaged(run, place, f"answers question {question}, which is missing")
            if taken is not None and not (isinstance(taken, int) and isinstance(seq, int) and 0 < taken <= seq):
                raise damaged(run, place, f"was taken at event {taken}, which its journal does not have")
        except StoreDamaged as error:
            yield Harm(RunId(run), error.what, CURE)


def _logs(db: sqlite3.Connection) -> Iterator[Harm]:
    for row in db.execute(SQL["every_log"]):
        if isinstance(name := row[0], str) and logs.unsound(*row):
            yield Harm(RunId(name), f"a part of what run {name} said is damaged: it does not fit its seal", _SAID)


def _schedules(db: sqlite3.Connection) -> Iterator[Harm]:
    for row in db.execute(SQL["schedules"]):
        try:
            schedules.sound(*row)
        except StoreDamaged as error:
            yield Harm(None, error.what, error.cure or _PAGES)


def _notices(db: sqlite3.Connection) -> Iterator[Harm]:
    for row in db.execute(SQL["every_notice"]):
        try:
            notices.sound(*row)
        except StoreDamaged as error:
            yield Harm(RunId(str(row[0])), error.what, error.cure or _PAGES)


def _results(db: sqlite3.Connection) -> Iterator[Harm]:
    for row in db.execute(SQL["every_result"]):
        try:
            results.sound(*row)
        except StoreDamaged as error:
            yield Harm(None, error.what, error.cure or _PAGES)


def _orphans(db: sqlite3.Connection, table: str, what: str) -> Iterator[Harm]:
    """Rows whose run has no row of its own. No act of ours leaves any: the run's row was lost."""
    for key, count in db.execute(SQL[f"orphans_in_{table}"]).fetchall():
        name = _name(db, key)
        whose = f"a run whose name is lost (number {key})" if name is None else f"run {name}"
        yield Harm(name, f"{whose} is damaged: its own row is lost, and {count} {what} are left", _ORPHANS)


def _name(db: sqlite3.Connection, key: int) -> RunId | None:
    found = db.execute(SQL["first_event"], (key,)).fetchone()
    try:
        event = None if found is None else read_event(found[0])
    except (ValueError, RecursionError, TypeError):
        return None
    return event.run if isinstance(event, RunCreated | RunForked) else None


def _free(db: sqlite3.Connection) -> int:
    pages, each = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    return int(pages * each)


def _notes(schema: int, free: int) -> Iterator[str]:
    if schema < opening.newest():
        yield f"its schema is {schema}; opening it, or workflow store migrate, leads it to {opening.newest()}"
    if free >= 2**20:
        yield f"{free / 2**20:.1f} MB inside are free, for runs to come"
