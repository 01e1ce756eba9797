"""The routes of metrics: figures of the whole store, for the page and for Prometheus, counted anew when it changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Any

from fastapi import Request
from starlette.responses import PlainTextResponse

from workflow_engine.http.desk import Desk
from workflow_engine.http.documents import MetricsDocument
from workflow_engine.http.problems import told
from workflow_engine.http.routes import desk_of, role, router
from workflow_engine.http.sessions import Role
from workflow_engine.ports.ledger import Listed
from workflow_engine.record.ids import RunId

metrics = router()
OLD = 5.0
"""Seconds for which figures are told again, at least."""
_PAGE = 500


@metrics.get("/api/metrics", responses=told(503), openapi_extra=role(Role.VIEWER))
async def figures(request: Request) -> MetricsDocument:
    """Figures of the whole store, a few seconds old."""
    return await counted(request)


@metrics.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=told(503),
    openapi_extra=role(Role.VIEWER),
)
async def exposed(request: Request) -> PlainTextResponse:
    """The same in Prometheus' text format."""
    told = await counted(request)
    text = "".join(f"{line}\n" for line in _lines(told))
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def counted(request: Request) -> MetricsDocument:
    """The figures, of now or of a moment ago: counted once for everybody, and seldom where counting takes long."""
    state: Any = request.app.state
    kept: tuple[float, asyncio.Task[MetricsDocument]] | None = getattr(state, "figures", None)
    if kept is None or monotonic() > kept[0]:
        begun = monotonic()
        task = asyncio.create_task(_count(desk_of(request)))
        state.figures = kept = (float("inf"), task)

        def counted(_: asyncio.Task[MetricsDocument]) -> None:
            taken = monotonic() - begun
            failed = task.cancelled() or task.exception() is not None
            state.figures = (0.0 if failed else monotonic() + max(OLD, 10 * taken), task)

        task.add_done_callback(counted)
    return await asyncio.shield(kept[1])


async def _count(desk: Desk) -> MetricsDocument:
    engine = desk.engine
    status: Counter[str] = Counter()
    steps, cost = 0, 0.0
    oldest: Listed | None = None
    before: RunId | None = None
    while True:
        page = await engine.runs(limit=_PAGE, before=before)
        for each in page:
            status[each.status] += 1
            steps += each.steps
            cost += each.cost or 0.0
            if each.status == "queued":
                oldest = each
        if len(page) < _PAGE:
            break
        before = page[-1].run
    return MetricsDocument(
        runs=dict(sorted(status.items())),
        steps=steps,
        cost=round(cost, 6),
        open_questions=len(await engine.inbox()),
        queue_age=None if oldest is None else max(0.0, (engine.now() - oldest.created).total_seconds()),
        viewers=desk.tails.viewers,
        streams=desk.rates.streams,
    )


def _lines(told: MetricsDocument) -> Iterator[str]:
    def one(name: str, about: str, value: float, kind: str = "gauge") -> Iterator[str]:
        yield f"# HELP workflow_{name} {about}"
        yield f"# TYPE workflow_{name} {kind}"
        yield f"workflow_{name} {value:g}" if value < 1e6 else f"workflow_{name} {value}"

    yield "# HELP workflow_runs Runs by status."
    yield "# TYPE workflow_runs gauge"
    yield from (f'workflow_runs{{status="{status}"}} {count}' for status, count in told.runs.items())
    yield from one("steps", "Steps of all runs.", told.steps)
    yield from one("cost_dollars", "What the model calls of all runs cost.", told.cost)
    yield from one("open_questions", "Questions that wait for an answer.", told.open_questions)
    yield from one("queue_age_seconds", "Age of the oldest run in the queue.", told.queue_age or 0.0)
    yield from one("streams", "Streams that are open.", told.streams)
