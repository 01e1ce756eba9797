"""Migrations as they are declared: values that do nothing, and mistakes that are told at once."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_engine import (
    END,
    START,
    State,
    add_field,
    change_field,
    drop_field,
    function,
    rename_field,
    rename_node,
    rename_outcome,
    to_document,
    workflow,
)
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.comparison import changes, fingerprints
from workflow_engine.spec.migrations import Migration, pending
from workflow_engine.spec.names import names


class Held(State):
    n: int = 0


@function(writes="n")
def work(n: int) -> int:
    return n


def made(node: Any = work, **more: Any) -> Any:
    return workflow("made", state=Held, edges=[START >> node >> END], **more)


def upgrade(held: Any) -> Any:
    return held


def test_a_migration_is_written_as_it_is_declared() -> None:
    declared: list[Migration] = [
        rename_node("a", "b"),
        rename_outcome("a", "x", "y"),
        rename_field("f", 'g"h'),
        change_field("f", upgrade),
        add_field("f", 3),
        drop_field("f"),
    ]
    assert [str(each) for each in declared] == [
        'rename_node("a", "b")',
        'rename_outcome("a", "x", "y")',
        'rename_field("f", "g\\"h")',
        'change_field("f", upgrade)',
        'add_field("f", 3)',
        'drop_field("f")',
    ]
    assert [str(each) for each in pending(declared, ['rename_node("a", "b")', 'drop_field("f")', "other"])] == [
        str(each) for each in declared[1:-1]
    ]


def test_migrations_are_part_of_the_document_and_not_of_the_shape() -> None:
    declared = made(migrations=[rename_node("old", "work")])
    assert declared.shape == made().shape
    assert to_document(declared)["notes"]["migrations"] == ['rename_node("old", "work")']
    assert "migrations" not in to_document(made())["notes"]


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: rename_node(work, "b"), 'rename_node("work", ...)'),  # type: ignore[arg-type]
        (lambda: rename_node("", "b"), "names nothing"),
        (lambda: change_field("f", 3), "changes nothing"),  # type: ignore[arg-type]
        (lambda: made(migrations=rename_node("a", "b")), "no list of migrations"),
        (lambda: made(migrations="rename"), "no list of migrations"),
        (lambda: made(migrations=[work]), "is no migration"),
    ],
)
def test_mistakes_are_told_when_it_is_declared(declare: Any, says: str) -> None:
    with pytest.raises(DeclarationError) as told:
        declare()
    assert says in str(told.value)


def test_two_versions_are_compared_node_by_node() -> None:
    @function(name="toil", writes="n")
    def other(n: int) -> int:
        return n + 1

    before, after = made(), made(other, migrations=[rename_node("work", "toil")])
    called = names(to_document(before)["shape"], after.migrations, after)
    assert (called.nodes, called.edges) == (
        {"work": "toil"},
        {"START > work": "START > toil", "work > END": "toil > END"},
    )
    told = changes(to_document(before), to_document(after), called)
    assert [str(each) for each in told] == ["node toil (was work): body"]
    assert [str(each) for each in changes(to_document(before), to_document(after)) if each.what == "node"] == [
        "node toil: new",
        "node work: gone",
    ]
    prints = fingerprints(to_document(before))
    assert list(prints) == ["work"]
    assert prints == fingerprints(to_document(made()))
