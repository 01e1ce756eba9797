"""Who the store knows, as rows: few, and all of them read at once, so that none is taken for another."""

from __future__ import annotations

import sqlite3
from typing import Any

from workflow_engine.errors import StoreDamaged
from workflow_engine.record.people import Person
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.texts import person_of_text, person_text

CURE = "nobody is taken for anybody; enrol them anew: workflow people add NAME, or restore the store from a backup"


def everybody(db: sqlite3.Connection) -> list[Person]:
    """Everybody, by name. Raises StoreDamaged."""
    return sorted((person for _, person in _rows(db)), key=lambda each: each.name)


def _rows(db: sqlite3.Connection) -> list[tuple[int, Person]]:
    return [(number, _person(number, mark, text)) for number, mark, text in db.execute(SQL["people"])]


def _person(number: Any, mark: Any, text: Any) -> Person:
    if not isinstance(text, str) or mark != seal(text, "person", number):
        raise StoreDamaged(f"person {number} of this store is damaged: their row does not fit its seal", CURE)
    try:
        return person_of_text(text)
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(
            f"person {number} of this store is damaged: their row is not what it should be", CURE
        ) from error


def enrol(db: sqlite3.Connection, person: Person) -> None:
    """Store somebody in place of who had the name."""
    text = person_text(person)
    known = {kept.name: number for number, kept in _sound(db)}
    number = known.get(person.name, db.execute(SQL["next_person"]).fetchone()[0])
    db.execute(SQL["put_person"], (number, seal(text, "person", number), text))


def dismiss(db: sqlite3.Connection, name: str) -> bool:
    """Remove somebody; whether they were there. Rows that are damaged go with them: they are nobody."""
    found = [number for number, kept in _sound(db) if kept.name == name]
    db.executemany(SQL["drop_person"], [(number,) for number in found])
    return bool(found)


def _sound(db: sqlite3.Connection) -> list[tuple[int, Person]]:
    """Those that can be read. Whoever is damaged is dropped: this is how a store is mended."""
    found: list[tuple[int, Person]] = []
    for number, mark, text in db.execute(SQL["people"]).fetchall():
        try:
            found.append((number, _person(number, mark, text)))
        except StoreDamaged:
            db.execute(SQL["drop_person"], (number,))
    return found


def enrolled(_db: sqlite3.Connection, _result: Any) -> bool:
    """Taken for undone where a commit ended in doubt: doing it again changes nothing more."""
    return False
