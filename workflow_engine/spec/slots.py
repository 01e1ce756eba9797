"""Slots of named resources: who of those that wait may go, first come, first served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def admitted(waiting: Sequence[Mapping[str, int]], held: Mapping[str, int]) -> tuple[int, ...]:
    """The places in the queue of those that may go now, in order.

    Each waits for one slot of every name it gives, all at once and never one after the other, so that none holds what
    another one needs while it waits. `held` counts the slots in use; the number beside a name is how many there are.
    Who has to wait keeps those behind from its names, or one that needs two would wait for ever.

    >>> admitted([{"gpu": 1}, {"gpu": 1, "net": 9}, {"net": 9}, {"disk": 2}], {})
    (0, 3)
    """
    taken = Counter(held)
    kept: set[str] = set()
    found: list[int] = []
    for place, wants in enumerate(waiting):
        if kept.isdisjoint(wants) and all(taken[name] < limit for name, limit in wants.items()):
            taken.update(wants.keys())
            found.append(place)
        else:
            kept.update(wants)
    return tuple(found)
