"""What a ledger on disk would believe, asserted: so that a fault of a caller shows in a test of theirs.

A file never sees what a caller does with an object after handing it over, and takes `batch.run` for the fold of
`batch.events`. A test that runs on memory learns of both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from workflow_engine.ports.ledger import Batch
from workflow_engine.record import events as e
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.run import Run
from workflow_engine.stores.memory.box import Box
from workflow_engine.stores.texts import run_of_text


def told_right(before: Run | None, batch: Batch) -> None:
    """The run is the fold of the events, and its writes are what they are called."""
    run = before
    for event in batch.events:
        run = begin(event) if run is None else advance(run, event)
    assert run is not None
    assert run == batch.run or not batch.events, f"batch.run is not what its events fold into:\n{run}\n{batch.run}"
    for write in batch.writes:
        value = json.loads(write.text)
        assert write.op != "append" or isinstance(value, list), (
            f"{write.field}: an append holds a list, not {write.text}"
        )


def come_back(text: str, run: Run, lines: Sequence[str], events: Sequence[Any]) -> None:
    """What was written down is what was meant."""
    assert run_of_text(text) == run, f"JSON changes the run {run}"
    for line, event in zip(lines, events, strict=True):
        assert e.read_event(line) == event, f"JSON changes the event {event}"


def unchanged(box: Box) -> None:
    """Nobody touched an event after its commit."""
    for seq, (line, event) in enumerate(zip(box.journal, box.seen, strict=True), start=1):
        assert e.kept_event(event) == line, f"event {seq} of run {box.run.id} was changed after its commit: {event}"
