"""The command `notify`: the channels that are told of questions and failures, and what they were told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workflow_engine.ports.channels import Channel
    from workflow_engine.record.notice import Notice

group = typer.Typer(
    help="Who is told of questions and failures.",
    rich_markup_mode=None,
    add_completion=False,
    invoke_without_command=True,
)
_CURE = '[channels.ops] webhook = "https://...", secret = "whsec_..." in workflow.toml: docs/notifications.md'


@group.callback()
def notify(context: typer.Context, store: Store = None, json: Json = False) -> None:
    """List the channels, and what they were told last."""
    if context.invoked_subcommand is not None:
        return
    from workflow_engine.cli.opening import channels_of
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point, say
    from workflow_engine.settings import read_settings

    settings = read_settings(store=store)
    channels = channels_of(settings)
    notices = run_loop(_newest(store)) if settings.store.exists() else []
    if json:
        emit_json({"channels": [_shown(each) for each in channels], "notices": [_document(each) for each in notices]})
        return
    if not channels:
        say("nobody is told: no channel is set")
        say(f"  {_CURE}")
        return
    for text in _lines(channels, notices):
        emit(text)
    point(("try", typed("notify", "test", store=store)))


@group.command("test")
def try_out(
    name: Annotated[str | None, typer.Argument(metavar="CHANNEL", help="only this one")] = None, store: Store = None
) -> None:
    """Send every channel, or one, a message that says it works."""
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.opening import channels_of
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import GREEN, RED, say
    from workflow_engine.errors import UsageError
    from workflow_engine.settings import read_settings

    settings = read_settings(store=store)
    channels = {each.name: each for each in channels_of(settings)}
    if not channels:
        raise UsageError("no channel is set", _CURE)
    if name is not None and name not in channels:
        raise UsageError(f"there is no channel {name!r}", f"known are: {', '.join(channels)}")
    chosen = list(channels.values()) if name is None else [channels[name]]
    told = run_loop(_tried(chosen, settings.page_url))
    for each, why in told.items():
        say(f"{each} has it" if why is None else f"{each} could not be told: {why}", GREEN if why is None else RED)
    if any(why is not None for why in told.values()):
        raise typer.Exit(Exit.FAILED)


@group.command("send")
def send(store: Store = None) -> None:
    """Tell now what waits to be told, and end.

    For a machine on which no worker runs.
    """
    from workflow_engine.cli.figures import several
    from workflow_engine.cli.opening import channels_of, codec_of
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import say
    from workflow_engine.errors import UsageError
    from workflow_engine.settings import read_settings

    settings = read_settings(store=store)
    channels = channels_of(settings)
    if not channels:
        raise UsageError("no channel is set", _CURE)

    async def sent() -> int:
        from workflow_engine.engine import Engine

        async with Engine.connect(
            settings.store, create=False, codec=codec_of(settings), channels=channels, page_url=settings.page_url
        ) as engine:
            assert engine.courier is not None
            return await engine.courier.tell_due()

    say(f"{several(run_loop(sent()), 'notice')} looked after")


@group.command("secret")
def secret() -> None:
    """Print a new secret to sign webhooks with. Give it to the receiver, too."""
    from workflow_engine.cli.voice import emit
    from workflow_engine.notify import new_secret

    emit(new_secret())


async def _tried(channels: Sequence[Channel], page_url: str | None) -> dict[str, str | None]:
    from workflow_engine.notify.courier import tried
    from workflow_engine.runtime.clock import SystemClock

    return await tried(channels, SystemClock(), page_url)


async def _newest(store: Path | None) -> Sequence[Notice]:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.notices()


def _lines(channels: Sequence[Channel], notices: Sequence[Notice]) -> list[str]:
    from workflow_engine.cli.figures import ago, line, room
    from workflow_engine.cli.grid import Cell, grid

    ways = [[Cell(line(each.name, 24), "1"), Cell(line(getattr(each, "place", ""), 60))] for each in channels]
    found = grid(["channel", "leads to"], ways, sys.stdout, room=room(sys.stdout))
    rows = [
        [
            Cell(each.question or each.run, "1"),
            Cell(each.happened),
            Cell(ago(each.at), "2", right=True),
            Cell(line(_fate(each))),
        ]
        for each in notices
    ]
    if rows:
        found += ["", *grid(["of", "what", "when", "told"], rows, sys.stdout, room=room(sys.stdout))]
    return found


def _fate(notice: Notice) -> str:
    said = [f"{name}: {told.status}" + (f" ({told.why})" if told.why else "") for name, told in notice.told.items()]
    return ", ".join(said) or ("waits" if notice.due is not None else "nobody needed to know")


def _shown(channel: Channel) -> dict[str, Any]:
    return {"name": channel.name, "leads_to": getattr(channel, "place", "")}


def _document(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "run": notice.run,
        "question": notice.question,
        "happened": notice.happened,
        "at": notice.at.isoformat(),
        "due": None if notice.due is None else notice.due.isoformat(),
        "told": {
            name: {"status": each.status, "tries": each.tries, "why": each.why} for name, each in notice.told.items()
        },
    }
