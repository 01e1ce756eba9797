"""The routes of a session: a token is changed into a cookie, which no script can read."""

from __future__ import annotations

from fastapi import Request, Response

from workflow_engine.errors import NotAllowed
from workflow_engine.http.desk import Desk
from workflow_engine.http.documents import SessionDocument
from workflow_engine.http.orders import Token
from workflow_engine.http.problems import Refused, told
from workflow_engine.http.routes import caller_of, desk_of, role, router
from workflow_engine.http.sessions import LONGEST_SESSION, Caller, Role

session = router()


@session.post("/api/session", responses=told(413, 415, 422), openapi_extra=role(None))
async def enter(request: Request, response: Response, given: Token) -> SessionDocument:
    """Change a token into a cookie."""
    desk = desk_of(request)
    desk.rates.must_enter_slower(request.client.host if request.client else "")
    try:
        cookie, caller = await desk.sessions.enter(given.token)
    except NotAllowed as error:
        raise Refused(401, "no-token", error.what, error.cure, {"WWW-Authenticate": "Bearer"}) from None
    response.set_cookie(desk.cookie, cookie, max_age=int(LONGEST_SESSION), httponly=True, samesite="strict", path="/")
    return _told(desk, caller)


@session.get("/api/session", responses=told(), openapi_extra=role(Role.VIEWER))
async def who(request: Request) -> SessionDocument:
    """Who calls, and in which role."""
    return _told(desk_of(request), caller_of(request))


@session.delete("/api/session", status_code=204, responses=told(), openapi_extra=role(Role.VIEWER))
async def leave(request: Request) -> Response:
    """End the session of the cookie."""
    desk = desk_of(request)
    desk.sessions.leave(request.cookies.get(desk.cookie))
    response = Response(status_code=204)
    response.delete_cookie(desk.cookie, httponly=True, samesite="strict", path="/")
    return response


def _told(desk: Desk, caller: Caller) -> SessionDocument:
    return SessionDocument(
        name=caller.principal.name,
        role=caller.role.word,  # type: ignore[arg-type]
        groups=list(caller.principal.groups),
        read_only=desk.read_only,
    )
