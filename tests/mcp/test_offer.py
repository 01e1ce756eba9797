"""`workflow mcp`: workflows as tools of a real MCP client, over stdio and HTTP, that survive the server's death."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from workflow_engine import Engine
from workflow_engine.mcp.ear import Ear
from workflow_engine.mcp.offer import Offer
from workflow_engine.mcp.serve import server_of
from workflow_engine.targets import load

FLOW = '''
"""Order things, with a person's word for dear ones."""
from typing import Literal
from pydantic import BaseModel
from workflow_engine import END, FAIL, START, Question, State, function, human, route, workflow

class Item(BaseModel):
    name: str
    price: int

class Order(State):
    """An order of one thing."""
    item: Item
    times: int
    ruling: Literal["buy", "leave"] | None = None
    total: int = 0

@route
def dear(item: Item) -> Literal["dear", "cheap"]:
    return "dear" if item.price > 100 else "cheap"

@human(writes="ruling")
def ask(item: Item) -> Question[Literal["buy", "leave"]]:
    return Question(f"Buy {item.name}?")

@function(writes="total")
def buy(item: Item, times: int) -> int:
    print("bodies may print")
    return item.price * times

order = workflow("order", state=Order, edges=[
    START >> dear, dear["dear"] >> ask, dear["cheap"] >> buy, ask["buy"] >> buy, ask["leave"] >> FAIL("no"),
    buy >> END,
])
'''
TEA = {"item": {"name": "tea", "price": 3}, "times": 2}
CAR = {"item": {"name": "car", "price": 9000}, "times": 1}
HOUSE = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.py").write_text(FLOW)
    (tmp_path / "other.py").write_text(FLOW.replace('workflow("order"', 'workflow("other"'))
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "workflow_engine.cli", *words]


@asynccontextmanager
async def client(place: Path, *words: str) -> AsyncIterator[Client]:
    program, *arguments = command("mcp", "order.py", *words)
    env = {"PYTHONPATH": str(HOUSE)}
    asked = StdioServerParameters(command=program, args=arguments, cwd=place, env=env)
    with (place / "stderr.txt").open("a") as said:
        async with Client(stdio_client(asked, said), cache=None) as client:
            yield client


@asynccontextmanager
async def offered(place: Path, answer_as: str | None = None) -> AsyncIterator[Client]:
    """The same within this process: what is offered is the same whatever carries it."""
    flow, ear = load("order.py").workflow, Ear()
    async with Engine.connect(place / "runs.sqlite", workflows=[flow], listeners=[ear]) as engine:
        working = asyncio.create_task(engine.work())
        async with Client(server_of(Offer(engine, [flow], ear, answer_as=answer_as)), cache=None) as client:
            yield client
        engine.drain()
        await working


async def use(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments, progress_callback=arguments.pop("progress", None))
    [content] = result.content
    text: str = getattr(content, "text", "")
    return f"error: {text}" if result.is_error else json.loads(text)


async def test_a_workflow_is_started_waited_for_and_told(place: Path) -> None:
    async with offered(place) as asked:
        tools = {each.name: each for each in (await asked.list_tools()).tools}
        assert set(tools) == {"start_order", "run_result", "list_runs", "cancel_run"}
        schema = tools["start_order"].input_schema
        assert (schema["required"], set(schema["properties"])) == (["item", "times"], {"item", "times"})
        assert "An order of one thing." in (tools["start_order"].description or "")
        begun = await use(asked, "start_order", **TEA)
        heard: list[str] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            heard.append(message or "")

        result = await use(asked, "run_result", run=begun["run"], progress=progress)
        assert (result["status"], result["state"]["total"], result["questions"]) == ("succeeded", 6, [])
        assert [each["run"] for each in await use(asked, "list_runs")] == [begun["run"]]


async def test_wrong_calls_are_told_and_harm_nothing(place: Path) -> None:
    async with offered(place) as asked:
        for name, given in (
            ("start_order", {}),
            ("start_order", {**TEA, "times": "many"}),
            ("start_order", {**TEA, "total": 1_000_000}),
            ("start_order", {**TEA, "ruling": "buy"}),
            ("run_result", {"run": "nothing"}),
            ("run_result", {"run": "@last"}),
            ("run_result", {"run": "../../etc"}),
            ("run_result", {"run": "x" * 100_000}),
            ("answer_question", {"question": "x", "answer": "buy"}),
            ("no_such_tool", {}),
        ):
            assert str(await use(asked, name, **given)).startswith("error: "), (name, given)
        assert await use(asked, "list_runs") == []


async def test_a_run_outlives_the_server_and_a_question_is_not_a_callers_to_answer(place: Path) -> None:
    async with offered(place) as asked:
        run = (await use(asked, "start_order", **CAR))["run"]
        result = await use(asked, "run_result", run=run)
        assert (result["status"], [each["message"] for each in result["questions"]]) == ("waiting", ["Buy car?"])
        question = result["questions"][0]["question"]
        assert str(await use(asked, "answer_question", question=question, answer="buy")).startswith("error: ")
    async with offered(place, "desk") as asked:
        refused = await use(asked, "answer_question", question=question, answer="steal")
        assert refused.startswith("error: ")
        await use(asked, "answer_question", question=question, answer="buy")
        result = await use(asked, "run_result", run=run)
        assert (result["status"], result["state"]["total"]) == ("succeeded", 9000)
        assert str(await use(asked, "answer_question", question=question, answer="leave")).startswith("error: ")


async def test_runs_of_other_workflows_are_not_shown(place: Path) -> None:
    other = load("other.py").workflow
    async with Engine.connect(place / "runs.sqlite", workflows=[other]) as engine:
        run = await engine.start(other, CAR)
    async with offered(place) as asked:
        assert await use(asked, "run_result", run=run) == f"error: there is no run {run}\n  list_runs tells them"
        assert str(await use(asked, "cancel_run", run=run)).startswith("error: ")
        assert await use(asked, "list_runs") == []


async def test_over_http_it_wants_a_token_and_its_own_host(place: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(HOUSE), "WORKFLOW_MCP_TOKEN": "canary-token"}
    process = await asyncio.create_subprocess_exec(
        *command("mcp", "order.py", "--http", "0"), cwd=place, env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        said, url = "", ""
        while not url:
            line = (await process.stderr.readline()).decode()
            assert line, said
            said += line
            url = line.split()[-1] if "listening on" in line else ""
        assert url.startswith("http://127.0.0.1:")
        async with httpx2.AsyncClient(trust_env=False) as anybody:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "canary-token"}):
                assert (await anybody.post(url, json={}, headers=headers)).status_code == 401
            known = {"Authorization": "Bearer canary-token"}
            evil = {**known, "Host": "evil.example", "Content-Type": "application/json"}
            assert (await anybody.post(url, json={}, headers=evil)).status_code in (403, 421)
            evil = {**known, "Origin": "http://evil.example", "Content-Type": "application/json"}
            assert (await anybody.post(url, json={}, headers=evil)).status_code == 403
        async with (
            httpx2.AsyncClient(headers=known, trust_env=False, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http), cache=None) as asked,
        ):
            run = (await use(asked, "start_order", **TEA))["run"]
            assert (await use(asked, "run_result", run=run))["state"]["total"] == 6
        process.terminate()
        rest = (await process.stderr.read()).decode()
        assert await process.wait() == 0
        assert "canary-token" not in said + rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_killed_in_the_middle_of_a_run_it_goes_on_with_it_when_it_is_offered_again(place: Path) -> None:
    slow = FLOW.replace(
        'print("bodies may print")', "import time, pathlib; time.sleep(0 if pathlib.Path('go').exists() else 60)"
    )
    (place / "order.py").write_text(slow)
    run = ""
    try:
        async with client(place) as asked:
            run = (await use(asked, "start_order", **TEA))["run"]
            assert (await use(asked, "run_result", run=run, wait_seconds=1))["status"] in ("running", "queued")
            for folder in Path("/proc").glob("[0-9]*"):
                if os.path.samefile(folder / "cwd", place) if (folder / "cwd").exists() else False:
                    os.kill(int(folder.name), 9)
    except* Exception:
        pass
    (place / "go").touch()
    async with client(place) as asked:
        assert (await use(asked, "run_result", run=run))["state"]["total"] == 6
