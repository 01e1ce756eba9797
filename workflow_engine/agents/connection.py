"""The connection to one endpoint: an OpenAI client that retries nothing, follows nobody and notes who answered."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import quote

import httpx2
from openai import AsyncOpenAI, Timeout

from workflow_engine import errors
from workflow_engine.agents import visit
from workflow_engine.agents.bounded import Bounded
from workflow_engine.agents.models import Endpoint, is_loopback
from workflow_engine.agents.server import NODE_HEADER
from workflow_engine.agents.streams import Streamed

# An answer larger than this is a fault of the endpoint, and reading it would be one of ours.
LARGEST_ANSWER = 32 * 2**20
# Servers without a key take any; the SDK takes none for a mistake.
_NO_KEY = "none"


def connect(endpoint: Endpoint, call_limit: timedelta) -> AsyncOpenAI:
    """A client for this endpoint. Every request names the step's key, every response is checked and noted."""
    near = is_loopback(endpoint.base_url)

    async def mark(request: httpx2.Request) -> None:
        asking = visit.current.get()
        if asking is None:
            return
        task = asking.visit.task
        if task.key:
            request.headers["Idempotency-Key"] = quote(asking.key or f"{task.key}/{asking.visit.turns}", safe="/:")
        # Node names are nobody's business outside this machine.
        if near:
            request.headers[NODE_HEADER] = quote(asking.agent or task.node)

    async def note(response: httpx2.Response) -> None:
        if not isinstance(response.stream, httpx2.AsyncByteStream):
            return
        response.stream = Bounded(response.stream, LARGEST_ANSWER, _too_large)
        asking = visit.current.get()
        if asking is None or response.status_code != 200:
            return
        if asking.streams and response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = Streamed(response.stream, asking, endpoint)
            return
        # openai-agents keeps the name that was asked for and drops the one that answered.
        asking.model = asking.visit.named(_answer(await response.aread(), endpoint).get("model"))

    http = httpx2.AsyncClient(
        # Loopback never goes through a proxy, whatever HTTP_PROXY says.
        trust_env=not near,
        # A redirect would carry prompts to an address nobody chose.
        follow_redirects=False,
        # Compressed, a small answer could unpack to an endless one.
        headers={"Accept-Encoding": "identity"},
        timeout=Timeout(call_limit.total_seconds(), connect=min(10.0, call_limit.total_seconds())),
        # A connection a local server closed meanwhile would fail a call for nothing; opening one there costs nothing.
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=0 if near else 100),
        event_hooks={"request": [mark], "response": [note]},
    )
    return AsyncOpenAI(
        api_key=endpoint.api_key.get_secret_value() if endpoint.api_key else _NO_KEY,
        base_url=endpoint.base_url,
        http_client=http,
        timeout=http.timeout,
        # Retries live in one layer, the engine's, where they are counted and journaled.
        max_retries=0,
    )


def _too_large() -> errors.AgentFailed:
    return _theirs(
        errors.AgentFailed(f"the endpoint's answer is larger than {LARGEST_ANSWER >> 20} MB and was not read")
    )


def _answer(content: bytes, endpoint: Endpoint) -> dict[str, object]:
    """The body of a 200, which must be a JSON object: the SDK would hand a web page on as if it were an answer."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        place = f"base_url of endpoint {endpoint.name}" if endpoint.name else "OPENAI_BASE_URL"
        raise _theirs(
            errors.AgentFailed(
                f"{endpoint.base_url} answered with something that is not JSON",
                f"check {place}; it usually ends in /v1",
            )
        )
    return body


def _theirs(failure: errors.AgentFailed) -> errors.AgentFailed:
    failure.theirs = True
    return failure
