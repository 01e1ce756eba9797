"""Forging with proper seals, for a seal is no signature: each function makes a forgery, an act on a raw connection.

Rows are sealed again after they were changed, so that nothing but what they say can give them away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.crash.victims import ANSWERED, VICTIM
from workflow_engine.stores.sqlite.seals import digest, seal

Forge = Callable[[sqlite3.Connection], None]
_PLACE = "id, workflow, status, reason, created, updated, steps, target, epoch, seq, document"
_LINE = "scope, series, era, number, count, newest, updated"


def several(*forges: Forge) -> Forge:
    """One forgery after another."""

    def forge(db: sqlite3.Connection) -> None:
        for each in forges:
            each(db)

    return forge


def beneath(*statements: str) -> Forge:
    """SQL, where nothing is sealed."""

    def forge(db: sqlite3.Connection) -> None:
        for each in statements:
            db.execute(each)

    return forge


def schema(statement: str, *values: Any) -> Forge:
    """Another schema, written where SQLite itself keeps it."""

    def forge(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(statement, values)

    return forge


# ------------------------------------------------------------------------------------------------ runs


def run(name: str = VICTIM, /, **columns: Any) -> Forge:
    """A run's own row with other columns."""

    def forge(db: sqlite3.Connection) -> None:
        for column, value in columns.items():
            db.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, name))
        _seal_run(db, columns.get("id", name))

    return forge


def run_text(name: str = VICTIM, /, **members: Any) -> Forge:
    """A run's own text with other members, and nothing else of it changed."""

    def forge(db: sqlite3.Connection) -> None:
        text = json.loads(db.execute("SELECT text FROM runs WHERE id = ?", (name,)).fetchone()[0])
        db.execute("UPDATE runs SET text = ? WHERE id = ?", (json.dumps({**text, **members}), name))
        _seal_run(db, name)

    return forge


def whole(name: str = VICTIM, /, **members: Any) -> Forge:
    """A run's own row that says the same in its columns and in its text."""
    return several(run_text(name, **members), run(name, **members))


def _seal_run(db: sqlite3.Connection, name: str) -> None:
    *place, fields, text = db.execute(f"SELECT {_PLACE}, fields, text FROM runs WHERE id = ?", (name,)).fetchone()
    db.execute("UPDATE runs SET seal = ? WHERE id = ?", (seal(text, *place, fields), name))


def _key(db: sqlite3.Connection, name: str) -> int:
    key: int = db.execute("SELECT key FROM runs WHERE id = ?", (name,)).fetchone()[0]
    return key


def event(text: str, seq: int = 3, name: str = VICTIM) -> Forge:
    """Another event."""

    def forge(db: sqlite3.Connection) -> None:
        change = "UPDATE journal SET text = ?, seal = ? WHERE seq = ? AND run = ?"
        db.execute(change, (text, seal(text, name, seq), seq, _key(db, name)))

    return forge


def event_with(seq: int, name: str = VICTIM, /, **members: Any) -> Forge:
    """The same event with other members."""

    def forge(db: sqlite3.Connection) -> None:
        found = "SELECT text FROM journal WHERE seq = ? AND run = ?"
        (text,) = db.execute(found, (seq, _key(db, name))).fetchone()
        event(json.dumps({**json.loads(text), **members}), seq, name)(db)

    return forge


def event_moved(seq: int, to: int, name: str = VICTIM) -> Forge:
    """An event under another number."""

    def forge(db: sqlite3.Connection) -> None:
        (text,) = db.execute("SELECT text FROM journal WHERE seq = ? AND run = ?", (seq, _key(db, name))).fetchone()
        db.execute("UPDATE journal SET seq = ? WHERE seq = ? AND run = ?", (to, seq, _key(db, name)))
        event(text, to, name)(db)

    return forge


def version(op: str, text: Any, number: int = 1, field: str = "note", name: str = VICTIM, **places: int) -> Forge:
    """Another version of a field."""

    def forge(db: sqlite3.Connection) -> None:
        where, key = "WHERE run = ? AND field = ? AND version = ?", _key(db, name)
        first, seq = db.execute(f"SELECT first, seq FROM versions {where}", (key, field, number)).fetchone()
        first, seq = places.get("first", first), places.get("seq", seq)
        mark = seal(text, name, field, number, first, seq, op)
        change = f"UPDATE versions SET op = ?, text = ?, first = ?, seq = ?, seal = ? {where}"
        db.execute(change, (op, text, first, seq, mark, key, field, number))

    return forge


def shared(*links: tuple[str, str, Any, int]) -> Forge:
    """Versions of `log` that share those of others: (run, of run, version there, own version)."""
    return several(
        *(
            version("shared", json.dumps({"run": lender, "version": there}), number, "log", owner)
            for owner, lender, there, number in links
        )
    )


def another_field(field: str, text: str) -> Forge:
    """A field more, of which its run knows."""

    def forge(db: sqlite3.Connection) -> None:
        mark = seal(text, VICTIM, field, 1, 1, 2, "set")
        row = (_key(db, VICTIM), field, 1, 1, 2, "set", mark, text)
        db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        (counts,) = db.execute("SELECT fields FROM runs WHERE id = ?", (VICTIM,)).fetchone()
        run(fields=json.dumps({**json.loads(counts), field: 1}))(db)

    return forge


def document(text: str) -> Forge:
    """Another workflow document."""

    def forge(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO documents VALUES (?, ?)", (digest(text), text))
        run(document=digest(text))(db)

    return forge


# ------------------------------------------------------------------------------------------------ the inbox


def question(text: str | None = None, **members: Any) -> Forge:
    """Another question."""

    def forge(db: sqlite3.Connection) -> None:
        name = f"{VICTIM}.q1"
        (before,) = db.execute("SELECT text FROM questions WHERE id = ?", (name,)).fetchone()
        after = json.dumps({**json.loads(before), **members}) if text is None else text
        db.execute("UPDATE questions SET text = ?, seal = ? WHERE id = ?", (after, seal(after, name), name))

    return forge


def fate(text: Any) -> Forge:
    """An end of a question that has none."""

    def forge(db: sqlite3.Connection) -> None:
        name = f"{VICTIM}.q1"
        db.execute("UPDATE questions SET fate = ?, fate_seal = ? WHERE id = ?", (text, seal(text, name, "fate"), name))

    return forge


def letter(text: str | None = None, **members: Any) -> Forge:
    """Another letter, with an answer that waits to be taken."""

    def forge(db: sqlite3.Connection) -> None:
        name = f"{ANSWERED}.q1"
        (before,) = db.execute("SELECT text FROM letters WHERE id = ?", (name,)).fetchone()
        after = json.dumps({**json.loads(before), **members}) if text is None else text
        db.execute("UPDATE letters SET text = ?, seal = ? WHERE id = ?", (after, seal(after, ANSWERED, "letter"), name))

    return forge


def person(text: str, number: int = 1) -> Forge:
    """Somebody the store knows, with a proper seal."""

    def forge(db: sqlite3.Connection) -> None:
        mark = seal(text, "person", number)
        db.execute("INSERT OR REPLACE INTO people (number, seal, text) VALUES (?, ?, ?)", (number, mark, text))

    return forge


def said(text: str | None = None, take: int = 1 << 32, part: int = 1, **members: Any) -> Forge:
    """Something an attempt said, with a proper seal."""

    def forge(db: sqlite3.Connection) -> None:
        line = [1, "2026-01-01T00:00:00Z", "stdout", "words", "", ""]
        told = {"node": "work", "visit": 1, "attempt": 1, "take": take, "part": part, "lines": [line], **members}
        whole = json.dumps(told) if text is None else text
        mark = seal(whole, VICTIM, "log", take, part)
        db.execute(
            "INSERT INTO logs (run, take, part, seal, text) VALUES (?, ?, ?, ?, ?)",
            (_key(db, VICTIM), take, part, mark, whole),
        )

    return forge


def notice(run: str, /, **members: Any) -> Forge:
    """A notice about a run, properly sealed, with these members."""

    def forge(db: sqlite3.Connection) -> None:
        (key,) = db.execute("SELECT key FROM runs WHERE id = ?", (run,)).fetchone()
        at = "2026-01-01T00:00:00Z"
        told: dict[str, Any] = {
            "run": run,
            "seq": 99,
            "happened": "run.failed",
            "at": at,
            "question": None,
            "due": at,
            "told": {},
        }
        told |= members
        text, place = json.dumps(told), (told["seq"], told["happened"])
        row = (key, *place, 1_767_225_600_000_000, seal(text, run, "notice", *place), text)
        db.execute("INSERT INTO notices (run, seq, happened, due, seal, text) VALUES (?, ?, ?, ?, ?, ?)", row)

    return forge


def publication(text: str | None = None, topic: str = "bank", id: str = "forged", **members: Any) -> Forge:
    """Something that was published and may not have reached everybody, with a proper seal."""

    def forge(db: sqlite3.Connection) -> None:
        plain = {"topic": topic, "id": id, "by": "x", "at": "2026-01-01T00:00:00Z", "payload": {"amount": 7}}
        after = json.dumps({**plain, "runs": [VICTIM], **members}) if text is None else text
        name = f"{topic}\n{id}"
        row = (name, 1, seal(after, name, "publication"), after)
        db.execute("INSERT INTO publications (name, at, seal, text) VALUES (?, ?, ?, ?)", row)

    return forge


def result(text: str | None = None, **members: Any) -> Forge:
    """All kept results say something else; where there is none, one of nobody."""

    def forge(db: sqlite3.Connection) -> None:
        for key, kept in db.execute("SELECT key, text FROM results").fetchall() or [("k", '{"key": "k"}')]:
            after = json.dumps({**json.loads(kept), **members}) if text is None else text
            row = (key, 2**62, seal(after, key, "result"), after)
            db.execute("INSERT OR REPLACE INTO results (key, until, seal, text) VALUES (?, ?, ?, ?)", row)

    return forge


def redocumented(name: str, change: Callable[[Any], None]) -> Forge:
    """The workflow document of a run, changed."""

    def forge(db: sqlite3.Connection) -> None:
        query = "SELECT documents.text FROM documents, runs WHERE digest = runs.document AND runs.id = ?"
        plain = json.loads(db.execute(query, (name,)).fetchone()[0])
        change(plain)
        text = json.dumps(plain)
        db.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)", (digest(text), text))
        run(name, document=digest(text))(db)

    return forge


def filed(sha256: Any, size: Any) -> Forge:
    """That a run names a file, with a proper seal."""

    def forge(db: sqlite3.Connection) -> None:
        mark = seal("", VICTIM, "file", sha256, size)
        db.execute(
            "INSERT INTO files (run, sha256, size, seal) VALUES (?, ?, ?, ?)", (_key(db, VICTIM), sha256, size, mark)
        )

    return forge


def schedule(text: str | None = None, name: str = "night", **members: Any) -> Forge:
    """A schedule that was due long ago, with a proper seal."""

    def forge(db: sqlite3.Connection) -> None:
        (flow,) = db.execute("SELECT workflow FROM runs WHERE id = ?", (VICTIM,)).fetchone()
        plain = {
            "name": name,
            "workflow": flow,
            "created": "2026-01-01T00:00:00Z",
            "settled": "2026-01-01T00:00:00Z",
            "every": 3600.0,
            "inputs": {"topic": "night"},
        }
        after = json.dumps({**plain, **members}) if text is None else text
        mark = seal(after, name, "schedule")
        db.execute("INSERT INTO schedules (name, seal, text) VALUES (?, ?, ?)", (name, mark, after))

    return forge


# ------------------------------------------------------------------------------------------------ checkpoints


def series(name: str) -> Forge:
    """Another name of the thread."""

    def forge(db: sqlite3.Connection) -> None:
        db.execute("UPDATE series SET id = ?, seal = ? WHERE key = 1", (name, seal(name, "series", 1)))

    return forge


def line(**columns: Any) -> Forge:
    """A scope's own row with other columns."""

    def forge(db: sqlite3.Connection) -> None:
        for column, value in columns.items():
            db.execute(f"UPDATE lines SET {column} = ? WHERE key = 1", (value,))
        scope, *place = db.execute(f"SELECT {_LINE} FROM lines WHERE key = 1").fetchone()
        db.execute("UPDATE lines SET seal = ? WHERE key = 1", (seal(scope, *place),))

    return forge


def checkpoint(text: str | None = None, part: int = 0, parent: str = "", **members: Any) -> Forge:
    """Another newest checkpoint: `part` of its text (record, metadata, values) with other members."""

    def forge(db: sqlite3.Connection) -> None:
        query = "SELECT id, parent, label, text FROM checkpoints WHERE line = 1 ORDER BY id DESC"
        id, before, label, said = db.execute(query).fetchone()
        parts = json.loads(said)
        parts[part].update(members)
        after = json.dumps(parts) if text is None else text
        above = {"": before, "itself": id}.get(parent, parent)
        mark = seal(after, "checkpoint", 1, id, above, label)
        change = "UPDATE checkpoints SET parent = ?, text = ?, seal = ? WHERE line = 1 AND id = ?"
        db.execute(change, (above, after, mark, id))

    return forge


def cyclic_checkpoints() -> Forge:
    """The first checkpoint is a child of the last."""

    def forge(db: sqlite3.Connection) -> None:
        ids = [id for (id,) in db.execute("SELECT id FROM checkpoints WHERE line = 1 ORDER BY id")]
        (text,) = db.execute("SELECT text FROM checkpoints WHERE line = 1 AND id = ?", (ids[0],)).fetchone()
        mark = seal(text, "checkpoint", 1, ids[0], ids[-1], None)
        db.execute("UPDATE checkpoints SET parent = ?, seal = ? WHERE line = 1 AND id = ?", (ids[-1], mark, ids[0]))

    return forge


def piece(number: int = 5, **columns: Any) -> Forge:
    """A piece with other columns: number 5 is the last of the list of three."""

    def forge(db: sqlite3.Connection) -> None:
        key = (1 << 32) + number
        for column, value in columns.items():
            db.execute(f"UPDATE pieces SET {column} = ? WHERE key = ?", (value, key))
        query = "SELECT after, source, kind, data FROM pieces WHERE key = ?"
        after, source, kind, data = db.execute(query, (key,)).fetchone()
        mark = seal(data, "piece", 1, number, after, source, kind)
        db.execute("UPDATE pieces SET seal = ? WHERE key = ?", (mark, key))

    return forge


def pending(text: str) -> Forge:
    """Other writes that wait for the newest checkpoint."""

    def forge(db: sqlite3.Connection) -> None:
        (at,) = db.execute("SELECT max(checkpoint) FROM pending WHERE line = 1").fetchone()
        mark = seal(text, "pending", 1, at, "task3", 0)
        db.execute("UPDATE pending SET text = ?, seal = ? WHERE line = 1 AND checkpoint = ?", (text, mark, at))

    return forge


def forged(path: Path, forge: Forge) -> None:
    """Forge a store that nobody uses."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        forge(db)
