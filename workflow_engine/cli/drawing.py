"""Drawing from the command line: a workflow or a run into a file whose suffix says the format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.figures import plain
from workflow_engine.cli.voice import AMBER, say
from workflow_engine.errors import DrawingError, UsageError
from workflow_engine.settings import read_settings

if TYPE_CHECKING:
    from workflow_engine.draw import Diagram, Direction, Format, Picture, Theme
    from workflow_engine.draw.drawing import Drawable
    from workflow_engine.runtime.view import RunView
    from workflow_engine.spec.workflow import Workflow

SUFFIXES: dict[str, Format] = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
}


def format_of(path: Path) -> Format:
    """The format a suffix asks for. Raises UsageError for one that nobody draws."""
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"{path} has no suffix of a picture", f"end it in one of {', '.join(SUFFIXES)}")
    return found


def drawable(path: Path) -> Drawable:
    """The format of a suffix, for pictures that are no graphs. Raises UsageError for one they cannot be drawn in."""
    match format_of(path):
        case "svg" | "png" | "pdf" as found:
            return found
        case _:
            raise UsageError(f"{path}: this picture is no graph", "end it in .svg, .png or .pdf")


def run_diagram(workflow: Workflow[Any], view: RunView[Any]) -> Diagram:
    """A run on its workflow."""
    from workflow_engine.draw.extract import diagram_of_run

    return diagram_of_run(workflow, view.run, view.history, interrupted=view.interrupted)


def draw_view(workflow: Workflow[Any], view: RunView[Any], path: Path) -> Path | None:
    """The picture beside a run's report. One that fails is told, and does not change how the run ended."""
    path = of(path, view)
    try:
        save(run_diagram(workflow, view), path)
    except (DrawingError, UsageError) as error:
        say(plain(f"no picture: {error.what}"), AMBER)
        return None
    return path


def wanted(picture: Path | None, *, as_json: bool = False) -> Path | None:
    """Where the run is to be drawn: where `--picture` says, else where the settings do, unless a program reads along.

    Raises UsageError for a suffix nobody can draw.
    """
    if picture is None and not as_json and (named := read_settings().picture):
        picture = Path(named)
    if picture is not None:
        format_of(picture)
    return picture


def of(picture: Path, view: RunView[Any]) -> Path:
    """The same with the names of the run and its workflow put in."""
    return Path(str(picture).replace("{workflow}", view.run.workflow).replace("{run}", view.id))


def draw_rest(view: RunView[Any], store: Path | None, *, as_json: bool) -> Path | None:
    """The picture that the settings want of a run that was gone on with, from what its store knows of its workflow."""
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.spec.document import from_document

    try:
        path = wanted(None, as_json=as_json)
    except UsageError as error:  # the run went on, and what is wrong with its picture does not change how it ended
        say(plain(f"no picture: {error}"), AMBER)
        return None
    if path is None:
        return None

    async def document() -> Mapping[str, Any]:
        async with reading(store) as engine:
            return await engine.document(view.id)

    return draw_view(from_document(dict(run_loop(document()))), view, path)


def save(diagram: Diagram, path: Path, *, theme: Theme = "light", direction: Direction = "down") -> None:
    """Draw into a file, all of it or nothing. Raises UsageError where the file cannot be written."""
    from workflow_engine.draw import picture

    wanted = format_of(path)
    made = picture(diagram, wanted, theme=theme, direction=direction)
    if made.format != wanted:
        _tell(made)
        raise DrawingError(
            f"{path} was not drawn: no engine here draws {wanted}", f"take {path.with_suffix('.mmd')}, which needs none"
        )
    write(made, path)


def write(made: Picture, path: Path) -> None:
    """A picture into its file, all of it or nothing. Raises UsageError where the file cannot be written."""
    _tell(made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        draft.write_bytes(made.data)
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}", "name another file with -o") from None


def _tell(made: Picture) -> None:
    for note in made.notes:
        say(note, AMBER)
