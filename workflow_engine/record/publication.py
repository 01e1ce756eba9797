"""A publication: a signal said once on a topic, for all who listen at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow_engine.record.ids import RunId


@dataclass(frozen=True)
class Publication:
    """What was published, by whom and when. `runs` listened then, `starts` are the workflows of which it
    begins a run, with the label of where their code was found."""

    topic: str
    id: str
    by: str
    at: datetime
    payload: Any = None
    starts: Mapping[str, str | None] = field(default_factory=dict)
    runs: tuple[RunId, ...] = ()
