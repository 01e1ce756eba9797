"""The command `watch`: what happens in a run that another process drives, as it becomes durable."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import RunName, Store

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.runtime.view import RunView


def watch(
    run: RunName,
    after: Annotated[int, typer.Option("--after", metavar="N", min=0, help="only events numbered above N")] = 0,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="one JSON object a line: every event with its number")] = False,
    store: Store = None,
) -> None:
    """Follow a run until it rests; the exit code is the run's."""
    from workflow_engine.cli.exits import exit_of_run
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop

    view = run_loop(_follow(run, after, jsonl, store))
    raise typer.Exit(exit_of_run(view) if jsonl else report(view, store=store, as_json=False))


async def _follow(run: str, after: int, jsonl: bool, store: Path | None) -> RunView[Any]:
    from workflow_engine.cli.following import following
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.voice import emit
    from workflow_engine.record.events import write_event

    async with reading(store) as engine:
        run_id = await engine.find(run)
        if jsonl:
            async for each in engine.watch(run_id, after):
                emit(json.dumps({"seq": each.seq, **json.loads(write_event(each.event))}))
        else:
            with following(stream=sys.stdout) as shown:
                if after:
                    shown.recall([each for each in await engine.journal(run_id) if each.seq <= after])
                async for each in engine.watch(run_id, after):
                    shown.hear(run_id, each.event)
        return await engine.get(run_id)
