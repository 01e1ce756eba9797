"""Ids that cannot be confused."""

from __future__ import annotations

import hashlib
from typing import NewType

WITHIN = "-"
"""What stands before the parts of a child's id, and in no id that the engine's own mint makes."""
_LONGEST = 24

# Without i, l, o and u: an id is read aloud and typed by people (Crockford's base 32). Without x: between two digits
# many fonts set it as a multiplication sign.
ALPHABET = "0123456789abcdefghjkmnpqrstvwyz"

RunId = NewType("RunId", str)
QuestionId = NewType("QuestionId", str)


def spelled(number: int, places: int) -> RunId:
    """The id of a large random number."""
    letters = len(ALPHABET)
    return RunId("".join(ALPHABET[number // letters**place % letters] for place in range(places)))


def derived_id(*words: str | int) -> RunId:
    """The id of the run that is begun for this and nothing else, so that beginning it again is refused.

    Sixteen characters: unlike a minted id it is never tried anew, and nobody types it.

    >>> derived_id("nightly", 7) == derived_id("nightly", 7), derived_id("nightly", 7) == derived_id("nightly7")
    (True, False)
    """
    made = hashlib.blake2b(repr(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return spelled(int.from_bytes(made), 16)


def question_id(run: RunId, number: int) -> QuestionId:
    """The number-th question (from 1) a run ever asked. Derived, so asking again after a crash cannot double it."""
    return QuestionId(f"{run}.q{number}")


def run_of(question: QuestionId) -> RunId:
    """The run that asked."""
    return RunId(question.rpartition(".")[0])


def child_id(run: RunId, node: str, visit: int, number: int = 1, item: int | None = None) -> RunId:
    """The run that does a visit to a subflow, or one item of it; `number` counts from 1, where it has to begin anew.

    Derived, so that entering again after a crash cannot double it. A node is followed by its visit and that by the
    item, if there is one; both begin with a digit as no node's name does, so that no two visits or items share an id.

    >>> child_id(RunId("k3v9"), "bill", 1), child_id(RunId("k3v9-bill-1"), "charge-card", 2, 3)
    ('k3v9-bill-1', 'k3v9-bill-1-n39d6dc8e-2r3')
    >>> child_id(RunId("k3v9"), "bill", 1, item=7)
    'k3v9-bill-1-7'
    """
    plain = node.isascii() and node.isidentifier() and len(node) <= _LONGEST
    name = node if plain else f"n{hashlib.sha256(node.encode()).hexdigest()[:8]}"
    place = f"{visit}" if item is None else f"{visit}{WITHIN}{item}"
    return RunId(f"{run}{WITHIN}{name}{WITHIN}{place}{f'r{number}' if number > 1 else ''}")


def around(run: str, inner: str) -> bool:
    """Whether, by its id, one run may lie within another, at whatever depth. Only its own record says so for sure."""
    return inner.startswith(f"{run}{WITHIN}")


def place_of(node: str, item: int | None = None) -> str:
    """A due node, or one item in it, in one word: what stands in `Run.doubts` and `Run.entered`."""
    return node if item is None else f"{node}[{item}]"


def node_of(place: str) -> str:
    """The node of a place as `place_of` names it.

    >>> node_of("load[7]"), node_of("load")
    ('load', 'load')
    """
    return place.partition("[")[0]


def place_in(place: str) -> tuple[str, int | None]:
    """The node and the item that a place names.

    >>> place_in("bill"), place_in("bill[7]")
    (('bill', None), ('bill', 7))
    """
    node, bracket, item = place.partition("[")
    number = item.removesuffix("]")
    return node, int(number) if bracket and number.isdecimal() else None


def step_key(run: RunId, node: str, visit: int, item: int | None = None) -> str:
    """The idempotency key of one visit, or of one item in it; the same for each of its attempts."""
    return f"{run}/{node}/{visit}" if item is None else f"{run}/{node}/{visit}/{item}"
