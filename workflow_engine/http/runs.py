"""The routes of runs: lists, one run, its events, and the acts on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request
from starlette.responses import Response

from workflow_engine.errors import RunNotFound
from workflow_engine.http.desk import Desk
from workflow_engine.http.documents import RunDocument, RunsDocument, SentDocument
from workflow_engine.http.orders import ForkOrder, ResumeOrder, SignalOrder
from workflow_engine.http.problems import told
from workflow_engine.http.routes import caller_of, desk_of, role, router
from workflow_engine.http.sessions import Role
from workflow_engine.http.stream import EVENTS, stream
from workflow_engine.ports.ledger import Listed
from workflow_engine.record.ids import RunId
from workflow_engine.runtime.view import RunView

runs = router()
RunName = Annotated[str, Path(max_length=200, description="a run's id, or @last")]
StatusName = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]


@runs.get(
    "/api/runs",
    response_model=RunsDocument,
    response_model_exclude_unset=True,
    responses=told(404, 422, 503),
    openapi_extra=role(Role.VIEWER),
)
async def listed(
    request: Request,
    status: StatusName | None = None,
    workflow: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[str, Query(max_length=200, description="part of a run's id, or of its workflow's name")] = "",
    before: Annotated[str | None, Query(max_length=200, description="the run after which the page begins")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """A page of runs, newest first."""
    engine = desk_of(request).engine
    found = await engine.runs(
        workflow=workflow, status=status, limit=limit + 1, before=None if before is None else RunId(before), search=q
    )
    page = await engine.as_they_stand(found[:limit])
    return {
        "items": [listed_document(each) for each in page],
        "next": page[-1].run if len(found) > limit else None,
    }


@runs.get(
    "/api/runs/{run}",
    response_model=RunDocument,
    response_model_exclude_unset=True,
    responses=told(404, 503),
    openapi_extra=role(Role.VIEWER),
)
async def one(request: Request, run: RunName) -> dict[str, Any]:
    """A run as it stands."""
    return run_document(await view_of(request, run))


@runs.get(
    "/api/runs/{run}/events",
    response_class=Response,
    responses={**told(404, 503), **EVENTS},
    openapi_extra=role(Role.VIEWER),
)
async def events(request: Request, run: RunName, after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> Response:
    """What happens in the run, from the journal: as server-sent events."""
    desk = desk_of(request)
    name = await named(desk, run)
    await desk.engine.footing(name)  # a run that cannot be read is an error, not a stream
    seen = request.headers.get("last-event-id", "")
    return stream(desk, lambda: desk.tails.of(name, int(seen) if _number(seen) else after))


@runs.get("/api/events", response_class=Response, responses={**told(503), **EVENTS}, openapi_extra=role(Role.VIEWER))
async def changes(request: Request) -> Response:
    """Which runs changed, and how many questions are open: as server-sent events, a few a second at most."""
    desk = desk_of(request)
    return stream(desk, desk.tails.lists)


@runs.post(
    "/api/runs/{run}/resume",
    response_model=RunDocument,
    response_model_exclude_unset=True,
    responses=told(404, 409, 413, 415, 422, 503),
    openapi_extra=role(Role.OPERATOR),
)
async def resume(request: Request, run: RunName, given: ResumeOrder | None = None) -> dict[str, Any]:
    """Go on with a failed, interrupted or answered run, in this process."""
    desk = desk_of(request)
    name = await named(desk, run)
    accepts = given is not None and given.accept_changes
    await begun(desk, lambda on: desk.engine.resume(name, accept_changes=accepts, on_begun=on))
    return run_document(await desk.engine.get(name))


@runs.post(
    "/api/runs/{run}/cancel",
    response_model=RunDocument,
    response_model_exclude_unset=True,
    responses=told(404, 409, 413, 415, 422, 503),
    openapi_extra=role(Role.OPERATOR),
)
async def cancel(request: Request, run: RunName) -> dict[str, Any]:
    """End a run for good."""
    desk = desk_of(request)
    name = await named(desk, run)
    return run_document(await desk.engine.cancel(name, by=caller_of(request).principal.name))


@runs.post(
    "/api/runs/{run}/fork",
    status_code=201,
    response_model=RunDocument,
    response_model_exclude_unset=True,
    responses=told(404, 409, 413, 415, 422, 503),
    openapi_extra=role(Role.OPERATOR),
)
async def fork(request: Request, run: RunName, given: ForkOrder) -> dict[str, Any]:
    """Begin a new run as another stood after a step, with edits; it goes on in this process."""
    from workflow_engine.http.workflows import typed

    desk = desk_of(request)
    view = await view_of(request, run)
    workflow = desk.workflows.get(view.run.workflow)
    edits = given.state if workflow is None else typed(workflow, given.state)
    made = await begun(desk, lambda on: desk.engine.fork(view.id, edits, at=given.at, on_begun=on))
    return run_document(await desk.engine.get(made or view.id))


@runs.post(
    "/api/runs/{run}/signal",
    responses=told(404, 409, 413, 415, 422, 503),
    openapi_extra=role(Role.OPERATOR),
)
async def signal(request: Request, run: RunName, given: SignalOrder) -> SentDocument:
    """Send a run a signal; `sent` is false where one of its id had come before."""
    desk = desk_of(request)
    name = await named(desk, run)
    sent = await desk.engine.signal(name, given.name, given.payload, id=given.id, by=caller_of(request).principal.name)
    return SentDocument(sent=sent.new)


async def begun(
    desk: Desk, act: Callable[[Callable[[RunId], None]], Coroutine[Any, Any, RunView[Any]]]
) -> RunId | None:
    """Set a run going: its id once it is in this process's hands. It goes on behind the request's back.

    Raises what the act raises before that.
    """
    loop = asyncio.get_running_loop()
    taken: asyncio.Future[RunId] = loop.create_future()

    def on(run: RunId) -> None:
        if not taken.done():
            taken.set_result(run)

    task = asyncio.create_task(act(on))
    desk.driving.add(task)
    task.add_done_callback(desk.drove)
    either: set[asyncio.Future[Any]] = {task, taken}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if taken.done():
        return taken.result()
    taken.cancel()
    return (await task).id


async def named(desk: Desk, run: str) -> RunId:
    """The run of a whole id. A prefix, which people type, is none here: what it means may change."""
    found = await desk.engine.find(run)
    if run not in ("@last", found):
        raise RunNotFound(f"there is no run {run[:60]!r}", "GET /api/runs")
    return found


async def view_of(request: Request, run: str) -> RunView[Any]:
    """The run of a route."""
    desk = desk_of(request)
    return await desk.engine.get(await named(desk, run))


def run_document(view: RunView[Any]) -> dict[str, Any]:
    """A run as it is told: as `show --json` does, and what a page wants beside it."""
    return {
        **view.document(),
        "interrupted": view.interrupted,
        "created": view.run.created.isoformat(),
        "updated": view.run.updated.isoformat(),
        "seq": view.run.seq,
    }


def listed_document(listed: Listed) -> dict[str, Any]:
    """A run in a list."""
    return {
        "run": listed.run,
        "workflow": listed.workflow,
        "status": listed.status,
        "reason": listed.reason,
        "interrupted": listed.status == "running" and listed.reason == "interrupted",
        "created": listed.created.isoformat(),
        "updated": listed.updated.isoformat(),
        "steps": listed.steps,
        "cost": listed.cost,
        **({} if listed.parent is None else {"parent": {"run": listed.parent[0], "step": listed.parent[1]}}),
        **({} if listed.within is None else {"within": listed.within}),
    }


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


__all__ = ["listed_document", "run_document", "runs", "view_of"]
