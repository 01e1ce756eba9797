"""Loops: which cards a bounded arrow back makes run again, as groups that nest or are apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workflow_engine.draw.diagram import Group


@dataclass(frozen=True)
class Loop:
    """One bounded arrow back, from the last card of what it repeats to the first."""

    last: str
    first: str
    limit: int


def groups(loops: Sequence[Loop], onward: Iterable[tuple[str, str]]) -> tuple[Group, ...]:
    """The box around each loop's cards. Loops that share cards without nesting share a box.

    `onward` are the arrows a loop may run along: not the ones that only failures, spent bounds and people's answers
    take, or everything a person can send back would belong to every loop.
    """
    ahead: dict[str, list[str]] = {}
    behind: dict[str, list[str]] = {}
    for tail, head in onward:
        ahead.setdefault(tail, []).append(head)
        behind.setdefault(head, []).append(tail)
    boxes: list[tuple[frozenset[str], tuple[int, ...]]] = []
    for loop in loops:
        body = _reached(loop.first, ahead) & _reached(loop.last, behind)
        box = body if {loop.first, loop.last} <= body else frozenset({loop.first, loop.last})
        limits: tuple[int, ...] = (loop.limit,)
        while clash := next((each for each in boxes if _share(each[0], box)), None):
            boxes.remove(clash)
            box, limits = box | clash[0], (*clash[1], *limits)
        boxes.append((box, limits))
    return tuple(Group(_caption(limits), box) for box, limits in boxes if len(box) > 1)


def _share(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two sets of cards can only be drawn as one box."""
    return one == other or bool(one & other and not (one < other or other < one))


def _caption(limits: tuple[int, ...]) -> str:
    return f"{'loop' if len(limits) == 1 else 'loops'} {', '.join(f'≤{limit}' for limit in limits)}"


def _reached(start: str, neighbours: Mapping[str, Sequence[str]]) -> frozenset[str]:
    found = {start}
    ahead = [start]
    while ahead:
        for each in neighbours.get(ahead.pop(), ()):
            if each not in found:
                found.add(each)
                ahead.append(each)
    return frozenset(found)
