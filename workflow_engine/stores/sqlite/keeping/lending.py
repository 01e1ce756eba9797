"""What runs lend to forks, as house-keeping meets it: looked after in a check, written out in a page, handed over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import reading
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.lending import SHARED, lender_of
from workflow_engine.stores.sqlite.rows import RunRow, checked, damaged, decoded, run_row
from workflow_engine.stores.sqlite.seals import seal


def is_lent(db: sqlite3.Connection, kept: RunRow, field: str, version: int, text: str) -> None:
    """Raises StoreDamaged where a shared version leads to no value, or nothing would keep its lender from going."""
    place = f"field {field}, version {version}"
    lender, _ = decoded(lender_of, text, kept.id, place)
    reading.state(db, kept, {field: version})
    key = db.execute(SQL["key_of_run"], (lender,)).fetchone()
    if key is None or db.execute(SQL["loan"], (key[0], kept.key)).fetchone() is None:
        raise damaged(kept.id, place, f"is shared with run {lender}, and the loan is not noted")


def own(db: sqlite3.Connection, kept: RunRow, field: str, version: int, op: str, text: str) -> tuple[str, str]:
    """A version's op and text, written out if it is shared."""
    if op != SHARED:
        return op, text
    return "set", reading.state(db, kept, {field: version})[field].whole


def hand_over(db: sqlite3.Connection, lender: int) -> None:
    """Give every borrower what it shares with the lender, as its own.

    Raises StoreDamaged where that cannot be read, and then has written nothing.
    """
    borrowers = [key for (key,) in db.execute(SQL["borrowers"], (lender,)).fetchall()]
    if not borrowers:
        return
    name = RunId(db.execute(SQL["name_of_run"], (lender,)).fetchone()[0])
    for change in [each for borrower in borrowers for each in _made_own(db, borrower, name)]:
        db.execute(SQL["make_own"], change)


def _made_own(db: sqlite3.Connection, borrower: int, lender: RunId) -> Iterator[tuple[str, bytes, str, int, str, int]]:
    found = db.execute(SQL["run_by_key"], (borrower,)).fetchone()
    if found is None:
        return
    kept = run_row(found)
    for field, version, first, seq, op, mark, text in db.execute(SQL["shared_of_run"], (borrower,)).fetchall():
        place = f"field {field}, version {version}"
        checked(mark, text, kept.id, place, kept.id, field, version, first, seq, op)
        if decoded(lender_of, text, kept.id, place)[0] == lender:
            op, text = own(db, kept, field, version, op, text)
            yield op, seal(text, kept.id, field, version, first, seq, op), text, borrower, field, version
