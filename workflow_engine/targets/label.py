"""A label: what a run remembers of the command that began it. It comes out of a store, so it is not simply believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workflow_engine.errors import TargetError
from workflow_engine.targets.target import Loaded, load

_MODEL = " --model "


@dataclass(frozen=True)
class Label:
    """A target and the model it was run with, as they were typed: `graphs/ship.py:ship --model offline`.

    The model is part of it so that going on never changes, unasked, who answers.

    >>> Label.read(str(Label("graphs/ship.py:ship", "offline")))
    Label(target='graphs/ship.py:ship', model='offline')
    >>> Label.read("graphs/ship.py:ship")
    Label(target='graphs/ship.py:ship', model=None)
    """

    target: str
    model: str | None = None

    @classmethod
    def read(cls, text: str) -> Label:
        target, _, model = text.partition(_MODEL)
        return cls(target, model or None)

    def __str__(self) -> str:
        return self.target if self.model is None else f"{self.target}{_MODEL}{self.model}"


def from_label(label: str | None, workflow: str, *, root: Path | None = None, ask: str = "give TARGET") -> Loaded:
    """The workflow a run remembers by `label`. Raises TargetError, with `ask` as cure, where it is not here."""
    if label is None:
        raise TargetError("the run does not remember where its code is", ask)
    target = Label.read(label).target
    path, _, _ = target.partition(":")
    pure = PurePosixPath(path)
    # A label is exactly what `load` made: a relative path to a Python file. Anything else was not written by it.
    if pure.is_absolute() or ".." in pure.parts or pure.suffix != ".py":
        raise TargetError(f"the run remembers its code at {path}, which is not beneath the working directory", ask)
    here = (root or Path.cwd()).resolve()
    if not (here / pure).is_file():
        raise TargetError(f"the run's code was at {path}, which is not here", ask)
    loaded = load(target, root=root)
    if loaded.workflow.name != workflow:
        raise TargetError(f"{target} is the workflow {loaded.workflow.name!r} now; the run is one of {workflow!r}", ask)
    return loaded
