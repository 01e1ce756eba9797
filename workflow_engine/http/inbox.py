"""The routes of the inbox: questions that wait, one question, and the acts on it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Path, Request

from workflow_engine.errors import QuestionNotFound
from workflow_engine.http.documents import QuestionDocument, StandingDocument
from workflow_engine.http.orders import AnswerOrder, ReassignOrder
from workflow_engine.http.problems import told
from workflow_engine.http.routes import caller_of, desk_of, role, router
from workflow_engine.http.sessions import Role
from workflow_engine.record.inbox import Standing
from workflow_engine.record.people import may_answer
from workflow_engine.runtime.view import question_document

inbox = router()
QuestionName = Annotated[str, Path(max_length=240, pattern=r"^[^/]*$")]
_act = partial(
    inbox.post,
    response_model=StandingDocument,
    response_model_exclude_unset=True,
    responses=told(404, 409, 413, 415, 422, 503),
    openapi_extra=role(Role.ANSWERER),
)


@inbox.get(
    "/api/inbox",
    response_model=list[QuestionDocument],
    response_model_exclude_unset=True,
    responses=told(422, 503),
    openapi_extra=role(Role.VIEWER),
)
async def waiting(request: Request, mine: bool = False) -> list[dict[str, Any]]:
    """Questions that wait for an answer, oldest first; `mine`, those that are asked of the caller."""
    name = caller_of(request).principal.name if mine else None
    return [question_document(each) for each in await desk_of(request).engine.inbox(to=name)]


@inbox.get(
    "/api/questions/{question}",
    response_model=StandingDocument,
    response_model_exclude_unset=True,
    responses=told(404, 422, 503),
    openapi_extra=role(Role.VIEWER),
)
async def one(request: Request, question: QuestionName) -> dict[str, Any]:
    """A question with all that a person needs to answer it."""
    return await _told(request, await _asked(request, question))


@_act("/api/questions/{question}/answer")
async def answer(request: Request, question: QuestionName, given: AnswerOrder) -> dict[str, Any]:
    """Give the one answer. It is on disk when this answers, and the run goes on."""
    asked = await _asked(request, question)
    who = caller_of(request).principal
    return await _told(
        request, await desk_of(request).engine.answer(asked.question.id, given.value, by=who, through="http")
    )


@_act("/api/questions/{question}/claim")
async def claim(request: Request, question: QuestionName) -> dict[str, Any]:
    """Take a question that several may answer."""
    asked = await _asked(request, question)
    engine = desk_of(request).engine
    return await _told(request, await engine.claim(asked.question.id, by=caller_of(request).principal))


@_act("/api/questions/{question}/reassign")
async def reassign(request: Request, question: QuestionName, given: ReassignOrder) -> dict[str, Any]:
    """Ask somebody else from now on."""
    asked = await _asked(request, question)
    engine = desk_of(request).engine
    return await _told(request, await engine.reassign(asked.question.id, to=given.to, by=caller_of(request).principal))


async def _asked(request: Request, question: str) -> Standing:
    """The question of an id: open, or settled."""
    engine = desk_of(request).engine
    run = question.rpartition(".")[0]
    if not run:
        raise QuestionNotFound(f"there is no question {question[:60]!r}", "GET /api/inbox")
    view = await engine.get(run)
    for each in view.questions:
        if each.question.id == question:
            return each
    raise QuestionNotFound(f"there is no question {question[:60]!r}", "GET /api/inbox")


async def _told(request: Request, standing: Standing) -> dict[str, Any]:
    engine = desk_of(request).engine
    view = await engine.get(standing.question.run)
    given = standing.answer
    question = standing.question
    return {
        **question_document(standing),
        "status": standing.status,
        "workflow": view.run.workflow,
        "answer": None
        if given is None
        else {
            "value": given.value,
            "by": given.by,
            "at": given.at.isoformat(),
            "through": given.through,
            "authenticated": given.authenticated,
        },
        "then": await engine.then(standing),
        "mine": may_answer(question, standing.to, caller_of(request).principal),
        "state": dict(view.values),
    }
