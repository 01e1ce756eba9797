"""Sessions: an agent that is talked with again and again, whose turns are kept once and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread
from traceback import format_exception
from typing import Any

import pytest
from pydantic import SecretStr

from tests.agents.endpoint import ScriptedEndpoint, say
from tests.agents.runners import EVERY, Kind
from tests.engine.conftest import KeptLedger, Open, clock, ledger, opened
from workflow_engine import END, START, State, Workflow, agent, verify, workflow
from workflow_engine.agents import Asking, Sessions, function_runner, open_sessions
from workflow_engine.errors import Infrastructure, UsageError
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


@pytest.fixture(params=["sqlalchemy", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where conversations are kept: a database behind SQLAlchemy, or what speaks as Redis does."""
    if request.param == "sqlalchemy":
        yield f"sqlite+aiosqlite:///{tmp_path}/talks.sqlite"
        return
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()


SAID = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]


@pytest.mark.parametrize("key", [None, SecretStr("a long and secret word")], ids=["plain", "encrypted"])
async def test_by_url_a_turn_is_kept_once_and_read_in_another_process(url: str, key: SecretStr | None) -> None:
    async with open_sessions(url, key=key)() as sessions:
        await asyncio.gather(*(sessions.keep("ann", "run/1", SAID) for _ in range(3)))
        await sessions.keep("bob", "run/1", SAID[:1])
        assert await sessions.read("ann", "run/1") == [], "a turn does not hear itself"
    async with open_sessions(url, key=key)() as sessions:
        await sessions.keep("ann", "run/1", SAID)
        await sessions.keep("ann", "run/2", SAID)
        assert await sessions.read("ann", "run/3") == SAID * 2
        assert await sessions.read("ann", "run/2") == SAID


async def test_what_another_key_encrypted_is_an_error_and_not_nothing(url: str) -> None:
    async with open_sessions(url, key=SecretStr("a long and secret word"))() as sessions:
        await sessions.keep("ann", "run/1", SAID)
    for other in (SecretStr("another word, as long"), None):
        async with open_sessions(url, key=other)() as sessions:
            for asked in (sessions.read("ann", "run/2"), sessions.keep("ann", "run/2", SAID)):
                with pytest.raises(Infrastructure, match="was encrypted") as raised:
                    await asked
                assert not raised.value.retryable


@pytest.mark.parametrize(
    "nowhere",
    ["redis://:canary-pw@127.0.0.1:9/0", "sqlite+aiosqlite:////proc/no/talks", "nosuch+thing://x", "postgresql://x"],
)
async def test_sessions_that_cannot_be_reached_are_said_without_their_password(nowhere: str) -> None:
    async with open_sessions(nowhere)() as sessions:
        with pytest.raises((Infrastructure, UsageError), match="sessions at") as raised:
            await sessions.read("ann", "run/1")
    assert "canary-pw" not in "".join(format_exception(raised.value))


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
