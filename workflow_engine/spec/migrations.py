"""Migrations: what a workflow declares of its earlier versions, so that runs begun under them can go on.

Each is a frozen value that does nothing by itself. A run takes up, once and in their order, those that the version it
was last driven with did not declare yet: a version's migrations are part of its document, which the store keeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.edges import shown


@dataclass(frozen=True)
class RenameNode:
    """The node `old` is called `new` now."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"rename_node({_text(self.old)}, {_text(self.new)})"


@dataclass(frozen=True)
class RenameOutcome:
    """The word `old` by which `node` is left is `new` now."""

    node: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"rename_outcome({_text(self.node)}, {_text(self.old)}, {_text(self.new)})"


@dataclass(frozen=True)
class RenameField:
    """The field `old` of the state is called `new` now."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"rename_field({_text(self.old)}, {_text(self.new)})"


@dataclass(frozen=True)
class ChangeField:
    """What the field `name` holds has another form now: `change` makes it of the plain JSON that was held."""

    name: str
    change: Callable[[Any], Any] = field(repr=False)

    def __str__(self) -> str:
        return f"change_field({_text(self.name)}, {_called(self.change)})"


@dataclass(frozen=True, eq=False)
class AddField:
    """The field `name` is new: a run that has none gets `value`, or what it returns for the state as plain JSON."""

    name: str
    value: Any = field(repr=False)

    def __str__(self) -> str:
        return f"add_field({_text(self.name)}, {_called(self.value) if callable(self.value) else shown(self.value)})"


@dataclass(frozen=True)
class DropField:
    """The field `name` is gone: what a run holds of it is not read any more."""

    name: str

    def __str__(self) -> str:
        return f"drop_field({_text(self.name)})"


Migration: TypeAlias = RenameNode | RenameOutcome | RenameField | ChangeField | AddField | DropField
KINDS = (RenameNode, RenameOutcome, RenameField, ChangeField, AddField, DropField)


def rename_node(old: str, new: str) -> RenameNode:
    """Runs that stand at `old`, or were there, stand at `new`: with its visits, its open question, its effect's key."""
    return RenameNode(_name(old, "rename_node"), _name(new, "rename_node"))


def rename_outcome(node: str, old: str, new: str) -> RenameOutcome:
    """Arms that arrived at a join by `node[old]`, and bounds counted on it, are those of `node[new]`."""
    return RenameOutcome(*(_name(each, "rename_outcome") for each in (node, old, new)))


def rename_field(old: str, new: str) -> RenameField:
    """What runs hold in the field `old` they hold in `new`."""
    return RenameField(_name(old, "rename_field"), _name(new, "rename_field"))


def change_field(name: str, change: Callable[[Any], Any]) -> ChangeField:
    """What runs hold in a field whose type changed becomes `change(held)`.

    `held` is plain JSON, for the class it was written with may be gone; what is returned is a value of the new type, or
    plain JSON that fits it. `change` must be pure: it is also called by `workflow check --against`.
    """
    if not callable(change):
        raise DeclarationError(
            f"change_field({shown(name)}, {shown(change)}) changes nothing", 'change_field("report", upgrade_report)'
        )
    return ChangeField(_name(name, "change_field"), change)


def add_field(name: str, value: Any) -> AddField:
    """Runs that hold nothing in the new field `name` get a value; a function gets their state as plain JSON."""
    return AddField(_name(name, "add_field"), value)


def drop_field(name: str) -> DropField:
    """What runs hold in a field that is gone is not read any more; the states of earlier steps still show it."""
    return DropField(_name(name, "drop_field"))


def listed(given: Any) -> tuple[Migration, ...]:
    """The migrations of a declaration. Raises DeclarationError for what is none."""
    if isinstance(given, (*KINDS, str)) or not isinstance(given, Iterable):
        raise DeclarationError(
            f"migrations={shown(given)} is no list of migrations", 'migrations=[rename_node("deploy", "release")]'
        )
    found = tuple(given)
    for each in found:
        if not isinstance(each, KINDS):
            raise DeclarationError(
                f"{shown(each)} is no migration",
                "write rename_node, rename_outcome, rename_field, change_field, add_field or drop_field",
            )
    return found


def pending(migrations: Iterable[Migration], known: Iterable[str]) -> tuple[Migration, ...]:
    """Those of the migrations that a version with the migrations `known` (their texts) did not declare yet."""
    there = frozenset(known)
    return tuple(each for each in migrations if str(each) not in there)


def _called(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _name(given: Any, where: str) -> str:
    if isinstance(given, str) and given:
        return given
    name = getattr(given, "name", None)
    hint = f"write its name: {where}({_text(name)}, ...)" if isinstance(name, str) else f'{where}("name", ...)'
    raise DeclarationError(f"{where}({shown(given)}) names nothing", hint)
