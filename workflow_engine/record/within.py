"""Where a run lies that is a subflow of another one: whose, at which node and visit, and how deep."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_engine.record.ids import RunId


@dataclass(frozen=True)
class Within:
    """The visit of a run around this one that it does, or the `item` of it. `workflows` names those it lies within,
    outermost first.

    Not to be confused with the `parent` of a fork, which is another run's past.
    """

    run: RunId
    node: str
    visit: int
    workflows: tuple[str, ...] = ()
    item: int | None = None

    @property
    def what(self) -> str:
        """What of the run around it it does, in words."""
        return f"step {self.node}" if self.item is None else f"item {self.item} of step {self.node}"
