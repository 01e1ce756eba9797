"""A store in a file, looked at from several sides: through ledgers, through SQLite itself, and from other processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from workflow_engine.stores.sqlite import SqliteLedger, open_ledger

Opened = Callable[..., Awaitable[SqliteLedger]]
Started = Callable[..., "subprocess.Popen[str]"]
HOUSE = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
async def opened(path: Path) -> AsyncIterator[Opened]:
    """Opens the store as often as a test likes, and closes what it leaves open."""
    ledgers: list[SqliteLedger] = []

    async def opened(**settings: Any) -> SqliteLedger:
        ledger = await open_ledger(path, **settings)
        ledgers.append(ledger)
        return ledger

    yield opened
    for ledger in ledgers:
        await ledger.close()


@pytest.fixture
def beneath(path: Path) -> Callable[..., list[Any]]:
    """Runs a statement on the file, behind every ledger's back."""

    def beneath(statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            return db.execute(statement, values).fetchall()

    return beneath


@pytest.fixture
def started(path: Path) -> Iterator[Started]:
    """Starts a Python process that is given `path`; its script may use `ledger` after `await`ing nothing more."""
    children: list[subprocess.Popen[str]] = []

    def started(body: str) -> subprocess.Popen[str]:
        lines = "\n    ".join(body.strip("\n").splitlines())
        child = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT.format(body=lines), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HOUSE,
        )
        children.append(child)
        return child

    yield started
    for child in children:
        child.kill()
        child.communicate()


_SCRIPT = """
import asyncio, sys
from workflow_engine.errors import *
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing.tale import Tale, append, sets

def say(*words):
    print(*words, flush=True)

async def main():
    ledger = await open_ledger(sys.argv[1])
    {body}

asyncio.run(main())
"""
