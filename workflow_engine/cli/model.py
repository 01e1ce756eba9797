"""The command `model`: the playbook that answers in a model's place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import Target

if TYPE_CHECKING:
    pass

group = typer.Typer(
    help="What stands behind the agents.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@group.callback()
def _model() -> None:
    """What stands behind the agents."""


@group.command("stub")
def stub(
    target: Target,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="where to (beside TARGET); '-' is stdout")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="write over a playbook that is there")] = False,
) -> None:
    """Write a playbook to edit.

    It has one answer for each agent, which fits its type.
    """
    from workflow_engine.agents import playbook_beside, stub_playbook
    from workflow_engine.bodies.agent import output_of
    from workflow_engine.bodies.team import within
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, point, say
    from workflow_engine.errors import UsageError
    from workflow_engine.spec.nesting import nested
    from workflow_engine.targets import load

    loaded = load(target)
    prove(loaded.workflow)
    flows = (loaded.workflow, *nested(loaded.workflow).values())
    asked = [(node.name, output_of(node, flow)) for flow in flows for node in flow.agents]
    every = [each for flow in flows for node in flow.agents for each in within(node, output_of(node, flow))]
    asked += [(one.name, output) for one, output in every]
    if not asked:
        raise UsageError(f"{loaded.workflow.name} has no agents, so no model is needed", typed("run", loaded.label))
    text = stub_playbook(asked)
    if out is not None and str(out) == "-":
        emit(text.rstrip())
        return
    path = out or playbook_beside(loaded.file)
    if out is None and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already", "edit it, or write over it with --force") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}", "name another file with -o") from None
    say(f"playbook written: {path}")
    inputs = [f"{field.name}=..." for field in loaded.workflow.fields.values() if field.required]
    point(("run", typed("run", loaded.label, *inputs, "--model", "offline")))


@group.command("record", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def record(
    context: typer.Context,
    tape: Annotated[Path, typer.Argument(metavar="FILE", help="where to; calls are added to a tape that is there")],
    endpoint: Annotated[
        str, typer.Option("--endpoint", metavar="NAME", help="an endpoint of the settings, not that of OPENAI_*")
    ] = "",
) -> None:
    """Ask a real model, and keep what it answers.

    It runs the command that follows: workflow model record talk.json -- workflow run TARGET --model NAME. Without one
    it says where to ask, until Ctrl-C. `--model replay:FILE` answers from the tape. Keys are not on it.
    """
    import os
    import subprocess
    from time import sleep

    from workflow_engine.agents import endpoint_called
    from workflow_engine.agents.tape import Tape
    from workflow_engine.agents.tapeserver import RecordingServer
    from workflow_engine.cli.voice import say
    from workflow_engine.errors import UsageError
    from workflow_engine.settings import read_settings

    settings = read_settings()
    asked = endpoint_called(endpoint, settings.environ(), settings.named())
    if not tape.parent.is_dir():
        raise UsageError(f"there is no folder {tape.parent}", "name another file")
    kept = Tape.read(tape) if tape.exists() else Tape(tape)
    server = RecordingServer(kept, asked)
    said = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API": asked.wire, "OPENAI_API_KEY": ""}
    code = 0
    before = len(kept.calls)
    try:
        if context.args:
            code = subprocess.run(context.args, env={**os.environ, **said}, check=False).returncode
        else:
            say(f"OPENAI_BASE_URL={server.base_url} OPENAI_API={asked.wire} asks {asked.base_url}; Ctrl-C ends it")
            while True:
                sleep(3600)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise UsageError(f"{context.args[0]} cannot be run: {error.strerror or error}", "check the command") from None
    finally:
        server.close()
    say(f"{len(kept.calls) - before} calls recorded: {tape}")
    raise typer.Exit(code)
