"""The commands `schedule ...`: when runs are begun by themselves; a living worker begins them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, Models, Store, Target, chain

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.engine import Engine
    from workflow_engine.record.schedule import Schedule

group = typer.Typer(
    help="Begin runs by the calendar: add, list, pause, resume, remove.", no_args_is_help=True, rich_markup_mode=None
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="a schedule's name: workflow schedule list")]


@group.command("add")
def add(
    target: Target,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="CRON|FIELD=VALUE", help='"0 6 * * MON-FRI" or @daily, then inputs'),
    ] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="in place of CRON: 90s, 15m, 1h30m")
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="what CRON's hours are of")] = "UTC",
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="its name (the workflow's)")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="@FILE", help="inputs as a JSON object: @file.json, or - for stdin"),
    ] = None,
    due_as: Annotated[
        str | None, typer.Option("--due-as", metavar="FIELD", help="the field that is given each due time")
    ] = None,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="begin every one that was missed, not only the last")
    ] = False,
    model: Models = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Begin a run at each due time from now on."""
    from workflow_engine.cli.inputs import read_given
    from workflow_engine.cli.opening import writing
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point
    from workflow_engine.errors import UsageError
    from workflow_engine.runtime.calendar import interval
    from workflow_engine.targets import Label, load

    given = list(words or [])
    cron = given.pop(0) if given and "=" not in given[0] else None
    if (cron is None) == (every is None):
        what = "it is due both by CRON and by --every" if cron else "when it is due is not said"
        raise UsageError(what, 'give "0 6 * * *" after TARGET, or --every 15m')
    loaded = load(target)
    prove(loaded.workflow)
    fields = read_given(loaded.workflow, given, inputs or []).typed
    named = chain(model)
    label = str(Label(loaded.label, named))

    async def make() -> tuple[Schedule, datetime | None]:
        async with writing(store) as engine:
            made = await engine.schedules.add(
                loaded.workflow,
                cron,
                fields,
                every=None if every is None else interval(every),
                timezone=timezone,
                name=name,
                due_as=due_as,
                catch_up=catch_up,
                label=label,
            )
            return made, engine.schedules.next(made)

    made, due = run_loop(make())
    if json:
        emit_json(_document(made, due))
    else:
        emit(f"schedule {made.name}: {_when(made)}, next {_moment(due)}")
    chosen = () if named is None else ("--model", named)
    point(
        ("look", typed("schedule", "list", store=store)),
        ("drive", typed("worker", loaded.label, *chosen, store=store)),
    )


@group.command("list")
def list_(store: Store = None, json: Json = False) -> None:
    """List schedules, and when each is due next."""
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point, say

    async def look() -> list[tuple[Schedule, datetime | None]]:
        async with reading(store) as engine:
            return [(each, _next(engine, each)) for each in await engine.schedules.list()]

    found = run_loop(look())
    if json:
        emit_json([_document(*each) for each in found])
    elif found:
        for text in _lines(found):
            emit(text)
    else:
        say("there is no schedule yet")
    if found:
        point(("stop one", typed("schedule", "pause", found[0][0].name, store=store)))
    else:
        point(("add one", typed("schedule", "add", "TARGET", "0 6 * * *", store=store)))


@group.command("pause")
def pause(name: Name, store: Store = None, json: Json = False) -> None:
    """Begin nothing by a schedule until it is resumed."""
    _changed(lambda engine: engine.schedules.pause(name), store, json)


@group.command("resume")
def resume(name: Name, store: Store = None, json: Json = False) -> None:
    """Begin again, at the next due time from now on."""
    _changed(lambda engine: engine.schedules.resume(name), store, json)


@group.command("remove")
def remove(name: Name, store: Store = None) -> None:
    """Forget a schedule; runs that it began go on."""
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, point

    async def forget() -> None:
        async with reading(store) as engine:
            await engine.schedules.remove(name)

    run_loop(forget())
    emit(f"schedule {name} is removed")
    point(("look", typed("schedule", "list", store=store)))


def _changed(act: Callable[[Engine], Awaitable[Schedule]], store: Path | None, json: bool) -> None:
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point

    async def change() -> tuple[Schedule, datetime | None]:
        async with reading(store) as engine:
            made = await act(engine)
            return made, _next(engine, made)

    made, due = run_loop(change())
    if json:
        emit_json(_document(made, due))
    else:
        emit(f"schedule {made.name} is paused" if made.paused else f"schedule {made.name}: next {_moment(due)}")
    other = "resume" if made.paused else "pause"
    point((other, typed("schedule", other, made.name, store=store)))


def _next(engine: Engine, schedule: Schedule) -> datetime | None:
    """When it is due next. One that makes no sense keeps nobody from seeing the others."""
    try:
        return engine.schedules.next(schedule)
    except Exception:
        return None


def _document(schedule: Schedule, due: datetime | None) -> dict[str, Any]:
    return {
        "schedule": schedule.name,
        "workflow": schedule.workflow,
        "cron": schedule.cron,
        "every": schedule.every,
        "timezone": schedule.timezone,
        "inputs": dict(schedule.inputs),
        "due_as": schedule.due_as,
        "catch_up": schedule.catch_up,
        "paused": schedule.paused,
        "next": None if due is None else due.isoformat(),
        "last": schedule.last,
        "trouble": schedule.trouble or None,
        "created": schedule.created.isoformat(),
    }


def _when(schedule: Schedule) -> str:
    from workflow_engine.cli.figures import line

    if schedule.every is not None:
        return f"every {_span(schedule.every)}"
    zone = "" if schedule.timezone == "UTC" else f" {line(schedule.timezone, 40)}"
    return f"{line(schedule.cron or '', 40)}{zone}"


def _span(seconds: float) -> str:
    """A duration as `--every` takes it.

    >>> _span(900), _span(5400), _span(86401.5)
    ('15m', '1h30m', '1d1.5s')
    """
    parts = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        number, seconds = divmod(seconds, size)
        parts += f"{number:.0f}{unit}" if number else ""
    return parts + (f"{seconds:g}s" if seconds or not parts else "")


def _moment(due: datetime | None) -> str:
    return "never" if due is None else f"{due:%Y-%m-%d %H:%M:%S} UTC"


def _lines(found: list[tuple[Schedule, datetime | None]]) -> list[str]:
    from workflow_engine.cli.figures import line
    from workflow_engine.cli.grid import Cell, grid
    from workflow_engine.cli.signs import sign

    rows = []
    for each, due in found:
        mark = sign("cancelled" if each.paused else "failed" if each.trouble else "queued")
        rows.append(
            [
                Cell(mark.on(sys.stdout), mark.ansi),
                Cell(line(each.name, 40), "1"),
                Cell(line(each.workflow, 30)),
                Cell(_when(each)),
                Cell("paused" if each.paused else _moment(due)),
                Cell(each.last or ""),
                Cell(line(each.trouble, 60), "31"),
            ]
        )
    return grid(["", "schedule", "workflow", "due", "next", "last run", ""], rows, sys.stdout)
