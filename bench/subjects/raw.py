"""A raw commit: bare sqlite3 that inserts as many bytes as a step of ours. The floor under everybody."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.meter import Meter
from bench.order import Order


def opened(order: Order, store: Path) -> sqlite3.Connection:
    db = sqlite3.connect(store, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {order.options['level']}")
    db.execute("CREATE TABLE IF NOT EXISTS steps (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return db


def insert(db: sqlite3.Connection, text: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO steps (text) VALUES (?)", (text,))
    db.execute("COMMIT")


async def loop(order: Order, meter: Meter) -> None:
    text = "x" * (order.options["bytes"] + order.work.item)
    with closing(opened(order, order.warm)) as db:
        insert(db, text)
    with closing(opened(order, order.store)):
        pass
    meter.empty()
    with closing(opened(order, order.store)) as db:
        meter.begin()
        for _ in range(order.work.all_steps):
            insert(db, text)
            meter.mark()
        meter.end()
    meter.closed()
    with closing(opened(order, order.store)) as db:
        durable = db.execute("SELECT count(*) FROM steps").fetchone()[0]
    meter.figures |= {"synchronous": order.options["level"], "journal": "wal", "durable": durable}
