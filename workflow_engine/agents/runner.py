"""The agent runner on openai-agents. Opening it costs nothing: SDK, connection and server come at the first task."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.agents.models import Endpoint, ModelChoice, Offline
from workflow_engine.ports.agents import AgentAnswer, AgentTask

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from workflow_engine.agents.server import PlaybookServer


class OpenAIAgentsRunner:
    """Runs agents on the chosen model. `call_limit` bounds one call to the endpoint, not the task.

    Any number of tasks may run at once, on one event loop at a time.
    """

    def __init__(self, choice: ModelChoice, call_limit: timedelta = timedelta(minutes=10)) -> None:
        self.choice = choice
        self._call_limit = call_limit
        self._client: AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: PlaybookServer | None = None

    async def run(self, task: AgentTask) -> AgentAnswer:
        # A second of imports, off the loop: other steps and heartbeats go on meanwhile.
        await asyncio.to_thread(import_module, "workflow_engine.agents.conversation")
        from workflow_engine.agents.conversation import converse

        return await converse(self._connected(), self.choice, task, self._call_limit)

    async def close(self) -> None:
        client, self._client = self._client, None
        server, self._server = self._server, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.close()
        if server is not None:
            await asyncio.to_thread(server.close)

    def _connected(self) -> AsyncOpenAI:
        """The client of this event loop. A pooled connection belongs to the loop it was opened on."""
        from workflow_engine.agents.connection import connect

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = connect(self._endpoint(), self._call_limit), loop
        return self._client

    def _endpoint(self) -> Endpoint:
        match self.choice:
            case Endpoint():
                return self.choice
            case Offline():
                from workflow_engine.agents.server import PlaybookServer

                try:
                    self._server = self._server or PlaybookServer(self.choice)
                except OSError as error:
                    raise errors.Infrastructure(f"the playbook's server cannot listen on 127.0.0.1: {error}") from error
                return Endpoint(self._server.base_url, self.choice.model, "responses")
