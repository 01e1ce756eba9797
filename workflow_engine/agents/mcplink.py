"""A link to one MCP server: started when it is needed, started again when the server died, ended with the engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TextIO, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST

from workflow_engine.agents.bounded import Bounded
from workflow_engine.agents.mcpplan import ServerPlan
from workflow_engine.agents.mcpstdio import LONGEST_LINE, TOO_LONG, stdio
from workflow_engine.errors import Infrastructure, WorkflowError

T = TypeVar("T")
_LONG = 86_400.0
SAID = 2000
"""Bytes of a server's stderr that are kept, for the error when it does not start."""


class Died(Exception):
    """The server went away while it was asked. `unsent` where the question did certainly not reach it."""

    def __init__(self, *, unsent: bool) -> None:
        super().__init__("the server died")
        self.unsent = unsent


class Life:
    """One connection, in a task of its own that opens and closes it: cancel scopes insist on that."""

    def __init__(self, plan: ServerPlan, known: dict[str, str]) -> None:
        self._plan, self._known = plan, known
        self.written = 0
        self._stderr = b""
        self._over = asyncio.Event()
        self.opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
        self.task = asyncio.create_task(self._live(), name=f"mcp {plan.name}")

    @property
    def over(self) -> bool:
        """Whether there is nothing more to be asked of it."""
        return self._over.is_set() or self.task.done()

    def end(self) -> None:
        """Have it closed."""
        self._over.set()

    async def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What the server answers. Raises Died, and MCPError for what it refuses."""
        client = await asyncio.shield(self.opened)
        before = self.written
        asking = asyncio.ensure_future(question(client))
        try:
            await asyncio.wait({asking, self.task}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Died(unsent=self._unreached(before))
            return await asking
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self.end()
                await asyncio.wait({self.task}, timeout=0.5)  # it may know more of why
                raise Died(unsent=self._unreached(before)) from error
            if error.code == INVALID_REQUEST and "ession terminated" in error.message:
                self.end()
                raise Died(unsent=True) from error  # a server that began anew and knows nothing of us
            raise
        finally:
            if not asking.done():
                asking.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await asking

    def _unreached(self, before: int) -> bool:
        if self.written == before:
            return True
        failed = self.task.exception() if self.task.done() and not self.task.cancelled() else None
        return failed is not None and all(isinstance(each, httpx2.ConnectError) for each in _leaves(failed))

    async def _live(self) -> None:
        try:
            async with AsyncExitStack() as held:
                async with asyncio.timeout(self._plan.starting.total_seconds()):
                    client = await held.enter_async_context(Client(self._counted(), cache=None))
                self.opened.set_result(client)
                await self._over.wait()
        except BaseException as error:
            if not self.opened.done():
                self.opened.set_exception(self._problem(error))
            elif not self._over.is_set():
                raise  # asked about where it is waited for
        finally:
            self._over.set()

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[tuple[Any, Any]]:
        async with self._transport() as (read, write):
            yield read, _Counted(write, self)

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[tuple[Any, Any]]:
        plan = self._plan
        if plan.transport == "stdio":
            env = {**plan.env, **self._known}
            with _listening(self._hear) as errlog:
                async with stdio(plan.command, env, plan.cwd, errlog) as streams:
                    yield streams
            return
        # No end to silence here: each use of a tool has its own.
        timeout = httpx2.Timeout(plan.starting.total_seconds(), read=None)
        headers = {**plan.env, **self._known}
        if plan.transport == "sse":
            soon = plan.starting.total_seconds()
            async with sse_client(plan.url, headers, soon, _LONG, _plain_client) as streams:
                yield streams
            return
        async with (
            httpx2.AsyncClient(
                headers=headers, timeout=timeout, trust_env=False, event_hooks={"response": [_bound]}
            ) as client,
            streamable_http_client(plan.url, http_client=client, max_sse_event_size=LONGEST_LINE) as streams,
        ):
            yield streams

    def _hear(self, said: bytes) -> None:
        self._stderr = (self._stderr + said)[-SAID:]

    def _problem(self, error: BaseException) -> WorkflowError:
        if isinstance(error, WorkflowError):
            return error
        leaf = _leaves(error)[0]
        why = "it did not answer in time" if isinstance(leaf, TimeoutError) else str(leaf) or type(leaf).__name__
        said = self._stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return Infrastructure(
            self.masked(f"MCP server {self._plan.name!r} cannot be reached: {why}"), self.masked(said) or None
        )

    def masked(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._known.values():
            text = text.replace(secret, "***")
        return text


class Link:
    """The server, whichever life it is in."""

    def __init__(self, plan: ServerPlan) -> None:
        self.plan = plan
        self._known = plan.known()
        self._life: Life | None = None
        self.lives = 0

    def alive(self) -> Life:
        """A life that is not over."""
        if self._life is None or self._life.over:
            self._life = Life(self.plan, self._known)
            self.lives += 1
        return self._life

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        if self._life is not None:
            self._life.end()
            if not self._life.opened.done():
                self._life.task.cancel()
            await asyncio.gather(self._life.task, return_exceptions=True)


class _Counted:
    """A stream to the server that counts what it took."""

    def __init__(self, stream: Any, life: Life) -> None:
        self._stream, self._life = stream, life

    async def send(self, item: Any) -> None:
        await self._stream.send(item)
        self._life.written += 1

    async def __aenter__(self) -> _Counted:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *told: Any) -> Any:
        return await self._stream.__aexit__(*told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _plain_client(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, trust_env=False)


async def _bound(response: httpx2.Response) -> None:
    # A stream of events is bounded event by event.
    if isinstance(response.stream, httpx2.AsyncByteStream) and "json" in response.headers.get("content-type", ""):
        response.stream = Bounded(response.stream, LONGEST_LINE, lambda: httpx2.StreamError(TOO_LONG))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


@contextmanager
def _listening(hear: Callable[[bytes], None]) -> Iterator[TextIO]:
    """A file for a child to write its stderr to: heard here, so that it neither fills the terminal nor a disk."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def read() -> None:
        try:
            said = os.read(reading, 65536)
        except BlockingIOError:
            return
        hear(said) if said else loop.remove_reader(reading)

    loop.add_reader(reading, read)
    try:
        with os.fdopen(writing, "w") as file:
            yield file
    finally:
        read()
        loop.remove_reader(reading)
        os.close(reading)
