"""A place: the file a TARGET means, and the name in it. Nothing is imported to find it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow_engine.errors import TargetError

# Where ready workflows stand, and so where a bare name is looked for.
GRAPHS = "graphs"
_FORMS = "a target is graphs/ship.py, graphs/ship.py:ship or graphs.ship:ship"


@dataclass(frozen=True)
class Place:
    """A Python file beneath `root` (both resolved), and the name after the colon, if one was given."""

    root: Path
    file: Path
    name: str | None = None

    @property
    def path(self) -> str:
        """The file as people type it: relative to the working directory, with forward slashes."""
        return self.file.relative_to(self.root).as_posix()

    def typed(self, name: str) -> str:
        """What to type for one workflow of the file."""
        return f"{self.path}:{name}"


def find_place(text: str, root: Path | None = None) -> Place:
    """The place a TARGET means. Raises TargetError, with near names, where none is beneath the working directory."""
    root = (root or Path.cwd()).resolve()
    path, _, name = text.partition(":")
    if not path or "\0" in path or (":" in text and not name.isidentifier()):
        raise TargetError(f"{text!r} is no target", _FORMS)
    for candidate in _candidates(path, root):
        try:
            file = candidate.resolve()
            found = file.is_file()
        except (OSError, RuntimeError):  # a name too long, a loop of links
            continue
        if not found:
            continue
        if not file.is_relative_to(root):
            raise TargetError(
                f"{path} lies outside the working directory",
                f"code is only imported from beneath {root}: go where the file is",
            )
        if file.suffix != ".py":
            raise TargetError(f"{path} is no Python file", _FORMS)
        return Place(root, file, name or None)
    raise _unknown(path, root)


def _candidates(path: str, root: Path) -> Iterable[Path]:
    yield root / path
    if path.endswith(".py"):
        return
    yield root / f"{path}.py"
    if "/" in path:
        return
    dotted = Path(*path.split(".")) if all(path.split(".")) else Path(path)
    if not dotted.name:  # "." is the folder itself
        return
    yield root / dotted.with_name(f"{dotted.name}.py")
    yield root / dotted / "__init__.py"
    yield root / GRAPHS / f"{path}.py"


def _unknown(path: str, root: Path) -> TargetError:
    folder = root / path
    here = folder if _is_folder(folder) else folder.parent
    known = sorted(
        {*_files(root / GRAPHS, root), *(_files(here, root) if here.resolve().is_relative_to(root.resolve()) else ())}
    )
    stem = Path(path.removesuffix(".py").replace(".", "/")).name
    near = near_names(path, known) or near_names(stem, known, key=lambda each: Path(each).stem)
    what = f"{path} is a folder" if _is_folder(folder) else f"there is no {path} here"
    if near:
        return TargetError(what, f"did you mean {' or '.join(near)}?")
    if known:
        listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        return TargetError(what, f"there is: {listed}")
    return TargetError(what, _FORMS)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _files(folder: Path, root: Path) -> Iterable[str]:
    try:
        inside = [each for each in folder.iterdir() if each.suffix == ".py" and not each.name.startswith(("_", "."))]
    except OSError:
        return []
    return [each.relative_to(root).as_posix() for each in inside if each.is_relative_to(root)]


def near_names(word: str, known: Iterable[str], *, key: Callable[[str], str] = str) -> list[str]:
    """Up to three of the known names that look like the word, nearest first.

    >>> near_names("shipp", ["ship", "nightly"])
    ['ship']
    """
    by_look: dict[str, list[str]] = {}
    for each in known:
        by_look.setdefault(key(each).casefold(), []).append(each)
    close = difflib.get_close_matches(word.casefold(), by_look, n=3, cutoff=0.6)
    return [name for each in close for name in by_look[each]][:3]
