"""Encrypted stores: connections that encrypt on the way into the file and decrypt on the way out.

It sits beneath every statement, whoever makes it: parameters that go into a covered column are encrypted, and whatever
comes out of the file as bytes is decrypted, for in an encrypted store nothing else is kept as bytes. So whoever writes
and reads rows sees them as in a plain store, and a plain store does no work for this at all.

What binds a value to its row is its seal (seals.py): it is made of the plain text and its place, and encrypted itself.
A value that was moved to another row does not fit the seal there, and nobody without the key can make one that does;
nor does the short seal of a short text let anybody guess it. What cannot be decrypted is read as empty bytes, which fit
no seal: it is damage like any other, and the rows beside it stay readable.

That a store is encrypted is a trait of it: its own random name, to which all of its values are bound, and a text under
each key it ever met, to try the keys on. A store is encrypted from its first moment or never.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.ports.codec import Codec
from workflow_engine.stores.sqlite.opening import recognise
from workflow_engine.stores.sqlite.queries import SQL

COVERED: Mapping[str, frozenset[str]] = {
    "runs": frozenset({"reason", "target", "seal", "text"}),
    "journal": frozenset({"seal", "text"}),
    "versions": frozenset({"seal", "text"}),
    "questions": frozenset({"seal", "fate", "fate_seal", "text"}),
    "letters": frozenset({"seal", "text"}),
    "logs": frozenset({"seal", "text"}),
    "schedules": frozenset({"seal", "text"}),
    "files": frozenset({"seal"}),
    "results": frozenset({"seal", "text"}),
    "documents": frozenset({"text"}),
    "people": frozenset({"seal", "text"}),
    "series": frozenset({"seal"}),
    "lines": frozenset({"seal"}),
    "checkpoints": frozenset({"seal", "text"}),
    "pieces": frozenset({"seal", "data"}),
    "pending": frozenset({"seal", "text"}),
    "publications": frozenset({"seal", "text"}),
    "notices": frozenset({"seal", "text"}),
}
"""The columns that are encrypted. Others are what rows are found, ordered and counted by."""
TRAIT = "encryption"
_PROBE = b"this key opens this store"
_TEXT, _BYTES = b"t", b"b"
_GIVE = "give its key: WORKFLOW_KEY or WORKFLOW_KEY_FILE, in Python Engine.open(..., codec=Keys(...))"

_INSERT = re.compile(r"(?:INSERT|REPLACE)(?:\s+OR\s+\w+)?\s+INTO\s+(\w+)\s*\(([^()]*)\)\s*VALUES\s*\(([^()]*)\)", re.I)
_UPDATE = re.compile(r"UPDATE\s+(\w+)\s+SET\s+([^()]*?)\s+WHERE\s+(.*)", re.I | re.S)
_WRITES = re.compile(r"\s*(?:(?:INSERT|REPLACE)\b.*?\bINTO|UPDATE(?:\s+OR\s+\w+)?)\s+(\w+)", re.I | re.S)


class Cipher:
    """One store's codec, shared by all of its connections. `place` is the store's own name, once it is known."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.place = b""

    def shut(self, value: Any) -> Any:
        """A parameter as it is stored."""
        if isinstance(value, str):
            return self.codec.shut(_TEXT + value.encode(), self.place)
        if isinstance(value, bytes):
            return self.codec.shut(_BYTES + value, self.place)
        return value

    def open(self, value: bytes) -> str | bytes:
        """A stored value as it was given; empty bytes for what no key opens."""
        try:
            plain = self.codec.open(value, self.place)
            return plain[1:].decode() if plain[:1] == _TEXT else plain[1:]
        except ValueError:
            return b""

    def connections(self, beneath: type[sqlite3.Connection]) -> type[sqlite3.Connection]:
        """The class of this store's connections, over the class they would have been of."""
        cipher = self

        class EncryptedConnection(beneath):  # type: ignore[misc,valid-type]
            def __init__(self, *arguments: Any, **more: Any) -> None:
                super().__init__(*arguments, **more)
                self.row_factory = _opened

            def cursor(self, factory: Any = None) -> Any:  # noqa: ARG002
                raise sqlite3.NotSupportedError("a cursor of its own would write past the encryption")

            def execute(self, sql: str, parameters: Any = (), /) -> Any:
                shut = _covering(sql)
                return super().execute(sql, parameters if shut is None else shut(cipher, parameters))

            def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
                shut = _covering(sql)
                every = parameters if shut is None else (shut(cipher, each) for each in parameters)
                return super().executemany(sql, every)

        def _opened(_cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(cipher.open(each) if type(each) is bytes else each for each in row)

        return EncryptedConnection


@cache
def _covering(sql: str) -> Callable[[Cipher, Any], Any] | None:
    """What encrypts a statement's parameters; None where none of them goes into a covered column.

    Raises sqlite3.NotSupportedError for a statement that writes into a table with such columns in a way that is not
    understood: better than plain text in the file.
    """
    written = _WRITES.match(sql)
    covered = COVERED.get(written[1]) if written else None
    if covered is None:
        return None
    names: set[str] = set()
    places: set[int] = set()
    place = 0  # the n-th `?` takes the n-th parameter
    for column, value in _assigned(sql):
        if column in covered and value != "NULL":
            if value == "?":
                places.add(place)
            elif value[:1] == ":" and len(re.findall(rf"{value}\b", sql)) == 1:
                names.add(value[1:])
            else:
                raise _unclear(sql)
        place += value.count("?")
    if names:
        return partial(_shut_named, frozenset(names))
    return partial(_shut_placed, frozenset(places)) if places else None


def _assigned(sql: str) -> list[tuple[str, str]]:
    """The columns that a statement writes, each with what is written."""
    if match := _INSERT.fullmatch(sql.strip()):
        columns, values = ([each.strip() for each in part.split(",")] for part in match.groups()[1:])
        if len(columns) == len(values):
            return list(zip(columns, values, strict=True))
    elif match := _UPDATE.fullmatch(sql.strip()):
        pairs = [each.partition("=") for each in match[2].split(",")]
        return [(column.strip(), value.strip()) for column, _, value in pairs]
    raise _unclear(sql)


def _unclear(sql: str) -> sqlite3.NotSupportedError:
    return sqlite3.NotSupportedError(f"what this statement writes cannot be encrypted: {sql}")


def _shut_named(names: frozenset[str], cipher: Cipher, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: cipher.shut(value) if name in names else value for name, value in given.items()}


def _shut_placed(places: frozenset[int], cipher: Cipher, given: Sequence[Any]) -> list[Any]:
    return [cipher.shut(value) if place in places else value for place, value in enumerate(given)]


# Opening


def admit(db: sqlite3.Connection, path: Path, cipher: Cipher | None, *, create: bool) -> None:
    """Recognise a store or make it, and see that the keys fit, while its door is held. A new one is encrypted here.

    Raises what `recognise` and `unlock` raise.
    """
    new = db.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    recognise(db, path, create=create)
    probes = unlock(db, path, cipher, new=new)
    if cipher is not None and cipher.codec.name not in probes:
        probes[cipher.codec.name] = cipher.codec.shut(_PROBE, cipher.place)
        kept = {name: b64encode(probe).decode() for name, probe in probes.items()}
        text = json.dumps({"place": cipher.place.hex(), "keys": kept}, separators=(",", ":"))
        db.execute(SQL["put_trait"], (TRAIT, text))


def unlock(db: sqlite3.Connection, path: Path, cipher: Cipher | None, *, new: bool = False) -> dict[str, bytes]:
    """Let a cipher know its store; the text to try under each key that the store has met. Writes nothing.

    Raises StoreError for an encrypted store without its keys, and for keys where nothing is encrypted.
    """
    found = _found(db)
    if cipher is None:
        if found is not None:
            raise StoreError(f"{path} is encrypted, and no key was given", _GIVE)
        return {}
    if found is None:
        if new:
            cipher.place = secrets.token_bytes(16)
            return {}
        raise StoreError(
            f"{path} is not encrypted, and a key was given",
            "leave the key out (unset WORKFLOW_KEY); to encrypt its runs, export them and import them into a new store",
        )
    cipher.place, probes = _trait(found, path)
    fits = [_opens(cipher, probe) for probe in probes.values()]
    if not any(fits):
        raise StoreError(f"{path} is encrypted, and not with the given key", _GIVE)
    if not all(fits):
        raise StoreError(
            f"{path} was also written under an earlier key, which was not given",
            "give both, the one to write with first: WORKFLOW_KEY=NEW,OLD, in Python Keys(new, old)",
        )
    return probes


def _found(db: sqlite3.Connection) -> Any:
    """The trait as it is stored. A store of an earlier schema has no traits, and a page of them may be damaged."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'traits'").fetchone() is None:
        return None
    found = db.execute(SQL["trait"], (TRAIT,)).fetchone()
    return None if found is None else found[0]


def _trait(text: Any, path: Path) -> tuple[bytes, dict[str, bytes]]:
    """The store's own name, and the text to try under each key."""
    try:
        trait = json.loads(text)
        return bytes.fromhex(trait["place"]), {name: b64decode(probe) for name, probe in trait["keys"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreDamaged(
            f"{path} is damaged: how it is encrypted cannot be read", "restore it from a backup"
        ) from error


def _opens(cipher: Cipher, probe: bytes) -> bool:
    try:
        return cipher.codec.open(probe, cipher.place) == _PROBE
    except ValueError:
        return False
