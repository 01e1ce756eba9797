"""The commands `store backup` and `store migrate`: a copy of the store, and the store led to today's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow_engine.cli.options import Json, Store


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a new file", readable=False)],
    store: Store = None,
    json: Json = False,
) -> None:
    """Copy the store as of one moment, while it is in use.

    The copy is checked before it gets its name.
    """
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.figures import plain
    from workflow_engine.cli.opening import keeper
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.storecheck import contents, document
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import AMBER, emit, emit_json, point, say

    health = run_loop(keeper(store).backup(path))
    if json:
        emit_json(document(health, str(path)))
    else:
        emit(f"backed up: {plain(str(path))}: {contents(health)}")
    if health.whole:
        point(("look", typed("runs", store=path)))
        return
    say("the copy is as damaged as the store itself; what is whole, is whole in it", AMBER)
    point(("what is wrong", typed("store", "check", store=path)))
    raise typer.Exit(Exit.STORE)


def migrate(
    no_backup: Annotated[bool, typer.Option("--no-backup", help="make no copy of it before")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Lead a store of an earlier version to today's schema.

    A backup is made beside it first.
    """
    from workflow_engine.cli.figures import plain
    from workflow_engine.cli.opening import keeper
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point
    from workflow_engine.settings import read_settings

    path = read_settings(store=store).store
    done = run_loop(keeper(store).migrate(backup=not no_backup))
    copy = None if done.copy is None else str(path.with_name(done.copy.name))
    if json:
        emit_json({"store": str(path), "before": done.before, "after": done.after, "backup": copy})
    elif done.before == done.after:
        emit(f"nothing to do: {plain(str(path))} has today's schema, {done.after}")
    else:
        emit(f"migrated: {plain(str(path))} from schema {done.before} to {done.after}")
        if copy is not None:
            emit(f"as it was before: {plain(copy)}")
    point(("check", typed("store", "check", store=store)))
