"""Driving from the command line: one run under somebody's eyes, that a Ctrl-C leaves resumable."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.cli import opening
from workflow_engine.cli.choosing import choose_model, choose_sandbox
from workflow_engine.cli.following import Following, following, nodes_of
from workflow_engine.cli.stopping import Stopped, until_stopped
from workflow_engine.cli.typed import typed
from workflow_engine.cli.voice import AMBER, point, say
from workflow_engine.settings import Settings, read_settings
from workflow_engine.targets import Loaded

if TYPE_CHECKING:
    from workflow_engine.agents import ModelChoice
    from workflow_engine.engine import Engine
    from workflow_engine.ports.ledger import Recorded
    from workflow_engine.record.ids import RunId
    from workflow_engine.runtime.view import RunView


@dataclass(frozen=True)
class Manner:
    """How a run is driven: what the options of `run`, `resume` and `answer` say. `store` is None where not named."""

    store: Path | None = None
    executor: str = "native"
    model: str | None = None
    allow_unsandboxed: bool = False
    as_json: bool = False

    @property
    def settings(self) -> Settings:
        """Where the store is, and what a run may hold."""
        return read_settings(store=self.store)


async def drive(
    loaded: Loaded,
    manner: Manner,
    act: Callable[[Engine], Awaitable[RunView[Any]]],
    *,
    choice: ModelChoice | None = None,
    before: RunId | None = None,
    recalled: Sequence[Recorded] = (),
) -> RunView[Any]:
    """Connect, let `act` drive a run while it is shown, and return how it stands.

    `before` is a run that goes on; `recalled` is what a run that begins has behind it.
    """
    let_info_through()
    choice = choice or choose_model(loaded, manner.model)
    resources = await choose_sandbox(loaded.workflow, choice, allowed=manner.allow_unsandboxed)
    stream = sys.stderr if manner.as_json else sys.stdout
    with following(nodes_of(loaded.workflow), stream=stream) as shown:
        async with opening.driving([loaded], manner, choice, resources, listeners=[shown]) as engine:
            shown.recall(recalled if before is None else await engine.story(before))
            return await _watched(engine, act, shown, before, manner)


def let_info_through() -> None:
    """Records of the level INFO are for the run's log. The terminal shows no more for it: where the workflow's file set
    up no logging, Python itself prints warnings and what is worse; where it did, that stands.
    """
    root = logging.getLogger()
    if not root.handlers and root.level == logging.WARNING:
        root.setLevel(logging.INFO)


async def _watched(
    engine: Engine,
    act: Callable[[Engine], Awaitable[RunView[Any]]],
    shown: Following,
    before: RunId | None,
    manner: Manner,
) -> RunView[Any]:
    async def work() -> RunView[Any]:
        return await act(engine)

    def parting() -> None:
        run = shown.run or before
        say("stopped at once; the step that was under way is due again", AMBER)
        if run is not None:
            point(("go on", typed("resume", run, store=manner.store)))

    try:
        return await until_stopped(work(), engine.drain, parting)
    except Stopped:
        run = shown.run or before
        if run is None:  # nothing had begun
            raise KeyboardInterrupt from None
        return await engine.get(run)
