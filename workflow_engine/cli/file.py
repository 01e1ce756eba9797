"""The command `file`: a file that a run's state names, written out; or a list of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from workflow_engine.cli.options import Json, RunName, Store
from workflow_engine.errors import UsageError

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.spec.file import File


def file(
    run: RunName,
    field: Annotated[
        str | None, typer.Argument(metavar="FIELD", help="a field, or a place in it: parts.0, report.file")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="a new file, or a folder for the file's own name")
    ] = None,
    at: Annotated[int | None, typer.Option("--at", metavar="STEP", min=0, help="as this step left the state")] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Write out a file that a run holds; without FIELD list them.

    It is checked as a whole before its first byte.
    """
    from workflow_engine.cli.stopping import run_loop

    run_loop(_file(run, field, out, at, store, as_json=json))


async def _file(
    run: str, field: str | None, out: Path | None, at: int | None, store: Path | None, *, as_json: bool
) -> None:
    from workflow_engine.cli.figures import size
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point, say
    from workflow_engine.spec.file import files_in

    async with reading(store) as engine:
        view = await engine.get(run)
        held = list(files_in(view.values if at is None else await engine.state_at(view.id, at)))
        if field is None:
            if as_json:
                emit_json([{"field": place, **each.model_dump()} for place, each in held])
                return
            for line in _listed(held):
                emit(line)
            if held:
                point(("get one", typed("file", view.id, held[0][0], "-o", held[0][1].name, store=store)))
            else:
                say(f"run {view.id} holds no file")
            return
        place, found = _chosen(view.id, field, held)
        if as_json:
            emit_json({"field": place, **found.model_dump()})
        elif out is None:
            _to_stdout(engine, found, typed("file", view.id, place, "-o", found.name, store=store))
        else:
            to = _to_path(engine, found, out)
            say(f"{to}  {size(found.size)}")


def _listed(held: Sequence[tuple[str, File]]) -> list[str]:
    from workflow_engine.cli.figures import line, size

    rows = [(line(place), line(each.name, 60), size(each.size), each.media_type) for place, each in held]
    broad = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return [f"{row[0]:<{broad[0]}}  {row[1]:<{broad[1]}}  {row[2]:>{broad[2]}}  {row[3]}" for row in rows]


def _chosen(run: str, field: str, held: Sequence[tuple[str, File]]) -> tuple[str, File]:
    """The file at a place, or the only one beneath it. Raises UsageError."""
    found = [each for each in held if each[0] == field] or [each for each in held if each[0].startswith(f"{field}.")]
    if len(found) == 1:
        return found[0]
    there = ", ".join(place for place, _ in (found or held)) or "none"
    what = f"holds several files in {field!r}" if found else f"holds no file in {field!r}"
    raise UsageError(f"run {run} {what}", f"it has: {there}")


def _to_stdout(engine: Engine, found: File, instead: str) -> None:
    if sys.stdout.isatty():
        raise UsageError(f"{found.name} may be no text, and stdout is a terminal", instead)
    with engine.open_file(found) as stream, contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        _poured(stream, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _poured(stream: BinaryIO, out: Any) -> None:
    from workflow_engine.spec.file import pieces

    for piece in pieces(stream):
        out.write(piece)


def _to_path(engine: Engine, found: File, out: Path) -> Path:
    out = out / found.name if out.is_dir() else out
    try:
        with engine.open_file(found) as stream, out.open("xb") as to:
            _poured(stream, to)
        return out
    except FileExistsError:
        raise UsageError(f"{out} is there already", "name a new file: nothing is written over") from None
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}", "make room, or name another") from None
