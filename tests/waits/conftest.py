"""An engine over a ledger that outlives it, as in tests/engine."""

from __future__ import annotations

from tests.engine.conftest import clock, ledger, opened

__all__ = ["clock", "ledger", "opened"]
