"""All of a run in one reading: its own row is looked for and checked once."""

from __future__ import annotations

import sqlite3

from workflow_engine.ports.ledger import Whole
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import inbox, reading


def whole(db: sqlite3.Connection, run: RunId) -> Whole:
    """Everything kept of a run. Raises RunNotFound, StoreDamaged."""
    kept = reading.row(db, run)
    return Whole(
        run=kept.run,
        state=reading.state(db, kept, kept.fields),
        journal=reading.facts(db, kept, 0),
        questions=inbox.asked(db, kept),
        letters=inbox.box(db, kept),
    )
