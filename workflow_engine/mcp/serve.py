"""An offer, served: over standard input and output, or over HTTP on this machine's own address with a token."""

from __future__ import annotations

import hmac
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import anyio
import jsonschema
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from workflow_engine.errors import WorkflowError
from workflow_engine.mcp.offer import Offer

log = logging.getLogger("workflow_engine")
HOST = "127.0.0.1"
LARGEST = 4 * 2**20
"""Bytes of one request."""

Listening = Callable[[str, Callable[[], None]], None]
"""Told the address, and what ends the serving."""
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def server_of(offer: Offer, version: str = "") -> Server[Any]:
    """The MCP server of an offer."""
    tools = {each.name: each for each in offer.tools()}
    checks = {name: jsonschema.Draft202012Validator(dict(each.schema)) for name, each in tools.items()}

    async def listed(_: Any, __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=each.name,
                    description=each.description,
                    input_schema=dict(each.schema),
                    annotations=types.ToolAnnotations(read_only_hint=each.reads, destructive_hint=False),
                )
                for each in tools.values()
            ]
        )

    async def called(context: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        tool = tools.get(asked.name)
        if tool is None:
            return _wrong(f"there is no tool {asked.name[:60]!r}: there are {', '.join(tools)}")
        given = asked.arguments or {}
        problem = next(iter(sorted(checks[asked.name].iter_errors(given), key=str)), None)
        if problem is not None:
            where = ".".join(map(str, problem.path)) or "the arguments"
            return _wrong(f"{where}: {problem.message[:500]}")

        async def tell(progress: float, words: str) -> None:
            await context.session.report_progress(progress, None, words)

        try:
            value = await tool.call(given, tell)
        except WorkflowError as error:
            return _wrong(str(error))
        except Exception as error:  # ours, and no reason for the client to lose its server
            log.exception("the tool %s broke off", asked.name)
            return _wrong(f"{asked.name} broke off: {type(error).__name__}")
        text = json.dumps(value, ensure_ascii=False)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    return Server("workflow", version=version, on_list_tools=listed, on_call_tool=called)


def _wrong(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)


async def serve_stdio(server: Server[Any]) -> None:
    """Serve the one client at the other end of standard input and output, until it goes."""
    # For good, not only while it serves: a body that prints later must not write into what the client reads.
    coming = os.fdopen(os.dup(0), encoding="utf-8", errors="replace")
    going = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    async with stdio_server(anyio.wrap_file(coming), anyio.wrap_file(going)) as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


async def serve_http(server: Server[Any], port: int, token: str, listening: Listening) -> None:
    """Serve whoever holds the token, on this machine alone. Raises OSError where the port cannot be had."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    bound.listen()  # before anybody is told the address
    port = bound.getsockname()[1]
    hosts = [f"{HOST}:{port}", f"localhost:{port}"]
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{each}" for each in hosts])
    app = guarded(server.streamable_http_app(transport_security=security, max_request_body_size=LARGEST), token)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=2)
    running = _Quiet(config)

    def stop() -> None:
        running.should_exit = True

    listening(f"http://{HOST}:{port}/mcp", stop)
    try:
        await running.serve(sockets=[bound])
    finally:
        bound.close()


def guarded(app: Any, token: str) -> App:
    """The app, for those who say the token; nobody else is told what is there."""
    wanted = f"Bearer {token}".encode()

    async def guard(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        said = next((value for name, value in scope.get("headers", ()) if name == b"authorization"), b"")
        if scope["type"] == "http" and hmac.compare_digest(said, wanted):
            await app(scope, receive, send)
            return
        headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return guard


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the command it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
