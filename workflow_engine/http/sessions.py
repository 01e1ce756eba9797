"""Sessions: who calls, by a token or by the cookie that a token was changed into, and in which role."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic

from workflow_engine.engine import Engine
from workflow_engine.errors import NotAllowed
from workflow_engine.record.people import Principal, token_digest

MOST_SESSIONS = 1_000
"""Sessions that are remembered; the oldest goes first."""
LONGEST_SESSION = 12 * 3600.0
"""Seconds after which a session is nobody's."""


class Role(IntEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = 1
    ANSWERER = 2
    OPERATOR = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Caller:
    """Somebody who proved that they may be here. `by_cookie` says that their browser did, on its own."""

    principal: Principal
    role: Role
    by_cookie: bool = False


@dataclass(frozen=True)
class _Session:
    token: str
    until: float


class Sessions:
    """Everybody who is let in: whoever knows `token` as `operator`, and the people who are enrolled in the store.

    Only digests of tokens are kept. Somebody dismissed from the store is out at once, whatever session they have.
    `most` is the highest role that anybody has here.
    """

    def __init__(self, engine: Engine, token: str, operator: str, *, most: Role = Role.OPERATOR) -> None:
        self._engine, self._operator, self._most = engine, operator, most
        self._token = token_digest(token)
        self._open: OrderedDict[str, _Session] = OrderedDict()

    async def caller(self, token: str | None, cookie: str | None) -> Caller | None:
        """Who calls with this token, or else with this cookie."""
        if token is not None:
            return await self._holder(token_digest(token), by_cookie=False)
        session = self._open.get(cookie) if cookie else None
        if session is None:
            return None
        if session.until < monotonic():
            self._open.pop(cookie or "", None)
            return None
        return await self._holder(session.token, by_cookie=True)

    async def enter(self, token: str) -> tuple[str, Caller]:
        """A new cookie for a token, and whose it is. Raises NotAllowed for nobody's."""
        digest = token_digest(token)
        caller = await self._holder(digest, by_cookie=True)
        if caller is None:
            raise NotAllowed(
                "the token is nobody's here",
                "take the address that `workflow serve` printed, or ask for a token: workflow people add NAME",
            )
        cookie = secrets.token_urlsafe(32)
        self._open[cookie] = _Session(digest, monotonic() + LONGEST_SESSION)
        while len(self._open) > MOST_SESSIONS:
            self._open.popitem(last=False)
        return cookie, caller

    def leave(self, cookie: str | None) -> None:
        """End a session."""
        self._open.pop(cookie or "", None)

    async def _holder(self, digest: str, *, by_cookie: bool) -> Caller | None:
        if hmac.compare_digest(digest, self._token):
            return Caller(Principal(self._operator), self._at_most(Role.OPERATOR), by_cookie)
        for each in await self._engine.enrolled():
            if hmac.compare_digest(each.token, digest):
                role = (
                    Role.OPERATOR
                    if "operator" in each.groups
                    else Role.VIEWER
                    if "viewer" in each.groups
                    else Role.ANSWERER
                )
                return Caller(Principal(each.name, True, each.groups), self._at_most(role), by_cookie)
        return None

    def _at_most(self, role: Role) -> Role:
        return min(role, self._most)


__all__ = ["Caller", "Role", "Sessions"]
