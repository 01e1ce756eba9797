"""Importing a user's file: from its text as it stands now, with its siblings in reach, and its errors shown as its own.

A file is imported under its dotted path from the working directory (`graphs/ship.py` is `graphs.ship`), so that
relative imports work and a child process finds the same module. Its folder and the working directory stand first on
`sys.path` while it is imported, as they would for a script, and last afterwards: a body may still import a sibling
late, and no file of the user's shadows what the engine itself loads later.
"""

from __future__ import annotations

import contextlib
import importlib.util
import keyword
import linecache
import sys
import traceback
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from workflow_engine.errors import TargetError, WorkflowError
from workflow_engine.targets.place import Place

_APART = "workflow_files"
_HERE = str(Path(__file__).resolve().parent.parent)
# What earlier imports brought in, with the folder it came from: siblings of one folder are not those of another.
_brought: dict[str, Path] = {}
_imported: dict[Path, ModuleType] = {}


class BrokenFile(TargetError):
    """A file that does not import. `trace` is the user's own traceback, without frames of ours."""

    def __init__(self, what: str, cure: str | None = None, *, trace: str = "") -> None:
        super().__init__(what, cure)
        self.trace = trace


def import_file(place: Place, *, fresh: bool = False) -> ModuleType:
    """The module of a file; `fresh` imports it and its siblings anew. Raises BrokenFile with the user's own error."""
    if not fresh and place.file in _imported:
        return _imported[place.file]
    folder = place.file.parent
    _forget(folder, also_here=fresh)
    linecache.checkcache(str(place.file))
    before = set(sys.modules)
    name = _module_name(place)
    spec = importlib.util.spec_from_file_location(name, place.file, loader=_FromText(name, str(place.file)))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with _in_reach(place.root, folder):
        sys.modules[name] = module
        try:
            assert spec.loader is not None
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for data
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            for each in set(sys.modules) - before:
                if _beneath(sys.modules[each], place.root):
                    del sys.modules[each]
            raise _broken(place, error) from None
    _brought.update({each: folder for each in set(sys.modules) - before if _beneath(sys.modules[each], place.root)})
    _imported[place.file] = module
    return module


class _FromText(SourceFileLoader):
    """Compiles the text each time: byte code is told stale by whole seconds and the size, which an edit may keep."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _module_name(place: Place) -> str:
    parts = list(place.file.relative_to(place.root).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    name = ".".join(parts)
    top = parts[0]
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts) or _taken(top, place.root):
        # A package made up for it, whose folder is the working directory, so that relative imports work all the same.
        apart = sys.modules[_APART] = ModuleType(_APART)
        apart.__path__ = [str(place.root)]
        return f"{_APART}.{name}"
    return name


def _taken(top: str, root: Path) -> bool:
    """Whether a module of this name is installed: a user's agents.py must not become everybody's `agents`."""
    if top in sys.modules:
        return not _beneath(sys.modules[top], root)
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if found is None:
        return False
    places = [found.origin] if found.has_location and found.origin else list(found.submodule_search_locations or ())
    return not (places and all(Path(each).resolve().is_relative_to(root) for each in places))


@contextlib.contextmanager
def _in_reach(root: Path, folder: Path) -> Iterator[None]:
    ours = list(dict.fromkeys((str(folder), str(root))))
    sys.path[:] = [*ours, *(each for each in sys.path if each not in ours)]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = [*(each for each in sys.path if each not in ours), *ours]


def _forget(folder: Path, *, also_here: bool) -> None:
    for name, source in list(_brought.items()):
        if source != folder or also_here:
            del _brought[name]
            sys.modules.pop(name, None)
    if also_here:
        for file in [each for each in _imported if each.parent == folder]:
            del _imported[file]


def _beneath(module: Any, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        paths = list(getattr(module, "__path__", ()))
        return bool(paths) and all(Path(each).is_relative_to(root) for each in paths)
    return (
        Path(file).is_relative_to(root) and not str(file).startswith(_HERE) and "site-packages" not in Path(file).parts
    )


def _broken(place: Place, error: BaseException) -> BrokenFile:
    if isinstance(error, WorkflowError):
        # Our own refusal of what the file declares: the place in the file says more than a traceback.
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == str(place.file)]
        line = f":{frames[-1].lineno}" if frames else ""
        return BrokenFile(f"{place.path}{line}: {error.what}", error.cure)
    if isinstance(error, SystemExit):
        return BrokenFile(
            f"{place.path} ends the program while it is imported (sys.exit({error.code!r}))",
            'put what runs as a script under: if __name__ == "__main__":',
        )
    gist = " ".join(str(error).split())[:200]
    what = f"{place.path} does not import: {type(error).__name__}{f': {gist}' if gist else ''}"
    return BrokenFile(
        what, "the error is in the file, or in what it imports; mend it and try again", trace=their_trace(error)
    )


def their_trace(error: BaseException) -> str:
    """The traceback of an error, its causes included, without frames of the engine or of the import machinery."""
    told = traceback.TracebackException.from_exception(error)
    _without_ours(told, set())
    return "".join(told.format()).rstrip()


def _without_ours(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    told.stack = traceback.StackSummary.from_list([each for each in told.stack if not _ours(each.filename)])
    for each in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        if each is not None:
            _without_ours(each, seen)


def _ours(filename: str) -> bool:
    return filename.startswith((_HERE, "<frozen importlib")) or "/importlib/" in filename
