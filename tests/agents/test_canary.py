"""The canary: keys of the environment and of a settings file are in no store, log, stream, error or tape."""

from __future__ import annotations

import logging
import os
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import ScriptedEndpoint, call, say, status
from workflow_engine import END, START, Engine, Retry, State, agent, workflow
from workflow_engine.agents import choose_model
from workflow_engine.ports.listener import Heard
from workflow_engine.settings import read_settings

FIRST = "sk-canary-4711-of-the-environment"
SECOND = "sk-canary-4712-of-the-file"
KEYS = (FIRST, SECOND)


class Note(State):
    n: int = 0
    text: str = ""
    other: str = ""


def echo(text: str) -> str:
    """Say it again."""
    return f"you said {text}"


@agent(writes="text", instructions="Write.", tools=[echo], retry=Retry(2, first=timedelta(milliseconds=1)))
def write(n: int) -> str:
    return "Write."


@agent(writes="other", instructions="Write.", retry=Retry(1), model="small@spare")
def fail(text: str) -> str:
    return "Write."


flow = workflow("flow", state=Note, edges=[START >> write >> fail >> END])


class Ear:
    deltas = True

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, run: Any, event: Any) -> None:
        self.heard.append(event)


async def test_no_key_is_anywhere_but_on_the_wire(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    ear = Ear()
    quoting = {"error": {"message": f"wrong key {FIRST} {SECOND}"}}
    async with (
        ScriptedEndpoint([call(("echo", {"text": FIRST})), status(401, quoting), status(500, quoting)]) as first,
        ScriptedEndpoint([say(f"it is {FIRST} and {SECOND}"), status(401, quoting)]) as second,
    ):
        settings = f'[endpoints.spare]\nbase_url = "{second.base_url}"\napi_key = "{SECOND}"\n'
        (tmp_path / "workflow.toml").write_text(settings)
        monkeypatch.setenv("OPENAI_API_KEY", FIRST)
        monkeypatch.setenv("OPENAI_BASE_URL", first.base_url)
        monkeypatch.setenv("OPENAI_MODEL", "big, small@spare")
        read = read_settings()
        choice = choose_model(None, read.environ(), None, read.named())
        store = tmp_path / "store" / "runs.sqlite"
        async with Engine.connect(store, workflows=[flow], model=choice, listeners=[ear]) as engine:
            view = await engine.run(flow, {})
            events = [each.event for each in await engine.journal(view.id)]
            # While the store is open, its write-ahead log is there as well.
            kept = b"".join(each.read_bytes() for each in store.parent.rglob("*") if each.is_file())
        assert first.requests[0].headers["authorization"] == f"Bearer {FIRST}"
        assert second.requests[0].headers["authorization"] == f"Bearer {SECOND}"
    assert view.status == "failed"
    assert "•••" in view.state.text, "an answer that quotes a key is kept without it"
    assert any(isinstance(each, Heard) for each in ear.heard)
    kept += b"".join(each.read_bytes() for each in store.parent.rglob("*") if each.is_file())
    with sqlite3.connect(store) as database:
        kept += "\n".join(database.iterdump()).encode()
    database.close()
    shown = [
        kept.decode("utf-8", "replace"),
        repr(read),
        repr(choice),
        f"{choice}",
        repr(events),
        repr(view),
        repr(view.run),
        repr(ear.heard),
        *(record.getMessage() for record in caplog.records),
        *capfd.readouterr(),
    ]
    assert [key for key in KEYS for text in shown if key in text] == []
    assert os.environ["OPENAI_API_KEY"] == FIRST
