"""Patterns of paths within a workspace: `*` matches within one name, `**` any number of folders."""

from __future__ import annotations

from fnmatch import fnmatchcase

from workflow_engine import errors


def pattern_of(pattern: str) -> tuple[str, ...]:
    parts = tuple(pattern.split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise errors.UsageError(
            f"the pattern {pattern!r} is not a path within the workspace", 'for example "src/**/*.py"'
        )
    return parts


def matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    # Row by row, as for an edit distance: backtracking over several ** would take exponential time.
    reached = [True] + [False] * len(parts)
    for wanted in pattern:
        if wanted == "**":
            for index in range(len(parts)):
                reached[index + 1] = reached[index + 1] or reached[index]
        else:
            reached = [False] + [reached[index] and fnmatchcase(part, wanted) for index, part in enumerate(parts)]
    return reached[-1]


def leads_to(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """A match would lie beneath `parts`, by the names before the pattern's first `**`."""
    upper = pattern[: len(parts)]
    return len(parts) < len(pattern) and "**" not in upper and all(map(fnmatchcase, parts, upper))
