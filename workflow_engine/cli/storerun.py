"""The commands `store export` and `store import`: one run as one JSON document, out of a store and into another."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from workflow_engine.cli.options import RunName, Store


def export(
    run: RunName,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="a new file (stdout)", readable=False)
    ] = None,
    store: Store = None,
) -> None:
    """Write a run as one JSON document.

    It holds its journal, every value, its questions and answers, and its workflow.
    """
    from workflow_engine.cli.figures import plain
    from workflow_engine.cli.opening import keeper
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import point, say

    text = run_loop(keeper(store).export(run))
    if out is None or str(out) == "-":
        # As bytes: a stream that cannot carry every letter would change the document.
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        name = "-"
    else:
        _write(out, text)
        say(f"exported: {plain(str(out))}; its values are plain text, for whoever may read it")
        name = str(out)
    point(("take it elsewhere", typed("store", "import", name, store=Path("OTHER.sqlite"))))


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="what store export wrote; '-' is standard input")],
    store: Store = None,
) -> None:
    """Take a run from its document. It keeps its id, and goes on from where it stood."""
    from workflow_engine.cli.opening import keeper
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, point

    run = run_loop(keeper(store).import_(_read(file)))
    emit(f"imported: run {run}")
    point(("look", typed("show", run, store=store)))


def _read(file: str) -> str:
    from workflow_engine.errors import InputError

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}", "name the file of the export") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text in UTF-8", "name the file that workflow store export wrote") from None


def _write(out: Path, text: str) -> None:
    from workflow_engine.errors import UsageError

    try:
        # For its owner only, as the store is: it holds the same.
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{out} is there already", "name a new file with -o") from None
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}", "name another file with -o") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        out.unlink(missing_ok=True)
        raise UsageError(f"{out} cannot be written: {error.strerror or error}", "make room, or name another") from None
