"""The command `draw`: a workflow, or a run on its workflow, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import Store

if TYPE_CHECKING:
    from workflow_engine.draw import Diagram


def draw(
    what: Annotated[str, typer.Argument(metavar="TARGET|RUN", help="a workflow, a run's id, its beginning, or @last")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help=".svg .png .pdf .dot .mmd; without it Mermaid on stdout"),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="for a dark page")] = False,
    store: Store = None,
) -> None:
    """Draw a workflow, or a run on its workflow."""
    from workflow_engine.cli.drawing import format_of, save
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import emit, say

    if out is not None:
        format_of(out)
    diagram = run_loop(_of_run(what, store)) if _is_run(what) else _of_target(what)
    if out is None:
        from workflow_engine.draw import picture

        emit(picture(diagram, "mermaid", dark=dark).data.decode().rstrip())
        return
    save(diagram, out, dark=dark)
    say(f"drawn: {out}")


def _is_run(what: str) -> bool:
    """A target has a slash, a colon or a suffix, or is a file; anything else is a run."""
    if what.startswith("@"):
        return True
    if "/" in what or ":" in what or "." in what:
        return False
    from workflow_engine.errors import TargetError
    from workflow_engine.targets.place import find_place

    try:
        find_place(what)
    except TargetError:
        return True
    return False


def _of_target(what: str) -> Diagram:
    from workflow_engine.draw.extract import diagram_of
    from workflow_engine.targets import load

    return diagram_of(load(what).workflow)


async def _of_run(what: str, store: Path | None) -> Diagram:
    """Without its code: a store keeps the workflow of each run as JSON."""
    from workflow_engine.cli.drawing import run_diagram
    from workflow_engine.cli.opening import reading
    from workflow_engine.spec.document import from_document

    async with reading(store) as engine:
        view = await engine.get(what)
        document = dict(await engine.document(view.id))
    return run_diagram(from_document(document), view)
