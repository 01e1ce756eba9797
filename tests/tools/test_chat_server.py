"""The chat workspace of examples/: an agent reads and posts, and a post whose end is not known stands there once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import ScriptedEndpoint, call, say
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, State, Step, agent, workflow
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.spec.toolbox import Toolbox
from workflow_engine.tools import mcp_server

__all__ = ["clock", "ledger", "opened"]

SERVER = Path(__file__).parents[2] / "examples" / "chat_server.py"


def chat(mailbox: Path) -> Toolbox:
    return mcp_server(
        "chat",
        command=[sys.executable, str(SERVER), str(mailbox)],
        allow=["list_channels", "read_thread", "post_message"],
        reads=["list_*", "read_*"],
        in_doubt={"post_message": "rerun"},
        approval={"post_message": lambda channel: channel == "all"},
        prefix="chat_",
    )


def lines(mailbox: Path, channel: str) -> list[Any]:
    return [json.loads(line) for line in (mailbox / f"{channel}.jsonl").read_text().splitlines()]


async def test_an_agent_posts_and_asks_before_it_posts_to_all(opened: Open, tmp_path: Path) -> None:
    class Work(State):
        done: str = ""

    @agent(writes="done", instructions="Tell people.", tools=[chat(tmp_path / "mailbox")])
    def tell() -> str:
        return "the build is green"

    work = workflow("tell", state=Work, edges=[START >> tell >> END])
    script = [
        call(("chat_post_message", {"channel": "builds", "text": "green"})),
        call(("chat_post_message", {"channel": "all", "text": "green"})),
        say("told"),
    ]
    async with (
        ScriptedEndpoint(script) as served,
        opened(work, agents=OpenAIAgentsRunner(served.endpoint())) as engine,
    ):
        view = await engine.run(work, {})
        assert view.status == "waiting"
        assert [each["text"] for each in lines(tmp_path / "mailbox", "builds")] == ["green"]
        [standing] = await engine.inbox()
        await engine.answer(standing.question.id, "approve", by="anna")
        assert (await engine.resume(view.id)).status == "succeeded"
    assert [each["text"] for each in lines(tmp_path / "mailbox", "all")] == ["green"]


async def test_one_key_posts_once_and_no_channel_leads_out(tmp_path: Path) -> None:
    async with chat(tmp_path / "mailbox").open() as shelf:
        tools = {each.name: each for each in await shelf.tools()}
        assert "chat_list_users" not in tools

        async def use(name: str, key: str, **arguments: Any) -> str:
            return str(await tools[f"chat_{name}"].body(arguments=arguments, step=Step(key=key)))

        for key in ("k1", "k1", "k2"):
            await use("post_message", key, channel="builds", text=f"under {key}")
        assert [each["text"] for each in lines(tmp_path / "mailbox", "builds")] == ["under k1", "under k2"]
        for channel in ("../out", "/tmp/x", "", "A", "x" * 50):
            with pytest.raises(Exception, match="post_message"):
                await use("post_message", "k3", channel=channel, text="out")
        assert "builds" in await use("list_channels", "k4")
        await use("post_message", "k5", channel="builds", text="why?", thread=1)
        assert "why?" in await use("read_thread", "k6", channel="builds", number=1)
    assert [each.name for each in (tmp_path / "mailbox").iterdir()] == ["builds.jsonl"]
