"""Faults for the process that opens hostile stores: each takes away what keeps a forged row from doing harm."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tests.crash.planted import swapped
from workflow_engine.ports.ledger import Ledger, Recorded
from workflow_engine.record.events import RunForked
from workflow_engine.record.ids import RunId
from workflow_engine.runtime import answer, look, past
from workflow_engine.stores.sqlite import encrypted, opening, reading, rows

FAULTS: dict[str, Callable[[], None]] = {}
PATIENCE = 45.0
SOON = 2.0


def plant(fault: str) -> float:
    """Plant one; how long to wait for the store beside it."""
    FAULTS[fault]()
    return SOON if fault == "a_circle_is_followed" else PATIENCE


def planted(fault: Callable[[], None]) -> Callable[[], None]:
    FAULTS[fault.__name__] = fault
    return fault


@planted
def a_reference_is_fetched() -> None:
    from jsonschema import Draft202012Validator

    def fetching(schema: Any, value: Any, place: str) -> list[str]:
        return [each.message for each in Draft202012Validator(dict(schema)).iter_errors(value)]

    swapped(answer, "problems", fetching)


@planted
def types_are_believed() -> None:
    swapped(rows, "_TYPES", (object,) * 11)


@planted
def what_is_named_is_imported() -> None:
    document = reading.document

    def importing(db: sqlite3.Connection, run: RunId) -> Any:
        found = document(db, run)
        if "import" in found:
            importlib.import_module(found["import"])
        return found

    swapped(reading, "document", importing)


@planted
def the_schema_is_not_compared() -> None:
    swapped(opening, "compare", lambda *_: None)
    assert not hasattr(encrypted, "compare"), "it has become another function's, too"


@planted
def a_circle_is_followed() -> None:
    past_of = past.past_of

    async def forever(ledger: Ledger, run: RunId, journal: Sequence[Recorded]) -> Any:
        above = journal
        while isinstance(first := above[0].event, RunForked):
            above = await ledger.journal(first.parent)
        return await past_of(ledger, run, journal)

    for module in (past, look):
        swapped(module, "past_of", forever)
