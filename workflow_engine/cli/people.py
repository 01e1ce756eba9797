"""The command `people`: who proves by a token who they are, so that a choice that needs several means several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import Json, Store

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.record.people import Person

group = typer.Typer(
    help="Who proves by a token who they are.", rich_markup_mode=None, add_completion=False, invoke_without_command=True
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="the name they act under")]


@group.callback()
def people(context: typer.Context, store: Store = None, json: Json = False) -> None:
    """List who is enrolled; nobody else acts in their names."""
    if context.invoked_subcommand is not None:
        return
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point, say

    known = run_loop(_known(store))
    if json:
        emit_json([{"name": each.name, "groups": list(each.groups), "since": _since(each)} for each in known])
        return
    if not known:
        say("nobody is enrolled: whoever answers is who they say")
        point(("enrol", typed("people", "add", "alice", store=store)))
        return
    from workflow_engine.cli.figures import ago, line, room
    from workflow_engine.cli.grid import Cell, grid

    rows = [
        [
            Cell(line(each.name, 40), "1"),
            Cell(", ".join(each.groups)),
            Cell("" if each.since is None else ago(each.since), "2", right=True),
        ]
        for each in known
    ]
    for text in grid(["name", "groups", "since"], rows, sys.stdout, room=room(sys.stdout)):
        emit(text)


@group.command("add")
def add(
    name: Name,
    groups: Annotated[
        list[str] | None, typer.Option("--group", metavar="GROUP", help="a group they belong to; may be repeated")
    ] = None,
    store: Store = None,
) -> None:
    """Make somebody a token, printed once.

    Who has one already gets a new one.
    """
    from workflow_engine.cli.opening import writing
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import emit, say

    async def enrolled() -> str:
        async with writing(store) as engine:
            return await engine.enrol(name, groups=groups or ())

    token = run_loop(enrolled())
    say(f"{name} acts with this token in WORKFLOW_TOKEN; it is shown once, and the store keeps only its digest")
    emit(token)


@group.command("remove")
def remove(name: Name, store: Store = None) -> None:
    """Make somebody's token nobody's; what they did stays."""
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import say

    async def dismissed() -> None:
        async with reading(store) as engine:
            await engine.dismiss(name)

    run_loop(dismissed())
    say(f"{name} is no longer enrolled: the name proves nothing, and is anybody's again")


async def _known(store: Path | None) -> list[Person]:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.enrolled()


def _since(person: Person) -> str | None:
    return None if person.since is None else person.since.isoformat()
