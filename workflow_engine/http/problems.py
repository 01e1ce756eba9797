"""Problems: every error as application/problem+json (RFC 9457), with what is wrong, the cure, and a status."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from workflow_engine import errors

log = logging.getLogger("workflow_engine")
MEDIA = "application/problem+json"


class Problem(BaseModel):
    """What went wrong: `title` says what is wrong, `detail` what to do about it."""

    model_config = ConfigDict(json_schema_extra={"description": "An error, as RFC 9457 has it."})

    type: str = Field(description="the kind of the error, in one word")
    title: str = Field(description="what is wrong")
    status: int
    detail: str | None = Field(default=None, description="the cure")


class Refused(Exception):
    """A request that is refused before any verb of the engine is called."""

    def __init__(
        self, status: int, type: str, title: str, detail: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(title)
        self.problem = Problem(type=type, title=title, status=status, detail=detail)
        self.headers = headers or {}

    def response(self) -> Response:
        return answer(self.problem, self.headers)


_STATUS: tuple[tuple[type[errors.WorkflowError], int], ...] = (
    (errors.RunNotFound, 404),
    (errors.QuestionNotFound, 404),
    (errors.ScheduleNotFound, 404),
    (errors.FileMissing, 404),
    (errors.NotAllowed, 403),
    (errors.Conflict, 409),
    (errors.WorkflowChanged, 409),
    (errors.ModelMissing, 409),
    (errors.InvalidWorkflow, 409),
    (errors.UsageError, 422),
    (errors.StepError, 422),
    (errors.StoreError, 503),
)


def status_of(error: errors.WorkflowError) -> int:
    """The status of an error of the engine."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 422)


def kind_of(error: errors.WorkflowError) -> str:
    """An error's class as one word: RunNotFound is run-not-found."""
    name = type(error).__name__
    return "".join(f"-{each.lower()}" if each.isupper() else each for each in name).lstrip("-")


def answer(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The response that tells a problem."""
    return JSONResponse(problem.model_dump(), problem.status, headers, MEDIA)


def of_error(error: errors.WorkflowError) -> Problem:
    """The problem of an error of the engine."""
    return Problem(type=kind_of(error), title=error.what, status=status_of(error), detail=error.cure)


def tell_problems(app: FastAPI) -> None:
    """Let the app answer every error as a problem."""

    @app.exception_handler(errors.WorkflowError)
    async def of_the_engine(request: Request, error: errors.WorkflowError) -> Response:  # noqa: ARG001
        return answer(of_error(error))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:  # noqa: ARG001
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def misfit(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        return answer(
            Problem(type="bad-request", title=f"the request does not fit: {told}", status=422, detail=_SCHEMA)
        )

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        title, detail = str(error.detail), None
        if error.status_code == 404:
            title, detail = f"there is nothing at {request.url.path[:200]}", _SCHEMA
        if error.status_code == 405:
            title, detail = f"{request.method} is not for {request.url.path[:200]}", _SCHEMA
        kind = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}
        problem = Problem(
            type=kind.get(error.status_code, "refused"), title=title, status=error.status_code, detail=detail
        )
        return answer(problem, dict(error.headers or {}))


def mistake(place: str, error: Exception) -> Response:
    """The response for a mistake of ours: it tells nothing of itself but to the log."""
    log.error("%s broke off", place, exc_info=error)
    what = "the server made a mistake of its own"
    return answer(Problem(type="mistake", title=what, status=500, detail="its log says which; no run was harmed"))


_SCHEMA = "GET /api/openapi.json tells every route"


def told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route answers with, for the OpenAPI document."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    every = sorted({400, 401, 403, 422, 429, *statuses})
    return {each: {"description": _MEANING[each], "content": content} for each in every}


_MEANING = {
    400: "a foreign Host, or no JSON",
    401: "no token",
    403: "not in this role, or from another page",
    404: "there is none",
    409: "somebody was first, or it has no further to go",
    413: "too large",
    415: "not JSON",
    422: "it does not fit",
    429: "too often: Retry-After says when",
    503: "the store cannot be used",
}
