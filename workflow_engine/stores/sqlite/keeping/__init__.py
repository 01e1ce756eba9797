"""House-keeping of the SQLite store: check, backup, migrate, prune, export and import."""

from workflow_engine.stores.sqlite.keeping.keeping import SqliteKeeping

__all__ = ["SqliteKeeping"]
