"""The command `worker`: drive what stands in the queue, and what was left behind, until told to stop."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from workflow_engine.cli.options import AllowUnsandboxed, Executor, ExecutorName, Models, Store, chain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workflow_engine.agents import ModelChoice
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.exits import Exit
    from workflow_engine.errors import WorkflowError
    from workflow_engine.record.ids import RunId
    from workflow_engine.record.run import Run
    from workflow_engine.runtime.worker import Until, Worked
    from workflow_engine.targets import Loaded


def worker(
    targets: Annotated[list[str], typer.Argument(metavar="TARGET", help="the workflows whose runs it drives")],
    at_once: Annotated[int, typer.Option("--at-once", metavar="N", min=1, help="so many runs at a time")] = 8,
    once: Annotated[bool, typer.Option("--once", help="look once, drive at most N runs, and end")] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="end when nothing is left to do")] = False,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Drive runs that were started or left behind.

    It goes on with those whose process died, whose answer came or whose time is up, and begins what schedules are
    due for.
    """
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.errors import UsageError
    from workflow_engine.targets import load

    if once and until_idle:
        raise UsageError("--once and --until-idle are two ways to end", "give one of them")
    loaded = [load(each) for each in targets]
    for each in loaded:
        prove(each.workflow)
    manner = Manner(store, executor, chain(model), allow_unsandboxed)
    raise typer.Exit(run_loop(_work(loaded, manner, at_once, "once" if once else "idle" if until_idle else "stopped")))


async def _work(targets: Sequence[Loaded], manner: Manner, at_once: int, until: Until) -> Exit:
    from workflow_engine.cli.driving import let_info_through
    from workflow_engine.cli.exits import Exit, exit_of_error, exit_of_rest, gravest
    from workflow_engine.cli.opening import driving
    from workflow_engine.cli.stopping import Stopped, until_stopped
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import AMBER, point, say, trouble

    choice = one_model(targets, manner.model)
    resources = await resources_of(targets, choice, manner)
    out = sys.stdout
    codes: set[Exit] = set()

    def counted(run: RunId | None, error: WorkflowError) -> None:
        codes.add(exit_of_error(error))
        trouble(run, error)

    def rested(run: Run) -> None:
        codes.add(exit_of_rest(run))
        with suppress(OSError, ValueError):  # a reader that went away is no reason to stop
            out.write(_line(run, out) + "\n")
            out.flush()

    def parting() -> None:
        say("stopped at once; the steps that were under way are due again", AMBER)
        point(("go on", typed("worker", *(each.label for each in targets), store=manner.store)))

    with redirect_stdout(sys.stderr):  # what bodies print; stdout is for data
        let_info_through()
        async with driving(targets, manner, choice, resources) as engine:

            async def work() -> Worked:
                # Said once Ctrl-C is listened for: whoever reads it may stop the worker.
                names = ", ".join(dict.fromkeys(each.workflow.name for each in targets))
                say(f"working on {names}, at most {at_once} at once; Ctrl-C stops after the steps under way")
                return await engine.work(
                    at_once=at_once,
                    until=until,
                    on_problem=counted,
                    on_rest=rested,
                    refuse=refusal(targets, manner.model),
                )

            try:
                done = await until_stopped(work(), engine.drain, parting)
            except Stopped:
                return Exit.INTERRUPTED
    left = done.rested.get("interrupted", 0)
    if left:
        say(f"{left} {'run was' if left == 1 else 'runs were'} let go of in the middle, for any worker to go on with")
    if until == "stopped":
        return Exit.INTERRUPTED if left else Exit.DONE
    point(("look", typed("runs", store=manner.store)))
    return gravest(codes)


def one_model(targets: Sequence[Loaded], model: str | None) -> ModelChoice | None:
    """The model that answers for all agents. Raises UsageError where their playbooks differ."""
    from workflow_engine.cli.choosing import choose_model
    from workflow_engine.errors import UsageError

    chosen = {each.label: choice for each in targets if (choice := choose_model(each, model)) is not None}
    first = next(iter(chosen.items()), None)
    if first is None:
        return None
    for label, choice in chosen.items():
        if choice != first[1]:
            raise UsageError(
                f"{first[0]} and {label} are answered by different models or playbooks",
                "give each a process of its own: this command, once for each of them",
            )
    return first[1]


async def resources_of(
    targets: Sequence[Loaded], choice: ModelChoice | None, manner: Manner
) -> Mapping[type, Callable[..., Any]]:
    """What their sandboxes are opened by."""
    from workflow_engine.cli.choosing import choose_sandbox

    found: dict[type, Callable[..., Any]] = {}
    for each in targets:
        found.update(await choose_sandbox(each.workflow, choice, allowed=manner.allow_unsandboxed))
    return found


def refusal(targets: Sequence[Loaded], model: str | None) -> Callable[[str | None], WorkflowError | None]:
    """Why a run is left alone: it was begun with a model that this worker was not told to answer with."""
    from workflow_engine.errors import UsageError
    from workflow_engine.targets import Label

    def refuse(label: str | None) -> WorkflowError | None:
        named = None if label is None else Label.read(label).model
        if model is not None or named is None:
            return None
        target = targets[0].label if label is None else Label.read(label).target
        return UsageError(
            f"it was begun with --model {named}, and this worker was not", f"workflow worker {target} --model {named}"
        )

    return refuse


def _line(run: Run, out: TextIO) -> str:
    from workflow_engine.cli.figures import duration, line, several
    from workflow_engine.cli.signs import sign
    from workflow_engine.cli.voice import BOLD, painted

    word = "interrupted" if run.status == "running" else run.status
    mark = sign(word)
    why = (
        f"  {line(run.error.message, 80)}"
        if run.error is not None
        else f"  {line(run.reason, 80)}"
        if run.reason
        else ""
    )
    return (
        "  ".join(
            [
                painted(f"{mark.on(out)} {word.ljust(9)}", mark.ansi, out),
                f"run {painted(run.id, BOLD, out)}",
                line(run.workflow, 30),
                several(run.steps, "step"),
                duration((run.updated - run.created).total_seconds()),
            ]
        )
        + why
    )
