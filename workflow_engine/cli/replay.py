"""The command `replay`: a run gone through again step by step; or held against a workflow, up to what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import Json, RunName, Store
from workflow_engine.errors import TargetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TypeAlias

    from workflow_engine.record.difference import Change
    from workflow_engine.runtime.replay import Replay
    from workflow_engine.runtime.tape import Moment
    from workflow_engine.targets import Loaded

    Told: TypeAlias = tuple[Moment, tuple[Change, ...]]


def replay(
    run: RunName,
    step: Annotated[
        str | None,
        typer.Argument(metavar="STEP", help="only this one: a number, a node, node:visit"),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="TARGET", help="run what is pure anew with this code, and tell what differs"),
    ] = None,
    only_routes: Annotated[
        bool, typer.Option("--only-routes", help="with --against: values may differ, ways may not")
    ] = False,
    live_resources: Annotated[
        bool, typer.Option("--live-resources", help="with --against: run functions that are handed a resource, too")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="values at full length")] = False,
    store: Store = None,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="one JSON document a line, for each moment")] = False,
) -> None:
    """Go through a run again, step by step. Executes nothing; with --against nothing that touches the outside world."""
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.replaypage import (
        Telling,
        against_document,
        against_lines,
        moment_document,
        moment_lines,
        replay_document,
        state_block,
    )
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point

    if against is None and (only_routes or live_resources):
        raise UsageError(
            f"{'--only-routes' if only_routes else '--live-resources'} is about other code", "name it: --against TARGET"
        )
    if against is not None and (step is not None or jsonl):
        raise UsageError("--against goes as far as the first difference", "leave STEP and --jsonl out")
    if against is not None:
        loaded, told = run_loop(_held(run, against, store, only_routes=only_routes, live_resources=live_resources))
        if json:
            emit_json(against_document(told, loaded))
        else:
            emit("\n".join(against_lines(told, loaded, full=full)))
        if told.difference is not None:
            at = str(told.difference.step)
            point(
                ("step", typed("show", told.run, at, store=store)),
                ("go on so", typed("fork", told.run, loaded.label, "--at", at, store=store)),
            )
            raise typer.Exit(Exit.FAILED)
        point(("runs", typed("check", loaded.label, "--against", "default" if store is None else str(store))))
        return
    told = run_loop(_replayed(run, store))
    telling = Telling()
    moments = [(each, telling.changes(each)) for each in told.moments]
    if step is not None:
        moments = [_chosen(told, moments, step)]
    if jsonl:
        for moment, changes in moments:
            emit_json(moment_document(moment, changes), indent=None)
        return
    if json:
        emit_json(replay_document(told, moments))
    else:
        for moment, changes in moments:
            emit("\n".join(moment_lines(moment, changes, full=full)))
            if step is not None:
                emit("\n".join(state_block(moment, full=full)))
    point(("look", typed("show", told.run, store=store)))


def _chosen(told: Replay, moments: Sequence[Told], step: str) -> Told:
    """The moment of one step: of its number, of its node's last visit, or of node:visit."""
    node, _, visit = step.rpartition(":")
    for moment, changes in reversed(moments):
        if moment.kind in ("migrated", "withdrawn"):
            continue
        named = step in (str(moment.step), moment.node)
        if named or (moment.node == node and visit == str(moment.visit)):
            return moment, changes
    last = told.moments[-1].step if told.moments else 0
    raise UsageError(f"run {told.run} has no step {step!r}", f"its steps are numbered 1 to {last}; 0 is START")


async def _replayed(run: str, store: Path | None) -> Replay:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.replay(run)


async def _held(
    run: str, target: str, store: Path | None, *, only_routes: bool, live_resources: bool
) -> tuple[Loaded, Replay]:
    import sys
    from contextlib import redirect_stdout

    from workflow_engine.cli.opening import reading
    from workflow_engine.targets import load

    async with reading(store) as engine:
        view = await engine.get(run)
        loaded = load(target)
        if loaded.workflow.name != view.run.workflow:
            raise TargetError(
                f"{loaded.label} is the workflow {loaded.workflow.name!r}; run {view.id} is one of "
                f"{view.run.workflow!r}",
                "give the TARGET of its own workflow",
            )
        with redirect_stdout(sys.stderr):  # what bodies print; stdout is for data
            told = await engine.replay(
                view.id, against=loaded.workflow, only_routes=only_routes, live_resources=live_resources
            )
    return loaded, told
