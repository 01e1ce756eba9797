"""Results are kept under their keys until their time is over, and nothing is ever said against a missing one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from workflow_engine.record.result import KeptResult
from workflow_engine.testing.tale import START

DAY = timedelta(days=1)
RESULT = KeptResult("k1", "fetch", START, START + DAY, {"page": '{"text":"ü","n":[1,{}]}', "size": "7"})


class ResultsContract:
    """Sentences of `LedgerContract`, for a ledger that keeps results."""

    async def test_a_result_is_kept_as_it_was_given(self, ledger: Any) -> None:
        assert await ledger.results.recall("k1", START) is None
        ledger.results.keep(RESULT, START)
        await _stored(ledger)
        assert await ledger.results.recall("k1", START) == RESULT
        assert await ledger.results.recall("k2", START) is None

    async def test_its_time_is_over(self, ledger: Any) -> None:
        ledger.results.keep(RESULT, START)
        await _stored(ledger)
        assert await ledger.results.recall("k1", START + DAY - timedelta(seconds=1)) == RESULT
        assert await ledger.results.recall("k1", START + DAY) is None

    async def test_a_newer_one_stands_in_its_place(self, ledger: Any, elsewhere: Any) -> None:
        newer = replace(RESULT, until=START + 2 * DAY, writes={"page": "null", "size": "0"})
        for each in (RESULT, newer):
            ledger.results.keep(each, START)
        await _stored(ledger)
        assert await elsewhere.results.recall("k1", START + DAY) == newer


async def _stored(ledger: Any) -> None:
    """Wait for what was put before: it is not waited for by itself."""
    ledger.results.keep(replace(RESULT, key="last"), START)
    while await ledger.results.recall("last", START) is None:
        pass
