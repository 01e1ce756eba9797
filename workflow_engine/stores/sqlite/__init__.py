"""The ledger in a SQLite file, through aiosqlite: strict, fenced, and one transaction for all that is ready."""

from workflow_engine.stores.sqlite.ledger import SqliteLedger, open_ledger

__all__ = ["SqliteLedger", "open_ledger"]
