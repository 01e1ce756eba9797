"""The named statements of queries.sql."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def named(text: str) -> dict[str, str]:
    """The statements of a file, by the `-- name: word` line above each.

    >>> named("-- name: one\\nSELECT 1;\\n-- name: two\\nSELECT 2;\\n")
    {'one': 'SELECT 1', 'two': 'SELECT 2'}
    """
    parts = _NAME.split(text)[1:]
    return {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _bare(body: str) -> str:
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("--")]
    return "\n".join(lines).rstrip().rstrip(";")


def packaged(name: str) -> str:
    """The text of an SQL file beside this module."""
    return files("workflow_engine.stores.sqlite").joinpath(name).read_text("utf-8")


SQL: Mapping[str, str] = MappingProxyType(named(packaged("queries.sql")))
