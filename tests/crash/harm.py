"""What may happen to the bytes and the rows of a store behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

PAGE = 4096
Harm = Callable[[bytearray, Random, Sequence[bytes]], None]


def _random(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at = _page(content, chance)
    content[at : at + PAGE] = chance.randbytes(PAGE)


def _zeroes(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at = _page(content, chance)
    content[at : at + PAGE] = bytes(PAGE)


def _bytes(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at = _page(content, chance)
    for _each in range(chance.randrange(1, 30)):
        content[at + chance.randrange(PAGE)] = chance.randrange(256)


def _run_of_bytes(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at, length = chance.randrange(100, len(content) - 600), chance.randrange(1, 600)
    content[at : at + length] = chance.randbytes(length) if chance.random() < 0.5 else bytes(length)


def _bit(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)


def _header(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    content[_page(content, chance) + chance.randrange(12)] = chance.randrange(256)


def _fewer_rows(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    """The meanest: a page that is right in itself, and has lost its last rows."""
    at = _page(content, chance)
    count = int.from_bytes(content[at + 3 : at + 5], "big")
    content[at + 3 : at + 5] = max(0, count - chance.randrange(1, 4)).to_bytes(2, "big")


def _swapped(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    one, other = _page(content, chance), _page(content, chance)
    content[one : one + PAGE], content[other : other + PAGE] = (
        content[other : other + PAGE],
        content[one : one + PAGE],
    )


def _old(content: bytearray, chance: Random, earlier: Sequence[bytes]) -> None:
    """A page as it once was: a write that the disk lost."""
    before = chance.choice(earlier)
    places = range(0, min(len(content), len(before)), PAGE)
    at = chance.choice([at for at in places if before[at : at + PAGE] != content[at : at + PAGE]])
    content[at : at + PAGE] = before[at : at + PAGE]


def _cut(content: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    del content[_page(content, chance) :]


def _page(content: bytearray, chance: Random) -> int:
    return chance.randrange(1, len(content) // PAGE) * PAGE


PAGES: Sequence[Harm] = (
    _random,
    _zeroes,
    _bytes,
    _run_of_bytes,
    _bit,
    _header,
    _fewer_rows,
    _swapped,
    _old,
    _cut,
)


# ------------------------------------------------------------------------------------------------ forged rows

_TABLES = ("runs", "journal", "versions", "questions", "letters", "documents")


def forge(path: Path, chance: Random) -> str:
    """Forge one row, and say how. What a store cannot notice is not done: see test_damage.py."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        while True:
            table = chance.choice(_TABLES)
            act = chance.choice((_edited, _edited, _edited, _copied, _moved, _deleted, _doubled))
            rowids = [each for (each,) in db.execute(f"SELECT rowid FROM {table}")]
            try:
                done = act(db, table, chance.choice(rowids), chance)
            except sqlite3.IntegrityError:
                continue
            if done:
                return f"{table}: {done}"


def _edited(db: sqlite3.Connection, table: str, row: int, chance: Random) -> str | None:
    names = [each[1] for each in db.execute(f"PRAGMA table_info({table})") if each[1] not in ("key", "number")]
    name = chance.choice(names)
    before = db.execute(f"SELECT {name} FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
    after = chance.choice((_changed(before, chance), _changed(before, chance), None, 7, "", b"\xff", 2**62))
    if type(after) is type(before) and after == before:
        return None
    db.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", (after, row))
    stored = db.execute(f"SELECT {name} FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
    if stored == before:
        return None
    return f"{name} of row {row} was {str(before)[:60]!r} and is {str(stored)[:60]!r}"


def _changed(value: Any, chance: Random) -> Any:
    match value:
        case int():
            return value + chance.choice((-1, 1, 1000))
        case str() if '"type":"' in value and chance.random() < 0.4:
            kind = chance.choice(("RunCancelled", "StepFinished", "RunClaimed"))
            return value.replace('"type":"', f'"type":"{kind}', 1)
        case str() if value:
            at = chance.randrange(len(value))
            return value[:at] + chr((ord(value[at]) + 1) % 128) + value[at + 1 :]
        case bytes() if value:
            at = chance.randrange(len(value))
            return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        case _:
            return "another"


def _copied(db: sqlite3.Connection, table: str, row: int, chance: Random) -> str | None:
    """The text of another row, with its seal or without."""
    if table == "documents":
        return None
    others = db.execute(
        f"SELECT rowid, text FROM {table} WHERE text <> (SELECT text FROM {table} WHERE rowid = ?)", (row,)
    )
    other = chance.choice(others.fetchall())[0]
    columns = chance.choice(("text, seal", "text, seal", "text"))
    db.execute(
        f"UPDATE {table} SET ({columns}) = (SELECT {columns} FROM {table} WHERE rowid = ?) WHERE rowid = ?",
        (other, row),
    )
    return f"{columns} of row {row} are those of row {other}"


def _moved(db: sqlite3.Connection, table: str, row: int, chance: Random) -> str | None:
    """To another run, as whose its number may be free."""
    if table in ("runs", "documents"):
        return None
    before = db.execute(f"SELECT run FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
    other = chance.choice(db.execute("SELECT key FROM runs WHERE key <> ?", (before,)).fetchall())[0]
    db.execute(f"UPDATE {table} SET run = ? WHERE rowid = ?", (other, row))
    return f"row {row} moved from run {before} to {other}"


def _deleted(db: sqlite3.Connection, table: str, row: int, _: Random) -> str | None:
    if table in ("runs", "letters"):
        return None
    db.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
    return f"row {row} deleted"


def _doubled(db: sqlite3.Connection, table: str, row: int, chance: Random) -> str | None:
    """Once more, under the number that follows the last."""
    number = {"journal": "seq", "versions": "version"}.get(table)
    if number is None:
        return None
    columns = [each[1] for each in db.execute(f"PRAGMA table_info({table})")]
    following = f"(SELECT max({number}) + 1 FROM {table} AS other WHERE other.run = {table}.run)"
    chosen = ", ".join(following if each == number else each for each in columns)
    db.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} WHERE rowid = ?", (row,))
    return f"row {row} doubled"
