"""Ready-made tools in the hands of an agent: receipts, a person's word and doubt hold for them as for any other."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.agents.endpoint import ScriptedEndpoint, call, say
from tests.engine.conftest import Open, clock, ledger, opened
from tests.tools.site import Site, page
from workflow_engine import END, START, State, Workflow, agent, workflow
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.tools import file_tools, http_tool, sqlite_tools

__all__ = ["clock", "ledger", "opened"]


class Work(State):
    done: str = ""


def flow(*tools: Any) -> Workflow[Any]:
    @agent(writes="done", instructions="Work.", tools=tools)
    def work() -> str:
        return "go"

    return workflow("work", state=Work, edges=[START >> work >> END])


async def test_a_models_mistake_is_told_to_it_and_it_goes_on(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("forty-two")
    work = flow(*file_tools(tmp_path))
    asks = [call(("read_file", {"path": "../a.md"})), call(("read_file", {"path": "a.md"})), say("done")]
    async with ScriptedEndpoint(asks) as served:
        async with opened(work, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(work, {})
        assert view.status == "succeeded"
        results = [each["content"] for each in served.requests[-1].body["messages"] if each["role"] == "tool"]
        assert results[0].startswith("error: '../a.md' is not a path within the workspace")
        assert results[1] == "forty-two"


async def test_a_change_waits_for_a_person_and_is_made_once(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE orders (item TEXT)")
    work = flow(*sqlite_tools(path, write=["orders"]))
    asks = [call(("change", {"sql": "INSERT INTO orders VALUES ('tea')", "parameters": None})), say("done")]
    async with ScriptedEndpoint(asks) as served:
        async with opened(work, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
            view = await engine.run(work, {})
            assert view.status == "waiting"
            [standing] = await engine.inbox()
            await engine.answer(standing.question.id, "approve", by="anna")
            view = await engine.resume(view.id)
        assert view.status == "succeeded"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT item FROM orders").fetchall() == [("tea",)]


async def test_a_request_whose_end_is_not_known_asks_a_person(opened: Open) -> None:
    async with Site({"/orders": None}) as site:
        send = http_tool([site.url], methods=["POST"], approval="never", limit=timedelta(seconds=0.3))
        work = flow(send)
        given = {"method": "POST", "url": f"{site.url}/orders", "body": "{}", "content_type": "application/json"}
        async with ScriptedEndpoint([call(("send", given)), say("done")]) as served:
            async with opened(work, agents=OpenAIAgentsRunner(served.endpoint())) as engine:
                view = await engine.run(work, {})
                assert view.status == "waiting"
                [standing] = await engine.inbox()
                assert standing.question.choices == ("rerun", "accept", "fail")
                site.pages["/orders"] = page("made", status="201 Created")
                await engine.answer(standing.question.id, "rerun", by="anna")
                view = await engine.resume(view.id)
            assert view.status == "succeeded"
        [first, second] = [headers["idempotency-key"] for _, headers, _ in site.asked]
        assert first == second


def test_importing_the_tools_loads_no_client_of_anything() -> None:
    heavy = ("sqlite3", "httpx2", "mcp", "openai", "agents", "langgraph")
    asked = f"import sys, workflow_engine.tools; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
