"""`workflow model record` and what follows: a run against a real endpoint, and the same run from its tape."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Cli, Write
from tests.cli.test_choosing import PAIR
from workflow_engine.agents.models import Offline
from workflow_engine.agents.server import PlaybookServer

BOOK = '[[rule]]\nwhen.prompt = "about"\ntext = "blue"\n\n[[rule]]\nwhen.prompt = "after"\ntext = "deep"\n'


@pytest.fixture
def endpoint(write: Write, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlaybookServer]:
    """A real endpoint: a playbook's server stands in for one."""
    server = PlaybookServer(Offline(write("far/real.playbook.toml", BOOK)))
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_MODEL", "big")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    yield server
    server.close()


def test_a_run_is_recorded_and_played_again(
    cli: Cli, write: Write, endpoint: PlaybookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("pair.py", PAIR)
    write("mended", "")
    run = [sys.executable, "-m", "workflow_engine.cli", "run", "pair.py", "subject=sky", "--json"]
    typed = cli("model", "record", "talk.json", "--", *run)
    assert typed.code == 0, typed.err
    assert "2 calls recorded" in typed.err
    assert len(json.loads(Path("talk.json").read_text())["calls"]) == 2
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name)
    typed = cli("run", "pair.py", "subject=sky", "--model", "replay:talk.json", "--json")
    assert typed.code == 0, typed.err
    told = json.loads(typed.out)
    assert told["state"]["second"] == "deep"
    assert all(each.startswith("replay/") for each in told["answered_by"])
    typed = cli("run", "pair.py", "subject=sea", "--model", "replay:talk.json")
    assert typed.code == 1
    assert 'was "about sky" and is "about sea"' in typed.err + typed.out
