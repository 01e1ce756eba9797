"""The command `store check`: everything read, and whatever is wrong named with its cure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from workflow_engine.cli.options import Json, Store

if TYPE_CHECKING:
    from workflow_engine.ports.keeping import Health


def check(store: Store = None, json: Json = False) -> None:
    """Read the whole store and tell what is wrong. Nothing is written; it may be in use."""
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.figures import plain
    from workflow_engine.cli.opening import keeper
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import DIM, emit, emit_json, point, say
    from workflow_engine.settings import read_settings

    path = read_settings(store=store).store
    health = run_loop(keeper(store).check(_progress()))
    if json:
        emit_json(document(health, str(path)))
    else:
        for text in lines(health, str(path)):
            emit(text)
    for note in health.notes:
        say(f"note: {plain(note)}", DIM)
    copy = typed("store", "backup", f"{path.stem}.backup{path.suffix}", store=store)
    if health.whole:
        point(("keep a copy", copy))
        return
    ways = [("keep the rest", copy)]
    if health.damaged:
        ways.append(("what would go", typed("store", "prune", "--status", "damaged", "--dry-run", store=store)))
    point(*ways)
    raise typer.Exit(Exit.STORE)


def document(health: Health, path: str) -> dict[str, Any]:
    """The health as JSON."""
    return {
        "ok": health.whole,
        "store": path,
        "schema": health.schema,
        "bytes": health.bytes,
        "runs": health.runs,
        "events": health.events,
        "versions": health.versions,
        "questions": health.questions,
        "letters": health.letters,
        "series": health.series,
        "damaged": [{"run": each.run, "what": each.what, "cure": each.cure} for each in health.harms],
        "notes": list(health.notes),
    }


def lines(health: Health, path: str) -> Iterator[str]:
    """Each thing that is wrong, those with one cure together; last the verdict."""
    from workflow_engine.cli.figures import line, plain, several
    from workflow_engine.cli.signs import sign
    from workflow_engine.cli.voice import DIM, painted

    cures: dict[str, list[str]] = {}
    for each in health.harms:
        cures.setdefault(each.cure, []).append(each.what)
    mark = sign("damaged")
    for cure, wrong in cures.items():
        for what in wrong:
            yield f"{painted(mark.on(sys.stdout), mark.ansi, sys.stdout)} {line(what, 300)}"
        yield f"  {painted(plain(cure), DIM, sys.stdout)}"
    mark = sign("succeeded" if health.whole else "failed")
    word = (
        "whole" if health.whole else f"damaged ({several(len(health.damaged), 'run')})" if health.damaged else "damaged"
    )
    yield f"{painted(f'{mark.on(sys.stdout)} {word}', mark.ansi, sys.stdout)}  {plain(path)}: {contents(health)}"


def contents(health: Health) -> str:
    """What is in the store, in a few words."""
    from workflow_engine.cli.figures import several, size

    parts = [
        several(health.runs, "run"),
        several(health.events, "event"),
        several(health.versions, "value"),
        several(health.questions, "question"),
    ]
    if health.series:
        parts.append(several(health.series, "LangGraph thread"))
    return ", ".join((*parts, size(health.bytes)))


def _progress() -> Callable[[int], None] | None:
    """How many runs were read, on a terminal: of a large store, the rest takes a while."""
    if not sys.stderr.isatty():
        return None

    def told(runs: int) -> None:
        sys.stderr.write(f"\r{runs:,} runs read\r")
        sys.stderr.flush()

    return told
