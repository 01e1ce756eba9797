"""Routes: what each carries beside its function, and the check that runs before its body is read.

Nobody is let in by a route that does not say whom it lets in: default deny.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from workflow_engine.http.desk import Desk
from workflow_engine.http.problems import Refused
from workflow_engine.http.sessions import Caller, Role

ROLE = "x-role"
ANYBODY = "anybody"


class GuardedRoute(APIRoute):
    """A route for callers of one role and above, as its `x-role` says. One that says nothing is for nobody."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        wanted = (self.openapi_extra or {}).get(ROLE)

        async def guarded(request: Request) -> Response:
            if wanted != ANYBODY:
                await admit(request, wanted)
            return await inner(request)

        return guarded


def router() -> APIRouter:
    """A router whose routes are guarded."""
    return APIRouter(route_class=GuardedRoute)


def role(least: Role | None) -> dict[str, Any]:
    """What a route says of whom it lets in: `openapi_extra=role(Role.VIEWER)`; None is anybody, token or not."""
    if least is None:
        return {ROLE: ANYBODY, "security": []}
    return {ROLE: least.word}


async def admit(request: Request, wanted: Any) -> Caller:
    """The caller, who is of the role that is wanted. Raises Refused."""
    desk = desk_of(request)
    caller = await who(request)
    if caller is None:
        raise Refused(
            401,
            "no-token",
            "there is no token, or it is nobody's",
            "Authorization: Bearer TOKEN, or open the address that `workflow serve` printed",
            {"WWW-Authenticate": "Bearer"},
        )
    desk.rates.must_be_slower(caller, reading=request.method in ("GET", "HEAD"))
    least = next((each for each in Role if each.word == wanted), None)
    if least is None or caller.role < least:
        needs = wanted if least is not None else "nobody"
        raise Refused(
            403,
            "not-in-this-role",
            f"{caller.principal.name} is {_a(caller.role)}, and this is for {_a(least) if least else needs}",
            "it is served read-only: start it without --read-only"
            if desk.read_only
            else "take the token of somebody who may: workflow people add NAME --group operator",
        )
    if caller.by_cookie and request.method not in ("GET", "HEAD") and "origin" not in request.headers:
        raise Refused(403, "no-origin", "a browser's request without an Origin", "use Authorization: Bearer TOKEN")
    request.state.caller = caller
    return caller


def _a(role: Role) -> str:
    return f"an {role.word}" if role.word[0] in "ao" else f"a {role.word}"


async def who(request: Request) -> Caller | None:
    """Who calls."""
    desk = desk_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else None
    return await desk.sessions.caller(given, request.cookies.get(desk.cookie))


def caller_of(request: Request) -> Caller:
    """The caller of a request that was let in."""
    found: Caller = request.state.caller
    return found


def desk_of(request: Request) -> Desk:
    """What this app serves."""
    desk: Desk = request.app.state.desk
    return desk
