"""The public kit for tests: time and chance in the test's hand, crashes on demand, and what every ledger must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow_engine.testing.clock import FakeClock
    from workflow_engine.testing.crash import Crashed, DyingLedger, crash_after, kill, kill_after
    from workflow_engine.testing.files import FilesContract
    from workflow_engine.testing.ledger import LedgerContract
    from workflow_engine.testing.mint import SeededMint
    from workflow_engine.testing.script import ScriptedPerson, Uses, scripted_model, uses
    from workflow_engine.testing.tale import Tale

# Loaded when first asked for: the contract needs pytest, and a test of nodes alone needs none of it.
_LATER = {
    "Crashed": "crash",
    "DyingLedger": "crash",
    "FakeClock": "clock",
    "FilesContract": "files",
    "LedgerContract": "ledger",
    "SeededMint": "mint",
    "ScriptedPerson": "script",
    "Tale": "tale",
    "Uses": "script",
    "crash_after": "crash",
    "kill": "crash",
    "kill_after": "crash",
    "scripted_model": "script",
    "uses": "script",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"workflow_engine.testing.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "Crashed",
    "DyingLedger",
    "FakeClock",
    "FilesContract",
    "LedgerContract",
    "ScriptedPerson",
    "SeededMint",
    "Tale",
    "Uses",
    "crash_after",
    "kill",
    "kill_after",
    "scripted_model",
    "uses",
]
