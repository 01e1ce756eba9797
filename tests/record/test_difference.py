"""Differences between two states."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from workflow_engine.record.difference import Change, differences

VALUES: Any = some.recursive(
    some.none() | some.booleans() | some.integers(-3, 3) | some.sampled_from(["", "a", "b"]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
STATES: Any = some.dictionaries(some.sampled_from("fgh"), VALUES, max_size=3)


def applied(state: Any, changes: tuple[Change, ...]) -> Any:
    """The state with the changes made, on copies."""
    state = copy.deepcopy(state)
    last: Any
    for each in changes:
        *way, last = each.path
        place = state
        for step in way:
            place = place[step]
        if isinstance(place, list) and each.kind != "changed":
            place[last:] = each.after if each.kind == "added" else []
        elif each.kind == "removed":
            del place[last]
        else:
            place[last] = each.after
    return state


@given(STATES, STATES)
def test_the_changes_lead_from_one_state_to_the_other(before: Any, after: Any) -> None:
    made = applied(before, differences(before, after))
    assert made == after


@given(STATES)
def test_equal_states_differ_in_nothing(state: Any) -> None:
    assert differences(state, state) == ()


def test_true_is_not_one_and_a_growing_list_tells_its_new_items() -> None:
    assert differences({"a": True}, {"a": 1}) == (Change(("a",), "changed", True, 1),)
    assert differences({"a": [True]}, {"a": [1]}) == (Change(("a", 0), "changed", True, 1),)
    assert differences({"a": [1]}, {"a": [1, 2, 3]}) == (Change(("a", 1), "added", None, [2, 3]),)
    assert differences({"a": {"x": {"y": 1}}}, {"a": {"x": {"y": 2}}})[0].place == "a.x.y"
