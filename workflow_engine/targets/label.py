"""A label: what a run remembers of its target. It comes out of a store: believed only beneath the working directory."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from workflow_engine.errors import TargetError
from workflow_engine.targets.target import Loaded, load


def from_label(label: str | None, workflow: str, *, root: Path | None = None, ask: str = "give TARGET") -> Loaded:
    """The workflow a run remembers by `label`. Raises TargetError, with `ask` as cure, where it is not here."""
    if label is None:
        raise TargetError("the run does not remember where its code is", ask)
    path, _, _ = label.partition(":")
    pure = PurePosixPath(path)
    # A label is exactly what `load` made: a relative path to a Python file. Anything else was not written by it.
    if pure.is_absolute() or ".." in pure.parts or pure.suffix != ".py":
        raise TargetError(f"the run remembers its code at {label}, which is not beneath the working directory", ask)
    here = (root or Path.cwd()).resolve()
    if not (here / pure).is_file():
        raise TargetError(f"the run's code was at {path}, which is not here", ask)
    loaded = load(label, root=root)
    if loaded.workflow.name != workflow:
        raise TargetError(f"{label} is the workflow {loaded.workflow.name!r} now; the run is one of {workflow!r}", ask)
    return loaded
