"""An offline run: the playbook answers over the same road, nothing leaves the machine, nothing is loaded too early."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from agents.tracing import TracingProcessor, setup, trace
from agents.tracing.provider import DefaultTraceProvider
from pydantic import BaseModel

from workflow_engine import errors
from workflow_engine.agents import open_runner
from workflow_engine.agents.models import Offline
from workflow_engine.ports.agents import AgentTask, Tool, ToolUse
from workflow_engine.record.usage import Usage

PLAYBOOK = """
[[rule]]
when.node = "implement"
when.prompt = 'Request: (?P<request>.*)'
when.called = { tool = "write", arguments = { path = 'calc.py' } }
json = { files = ["calc.py"], note = "{request}" }

[[rule]]
when.node = "implement"
when.prompt = 'FAILED .*empty'
when.last_tool_result = 'def mean'
calls = [{ tool = "write", arguments = { path = "calc.py", text = "second" } }]

[[rule]]
when.node = "implement"
when.last_tool_result = 'def mean'
calls = [{ tool = "write", arguments = { path = "calc.py", text = "first" } }]

[[rule]]
when.node = "implement"
when.not_called = { tool = "read" }
calls = [{ tool = "read", arguments = { path = "calc.py" } }]
"""


class Patch(BaseModel):
    files: list[str]
    note: str


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "ship.playbook.toml"
    path.write_text(PLAYBOOK)
    return path


def implement(prompt: str, files: dict[str, str], **given: Any) -> AgentTask:
    async def read(use: ToolUse) -> str:
        return files.get(use.arguments["path"], f"error: there is no {use.arguments['path']}")

    async def write(use: ToolUse) -> str:
        files[use.arguments["path"]] = use.arguments["text"]
        return "wrote 1 file"

    def schema(*names: str) -> Mapping[str, Any]:
        return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}

    tools = (
        Tool("read", "reads a file", schema("path"), read),
        Tool("write", "writes a file", schema("path", "text"), write),
    )
    return AgentTask("implement", "You write patches.", prompt, Patch, tools, **given)


async def test_rules_branch_on_what_tools_and_tests_really_said(playbook: Path) -> None:
    runner = open_runner(Offline(playbook))
    files = {"calc.py": "def mean(): ..."}
    answer = await runner.run(implement("Request: add mean", files))
    assert files == {"calc.py": "first"}
    assert answer.value == Patch(files=["calc.py"], note="add mean")
    assert answer.answered_by == ("offline-playbook/ship",)
    assert answer.usage == Usage(requests=3, input_tokens=0, output_tokens=0, cost=0.0)

    files = {"calc.py": "def mean(): ..."}
    await runner.run(implement("Request: add mean\nFAILED test_empty", files))
    assert files == {"calc.py": "second"}
    await runner.close()


async def test_editing_the_files_between_visits_changes_what_the_playbook_says(playbook: Path) -> None:
    runner = open_runner(Offline(playbook))
    with pytest.raises(errors.AgentFailed) as failed:
        await runner.run(implement("Request: add mean", {}))
    await runner.close()
    assert (failed.value.kind, failed.value.retryable) == ("model", False)
    assert "last tool result: error: there is no calc.py" in failed.value.what
    assert "rule 3: last_tool_result does not match 'def mean'" in failed.value.what
    assert str(playbook) in (failed.value.cure or "")
    assert "\n  edit" in str(failed.value)


async def test_editing_the_playbook_changes_the_next_answer(playbook: Path) -> None:
    runner = open_runner(Offline(playbook))
    files = {"calc.py": "def mean(): ..."}
    await runner.run(implement("Request: add mean", files))
    playbook.write_text("[[rule]]\njson = { files = [], note = 'other' }")
    answer = await runner.run(implement("Request: add mean", files))
    assert answer.value == Patch(files=[], note="other")
    await runner.close()


async def test_a_playbook_that_answers_the_wrong_type_says_what_to_edit(playbook: Path) -> None:
    playbook.write_text("[[rule]]\njson = { files = 3 }")
    runner = open_runner(Offline(playbook))
    with pytest.raises(errors.AgentFailed, match="did not fit Patch") as failed:
        await runner.run(implement("x", {}))
    await runner.close()
    assert str(playbook) in (failed.value.cure or "")


def test_a_broken_playbook_is_refused_before_the_first_task(playbook: Path) -> None:
    playbook.write_text("rule = 3")
    with pytest.raises(errors.UsageError, match="not a playbook"):
        open_runner(Offline(playbook))


IMPORT = """
import sys
import workflow_engine.agents as room
from pathlib import Path
runner = room.open_runner(room.Offline(Path(sys.argv[1])))
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"agents", "openai", "httpx2", "httpx", "mcp"}))
"""


def test_importing_the_room_and_opening_a_runner_loads_no_sdk(playbook: Path) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT, playbook], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# Every address this process connects to or asks a resolver for, and every thread it leaves, printed at its very end.
WATCHED = """
import atexit, asyncio, socket, sys, threading
from pathlib import Path
met = set()
def watch(event, arguments):
    if event == "socket.connect":
        met.add(str(arguments[1]))
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto"):
        met.add(f"{event} {arguments[0]}")
sys.addaudithook(watch)
atexit.register(lambda: print(sorted(met), file=sys.__stdout__, flush=True))

from workflow_engine.agents import Offline, open_runner
from workflow_engine.errors import AgentFailed
from workflow_engine.ports.agents import AgentTask

async def main():
    runner = open_runner(Offline(Path(sys.argv[1])))
    answer = await runner.run(AgentTask("n", "i", "p", str))
    try:
        await runner.run(AgentTask("n", "i", "unknown", str))
    except AgentFailed as failed:
        assert failed.kind == "model"
    await runner.close()
    left = [thread.name for thread in threading.enumerate() if not thread.name.startswith(("MainThread", "asyncio"))]
    print(answer.value, left)

asyncio.run(main())
"""


def test_nothing_reaches_outside_whatever_keys_and_proxies_are_set(playbook: Path) -> None:
    playbook.write_text("[[rule]]\nwhen.not_prompt = 'unknown'\ntext = 'hello'")
    environ = {
        **os.environ,
        "OPENAI_API_KEY": "sk-canary",
        "OPENAI_BASE_URL": "http://192.0.2.1/v1",
        "OPENAI_ORG_ID": "org",
        "LANGSMITH_TRACING": "true",
        "HTTP_PROXY": "http://192.0.2.1:3128",
        "HTTPS_PROXY": "http://192.0.2.1:3128",
        "OPENAI_AGENTS_DISABLE_TRACING": "false",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", WATCHED, playbook],
        capture_output=True,
        text=True,
        env=environ,
        check=True,
    )
    said, met = done.stdout.splitlines()
    assert said == "hello []"
    assert ast.literal_eval(met), "the playbook itself was met"
    assert [place for place in ast.literal_eval(met) if "127.0.0.1" not in place] == []
    assert done.stderr == ""


async def test_many_tasks_at_once_are_answered(playbook: Path) -> None:
    runner = open_runner(Offline(playbook))
    many = [implement(f"Request: {n}", {"calc.py": "def mean"}) for n in range(30)]
    answers = await asyncio.gather(*map(runner.run, many))
    assert [answer.value.note for answer in answers] == [str(n) for n in range(30)]
    await runner.close()


class Recording(TracingProcessor):
    """A user's own processor, which our agents' prompts must not reach either."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_trace_start(self, trace: Any) -> None:
        self.seen.append(trace)

    def on_trace_end(self, trace: Any) -> None:
        self.seen.append(trace)

    def on_span_start(self, span: Any) -> None:
        self.seen.append(span)

    def on_span_end(self, span: Any) -> None:
        self.seen.append(span)

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...


async def test_a_users_own_tracing_neither_ends_nor_sees_our_agents(
    playbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, recording = DefaultTraceProvider(), Recording()
    provider.register_processor(recording)
    monkeypatch.setattr(setup, "GLOBAL_TRACE_PROVIDER", provider)
    runner = open_runner(Offline(playbook))
    await runner.run(implement("Request: add mean", {"calc.py": "def mean(): ..."}))
    await runner.close()
    assert recording.seen == []
    with trace("the user's own"):
        pass
    assert recording.seen != []
