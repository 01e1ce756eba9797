"""The agent runner on openai-agents. Opening it costs nothing: SDK, connection and server come at the first task."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.agents.failover import Now, Standing, utc_now
from workflow_engine.agents.models import BREAKER, Chain, Endpoint, ModelChoice, Offline, Replay, links_of
from workflow_engine.agents.tape import Tape
from workflow_engine.ports.agents import AgentAnswer, AgentTask

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from workflow_engine.agents.server import PlaybookServer
    from workflow_engine.agents.tapeserver import TapeServer


class OpenAIAgentsRunner:
    """Runs agents on the chosen models. `call_limit` bounds one call to an endpoint, not the task.

    Any number of tasks may run at once, on one event loop at a time. `now` is the clock of the breakers.
    """

    def __init__(
        self, choice: ModelChoice, call_limit: timedelta = timedelta(minutes=10), *, now: Now = utc_now
    ) -> None:
        self.choice = choice
        self.call_limit = call_limit
        self.standing = Standing(choice.breaker if isinstance(choice, Chain) else BREAKER, now)
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: PlaybookServer | TapeServer | None = None

    async def run(self, task: AgentTask) -> AgentAnswer:
        # A second of imports, off the loop: other steps and heartbeats go on meanwhile.
        await asyncio.to_thread(import_module, "workflow_engine.agents.conversation")
        from workflow_engine.agents.conversation import converse

        return await converse(self, task)

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        server, self._server = self._server, None
        if self._loop is asyncio.get_running_loop():
            for client in clients.values():
                await client.close()
        if server is not None:
            await asyncio.to_thread(server.close)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every key that may be sent: it is taken out of all that is kept or shown."""
        if isinstance(self.choice, Offline | Replay):
            return ()
        chain = self.choice if isinstance(self.choice, Chain) else Chain((self.choice,))
        every = (*chain.links, *chain.named.values())
        return tuple({each.api_key.get_secret_value(): None for each in every if each.api_key is not None})

    def links(self, asked: str | None) -> tuple[Endpoint, ...]:
        """The models a node asks, in their order. Raises UsageError for a name that nobody knows."""
        choice = self.choice
        if not isinstance(choice, Offline | Replay):
            return links_of(choice, asked)
        try:
            self._server = self._server or _server(choice)
        except OSError as error:
            raise errors.Infrastructure(f"the server of {choice} cannot listen on 127.0.0.1: {error}") from error
        if isinstance(choice, Offline):
            return (Endpoint(self._server.base_url, choice.model, "responses"),)
        return (Endpoint(self._server.base_url, str(choice), Tape.read(choice.tape).wire),)

    def client(self, endpoint: Endpoint) -> AsyncOpenAI:
        """The client of an endpoint, on this event loop. A pooled connection belongs to the loop it was opened on."""
        from workflow_engine.agents.connection import connect

        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._clients, self._loop = {}, loop
        at = (endpoint.base_url, endpoint.name)
        if at not in self._clients:
            self._clients[at] = connect(endpoint, self.call_limit)
        return self._clients[at]


def _server(choice: Offline | Replay) -> PlaybookServer | TapeServer:
    """What answers on this machine. Raises UsageError for a tape that is none."""
    if isinstance(choice, Offline):
        from workflow_engine.agents.server import PlaybookServer

        return PlaybookServer(choice)
    from workflow_engine.agents.tapeserver import TapeServer

    return TapeServer(Tape.read(choice.tape))
