"""What every ledger keeps, as sentences: the conformance suite of ports.ledger.Ledger.

Subclass it in a test module of your own, give it a store, and pytest (with pytest-asyncio in its auto mode) runs every
sentence on it:

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        async def ledger(self) -> AsyncIterator[Ledger]:
            ledger = await open_my_ledger(...)
            yield ledger
            await ledger.close()

        @pytest.fixture
        async def elsewhere(self, ledger) -> AsyncIterator[Ledger]:
            ...  # the same store, opened once more, as another process would
"""

from __future__ import annotations

from typing import Any

import pytest

from workflow_engine.testing.ledger.changes import ChangesContract
from workflow_engine.testing.ledger.forks import ForksContract
from workflow_engine.testing.ledger.inbox import InboxContract
from workflow_engine.testing.ledger.lists import ListsContract
from workflow_engine.testing.ledger.logs import LogsContract
from workflow_engine.testing.ledger.notices import NoticesContract
from workflow_engine.testing.ledger.order import OrderContract
from workflow_engine.testing.ledger.ownership import OwnershipContract
from workflow_engine.testing.ledger.people import PeopleContract
from workflow_engine.testing.ledger.queue import QueueContract
from workflow_engine.testing.ledger.results import ResultsContract
from workflow_engine.testing.ledger.schedules import SchedulesContract
from workflow_engine.testing.ledger.state import StateContract
from workflow_engine.testing.ledger.waits import WaitsContract


class LedgerContract(
    StateContract,
    OrderContract,
    OwnershipContract,
    ForksContract,
    ListsContract,
    QueueContract,
    SchedulesContract,
    ResultsContract,
    NoticesContract,
    InboxContract,
    PeopleContract,
    WaitsContract,
    ChangesContract,
    LogsContract,
):
    """Sentences about one ledger, some of them as seen through a second one on the same store."""

    @pytest.fixture
    async def ledger(self) -> Any:
        """The ledger under test, empty."""
        raise NotImplementedError("give the suite a ledger to test")

    @pytest.fixture
    async def elsewhere(self) -> Any:
        """The same store as another process sees it."""
        raise NotImplementedError("give the suite a second ledger on the same store")


__all__ = ["LedgerContract"]
