"""The road a request takes: keys, headers, proxies, event loops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agents.asking import Design, ask, task, tool
from tests.agents.endpoint import ScriptedEndpoint, call, say
from workflow_engine.agents import open_runner
from workflow_engine.agents.models import Offline
from workflow_engine.agents.runner import OpenAIAgentsRunner


async def test_every_call_names_the_steps_key() -> None:
    script = [call(("read", {"path": "a"})), say('{"title": "t"}')]
    async with ScriptedEndpoint(script) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        await runner.run(task(tools=(tool("read", "x"),), key="r1/größe/2"))
        await runner.close()
    assert [request.headers["idempotency-key"] for request in served.requests] == [
        "r1/gr%C3%B6%C3%9Fe/2/1",
        "r1/gr%C3%B6%C3%9Fe/2/2",
    ]
    assert served.requests[0].headers["x-workflow-node"] == "design"


async def test_tasks_at_once_do_not_mix() -> None:
    async with ScriptedEndpoint([say('{"title": "t"}', model="m")] * 8) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        answers = await asyncio.gather(*(runner.run(task(key=f"k{n}")) for n in range(8)))
        await runner.close()
    assert [answer.usage.requests for answer in answers] == [1] * 8
    assert sorted(request.headers["idempotency-key"] for request in served.requests) == [f"k{n}/1" for n in range(8)]


async def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer = await ask(say('{"title": "t"}'))
    assert answer.value == Design(title="t")


def test_a_runner_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    path = tmp_path / "a.playbook.toml"
    path.write_text("[[rule]]\njson = { title = 't' }")
    runner = open_runner(Offline(path))
    for _ in range(2):
        assert asyncio.run(runner.run(task())).value == Design(title="t")
    asyncio.run(runner.close())


async def test_closing_twice_or_unused_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.playbook.toml"
    path.write_text("[[rule]]\njson = { title = 't' }")
    unused, used = open_runner(Offline(path)), open_runner(Offline(path))
    await used.run(task())
    for runner in (unused, used):
        await runner.close()
        await runner.close()
