"""Guessing: the migration that was probably meant, offered where a run no longer fits its workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from workflow_engine.record.run import Run
from workflow_engine.runtime.carrying import Carried
from workflow_engine.runtime.known import Known
from workflow_engine.spec.document import document_of
from workflow_engine.spec.migrations import drop_field, rename_field, rename_node
from workflow_engine.spec.workflow import Workflow

ALIKE = 0.5
"""From here on, of 1, two things may be the same one renamed."""


def ways_on(run: Run, plan: Carried, known: Known, workflow: Workflow[Any]) -> str:
    """The two ways on for a run that does not fit: the migration to declare, as far as it can be guessed, or a fork."""
    forking = f"or begin a new run at an earlier step of it: workflow fork {run.id} --at STEP"
    lines = list(dict.fromkeys(guesses(plan, known, workflow)))
    if not lines:
        return f"go on with the code as it was, {forking}"
    return f"declare what changed: workflow(..., migrations=[{', '.join(lines)}])\n{forking}"


def guesses(plan: Carried, known: Known, workflow: Workflow[Any]) -> Iterator[str]:
    """A migration for each finding that one may mend, as it is written in Python."""
    then, now = known.shape, document_of(workflow)["shape"]
    nodes, fields = _mapping(then, "nodes"), _mapping(then, "fields")
    taken: set[str] = set()
    for each in plan.findings:
        match each.code:
            case "W601" if each.place not in workflow.nodes and each.place in nodes:
                new = {name: entry for name, entry in now["nodes"].items() if name not in nodes and name not in taken}
                if found := _likest(each.place, nodes[each.place], new):
                    taken.add(found)
                    yield str(rename_node(each.place, found))
            case "W605":
                new = {name: entry for name, entry in now["fields"].items() if name not in fields and name not in taken}
                found = _likest(each.place, fields.get(each.place, {}), new)
                if found is None:
                    yield str(drop_field(each.place))
                else:
                    taken.add(found)
                    yield str(rename_field(each.place, found))
            case "W606":
                yield f'change_field("{each.place}", upgrade_{_identifier(each.place)})'
            case "W607" if each.place not in taken:
                yield f'add_field("{each.place}", ...)'
            case _:
                pass


def _likest(name: str, entry: Any, known: Mapping[str, Any]) -> str | None:
    """The new thing that is likest the old: by its name, and by all that is said of it."""

    def likeness(other: str) -> float:
        mine, theirs = _facts(entry), _facts(known[other])
        facts = len(mine & theirs) / max(1, len(mine | theirs))
        return (SequenceMatcher(None, name, other).ratio() + 2 * facts) / 3

    best = max(sorted(known), key=likeness, default=None)
    return best if best is not None and likeness(best) >= ALIKE else None


def _facts(entry: Any) -> set[str]:
    return {f"{key}={value}" for key, value in entry.items()} if isinstance(entry, Mapping) else set()


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "it"


def _mapping(shape: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found = shape.get(part)
    return found if isinstance(found, Mapping) else {}
