"""A target resolved: the workflow, the file it stands in, and the label a run remembers it by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from workflow_engine.errors import TargetError
from workflow_engine.spec.nesting import nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.targets.importing import import_file
from workflow_engine.targets.place import Place, find_place, near_names


@dataclass(frozen=True)
class Loaded:
    """A workflow and where its code was found. `label` is remembered with a run: `graphs/ship.py:ship`."""

    workflow: Workflow[Any]
    file: Path
    label: str


def load(text: str, *, root: Path | None = None, fresh: bool = False) -> Loaded:
    """The workflow a TARGET means. Raises TargetError: no such file, one that does not import, none or several in it.

    `fresh` imports the file and its siblings anew.
    """
    place = find_place(text, root)
    module = import_file(place, fresh=fresh)
    name, workflow = _choose(place, _workflows(module, place), module)
    return Loaded(workflow, place.file, place.typed(name))


def _workflows(module: ModuleType, place: Place) -> dict[str, Workflow[Any]]:
    """The workflows of a module by the first name of each; those it only imported count where it has no others."""
    found: dict[str, Workflow[Any]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Workflow) and not any(value is each for each in found.values()):
            found[name] = value
    return {name: each for name, each in found.items() if _declared_in(place, each)} or found


def _declared_in(place: Place, workflow: Workflow[Any]) -> bool:
    return workflow.where is not None and workflow.where.rpartition(":")[0] == str(place.file)


def _choose(place: Place, found: dict[str, Workflow[Any]], module: ModuleType) -> tuple[str, Workflow[Any]]:
    if place.name is not None:
        return _named(place, place.name, found, module)
    match _outermost(found):
        case []:
            raise TargetError(
                f"{place.path} holds no workflow",
                "declare one at its top level: ship = workflow('ship', state=..., edges=[...])",
            )
        case [only]:
            return only
        case several:
            listed = ", ".join(place.typed(name) for name, _ in several)
            raise TargetError(f"{place.path} holds {len(several)} workflows", f"name one: {listed}")


def _outermost(found: dict[str, Workflow[Any]]) -> list[tuple[str, Workflow[Any]]]:
    """Those that are no part of another one there: a file that declares a workflow and its subflows means the whole."""
    within = {id(inner) for each in found.values() for inner in nested(each).values()}
    return [(name, each) for name, each in found.items() if id(each) not in within] or list(found.items())


def _named(place: Place, name: str, found: dict[str, Workflow[Any]], module: ModuleType) -> tuple[str, Workflow[Any]]:
    value = vars(module).get(name)
    if isinstance(value, Workflow):
        return name, value
    for variable, each in found.items():
        if each.name == name:
            return variable, each
    if value is not None:
        raise TargetError(
            f"{place.typed(name)} is of type {type(value).__name__}, not a workflow", _offer(place, name, found)
        )
    raise TargetError(f"{place.path} has no workflow {name!r}", _offer(place, name, found))


def _offer(place: Place, name: str, found: dict[str, Workflow[Any]]) -> str:
    if not found:
        return "it holds no workflow at all"
    near = near_names(name, found)
    if near:
        return f"did you mean {place.typed(near[0])}?"
    return "there is: " + ", ".join(place.typed(each) for each in found)
