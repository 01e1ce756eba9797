"""An app, served: on one socket, until it is told to stop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from workflow_engine.http.rates import Limits

BACKLOG = 1_024


def bound_to(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError where the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)  # before anybody is told the address
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    app: ASGIApp, bound: socket.socket, limits: Limits, ready: Callable[[Callable[[], None]], None]
) -> None:
    """Serve until what `ready` is given is called: then requests under way end; streams are to end by themselves."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=3,
    )
    running = _Quiet(config)

    def stop() -> None:
        running.should_exit = True

    ready(stop)
    try:
        await running.serve(sockets=[bound])
    finally:
        bound.close()


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the command it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
