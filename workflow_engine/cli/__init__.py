"""The command line: parses, calls the engine, prints. Each command loads only what it needs."""

from workflow_engine.cli.app import main

__all__ = ["main"]
