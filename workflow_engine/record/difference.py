"""Differences between two states, as plain JSON: field by field, and within a field as deep as the two agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Change:
    """One thing that differs. `path` leads to it: the field, then keys and indices.

    `before` is None where it was added, `after` where it was removed; for `added` to a list, `after` are the new items
    and the path ends in the index of the first.
    """

    path: tuple[str | int, ...]
    kind: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None

    @property
    def field(self) -> str:
        return str(self.path[0])

    def document(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "field": self.field,
            "path": list(self.path),
            "change": self.kind,
            "before": self.before,
            "after": self.after,
        }

    @property
    def place(self) -> str:
        """The path as one word.

        >>> Change(("patch", "files", "a.py", 0), "added").place
        "patch.files['a.py'][0]"
        """
        return self.field + "".join(
            f".{each}" if isinstance(each, str) and each.isidentifier() else f"[{each!r}]" for each in self.path[1:]
        )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What must be changed in one state to have the other, in the order of its fields; nothing for equal ones.

    >>> differences({"n": 1, "log": ["a"]}, {"n": 2, "log": ["a", "b"]})  # doctest: +NORMALIZE_WHITESPACE
    (Change(path=('n',), kind='changed', before=1, after=2),
     Change(path=('log', 1), kind='added', before=None, after=['b']))
    """
    return tuple(_within((), before, after))


def _within(path: tuple[str | int, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        here = (*path, name)
        if name not in after:
            yield Change(here, "removed", before=before[name])
        elif name not in before:
            yield Change(here, "added", after=after[name])
        else:
            yield from _between(here, before[name], after[name])


def _between(path: tuple[str | int, ...], before: Any, after: Any) -> Iterator[Change]:
    if type(before) is type(after) and before == after and not isinstance(before, list | dict):
        return
    if isinstance(before, dict) and isinstance(after, dict) and (before.keys() & after.keys() or before == after):
        yield from _within(path, before, after)
    elif isinstance(before, list) and isinstance(after, list) and before and after:
        yield from _along(path, before, after)
    elif type(before) is not type(after) or before != after:
        yield Change(path, "changed", before, after)


def _along(path: tuple[str | int, ...], before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    """Items at the same index are the same item, and the rest was added or removed at the end."""
    both = min(len(before), len(after))
    for index in range(both):
        yield from _between((*path, index), before[index], after[index])
    if len(after) > both:
        yield Change((*path, both), "added", after=list(after[both:]))
    elif len(before) > both:
        yield Change((*path, both), "removed", before=list(before[both:]))


__all__ = ["Change", "differences"]
