"""The command `draw`: a workflow, or a run on its workflow, as a picture."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from workflow_engine.cli.options import Store

# As in draw, which is not loaded to list the options.
Theme: TypeAlias = Literal["light", "dark", "auto"]
Direction: TypeAlias = Literal["down", "right"]

if TYPE_CHECKING:
    from workflow_engine.draw import Diagram
    from workflow_engine.draw.unfolding import Pictured
    from workflow_engine.engine import Engine
    from workflow_engine.runtime.view import RunView
    from workflow_engine.spec.foreign import Foreign
    from workflow_engine.spec.workflow import Workflow


def draw(
    what: Annotated[str, typer.Argument(metavar="TARGET|RUN", help="a workflow, a run's id, its beginning, or @last")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help=".svg .png .pdf .dot .mmd; without it Mermaid on stdout"),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="the same as --theme dark")] = False,
    theme: Annotated[
        Theme, typer.Option("--theme", help="light, dark, or auto: an SVG that follows what its reader prefers")
    ] = "light",
    direction: Annotated[Direction, typer.Option("--direction", help="down, or right for long chains")] = "down",
    unfold: Annotated[
        bool, typer.Option("--unfold", help="workflows and graphs within are drawn too, each in a box")
    ] = False,
    fold: Annotated[
        list[str] | None, typer.Option("--fold", metavar="NODE", help="unfold all but this one (bill, bill/charge)")
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="of a run: when each node worked, failed and waited, and what it cost")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="of a run: an SVG that plays it on its workflow, and ends as it stands")
    ] = False,
    focus: Annotated[str | None, typer.Option("--focus", metavar="NODE", help="only what is around this node")] = None,
    around: Annotated[int, typer.Option("--around", min=0, help="how many arrows away from it is shown")] = 1,
    fold_loops: Annotated[bool, typer.Option("--fold-loops", help="each loop is one card")] = False,
    fold_loop: Annotated[
        list[str] | None, typer.Option("--fold-loop", metavar="NODE", help="the loop around this node is one card")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="say in words what the picture shows, on stdout")] = False,
    store: Store = None,
) -> None:
    """Draw a workflow, or a run on its workflow."""
    from workflow_engine.cli.drawing import format_of, save
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import emit, say
    from workflow_engine.errors import UsageError

    theme = "dark" if dark else theme
    if out is not None:
        format_of(out)
    if timeline or replay:
        from workflow_engine.cli.drawruns import play, tell_time

        if not _is_run(what):
            raise UsageError(f"{what} is a workflow: nothing has happened in it", "name a run, such as @last")
        if timeline:
            tell_time(what, out, theme, store, text=text)
        else:
            play(what, out, theme, direction, store)
        return
    folded = frozenset(fold or ()) if unfold or fold else None
    diagram = run_loop(_of_run(what, store, folded)) if _is_run(what) else _of_target(what, folded)
    if fold_loops or fold_loop:
        from workflow_engine.draw.focus import loops_folded

        diagram = loops_folded(diagram, fold_loop or ())
    if focus is not None:
        from workflow_engine.draw.focus import focused

        diagram = focused(diagram, focus, around)
    if text:
        from workflow_engine.draw.words import in_words

        emit(in_words(diagram).rstrip())
        return
    if out is None:
        from workflow_engine.draw import picture

        emit(picture(diagram, "mermaid", theme=theme, direction=direction).data.decode().rstrip())
        return
    save(diagram, out, theme=theme, direction=direction)
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


def _of_target(what: str, folded: frozenset[str] | None) -> Diagram:
    from workflow_engine.draw.extract import diagram_of
    from workflow_engine.draw.unfolding import every, unfolded
    from workflow_engine.targets import load

    workflow = load(what).workflow
    diagram = diagram_of(workflow)
    return diagram if folded is None else unfolded(workflow, diagram, every(folded))


async def _of_run(what: str, store: Path | None, folded: frozenset[str] | None) -> Diagram:
    """Without its code: a store keeps the workflow of each run as JSON."""
    from workflow_engine.cli.drawing import run_diagram
    from workflow_engine.cli.opening import reading
    from workflow_engine.draw.unfolding import unfolded
    from workflow_engine.spec.document import from_document

    async with reading(store) as engine:
        view = await engine.get(what)
        workflow = from_document(dict(await engine.document(view.id)))
        within = {} if folded is None else await _within(engine, view)
    diagram = run_diagram(workflow, view)
    return diagram if folded is None else unfolded(workflow, diagram, _pictured(within, folded))


async def _within(engine: Engine, view: RunView[Any], way: str = "") -> dict[str, RunView[Any]]:
    """The runs within by the way to their nodes: of several visits, the last."""
    from workflow_engine.errors import RunNotFound
    from workflow_engine.record.ids import place_in

    found: dict[str, RunView[Any]] = {}
    last = {each.node: each.run for each in view.history.steps if each.run is not None}
    # One card cannot stand for the runs of many items: theirs is drawn as it was declared.
    last |= {place: run for place, run in view.run.entered.items() if place_in(place)[1] is None}
    for node, run in last.items():
        with suppress(RunNotFound):
            found[f"{way}{node}"] = inner = await engine.get(run)
            found |= await _within(engine, inner, f"{way}{node}/")
    return found


def _pictured(within: dict[str, RunView[Any]], folded: frozenset[str]) -> Pictured:
    from workflow_engine.cli.drawing import run_diagram
    from workflow_engine.draw.unfolding import every
    from workflow_engine.spec.foreign import Foreign

    plain = every(folded)

    def pictured(path: str, inner: Workflow[Any] | Foreign) -> Diagram | None:
        made = plain(path, inner)
        if made is None or isinstance(inner, Foreign) or path not in within:
            return made
        return run_diagram(inner, within[path])

    return pictured
