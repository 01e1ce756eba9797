"""Traffic: how often a run went each way of its workflow, read from the moves in its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflow_engine.draw.plan import Way
from workflow_engine.frontier.leave import THEN
from workflow_engine.record.history import History
from workflow_engine.spec.edges import START_NAME, Edge, Source
from workflow_engine.spec.workflow import Workflow


@dataclass(frozen=True)
class Traffic:
    """`taken` counts journeys by edge key (with THEN behind it where the bound was spent), `arrived` those of each arm
    into a join. `words` is what each route said last.
    """

    taken: Mapping[str, int]
    arrived: Mapping[tuple[str, Source], int]
    words: Mapping[str, str]

    @classmethod
    def of(cls, workflow: Workflow[Any], history: History) -> Traffic:
        joins = {edge.key: edge for edge in workflow.edges if edge.joins}
        taken = Counter(history.begun_via)
        arrived: Counter[tuple[str, Source]] = Counter()
        words: dict[str, str] = {}
        for key in history.begun_via:
            if key in joins:
                arrived[key, Source(START_NAME)] += 1
        for step in history.steps:
            taken.update(step.via)
            words.update(step.routes)
            left = {(step.node, None), (step.node, step.outcome), *step.routes}
            for key in step.via:
                if key in joins and (source := _arm(joins[key], left)):
                    arrived[key, source] += 1
        return cls(taken, arrived, words)

    def times(self, way: Way) -> int:
        """How often the run went this way."""
        key = way.edge.key
        match way.leg:
            case "then":
                return self.taken.get(f"{key} {THEN}", 0)
            case "arrival" if way.edge.joins and way.source is not None:
                return self.arrived.get((key, way.source), 0)
            case "departure" if way.edge.joins:
                return self.taken.get(key, 0) // len(way.edge.sources)
            case _:
                return self.taken.get(key, 0)


def _arm(edge: Edge, left: set[tuple[str, str | None]]) -> Source | None:
    return next((each for each in edge.sources if (each.node, each.outcome) in left), None)
