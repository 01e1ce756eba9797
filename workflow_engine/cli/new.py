"""The command `new`: a small workflow to begin with, what answers it offline, and its tests."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer


class Template(StrEnum):
    """What there is to begin with: a folder each, beside this module."""

    HELLO = "hello"
    PIPELINE = "pipeline"


TOLD = {
    Template.HELLO: "an agent, a loop and a person",
    Template.PIPELINE: "functions over the items of a list, without a model",
}
_TEMPLATES = Path(__file__).with_name("templates")
_SETTINGS = "workflow.toml"
_PLACE = "{{name}}"
_LONGEST = 40


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="what the workflow and its file are called")],
    template: Annotated[
        Template, typer.Option("--template", help="; ".join(f"{each}: {told}" for each, told in TOLD.items()))
    ] = Template.HELLO,
) -> None:
    """Write a small workflow with its tests, to begin with.

    Nothing is written over: a file that is there already ends it before the first is written.
    """
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, point, say

    texts = texts_of(template)
    refuse_bad_name(name, texts)
    files = {Path(place.replace("flow", name)): text.replace(_PLACE, name) for place, text in texts.items()}
    kept = Path(_SETTINGS).exists()
    if not kept:
        files[Path(_SETTINGS)] = (_TEMPLATES / _SETTINGS).read_text("utf-8")
    write_all(files)
    for path in files:
        emit(str(path))
    if kept:
        say(f"{_SETTINGS} is there already and stays as it is")
    offline = ("--model", "offline") if any(path.suffix == ".toml" and path.name != _SETTINGS for path in files) else ()
    # What tests need is not what runs need: an environment of runs alone has no pytest.
    pytest = "pytest" if find_spec("pytest") else "pip install pytest && pytest"
    point(("test", f"{pytest} test_{name}.py"), ("run", typed("run", f"{name}.py", *offline)))


def texts_of(template: Template) -> dict[str, str]:
    """The template's files by name, the workflow's first: `flow` stands for its name."""
    paths = sorted((_TEMPLATES / template).iterdir(), key=lambda path: (path.name != "flow.py.txt", path.name))
    return {path.name.removesuffix(".txt"): path.read_text("utf-8") for path in paths}


def refuse_bad_name(name: str, texts: dict[str, str]) -> None:
    """Raises UsageError for what cannot be a module's and a variable's name, or is another's."""
    import keyword
    import re

    from workflow_engine.cli.figures import line
    from workflow_engine.errors import UsageError

    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_LONGEST - 1}}}", name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower().removesuffix(".py")).strip("_0123456789")[:_LONGEST]
        cure = f"workflow new {near}" if near and not keyword.iskeyword(near) else "workflow new hello"
        what = f"a name is at most {_LONGEST} of a-z, 0-9 and _, a letter first; {line(name, 60)!r} is none"
        raise UsageError(what, cure)
    if keyword.iskeyword(name):
        raise UsageError(f"{name!r} is a word of Python's own", f"workflow new my_{name}")
    if name == "conftest" or name.startswith("test_"):
        raise UsageError(f"pytest would take {name}.py for a file of its own", "workflow new hello")
    if name in _named(texts["flow.py"] + texts["test_flow.py"]):
        raise UsageError(f"the template uses the name {name!r} itself", f"workflow new my_{name}")
    if (there := _module(name)) is not None:
        what = f"{name!r} is a module already ({there}), which {name}.py would stand in front of"
        raise UsageError(what, f"workflow new my_{name}")


def _named(source: str) -> set[str]:
    """The names that a template's sources bind or read."""
    import ast

    found: set[str] = set()
    for node in ast.walk(ast.parse(source.replace(_PLACE, "_"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.alias):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def _module(name: str) -> str | None:
    """Where a module of this name comes from; None where there is none but perhaps the file to be written."""
    import importlib.util
    import sys

    if name in sys.stdlib_module_names:
        return "Python's own"
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or Path(spec.origin).parent == Path.cwd():
        return None  # a file that is there already is told as such
    return spec.origin


def write_all(files: dict[Path, str]) -> None:
    """Write new files, all or none. Raises UsageError for one that is there already or cannot be written."""
    from workflow_engine.errors import UsageError

    there = [str(path) for path in files if path.exists() or path.is_symlink()]
    if there:
        raise UsageError(f"there {'is' if len(there) == 1 else 'are'} already: {', '.join(there)}", _OTHER)
    written: list[Path] = []
    try:
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as to:
                written.append(path)
                to.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):  # somebody else's, written a moment ago
            raise UsageError(f"there is already: {error.filename}", _OTHER) from None
        raise UsageError(
            f"{error.filename or Path.cwd()} cannot be written: {error.strerror or error}",
            "type it in a folder of yours",
        ) from None


_OTHER = "take another name, or another folder: nothing is written over"
