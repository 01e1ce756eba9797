"""Checkpoints of foreign graphs in the ledger's file: their rows, sealed like all others, and its queue and commits."""

from workflow_engine.stores.sqlite.foreign.checkpoints import SqliteCheckpoints

__all__ = ["SqliteCheckpoints"]
