"""Recovering: every run whose process died goes on, each with the code and the model it remembers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from workflow_engine.cli.choosing import choose_model, choose_sandbox
from workflow_engine.cli.driving import Manner, let_info_through
from workflow_engine.cli.exits import Exit, exit_of_error, exit_of_run, gravest
from workflow_engine.cli.figures import plain
from workflow_engine.cli.following import Lines
from workflow_engine.cli.goingon import code_of, remembered
from workflow_engine.cli.opening import driving, reading
from workflow_engine.cli.report import summary
from workflow_engine.cli.stopping import Stopped, until_stopped
from workflow_engine.cli.typed import typed, ways_on
from workflow_engine.cli.voice import AMBER, emit, emit_json, point, say
from workflow_engine.errors import RunEnded, RunOwned, StoreError, TargetError, WorkflowError
from workflow_engine.targets import Loaded, load

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.ports.ledger import Listed
    from workflow_engine.record.ids import RunId
    from workflow_engine.record.run import Run
    from workflow_engine.runtime.view import RunView

_PAGE = 200


async def recover_all(targets: Sequence[str], manner: Manner) -> Exit:
    """Recover, print what became of each run, and return the gravest exit code. One run's problem stops no other."""
    given = [load(each) for each in targets]
    codes: list[Exit] = []
    async with reading(manner.store) as engine:
        dead = await _dead(engine, codes)
    groups: dict[tuple[str, str | None, str], list[tuple[Run, Loaded, Manner]]] = {}
    for run in dead:
        try:
            loaded = next((each for each in given if each.workflow.name == run.workflow), None) or code_of(
                run, None, manner
            )
        except TargetError as error:
            codes.append(_problem(run.id, error))
            continue
        how = remembered(run, manner)
        # Runs of one file and one model share an engine; others must not, or the wrong model would answer.
        groups.setdefault((loaded.label, how.model, run.workflow), []).append((run, loaded, how))
    views: list[RunView[Any]] = []
    stream = sys.stderr if manner.as_json else sys.stdout
    for group in groups.values():
        _, loaded, how = group[0]
        try:
            with redirect_stdout(sys.stderr):  # what bodies print; stdout is for data
                found = await _go_on([run.id for run, _, _ in group], loaded, how, stream)
        except Stopped:
            codes.append(Exit.INTERRUPTED)
            break  # what is left is left for the next time
        except WorkflowError as error:
            codes += [_problem(run.id, error) for run, _, _ in group]
            continue
        for each in found:
            if isinstance(each, Exit):
                codes.append(each)
            else:
                views.append(each)
    return _told(views, codes, bool(dead), manner)


def _told(views: list[RunView[Any]], codes: list[Exit], any_dead: bool, manner: Manner) -> Exit:
    if manner.as_json:
        emit_json([view.document() for view in views])
    else:
        for view in views:
            emit(summary(view))
    if not any_dead:
        say("no run was left behind by a process that died")
    if len(views) == 1:
        point(*ways_on(views[0], manner.store))
    elif Exit.INTERRUPTED in codes:
        point(("look", typed("runs", store=manner.store)), ("go on", typed("recover", store=manner.store)))
    else:
        point(("look", typed("runs", store=manner.store)))
    return gravest([*codes, *(exit_of_run(view) for view in views)])


async def _go_on(runs: Sequence[RunId], loaded: Loaded, manner: Manner, stream: TextIO) -> list[RunView[Any] | Exit]:
    """Every run of one group at once."""
    choice = choose_model(loaded, manner.model)
    resources = await choose_sandbox(loaded.workflow, choice, allowed=manner.allow_unsandboxed)
    shown = Lines(stream, several_runs=len(runs) > 1)
    let_info_through()
    async with driving([loaded], manner, choice, resources, listeners=[shown], create=False) as engine:

        async def one(run: RunId) -> RunView[Any] | Exit | None:
            try:
                before = await engine.get(run)
                return await engine.resume(run, verb="answer" if before.run.status == "waiting" else "recover")
            except (RunOwned, RunEnded):
                return None  # another process was faster, which is what was wanted
            except WorkflowError as error:
                return _problem(run, error)

        async def everyone() -> list[RunView[Any] | Exit]:
            return [each for each in await asyncio.gather(*(one(run) for run in runs)) if each is not None]

        def parting() -> None:
            say("stopped at once; the steps that were under way are due again", AMBER)
            point(("go on", typed("recover", store=manner.store)))

        return await until_stopped(everyone(), engine.drain, parting)


async def _dead(engine: Engine, codes: list[Exit]) -> list[Run]:
    """Runs that were taken and not ended, whose answer or signal waits, or whose time came, and that no living process
    drives: oldest first.

    One that cannot be read is told, and its exit code added to `codes`.
    """
    found: list[Run] = []
    await engine.deliver()
    overdue = set(await engine.due())
    page: list[Listed] = []
    while True:
        page = await engine.runs(limit=_PAGE, before=page[-1].run if page else None, children=True)
        for each in page:
            if each.status == "running" or (  # a queued one was left to a worker
                each.status == "waiting" and (each.letters or each.run in overdue)
            ):
                try:
                    run = await engine.to_recover(each.run)
                    view = None if run is None else await engine.get(run.id)
                except StoreError as error:
                    codes.append(_problem(each.run, error))
                    continue
                if view is not None and not view.owned and view.run not in found:
                    found.append(view.run)
        if len(page) < _PAGE:
            return found[::-1]


def _problem(run: RunId, error: WorkflowError) -> Exit:
    say(plain(f"run {run} was not recovered: {error}"), AMBER)
    return exit_of_error(error)
