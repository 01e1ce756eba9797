"""The bars of a run's timeline as JSON: one for each step, in the order they were begun, and its failed tries."""

from __future__ import annotations

from typing import Any

from workflow_engine.record.events import AttemptFailed
from workflow_engine.runtime.view import RunView


def bars_document(view: RunView[Any]) -> dict[str, Any]:
    """`run`, `created`, `updated` and `bars`; a step that waits or is under way has no `seconds` yet.

    Read from the run's history alone: unlike the drawn timeline of `draw` it needs no workflow.
    """
    tries: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for each in view.behind:
        event = each.event
        if isinstance(event, AttemptFailed):
            tries.setdefault((event.node, event.visit), []).append(
                {"at": event.at.isoformat(), "attempt": event.attempt, "message": event.failure.message}
            )
    bars = [
        {
            "step": each.step,
            "node": each.node,
            "kind": each.kind,
            "visit": each.visit,
            "status": each.status,
            "started": None if each.started is None else each.started.isoformat(),
            "seconds": each.seconds,
            "cost": None if each.usage is None else each.usage.cost,
            "words": each.words,
            "tries": tries.get((each.node, each.visit), []),
        }
        for each in view.history.steps
    ]
    begun = view.run.created.isoformat()
    bars.sort(key=lambda bar: bar["started"] or begun)
    return {"run": view.id, "created": begun, "updated": view.run.updated.isoformat(), "bars": bars}


__all__ = ["bars_document"]
