"""Publications: functions of a raw connection that keep and read them.

The runs that listen are looked for in the transaction that keeps the publication: a run that begins to listen later is
not among them, however often it is published again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workflow_engine.errors import StoreDamaged
from workflow_engine.record.publication import Publication
from workflow_engine.stores.sqlite.listing import listening
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.rows import micros
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.texts import publication_of_text, publication_text

_CURE = "nobody gets it from here any more: publish it again under another id"


def name_of(publication: Publication) -> str:
    """What a publication is told apart by."""
    return f"{publication.topic}\n{publication.id}"


def publish(db: sqlite3.Connection, publication: Publication) -> tuple[Publication, bool]:
    """Keep a publication, or find the one of its name; and whether somebody may not have it yet."""
    name = name_of(publication)
    found = db.execute(SQL["publication"], (name,)).fetchone()
    if found is not None:
        return read(*found[:3]), found[3] is None
    publication = replace(publication, runs=tuple(listening(db, publication.topic)))
    text = publication_text(publication)
    db.execute(SQL["insert_publication"], (name, micros(publication.at), seal(text, name, "publication"), text))
    return publication, True


def published(db: sqlite3.Connection, result: tuple[Publication, bool]) -> bool:
    """Whether `publish` is in the file."""
    return db.execute(SQL["publication"], (name_of(result[0]),)).fetchone() is not None


def delivered(db: sqlite3.Connection, publication: Publication) -> None:
    """Note that everybody has it."""
    db.execute(SQL["deliver_publication"], (name_of(publication),))


def noted(db: sqlite3.Connection, _result: None, publication: Publication) -> bool:
    """Whether `delivered` is in the file."""
    found = db.execute(SQL["publication"], (name_of(publication),)).fetchone()
    return found is None or found[3] is not None


def undelivered(db: sqlite3.Connection) -> list[Publication]:
    """Publications that somebody may not have yet. A damaged one is left out: `workflow store check` tells of it."""
    return [each for each, _ in _each(db, "undelivered") if each is not None]


def unsound(db: sqlite3.Connection) -> Iterator[str]:
    """The names of publications that are damaged."""
    yield from (name for each, name in _each(db, "publications") if each is None)


def _each(db: sqlite3.Connection, query: str) -> Iterator[tuple[Publication | None, str]]:
    for name, mark, text, _ in db.execute(SQL[query]).fetchall():
        try:
            yield read(name, mark, text), str(name)
        except StoreDamaged:
            yield None, str(name)


def read(name: Any, mark: Any, text: Any) -> Publication:
    """A publication from its row. Raises StoreDamaged."""
    topic, _, id = str(name).partition("\n")
    place = f"publication {id} to {topic}"
    if not isinstance(text, str) or mark != seal(text, name, "publication"):
        raise StoreDamaged(f"{place} is damaged: it does not fit its seal", _CURE)
    try:
        publication = publication_of_text(text)
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(f"{place} is damaged: {str(error).splitlines()[0]}", _CURE) from error
    if name_of(publication) != name:
        raise StoreDamaged(f"{place} is damaged: it stands under the name of another", _CURE)
    return publication
