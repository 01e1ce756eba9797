"""Every store keeps the contract of the port: in memory, in a file, and in an encrypted one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import SqliteLedger, open_ledger
from workflow_engine.testing.ledger import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    async def ledger(self) -> AsyncIterator[MemoryLedger]:
        ledger = MemoryLedger()
        yield ledger
        await ledger.close()

    @pytest.fixture
    async def elsewhere(self, ledger: MemoryLedger) -> MemoryLedger:
        return ledger


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    async def ledger(self, tmp_path: Path) -> AsyncIterator[SqliteLedger]:
        ledger = await open_ledger(tmp_path / "runs.sqlite")
        yield ledger
        await ledger.close()

    @pytest.fixture
    async def elsewhere(self, ledger: SqliteLedger, tmp_path: Path) -> AsyncIterator[SqliteLedger]:
        ledger = await open_ledger(tmp_path / "runs.sqlite", create=False)
        yield ledger
        await ledger.close()


class TestEncryptedLedger(LedgerContract):
    @pytest.fixture
    def keys(self) -> Keys:
        return Keys(new_key())

    @pytest.fixture
    async def ledger(self, tmp_path: Path, keys: Keys) -> AsyncIterator[SqliteLedger]:
        ledger = await open_ledger(tmp_path / "runs.sqlite", codec=keys)
        yield ledger
        await ledger.close()

    @pytest.fixture
    async def elsewhere(self, ledger: SqliteLedger, tmp_path: Path, keys: Keys) -> AsyncIterator[SqliteLedger]:
        ledger = await open_ledger(tmp_path / "runs.sqlite", create=False, codec=keys)
        yield ledger
        await ledger.close()
