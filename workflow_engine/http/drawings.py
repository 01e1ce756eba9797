"""The routes of pictures: of a workflow, of a run, and the marks by which a page keeps a live drawing up to date."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Path, Query, Request
from starlette.responses import Response

from workflow_engine.http.problems import told
from workflow_engine.http.routes import desk_of, role, router
from workflow_engine.http.runs import view_of
from workflow_engine.http.sessions import Role
from workflow_engine.http.workflows import workflow_of

if TYPE_CHECKING:
    from workflow_engine.draw import Diagram, Direction, Format, Theme
    from workflow_engine.runtime.view import RunView
    from workflow_engine.spec.workflow import Workflow

drawings = router()
Name = Annotated[str, Path(max_length=200)]
ThemeName = Literal["auto", "light", "dark", "page"]
DirectionName = Literal["down", "right"]
MOST = 128
"""Drawings that are remembered."""
AT_ONCE = 2
"""Drawings that are made at one time: each is a process of its own."""
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"description": "a picture", "content": {"image/svg+xml": {}}}}
_PNG: dict[int | str, dict[str, Any]] = {200: {"description": "a picture", "content": {"image/png": {}}}}


class Drawings:
    """Drawings that were made, so that many viewers of one picture cost one drawing."""

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, asyncio.Task[bytes]] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, key: Hashable, draw: Callable[[], Awaitable[bytes]]) -> bytes:
        """The drawing of a key, made by whoever asks first. Raises DrawingError."""
        task = self._made.get(key)
        if task is None:
            task = self._made[key] = asyncio.create_task(self._draw(draw))
            while len(self._made) > MOST:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._made.pop(key, None)
            raise

    async def _draw(self, draw: Callable[[], Awaitable[bytes]]) -> bytes:
        async with self._turns:
            return await draw()


@drawings.get(
    "/api/workflows/{name}/picture.svg",
    response_class=Response,
    responses={**told(404, 422, 503), **_PICTURE},
    openapi_extra=role(Role.VIEWER),
)
async def of_workflow(
    request: Request, name: Name, theme: ThemeName = "auto", direction: DirectionName = "down"
) -> Response:
    """A workflow: what may happen."""
    from workflow_engine.draw import diagram_of

    workflow = workflow_of(request, name)
    key = ("workflow", workflow.name, workflow.shape, theme, direction)
    return _svg(await _drawings(request).get(key, lambda: _picture(diagram_of(workflow), "svg", theme, direction)))


@drawings.get(
    "/api/runs/{run}/picture.svg",
    response_class=Response,
    responses={**told(404, 422, 503), **_PICTURE},
    openapi_extra=role(Role.VIEWER),
)
async def of_run(
    request: Request,
    run: Name,
    kind: Annotated[
        Literal["graph", "live", "timeline", "replay"], Query(description="`live` is laid out once, for marks")
    ] = "graph",
    theme: ThemeName = "auto",
    direction: DirectionName = "down",
) -> Response:
    """A run on its workflow; `live` without any style, for a page that marks it. Its timeline, or a replay of it."""
    from workflow_engine.draw import diagram_of, live_async, replay

    view = await view_of(request, run)
    workflow = await _workflow(request, view)
    if kind == "live":
        key: Hashable = ("live", workflow.shape, direction)

        async def draw() -> bytes:
            return (await live_async(diagram_of(workflow), direction=direction)).data
    elif kind == "timeline":
        return _svg(await asyncio.to_thread(_timeline, workflow, view, theme, desk_of(request).engine.now()))
    elif kind == "replay":
        key = ("replay", view.id, view.run.seq, view.interrupted, workflow.shape, theme, direction)

        async def draw() -> bytes:
            events = [each.event for each in view.behind]
            made = await asyncio.to_thread(
                replay, workflow, events, interrupted=view.interrupted, theme=theme, direction=direction
            )
            return made.data
    else:
        key = ("run", view.id, view.run.seq, view.interrupted, workflow.shape, theme, direction, "svg")

        async def draw() -> bytes:
            return await _picture(_diagram(workflow, view), "svg", theme, direction)

    return _svg(await _drawings(request).get(key, draw))


@drawings.get(
    "/api/runs/{run}/picture.png",
    response_class=Response,
    responses={**told(404, 422, 503), **_PNG},
    openapi_extra=role(Role.VIEWER),
)
async def image_of_run(
    request: Request,
    run: Name,
    theme: Literal["light", "dark"] = "light",
    direction: DirectionName = "down",
) -> Response:
    """A run on its workflow, as an image."""
    view = await view_of(request, run)
    workflow = await _workflow(request, view)
    key = ("run", view.id, view.run.seq, view.interrupted, workflow.shape, theme, direction, "png")
    made = await _drawings(request).get(key, lambda: _picture(_diagram(workflow, view), "png", theme, direction))
    return Response(made, media_type="image/png")


@drawings.get("/api/runs/{run}/marks", responses=told(404, 422, 503), openapi_extra=role(Role.VIEWER))
async def marked(request: Request, run: Name) -> dict[str, Any]:
    """Where the run stands, card by card and arrow by arrow, for its live drawing: as docs/pictures.md tells."""
    from workflow_engine.draw import marks

    view = await view_of(request, run)
    return marks(_diagram(await _workflow(request, view), view))


def _drawings(request: Request) -> Drawings:
    state = request.app.state
    if not hasattr(state, "drawings"):
        state.drawings = Drawings()
    found: Drawings = state.drawings
    return found


async def _workflow(request: Request, view: RunView[Any]) -> Workflow[Any]:
    """The workflow as the run has it; where its code is not here, as the store's document tells."""
    desk = desk_of(request)
    served = desk.workflows.get(view.run.workflow)
    if served is not None and served.shape == view.run.shape:
        return served
    from workflow_engine.spec.document import from_document

    return from_document(dict(await desk.engine.document(view.id)))


def _timeline(workflow: Workflow[Any], view: RunView[Any], theme: Theme, now: datetime) -> bytes:
    from workflow_engine.draw import timeline_of, timeline_picture

    events = [each.event for each in view.behind]
    made = timeline_of(workflow, view.run, events, now=now, interrupted=view.interrupted)
    return timeline_picture(made, "svg", theme=theme).data


def _diagram(workflow: Workflow[Any], view: RunView[Any]) -> Diagram:
    from workflow_engine.draw import diagram_of_run

    return diagram_of_run(workflow, view.run, view.history, interrupted=view.interrupted)


async def _picture(diagram: Diagram, format: Format, theme: Theme, direction: Direction) -> bytes:
    from workflow_engine.draw import picture_async
    from workflow_engine.errors import DrawingError

    made = await picture_async(diagram, format, theme=theme, direction=direction)
    if made.format != format:
        raise DrawingError(f"no drawing engine here draws {format}", "pip install pygraphviz")
    return made.data


def _svg(data: bytes) -> Response:
    return Response(data, media_type="image/svg+xml")


__all__ = ["drawings"]
