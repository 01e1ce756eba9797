"""Where a run lies that is a subflow of another one: whose, at which node and visit, and how deep."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_engine.record.ids import RunId


@dataclass(frozen=True)
class Within:
    """The visit of a run around this one that it does. `workflows` names those it lies within, outermost first.

    Not to be confused with the `parent` of a fork, which is another run's past.
    """

    run: RunId
    node: str
    visit: int
    workflows: tuple[str, ...] = ()
