"""Faults for a child to be born with: each takes one thing away that a promise stands on.

A test that plants one must see its oracle object; without these, silence would prove nothing. A fault is planted in the
process that calls `plant`, for as long as it lives. It fails loudly if what it takes away is no longer where it was.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from typing import Any

from workflow_engine.ports.ledger import Batch, Fence
from workflow_engine.record import run
from workflow_engine.steps import letters, live, spreading
from workflow_engine.stores.sqlite import ledger, owners, writing

FAULTS: dict[str, Callable[[], None]] = {}


def plant(fault: str) -> None:
    """Take away, in this process, what the fault is named after."""
    FAULTS[fault]()


def planted(fault: Callable[[], None]) -> Callable[[], None]:
    FAULTS[fault.__name__] = fault
    return fault


def swapped(place: Any, name: str, fault: Any) -> None:
    """Put something else where the engine looks for its own."""
    assert hasattr(place, name), f"{place} has no {name} any more"
    setattr(place, name, fault)


def changed(statement: str, old: str, new: str) -> None:
    """Let the store say something else than its named statement."""
    statements: Any = vars(writing)["SQL"]
    assert old in statements[statement], f"{statement} says nothing like {old!r} any more"
    swapped(writing, "SQL", {**statements, statement: statements[statement].replace(old, new)})


# ------------------------------------------------------------------------------------------------ ownership


@planted
def the_epoch_is_not_checked() -> None:
    for statement in ("advance", "turn"):
        changed(statement, "epoch = :epoch AND ", "")


@planted
def no_lock_is_taken() -> None:
    swapped(owners.Owners, "take", lambda owners, run: True)
    swapped(owners.Owners, "taken", lambda owners, run: False)


# ------------------------------------------------------------------------------------------------ commits


@planted
def a_commit_is_acknowledged_before_it_is_one() -> None:
    commit = ledger.SqliteLedger.commit

    def hasty(store: Any, fence: Fence, batch: Batch) -> Awaitable[None]:
        commit(store, fence, batch)
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        told.set_result(None)
        return told

    swapped(ledger.SqliteLedger, "commit", hasty)


@planted
def a_commit_forgets_the_frontier() -> None:
    pack = writing.pack

    def forgetful(batch: Batch, epoch: int, last: Any, *more: Any) -> Any:
        if last is not None:
            batch = replace(batch, run=replace(batch.run, frontier=last.run.frontier))
        return pack(batch, epoch, last, *more)

    swapped(writing, "pack", forgetful)


@planted
def a_commit_is_torn_in_two() -> None:
    insert = writing._insert

    def torn(db: sqlite3.Connection, *packed: Any) -> None:
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        insert(db, *packed)

    swapped(writing, "_insert", torn)


@planted
def a_body_begins_before_it_is_due_on_disk() -> None:
    def startable(run: Any) -> tuple[str, ...]:
        if run.stopping:
            return ()
        unready = run.run.resting | run.busy
        return tuple(node for node in run.run.frontier.due if node not in unready)

    def told(run: Any, durable: Awaitable[None], after: Any, events: Any) -> Awaitable[None]:
        run.kept = after
        run.wake.set()
        return durable

    swapped(live.Live, "startable", startable)
    swapped(live.Live, "_told", told)


# ------------------------------------------------------------------------------------------------ letters and keys


@planted
def a_letter_is_taken_before_what_it_says_is_recorded() -> None:
    answer = letters._answer

    async def careless(run: Any, letter: Any, given: Any) -> None:
        await run.post([], (), [letter.id])
        await answer(run, letter, given)

    swapped(letters, "_answer", careless)


@planted
def a_key_differs_in_each_process() -> None:
    swapped(run, "step_key", lambda run, node, visit, item: f"{run}/{node}/{visit}/{item}/{os.getpid()}")


@planted
def an_effect_in_doubt_is_done_again() -> None:
    from workflow_engine.steps import step

    async def careless(*_: Any) -> None:
        return None

    swapped(step, "_in_doubt", careless)


@planted
def a_signal_counts_every_time() -> None:
    send, numbers = ledger.SqliteLedger.send, count()

    async def careless(store: Any, letter: Any) -> bool:
        if letter.kind == "signal":
            letter = replace(letter, id=f"{letter.id}.{os.getpid()}.{next(numbers)}")
        return await send(store, letter)

    swapped(ledger.SqliteLedger, "send", careless)


@planted
def finished_items_are_forgotten() -> None:
    async def nothing(many: Any) -> None:
        many._ahead.extend(range(len(many.work.items)))

    swapped(spreading._Many, "recall", nothing)
