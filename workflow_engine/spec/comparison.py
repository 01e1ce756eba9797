"""A comparison of two versions of a workflow by their documents: which node, field or edge changed, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workflow_engine.spec.names import Names


@dataclass(frozen=True)
class Changed:
    """One thing that changed: its name now (as it was where it is gone), and in which parts.

    `parts` of a node are reads, writes, outcomes, kind, body and what else its document says; of a field its schema,
    reducer, required. `was` is the name it had, where that differs.
    """

    what: Literal["node", "field", "edge"]
    name: str
    how: Literal["added", "removed", "changed"]
    parts: tuple[str, ...] = ()
    was: str | None = None

    def __str__(self) -> str:
        """
        >>> str(Changed("node", "release", "changed", ("writes", "body"), "deploy"))
        'node release (was deploy): writes, body'
        """
        renamed = f" (was {self.was})" if self.was else ""
        return f"{self.what} {self.name}{renamed}: {', '.join(self.parts) if self.parts else _WORDS[self.how]}"


_WORDS = {"added": "new", "removed": "gone", "changed": "renamed"}


def fingerprints(document: Mapping[str, Any], bodies: Mapping[str, str] | None = None) -> dict[str, str]:
    """A fingerprint for each node: of its shape, and of its body. `bodies` are later than those of the document."""
    nodes = _part(document, "shape", "nodes")
    bodies = bodies or _part(document, "notes", "bodies")
    return {name: f"{_hash(each)}-{str(bodies.get(name, ''))[:8]}" for name, each in sorted(nodes.items())}


def changes(before: Mapping[str, Any], after: Mapping[str, Any], called: Names | None = None) -> tuple[Changed, ...]:
    """What changed from one document to another; `called` are the names of now for those of then."""
    names = called or Names()
    old, new = dict(_part(before, "notes", "bodies")), _part(after, "notes", "bodies")
    return (
        *_between("node", _nodes(before, old, names), _nodes(after, new, Names()), names.nodes),
        *_between("field", _part(before, "shape", "fields"), _part(after, "shape", "fields"), names.fields),
        *_between("edge", _edges(before, names), _edges(after, Names()), names.edges),
    )


def _between(
    what: Any, before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[str, str]
) -> Iterator[Changed]:
    before = {name: each for name, each in before.items() if isinstance(each, Mapping)}
    then = {names.get(name, name): name for name in before}
    for name in sorted({*then, *after}):
        if name not in after:
            yield Changed(what, then[name], "removed")
        elif name not in then:
            yield Changed(what, name, "added")
        else:
            was, now = before[then[name]], after[name]
            parts = tuple(sorted((part for part in {*was, *now} if was.get(part) != now.get(part)), key=_bodies_last))
            renamed = then[name] if then[name] != name else None
            if what == "edge":  # its key is made of the names at its ends, which are told of by themselves
                renamed = None
            if parts or renamed:
                yield Changed(what, name, "changed", parts, renamed)


def _nodes(document: Mapping[str, Any], bodies: Mapping[str, Any], names: Names) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, each in _part(document, "shape", "nodes").items():
        if isinstance(each, dict):
            reads = sorted(names.fields.get(field, field) for field in _texts(each.get("reads")))
            writes = [names.fields.get(field, field) for field in _texts(each.get("writes"))]
            found[name] = {**each, "reads": reads, "writes": writes, "body": bodies.get(name)}
    return found


def _texts(part: Any) -> list[str]:
    return [each for each in part if isinstance(each, str)] if isinstance(part, list | tuple) else []


def _edges(document: Mapping[str, Any], names: Names) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    shape = document.get("shape")
    edges = shape.get("edges") if isinstance(shape, dict) else ()
    for each in edges if isinstance(edges, list) else ():
        try:
            sources = " + ".join(node if word is None else f"{node}[{word}]" for node, word in each["sources"])
            key = f"{sources} > {' + '.join(each['targets'])}"
            found[key] = {"limit": each["limit"], "then": names.nodes.get(each["then"], each["then"])}
            if each.get("leaves"):
                found[key]["leaves"] = True
        except (KeyError, TypeError, ValueError, AttributeError):  # no engine wrote it
            continue
    return found


def _part(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: Any = document
    for each in path:
        found = found.get(each) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _hash(part: Any) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:8]


def _bodies_last(part: str) -> tuple[bool, str]:
    return part == "body", part
