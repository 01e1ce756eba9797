"""The guard: what every request passes before any route is looked for, and what every response carries.

A page of another site can send requests here from its visitor's browser, so a name that is not ours (DNS rebinding) and
an origin that is not ours are refused, whatever token comes with them.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workflow_engine.http.desk import Desk
from workflow_engine.http.problems import Refused, mistake

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Guard:
    """An ASGI app around another."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there are none here
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        api = scope["path"].startswith("/api/")

        begun = False

        async def answered(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                if api and "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            self._look_at(scope)
            coming = await self._whole(scope, receive)
        except Refused as refused:
            await refused.response()(scope, receive, answered)
            return
        try:
            await self._app(scope, coming, answered)
        except Exception as error:  # ours, and no reason for a client to hear of its insides
            wrong = mistake(f"{scope['method']} {scope['path']}", error)
            if begun:  # half an answer must not look like a whole one
                raise
            await wrong(scope, receive, answered)

    def _look_at(self, scope: Scope) -> None:
        """Raises Refused for a request that is not from here, or not to here."""
        headers = Headers(scope=scope)
        hosts = self._desk.hosts
        if [each.lower() for each in headers.getlist("host")] not in [[each] for each in hosts]:
            raise Refused(
                400,
                "foreign-host",
                f"this is not {headers.get('host', '')[:100] or 'a server without a name'}",
                "ask one of its own names, or add the name: workflow serve --allow-host NAME",
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"{way}://{host}" for host in hosts for way in _WAYS}:
            raise Refused(403, "foreign-origin", f"{origin[:100]} is not this page", "open the page of this server")
        site = headers.get("sec-fetch-site")
        # Somebody may follow a link to the page, and to nothing else.
        followed = scope["method"] == "GET" and not scope["path"].startswith(("/api/", "/metrics"))
        if site in ("cross-site", "same-site") and not (followed and headers.get("sec-fetch-mode") == "navigate"):
            raise Refused(403, "foreign-origin", "another page asked for this", "open the page of this server")

    async def _whole(self, scope: Scope, receive: Receive) -> Receive:
        """The request's body, as a whole: JSON, and not too large."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return receive
        limits = self._desk.rates.limits
        headers = Headers(scope=scope)
        said = headers.get("content-length", "")
        if said.isdecimal() and int(said) > limits.body:
            raise _too_large(limits.body)
        body = bytearray()
        try:
            async with asyncio.timeout(limits.patience):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        break
                    body += message.get("body", b"")
                    if len(body) > limits.body:
                        raise _too_large(limits.body)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise Refused(408, "too-slow", f"the body took more than {limits.patience:g} s", "send it again") from None
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != "application/json":
            raise Refused(
                415, "not-json", f"{kind[:60] or 'a body of no type'} is not JSON", "Content-Type: application/json"
            )
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return again


_WAYS = ("http", "https")


def _too_large(most: int) -> Refused:
    return Refused(413, "too-large", f"a body holds at most {most:,} bytes", "send less, or a file by `workflow run`")


__all__ = ["POLICY", "Guard"]
