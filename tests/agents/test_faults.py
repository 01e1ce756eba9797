"""Faults of an endpoint: each has a kind, says whether to retry, and is met once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.agents.asking import BOTH, completion, failing, task
from tests.agents.endpoint import Script, ScriptedEndpoint, fault, raw, say, status
from workflow_engine import errors
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner


@BOTH
@pytest.mark.parametrize(
    ("script", "kind", "retryable", "says"),
    [
        (status(401), "infrastructure", False, "OPENAI_API_KEY"),
        (status(403), "infrastructure", False, "OPENAI_API_KEY"),
        (status(404, {"error": {"message": "no such model"}}), "model", False, "no such model"),
        (status(400, {"error": {"message": "too long"}}), "model", False, "too long"),
        (status(400, {"error": {"message": "locked", "code": "conversation_locked"}}), "model", False, "locked"),
        (status(422, {"detail": [{"msg": "bad field"}]}), "model", False, "bad field"),
        (status(429), "rate_limit", True, "429"),
        (status(429, {"error": {"message": "x", "code": "insufficient_quota"}}), "rate_limit", False, "no credit"),
        (status(408), "timeout", True, "408"),
        (status(409), "infrastructure", True, "409"),
        (status(500), "infrastructure", True, "500"),
        (status(503, b"<html>teapot</html>", X="1"), "infrastructure", True, "503"),
        (status(307, Location="http://192.0.2.1/v1"), "infrastructure", False, "redirects are not followed"),
        (fault("cut"), "infrastructure", True, "broke off"),
        (fault("drop"), "infrastructure", True, "broke off"),
        (raw(b"<html>hello</html>", "text/html"), "model", True, "not JSON"),
        (raw(b'{"id": "c"'), "model", True, "not JSON"),
        (raw(b"[]"), "model", True, "not JSON"),
        (raw(b"data: {}\n\n", "text/event-stream"), "model", True, "not JSON"),
        (raw(b"{}"), "model", True, "makes no sense"),
        (raw(b'{"choices": 3, "output": 3}'), "model", True, "makes no sense"),
        (raw(b'{"error": {"message": "overloaded"}}'), "model", True, "makes no sense"),
        (raw(b"{" + b" " * (33 * 2**20) + b"}"), "model", True, "larger than 32 MB"),
    ],
)
async def test_a_fault_of_the_endpoint_has_a_kind_and_a_cure(
    wire: Wire, script: Script, kind: str, retryable: bool, says: str
) -> None:
    async with ScriptedEndpoint([script, say('{"title": "never"}')], wire) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        with pytest.raises(errors.AgentFailed) as raised:
            await runner.run(task())
        await runner.close()
    failed = raised.value
    assert (failed.kind, failed.retryable) == (kind, retryable), str(failed)
    assert says in str(failed)
    # Retries live in one layer, and it is not this one.
    assert len(served.requests) == 1
    assert failed.so_far is not None
    assert failed.so_far.usage.requests == 1


@pytest.mark.parametrize("what", ["hang", "drip"])
async def test_an_endpoint_that_never_finishes_is_a_time_out(what: Any) -> None:
    failed = await failing(fault(what), limit=timedelta(milliseconds=80))
    assert (failed.kind, failed.retryable) == ("timeout", True)


async def test_an_endpoint_nobody_serves_is_infrastructure() -> None:
    async with ScriptedEndpoint([]) as served:
        gone = served.endpoint()
    runner = OpenAIAgentsRunner(gone)
    with pytest.raises(errors.AgentFailed, match="cannot be reached") as failed:
        await runner.run(task())
    await runner.close()
    assert (failed.value.kind, failed.value.retryable) == ("infrastructure", True)
    assert "OPENAI_BASE_URL" in (failed.value.cure or "")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "1.5"}, 1.5),
        ({"retry_after_ms": "250", "Retry_After": "7"}, 0.25),
        ({"Date": "Sat, 31 Jan 2026 09:30:00 GMT", "Retry_After": "Sat, 31 Jan 2026 09:31:00 GMT"}, 60.0),
        ({"Retry_After": "Sat, 31 Jan 2026 09:31:00 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "-3"}, 0.0),
    ],
)
async def test_how_long_to_wait_is_carried(headers: dict[str, str], seconds: float | None) -> None:
    failed = await failing(status(429, **headers))
    assert failed.retry_after == seconds


async def test_a_refusal_is_not_an_answer() -> None:
    failed = await failing(completion({"content": None, "refusal": "I will not"}))
    assert (failed.kind, failed.retryable) == ("model", False)
    assert "I will not" in str(failed)


async def test_a_cancelled_visit_is_cancelled_not_failed() -> None:
    async with ScriptedEndpoint([fault("hang")]) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        visiting = asyncio.create_task(runner.run(task()))
        await served.asked.wait()
        visiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await visiting
        await runner.close()
