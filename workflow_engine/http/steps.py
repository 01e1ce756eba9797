"""The routes of what is in a run: a step, the state at a step, the bars of its timeline, its words and its files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import Response, StreamingResponse

from workflow_engine.errors import StoreError, UsageError
from workflow_engine.http.documents import LogsDocument, StateDocument, StepDocument, TimelineDocument
from workflow_engine.http.problems import Refused, told
from workflow_engine.http.routes import desk_of, role, router
from workflow_engine.http.runs import RunName, named, view_of
from workflow_engine.http.sessions import Role
from workflow_engine.record.difference import differences
from workflow_engine.runtime.bars import bars_document
from workflow_engine.runtime.steppage import find_step, step_document
from workflow_engine.spec.file import File, files_in, pieces

steps = router()
StepName = Annotated[str, Path(max_length=300, description="its number, a node (its last visit) or node:visit")]


@steps.get(
    "/api/runs/{run}/steps/{step}",
    response_model=StepDocument,
    response_model_exclude_unset=True,
    responses=told(404, 503),
    openapi_extra=role(Role.VIEWER),
)
async def step(request: Request, run: RunName, step: StepName) -> dict[str, Any]:
    """A step: what it read and wrote, its attempts, an agent's story, and what it changed in the state."""
    engine = desk_of(request).engine
    name = await named(desk_of(request), run)
    try:
        page = await engine.step(name, step)
    except UsageError as error:
        raise Refused(404, "no-step", error.what, error.cure) from None
    number = page.step.step
    before = await engine.state_at(name, page.view.run.steps if number is None else number - 1)
    try:
        document: Any = await engine.document(name)
        reads = document["shape"]["nodes"][page.view.history.nodes.get(page.step.node, page.step.node)]["reads"]
    except (StoreError, LookupError, TypeError):
        reads = []
    return {
        **step_document(page),
        "run": name,
        "does": page.step.run,
        "reads": {each: before[each] for each in reads if each in before},
        "diff": [] if number is None else [each.document() for each in differences(before, page.then)],
    }


@steps.get(
    "/api/runs/{run}/state",
    responses=told(404, 422, 503),
    openapi_extra=role(Role.VIEWER),
)
async def state(
    request: Request,
    run: RunName,
    at: Annotated[
        str | None, Query(max_length=300, description="a step as above, 0 for START; without it, now")
    ] = None,
) -> StateDocument:
    """The state as a step left it."""
    view = await view_of(request, run)
    if at is None:
        return StateDocument(run=view.id, step=view.run.steps, state=dict(view.values))
    number = 0 if at in ("0", "START") else find_step(view, at).step
    if number is None:
        raise UsageError(f"{at[:60]!r} is not over yet in run {view.id}", "name a step that has its number")
    return StateDocument(run=view.id, step=number, state=dict(await desk_of(request).engine.state_at(view.id, number)))


@steps.get("/api/runs/{run}/timeline", responses=told(404, 503), openapi_extra=role(Role.VIEWER))
async def timeline(request: Request, run: RunName) -> TimelineDocument:
    """The bars of a run's timeline: one for each step, in the order in which they were begun, and its failed tries."""
    return TimelineDocument.model_validate(bars_document(await view_of(request, run)))


@steps.get("/api/runs/{run}/logs", responses=told(404, 422, 503), openapi_extra=role(Role.VIEWER))
async def logs(
    request: Request,
    run: RunName,
    node: Annotated[str | None, Query(max_length=200)] = None,
    visit: Annotated[int | None, Query(ge=1, le=2**31)] = None,
    limit: Annotated[int, Query(ge=1, le=5_000, description="at most so many lines, the last")] = 1_000,
) -> LogsDocument:
    """What the run's attempts printed and logged."""
    name = await named(desk_of(request), run)
    lines: list[dict[str, Any]] = []
    async for spoken in desk_of(request).engine.logs(name):
        part = spoken.part
        if part is None or node not in (None, part.node) or visit not in (None, part.visit):
            continue
        about = {"run": spoken.run, "node": part.node, "visit": part.visit, "attempt": part.attempt, "item": part.item}
        lines += [{**about, **each.document()} for each in part.lines]
        if len(lines) > 2 * limit:
            del lines[:-limit]
    return LogsDocument.model_validate({"run": name, "lines": lines[-limit:]})


@steps.get(
    "/api/runs/{run}/files/{file}",
    response_class=Response,
    responses={
        **told(404, 422, 503),
        200: {"description": "Its content.", "content": {"application/octet-stream": {"schema": {"type": "string"}}}},
    },
    openapi_extra=role(Role.VIEWER),
)
async def file(
    request: Request,
    run: RunName,
    file: Annotated[str, Path(max_length=300, description="a place in the state, a SHA-256, or a file's own name")],
) -> Response:
    """The content of a file that the run's state names; of any other file nothing is told."""
    view = await view_of(request, run)
    found = [each for place, each in files_in(view.values) if file in (place, each.sha256, each.name)]
    if not found:
        raise Refused(404, "no-file", f"run {view.id} names no file {file[:60]!r}", "its state says which it has")
    # Checked as a whole before its first byte: that may take a while, and the loop is not to wait for it.
    from starlette.concurrency import run_in_threadpool

    stream = await run_in_threadpool(desk_of(request).engine.open_file, found[0])

    def content() -> Iterator[bytes]:
        with stream:
            yield from pieces(stream)

    return StreamingResponse(content(), headers=_as_attachment(found[0]))


def _as_attachment(file: File) -> dict[str, str]:
    """Headers under which no browser shows, or runs, what is in a file."""
    from urllib.parse import quote

    name = quote(file.name, safe="")
    plain = "".join(each if (each.isalnum() and each.isascii()) or each in "._-" else "_" for each in file.name)
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{name}",
        "Content-Length": str(file.size),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }


__all__ = ["steps"]
