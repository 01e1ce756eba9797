"""`workflow serve`: what it says, whom it lets in, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib import util
from pathlib import Path

import httpx2
import pytest

from workflow_engine.cli.serve import must_be_installed
from workflow_engine.cli.voice import trouble
from workflow_engine.errors import StoreError, UsageError
from workflow_engine.record.ids import RunId

HOUSE = Path(__file__).parents[2]
TOKEN = "drawn-at-random-for-this-test"


def test_it_tells_its_address_lets_in_whoever_knows_the_token_and_ends_its_streams(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "workflow_engine.cli",
        "serve",
        "--port",
        "0",
        "--store",
        str(tmp_path / "s.sqlite"),
    ]
    environment = {**os.environ, "WORKFLOW_SERVE_TOKEN": TOKEN, "PYTHONPATH": str(HOUSE)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = ""
            while (found := re.search(r"(http://127.0.0.1:\d+/)#token=(\S+)", told)) is None:
                told += process.stderr.readline()
                assert process.poll() is None, told
            assert "they go on in a worker" in told
            assert found[2] == TOKEN
            with httpx2.Client(base_url=found[1], timeout=30) as client:
                assert client.get("/").status_code == 200
                assert client.get("/api/runs").status_code == 401
                client.headers["Authorization"] = f"Bearer {TOKEN}"
                assert client.get("/api/runs").json() == {"items": [], "next": None}
                assert "server" not in client.get("/api/runs").headers
                with client.stream("GET", "/api/events") as stream:
                    lines = stream.iter_lines()
                    assert next(lines).startswith("retry:")
                    process.send_signal(signal.SIGINT)
                    list(lines)  # ends, and so does the server
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_a_missing_extra_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        must_be_installed()
    assert caught.value.cure == "pip install 'workflow-proof[serve]'"


def test_what_went_wrong_with_a_run_is_told_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    trouble(RunId("r1"), StoreError("the file says \x1b[31mred\x1b[0m", "look"))
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert said.startswith("run r1: the file says")
