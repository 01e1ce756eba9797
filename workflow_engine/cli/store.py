"""The commands `store`: a store looked after as a whole."""

from __future__ import annotations

import typer

from workflow_engine.cli import storecheck, storecopy, storeprune, storerun

group = typer.Typer(
    help="Look after a store: check, backup, prune, export.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@group.callback()
def _store() -> None:
    """Look after a store: check it, copy it, remove old runs, move runs between stores."""


group.command("check")(storecheck.check)
group.command("backup")(storecopy.backup)
group.command("migrate")(storecopy.migrate)
group.command("prune")(storeprune.prune)
group.command("export")(storerun.export)
group.command("import")(storerun.import_)
