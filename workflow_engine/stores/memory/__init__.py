"""The ledger in memory, for tests: it keeps what a file would keep, and polices what is brought to it."""

from workflow_engine.stores.memory.ledger import MemoryLedger

__all__ = ["MemoryLedger"]
