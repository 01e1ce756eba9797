"""Sessions: an agent that is talked with again and again, whose turns are kept once and never lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.agents.endpoint import ScriptedEndpoint, say
from tests.agents.runners import EVERY, Kind
from tests.engine.conftest import KeptLedger, Open, clock, ledger, opened
from workflow_engine import END, START, State, Workflow, agent, verify, workflow
from workflow_engine.agents import Asking, Sessions, function_runner, open_sessions
from workflow_engine.testing import Crashed, crash_after

__all__ = ["clock", "ledger", "opened"]


class Chat(State):
    customer: str
    says: str
    reply: str = ""


def chat(folder: Path, **given: Any) -> Workflow[Any]:
    @agent(writes="reply", instructions="Talk.", session="customer")
    def talk(customer: str, says: str) -> str:
        return says

    resources: dict[type, Any] = {Sessions: open_sessions(f"sqlite:///{folder}/talks.sqlite", **given)}
    return workflow("chat", state=Chat, edges=[START >> talk >> END], resources=resources)


def echo(asking: Asking) -> str:
    return " | ".join(str(each["content"]) for each in asking.messages)


@EVERY
async def test_what_was_said_in_earlier_runs_goes_before_the_prompt(opened: Open, tmp_path: Path, kind: Kind) -> None:
    flow = chat(tmp_path)
    async with ScriptedEndpoint([say("Hello Ann"), say("You are Ann")], kind.wire) as served:
        async with opened(flow, agents=kind.made(served, timedelta(seconds=30))) as engine:
            await engine.run(flow, customer="ann", says="I am Ann")
            await engine.run(flow, customer="ann", says="Who am I?")
        text = str(served.requests[1].body)
        assert text.index("I am Ann") < text.index("Hello Ann") < text.index("Who am I?")


async def test_each_key_is_a_conversation_of_its_own_and_outlives_the_process(opened: Open, tmp_path: Path) -> None:
    for key in (None, SecretStr("a long and secret word, kept elsewhere")):
        folder = tmp_path / ("plain" if key is None else "encrypted")
        flow = chat(folder, key=key)
        async with opened(flow, agents=function_runner(echo)) as engine:
            await engine.run(flow, customer="ann", says="a")
            await engine.run(flow, customer="bob", says="b")
        async with opened(flow, agents=function_runner(echo)) as engine:
            view = await engine.run(flow, customer="ann", says="c")
            assert view.state.reply == "a | a | c"
        assert (b"content" in (folder / "talks.sqlite").read_bytes()) == (key is None)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_every_write_a_turn_is_kept_once(opened: Open, tmp_path: Path, when: Any) -> None:
    at, crashed = 1, True
    while crashed:
        at += 1
        crashed = False
        flow, kept = chat(tmp_path / str(at)), KeptLedger()
        dying = crash_after(kept, at, when=when)
        async with opened(flow, agents=function_runner(echo), ledger=dying) as engine:
            try:
                await dying.until_crash(engine.run(flow, customer="ann", says="a"))
            except Crashed:
                crashed = True
        async with opened(flow, agents=function_runner(echo), ledger=kept) as engine:
            await engine.recover()
            [run] = await engine.runs()
            assert run.status == "succeeded"
            view = await engine.run(flow, customer="ann", says="b")
            assert view.state.reply == "a | a | b", at
    assert at > 4


async def test_a_fork_is_a_turn_of_its_own(opened: Open, tmp_path: Path) -> None:
    flow = chat(tmp_path)
    async with opened(flow, agents=function_runner(echo)) as engine:
        view = await engine.run(flow, customer="ann", says="a")
        forked = await engine.fork(view.id, {"says": "b"}, at=0)
        assert forked.state.reply == "a | a | b"
        again = await engine.run(flow, customer="ann", says="c")
        assert again.state.reply == "a | a | b | a | a | b | c"


def test_a_session_without_a_key_or_a_place_is_a_finding() -> None:
    @agent(writes="reply", instructions="Talk.", session="customer")
    def talk(says: str) -> str:
        return says

    found = verify(workflow("chat", state=Chat, edges=[START >> talk >> END]))
    assert [each.code for each in found] == ["W427", "W427"]
