"""The command `workflow`: its commands in one table, and the one place where errors become exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli import (
    answer,
    check,
    doctor,
    draw,
    file,
    fork,
    inbox,
    logs,
    mcp,
    model,
    new,
    notify,
    people,
    publish,
    reassign,
    replay,
    resume,
    run,
    runs,
    schedule,
    serve,
    show,
    signal,
    start,
    store,
    watch,
    worker,
)
from workflow_engine.cli.exits import MEANINGS, Exit, exit_of_error
from workflow_engine.cli.voice import DIM, RED, complain, say
from workflow_engine.errors import WorkflowError

if TYPE_CHECKING:
    from typer.core import TyperGroup

TRACE = "WORKFLOW_TRACE"
_CODES = "\b\nExit codes:\n" + "\n".join(f"{code.value:>5}  {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="workflow",
    epilog=_CODES,
    no_args_is_help=True,
    add_completion=False,
    # Plain help: rich's boxes would load its tables for every --help.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(asked: bool) -> None:
    if asked:
        import platform
        from importlib.metadata import version

        typer.echo(f"workflow {version('workflow-proof')} on Python {platform.python_version()}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Typed state graphs, proved before they run and durable while they do."""


# In the order in which a person meets them.
app.command("new")(new.new)
app.command("check")(check.check)
app.command("draw")(draw.draw)
app.command("run")(run.run)
app.command("start")(start.start)
app.command("worker")(worker.worker)
app.command("runs")(runs.runs)
app.command("show")(show.show)
app.command("watch")(watch.watch)
app.command("logs")(logs.logs)
app.command("file")(file.file)
app.command("resume")(resume.resume)
app.command("recover")(resume.recover)
app.command("cancel")(resume.cancel)
app.command("fork")(fork.fork)
app.command("replay")(replay.replay)
app.command("inbox")(inbox.inbox)
app.command("answer")(answer.answer)
app.command("signal")(signal.signal)
app.command("publish")(publish.publish)
app.command("claim")(reassign.claim)
app.command("reassign")(reassign.reassign)
app.command("serve")(serve.serve)
app.command("mcp")(mcp.mcp)
app.command("doctor")(doctor.doctor)
app.add_typer(people.group, name="people")
app.add_typer(schedule.group, name="schedule")
app.add_typer(notify.group, name="notify")
app.add_typer(model.group, name="model")
app.add_typer(store.group, name="store")


def main() -> None:
    """The console script."""
    try:
        code = call(sys.argv[1:])
        if "workflow_engine.cli.stopping" not in sys.modules:  # no loop ran, so no body can have been left behind
            sys.exit(code)
        from workflow_engine.cli.stopping import leave

        leave(code)
    except KeyboardInterrupt:  # between the acts, or a third Ctrl-C
        os._exit(Exit.INTERRUPTED)


def call(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing but interpreter bugs comes out as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        result: Any = _command().main(args=list(arguments), prog_name="workflow", standalone_mode=False)
    except WorkflowError as error:
        _trace(error)
        complain(error)
        return exit_of_error(error)
    except Exception as error:
        if isinstance(error, typer.Abort):
            return Exit.INTERRUPTED
        usage = getattr(error, "format_message", None)
        if usage is not None:
            return _misused(error, usage())
        _trace(error)
        say(f"workflow stopped by a mistake of its own: {type(error).__name__}: {error}", RED)
        say(f"  {TRACE}=1 shows where; what you typed may be right, and no run was harmed")
        return Exit.BUG
    return result if isinstance(result, int) else Exit.DONE


def _command() -> TyperGroup:
    from typer.main import get_group

    return get_group(app)


def _misused(error: Exception, message: str) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        say(message)
        return Exit.USAGE
    context = getattr(error, "ctx", None)
    say(message.replace(": Value error, ", ": "), RED)  # pydantic's word before what an option refuses
    say(f"  {context.command_path if context is not None else 'workflow'} --help")
    return Exit.USAGE


def _trace(error: BaseException) -> None:
    if os.environ.get(TRACE):
        import traceback

        say("".join(traceback.format_exception(error)).rstrip(), DIM)
