"""The app: every route on one desk, behind the guard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from workflow_engine.http.chat import chat
from workflow_engine.http.desk import Desk
from workflow_engine.http.drawings import drawings
from workflow_engine.http.guard import Guard
from workflow_engine.http.inbox import inbox
from workflow_engine.http.metrics import metrics
from workflow_engine.http.problems import Problem, Refused, tell_problems, told
from workflow_engine.http.routes import GuardedRoute, role, router
from workflow_engine.http.runs import runs
from workflow_engine.http.session import session
from workflow_engine.http.sessions import Role
from workflow_engine.http.steps import steps
from workflow_engine.http.workflows import workflows

PAGE = Path(__file__).parent / "page"
ROUTERS: tuple[APIRouter, ...] = (session, workflows, runs, steps, inbox, drawings, metrics, chat)
_ABOUT = "Runs of workflows: looked at, begun, answered, resumed, cancelled and forked. Errors are problem+json."


def app_of(desk: Desk) -> FastAPI:
    """The app of a desk. Whoever serves it opens the desk's engine before, and closes it after."""
    app = FastAPI(title="workflow", description=_ABOUT, version="1", openapi_url=None, docs_url=None, redoc_url=None)
    app.router.route_class = GuardedRoute
    app.state.desk = desk
    tell_problems(app)
    for each in (*ROUTERS, _pages()):
        app.include_router(each)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.add_middleware(Guard, desk=desk)
    return app


def _pages() -> APIRouter:
    pages = router()

    @pages.get("/api/openapi.json", responses=told(), openapi_extra=role(Role.VIEWER), response_class=JSONResponse)
    async def openapi(request: Request) -> dict[str, Any]:
        """This document."""
        return openapi_of(request.app)

    @pages.get("/", include_in_schema=False, openapi_extra=role(None))
    async def page() -> Response:
        return _file("index.html")

    @pages.get("/chat", include_in_schema=False, openapi_extra=role(None))
    async def chat() -> Response:
        return _file("chat.html")

    @pages.get("/page/drawing.css", include_in_schema=False, openapi_extra=role(None))
    async def drawing() -> Response:
        from workflow_engine.draw import stylesheet

        return Response(stylesheet(), media_type="text/css", headers={"Cache-Control": "no-cache"})

    @pages.get("/favicon.ico", include_in_schema=False, openapi_extra=role(None))
    async def icon() -> Response:
        return _file("icon.svg")

    return pages


def _file(name: str) -> Response:
    if not (PAGE / name).is_file():
        raise Refused(404, "not-found", f"there is no {name} yet")
    return FileResponse(PAGE / name, headers={"Cache-Control": "no-cache"})


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
        parts = made.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        parts["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": app.state.desk.cookie},
        }
        made["security"] = [{"token": []}, {"cookie": []}]
        app.openapi_schema = made
    return app.openapi_schema
