"""The chat: a message is one run, however often its stream breaks, and nobody else's page says anything here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphs import chat as desk_chat
from tests.http.conftest import HERE, HOST, TOKEN, Served, client_of
from workflow_engine import END, START, Chat, Engine, State, function, workflow
from workflow_engine.agents import Sessions as Talks
from workflow_engine.agents import offline, open_sessions
from workflow_engine.http.app import app_of
from workflow_engine.http.desk import Desk
from workflow_engine.http.sessions import Sessions
from workflow_engine.http.tail import Tails
from workflow_engine.stores.memory import MemoryLedger

GRAPHS = Path(desk_chat.__file__).parent
PAGE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}


class Echo(State):
    said: str
    heard: str = ""


@function(writes="heard")
async def echo(said: str) -> str:
    return said.upper()


@function(writes="heard")
async def burst(said: str) -> str:
    raise ValueError("the kettle is empty")


echoing = workflow("echo", state=Echo, edges=[START >> echo >> END], chat=Chat("said", reply="heard"))
bursting = workflow("burst", state=Echo, edges=[START >> burst >> END], chat=Chat("said", reply="heard"))
silent = workflow("silent", state=Echo, edges=[START >> echo >> END])


@asynccontextmanager
async def chatting(tmp_path: Path, *workflows: Any) -> AsyncIterator[Served]:
    tails = Tails()
    chats = workflows or (desk_chat.chat,)
    async with Engine.connect(
        workflows=chats,
        listeners=[tails],
        ledger=MemoryLedger(),
        model=offline(GRAPHS / "chat.playbook.toml"),
        resources={Talks: open_sessions(f"sqlite:///{tmp_path}/talks.sqlite")},
    ) as engine:
        tails.attach(engine)
        names = {each.name: each for each in chats}
        hosts = frozenset({HOST})
        desk = Desk(engine, Sessions(engine, TOKEN, "ana"), tails, names, drives=True, hosts=hosts, cookie="w")
        app = app_of(desk)
        working = asyncio.create_task(engine.work())
        try:
            async with client_of(app, {"Authorization": f"Bearer {TOKEN}"}) as client:
                yield Served(app, desk, client)
        finally:
            tails.close()
            engine.drain()
            await working


async def ask(client: httpx.AsyncClient, words: str, headers: dict[str, str] | None = None, **more: str) -> Any:
    return await client.get("/api/chat/sse", params={"query": words, **more}, headers=headers)


def told(response: httpx.Response) -> list[tuple[str, dict[str, Any], str | None]]:
    """The events of a stream: name, data, id."""
    assert response.status_code == 200, response.text
    found = []
    for block in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"]), lines.get("id")))
    return found


async def test_a_message_is_answered_with_its_words_and_tools_as_they_come(tmp_path: Path) -> None:
    async with chatting(tmp_path) as served:
        events = told(await ask(served.client, "Where is parcel 17?", session="s", message="m1"))
    names = [name for name, _, _ in events]
    data = {name: data for name, data, _ in events}
    assert names[0] == "run_started"
    assert names.index("tool_started") < min(names.index("tool_completed"), names.index("text_delta"))
    assert names[-1] == "run_completed"
    assert (data["tool_started"]["tool"], data["tool_completed"]["result"]) == ("track", "in Lyon since Tuesday")
    assert data["run_completed"]["reply"] == "Parcel 17: in Lyon since Tuesday."
    assert "".join(each["text"] for name, each, _ in events if name == "text_delta") == data["run_completed"]["reply"]
    assert {id.partition(":")[0] for _, _, id in events if id is not None} == {data["run_started"]["run"]}


async def test_a_reconnect_goes_on_behind_what_was_seen_and_begins_nothing(tmp_path: Path) -> None:
    async with chatting(tmp_path) as served:
        first = told(await ask(served.client, "Where is parcel 17?"))
        run = first[0][1]["run"]
        journal = await served.engine.journal(run)
        seen = next(each.seq for each in journal if getattr(each.event, "call", "") == "t.call_1")
        again = told(await ask(served.client, "Where is parcel 17?", headers={"Last-Event-ID": f"{run}:{seen}"}))
        runs = (await served.client.get("/api/runs")).json()["items"]
    assert [name for name, _, _ in again] == [
        "run_started",
        "text_dropped",
        "tool_started",
        "tool_completed",
        "run_completed",
    ]
    assert again[-1][1] == first[-1][1]
    assert len(runs) == 1


async def test_a_message_sent_again_under_its_name_is_the_same_run_and_other_words_are_refused(tmp_path: Path) -> None:
    async with chatting(tmp_path, echoing) as served:
        both = await asyncio.gather(*(ask(served.client, "hello", session="s", message="m") for _ in range(4)))
        other = await ask(served.client, "something else", session="s", message="m")
        apart = await ask(served.client, "hello", session="t", message="m")
        runs = (await served.client.get("/api/runs")).json()["items"]
    assert {told(each)[-1][1]["reply"] for each in both} == {"HELLO"}
    assert len({told(each)[0][1]["run"] for each in both}) == 1
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    assert told(apart)[0][1]["run"] != told(both[0])[0][1]["run"]
    assert len(runs) == 2


async def test_a_person_who_is_asked_is_shown_and_the_answer_goes_on(tmp_path: Path) -> None:
    async with chatting(tmp_path) as served:
        asking = asyncio.create_task(ask(served.client, "I want my money back for parcel 18"))
        while not (questions := await served.engine.inbox()):  # noqa: ASYNC110 (somebody who looks now and then)
            await asyncio.sleep(0.02)
        question = questions[0].question.id
        await asyncio.sleep(0.3)  # what is wrongly told meanwhile is told
        await served.client.post(f"/api/questions/{question}/answer", json={"value": {"choice": "approve"}})
        events = told(await asking)
    data = {name: data for name, data, _ in events}
    used = [(name, each["tool"]) for name, each, _ in events if name.startswith("tool_")]
    asked = [name for name, _, _ in events].index("question")
    assert used.count(("tool_completed", "refund")) == 1
    assert "tool_completed" not in [name for name, each, _ in events[:asked] if each.get("tool") == "refund"]
    assert data["question"]["link"] == f"/#/inbox/{question}"
    assert data["question_closed"] == {"question": question}
    assert data["run_completed"]["reply"].endswith("are on their way back.")


async def test_a_talk_is_remembered_and_nobody_elses(tmp_path: Path) -> None:
    async with chatting(tmp_path) as served:
        await ask(served.client, "Where is parcel 17?", session="s")
        runs = (await served.client.get("/api/runs")).json()["items"]
        state = (await served.engine.get(runs[0]["run"])).values
    assert state["talk"] == "ana/s", "two people who choose one name have two talks"


async def test_a_run_that_fails_is_an_error_and_the_end(tmp_path: Path) -> None:
    async with chatting(tmp_path, bursting) as served:
        *_, (name, data, _) = told(await ask(served.client, "tea"))
    assert (name, data["status"]) == ("error", "failed")
    assert "the kettle is empty" in data["message"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"query": ""}, 422),
        ({"query": " "}, 422),
        ({"query": "x" * 16_001}, 422),
        ({"query": "x", "workflow": "nobody"}, 404),
        ({"query": "x", "workflow": "silent"}, 422),
        ({"query": "x", "session": "a\nb"}, 422),
        ({"query": "x"}, 200),
    ],
)
async def test_what_makes_no_sense_is_refused_and_begins_nothing(
    params: dict[str, str], status: int, tmp_path: Path
) -> None:
    async with chatting(tmp_path, echoing, silent) as served:
        response = await served.client.get("/api/chat/sse", params=params)
        assert response.status_code == status, response.text
        assert len((await served.client.get("/api/runs")).json()["items"]) == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (PAGE, 200),
        ({}, 403),  # a browser too old to say where it comes from
        ({**PAGE, "sec-fetch-site": "cross-site"}, 403),
        ({**PAGE, "sec-fetch-site": "same-site"}, 403),  # another port of this machine
        ({**PAGE, "sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 403),
        ({**PAGE, "sec-fetch-dest": "image"}, 403),
        ({**PAGE, "sec-purpose": "prefetch;prerender"}, 403),
        ({**PAGE, "purpose": "prefetch"}, 403),
        ({**PAGE, "origin": "http://127.0.0.1:9999"}, 403),
        ({**PAGE, "host": "evil.example"}, 400),
    ],
)
async def test_a_browsers_session_speaks_only_from_a_page_of_this_server(
    headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    async with chatting(tmp_path, echoing) as served:
        cookie, _ = await served.desk.sessions.enter(TOKEN)
        async with served.stranger(**headers) as browser:
            browser.cookies.set("w", cookie)
            assert (await ask(browser, "hello")).status_code == status
        assert len((await served.client.get("/api/runs")).json()["items"]) == (1 if status == 200 else 0)


async def test_only_who_may_begin_runs_chats(tmp_path: Path) -> None:
    async with chatting(tmp_path, echoing) as served:
        token = await served.engine.enrol("ben")
        async with served.stranger() as nobody, served.stranger(token) as ben:
            assert (await ask(nobody, "hello")).status_code == 401
            assert (await ask(ben, "hello")).status_code == 403
        head = await served.client.head("/api/chat/sse", params={"query": "x"})
        assert head.status_code == 405


async def test_last_event_ids_that_are_forged_begin_a_message_or_are_refused(tmp_path: Path) -> None:
    async with chatting(tmp_path, echoing, bursting) as served:
        others = told(await ask(served.client, "x", workflow="burst"))[0][1]["run"]
        for last, status in (("nonsense", 200), ("x:-1", 200), (f"{others}:1", 404), ("nobody:5", 404)):
            response = await ask(served.client, "hello", workflow="echo", headers={"Last-Event-ID": last})
            assert response.status_code == status, last
        assert len((await served.client.get("/api/runs")).json()["items"]) == 3


async def test_the_workflows_say_which_are_chats_and_the_page_is_there(tmp_path: Path) -> None:
    async with chatting(tmp_path, echoing, silent) as served:
        listed = (await served.client.get("/api/workflows")).json()
        page = await served.client.get("/chat")
    assert {each["name"]: each["chat"] for each in listed} == {"echo": True, "silent": False}
    assert page.status_code == 200
    assert '<script type="module" src="page/chat.js">' in page.text
    assert " style=" not in page.text
    assert HERE not in page.text
