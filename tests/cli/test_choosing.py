"""Which model answers and what code may do is chosen aloud, and stays chosen when a run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.flows import HEAD
from tests.cli.terminal import Cli, Write

PAIR = (
    HEAD
    + """
class Pair(State):
    subject: str
    first: str | None = None
    ready: bool = False
    second: str | None = None

@agent(writes="first", instructions="Write a line.")
def opening(subject: str) -> str:
    return f"about {subject}"

@function(writes="ready")
def check(first: str) -> bool:
    if not Path("mended").exists():
        raise RuntimeError("not yet")
    return True

@agent(writes="second", instructions="Write a line.")
def closing(first: str) -> str:
    return f"after {first}"

pair = workflow("pair", state=Pair, edges=[START >> opening >> check >> closing >> END])
"""
)
BOOK = '[[rule]]\nwhen.node = "opening"\ntext = "blue"\n\n[[rule]]\nwhen.node = "closing"\ntext = "deep"\n'

BOXED = (
    HEAD
    + """
from workflow_engine import Sandbox
from workflow_engine.sandbox import open_sandbox

class Boxed(State):
    said: str | None = None
    text: str | None = None

AGENT

@function(writes="text")
async def look(sandbox: Sandbox) -> str:
    return sandbox.name

boxed = workflow("boxed", state=Boxed, resources={Sandbox: open_sandbox}, edges=[START >> FIRST look >> END])
"""
)
WITHOUT_AGENT = BOXED.replace("AGENT\n", "").replace("FIRST ", "")
WITH_AGENT = BOXED.replace(
    "AGENT", '@agent(writes="said", instructions="Say something.")\ndef speak() -> str:\n    return "go on"\n'
).replace("FIRST ", "speak >> ")


@pytest.fixture
def failed(write: Write, cli: Cli) -> str:
    """A run on the playbook that failed between its two agents."""
    write("pair.py", PAIR)
    write("pair.playbook.toml", BOOK)
    typed = cli("run", "pair.py", "subject=sea", "--model", "offline", "--json")
    assert typed.code == 1
    Path("mended").touch()
    return str(typed.json["run"])


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real endpoint as far as anybody can tell; port 9 discards, and nothing listens there."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_MODEL", "some-model")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without bubblewrap."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_run_goes_on_with_the_model_it_was_begun_with(failed: str, endpoint: None, cli: Cli) -> None:
    typed = cli("resume", failed, "--json")
    assert typed.code == 0, typed.err
    assert typed.json["answered_by"] == ["offline-playbook/pair"]


def test_a_model_named_twice_is_a_chain(failed: str, endpoint: None, cli: Cli) -> None:
    typed = cli("resume", failed, "--model", "big", "--model", "small", "--json")
    assert typed.code == 1
    assert "no model of the chain answered" in typed.json["error"]["message"]
    offline = cli("resume", failed, "--model", "big", "--model", "offline")
    assert offline.code == 2
    assert "offline is no link of a chain" in offline.err


def test_a_count_of_one_has_no_plural(failed: str, cli: Cli) -> None:
    page = cli("show", failed, "1").out
    assert "1 request, " in page


def test_another_model_can_be_named_when_a_run_goes_on(failed: str, cli: Cli) -> None:
    typed = cli("resume", failed, "--model", "some-model")
    assert typed.code == 2
    assert "no endpoint to ask" in typed.err
    assert cli("show", failed, "--json").json["status"] == "failed"


def test_a_live_models_code_is_refused_without_a_sandbox(write: Write, cli: Cli, endpoint: None, bare: None) -> None:
    write("boxed.py", WITH_AGENT)
    typed = cli("run", "boxed.py")
    assert typed.code == 2
    assert "some-model" in typed.err
    assert "--allow-unsandboxed" in typed.err
    assert not Path("checkpoints").exists()


def test_known_code_runs_without_a_sandbox_and_says_so_loudly(write: Write, cli: Cli, bare: None) -> None:
    write("boxed.py", WITHOUT_AGENT)
    typed = cli("run", "boxed.py", "--json")
    assert typed.code == 0, typed.err
    assert "UNSANDBOXED" in typed.err
    write("play.py", WITH_AGENT.replace("boxed", "play"))
    write("play.playbook.toml", '[[rule]]\nwhen.node = "speak"\ntext = "hello"\n')
    played = cli("run", "play.py", "--model", "offline", "--json")
    assert played.code == 0, played.err
    assert "UNSANDBOXED: the playbook's code" in played.err
