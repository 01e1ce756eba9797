"""Expiring: a run whose own time-out passed is ended where it stands, or led on where its workflow says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from workflow_engine.errors import Failure
from workflow_engine.frontier.leave import catches
from workflow_engine.record.events import QuestionWithdrawn, RunFailed, StepFailed
from workflow_engine.record.fold import advance
from workflow_engine.steps.live import Live
from workflow_engine.steps.onward import onward


async def expire(live: Live) -> None:
    """Commit that the time of a run is up, once its steps have stopped.

    Where its workflow says `on_timeout="route"` and every node it stands at has a `.failed` edge, it goes on by these,
    without a deadline from then on; else it fails. Its waits stay in a run that failed: resumed under a longer time-out
    it waits on, and asks its people anew.
    """
    now = live.around.clock.now()
    withdrawn: list[Any] = [QuestionWithdrawn(now, each.id, each.node, each.visit) for each in live.run.open]
    due = live.run.frontier.due
    if live.workflow.on_timeout == "route" and all(
        catches(live.workflow, node, "failed") or live.is_left(node) for node in due
    ):
        for within in live.run.entered.values():
            assert live.nest is not None
            await live.nest.cancel(within, "deadline", live.run.id)
        await live.post([*withdrawn, *_led_on(live, due, now)])
        live.rerouted = True
        return
    at = next((each for each in due if each not in live.run.resting), due[0])
    await live.post([*withdrawn, RunFailed(now, _failure(live, at))])


def _led_on(live: Live, due: tuple[str, ...], now: datetime) -> list[Any]:
    """One fact for each node, in one commit: each move is made where the one before it led."""
    run, made = live.run, []
    for name in due:
        if name not in run.frontier.due:
            continue  # another one's failure left their fork
        left = onward(live.workflow, run.frontier, name, "failed", live.state, live.owing.pop(name, None))
        made.append(
            StepFailed(
                at=now,
                node=name,
                kind=live.workflow.nodes[name].kind,
                visit=run.frontier.visits[name],
                attempts=1,
                started=now,
                seconds=0.0,
                failure=_failure(live, name),
                move=left.move,
                late=True,
            )
        )
        run = advance(run, made[-1])
    return made


def _failure(live: Live, node: str) -> Failure:
    limit = live.workflow.timeout or timedelta(0)
    return Failure(
        node,
        "deadline",
        f"the run's time is up: {limit} from its creation, waiting included; resume it under a longer timeout= of its "
        "workflow",
    )
