"""Tapes: what a real model answered is played again, strictly, and a miss says what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.agents.asking import BOTH, Design, task, tool
from tests.agents.endpoint import ScriptedEndpoint, call, say, status
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Retry, State, agent, errors, workflow
from workflow_engine.agents import choose_model, open_runner
from workflow_engine.agents.models import Endpoint, Replay, Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.agents.tape import Tape
from workflow_engine.agents.tapeserver import RecordingServer
from workflow_engine.ports.agents import AgentTask

__all__ = ["clock", "ledger", "opened"]

KEY = "sk-canary-4711-do-not-show"
READ = tool("read", "what it says")


async def recorded(path: Path, wire: Wire, *, hear: Any = None) -> None:
    script = [call(("read", {"path": "a"})), say(f'{{"title": "{KEY}"}}', tokens=(30, 40))]
    async with ScriptedEndpoint(script, wire) as served:
        server = RecordingServer(Tape(path), served.endpoint(api_key=SecretStr(KEY)))
        runner = OpenAIAgentsRunner(Endpoint(server.base_url, "big", wire))
        await runner.run(task(tools=(READ,), hear=hear))
        await runner.close()
        server.close()
        assert served.requests[0].headers["authorization"] == f"Bearer {KEY}"


@BOTH
@pytest.mark.parametrize("hear", [None, [].append], ids=["whole", "streamed"])
async def test_what_was_recorded_is_played_again_by_nobody(wire: Wire, hear: Any, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    await recorded(path, wire, hear=hear)
    kept = json.loads(path.read_text())
    assert [each["wire"] for each in kept["calls"]] == [wire] * 2
    assert KEY not in path.read_text()
    runner = open_runner(Replay(path))
    answer = await runner.run(task(tools=(READ,), hear=hear))
    await runner.close()
    assert answer.value == Design(title="•••")
    assert answer.answered_by == ("replay/stand-in-1",)
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.cost) == (33, 45, 0.0)


@BOTH
async def test_a_miss_is_an_error_that_names_what_differs(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    await recorded(path, wire)
    runner = open_runner(Replay(path))
    with pytest.raises(errors.AgentFailed) as failed:
        await runner.run(task(tools=(tool("read", "something else"),)))
    await runner.close()
    assert not failed.value.retryable
    said = str(failed.value)
    assert 'was "what it says" and is "something else"' in said
    assert "workflow model record" in said
    assert ("messages.3.content" if wire == "chat" else "input.2.output") in said


class Note(State):
    n: int = 0
    text: str = ""


async def test_a_run_says_that_a_tape_answered(opened: Open, tmp_path: Path) -> None:
    @agent(writes="text", instructions="Write.", retry=Retry(1), model="of-the-node@nowhere")
    def write(n: int) -> str:
        return "Write."

    flow = workflow("flow", state=Note, edges=[START >> write >> END])
    path = tmp_path / "talk.json"
    request = {"messages": [{"content": "Write.", "role": "system"}, {"role": "user", "content": "Write."}]}
    async with ScriptedEndpoint([status(500), say("well")]) as served:
        server = RecordingServer(Tape(path), served.endpoint())
        runner = OpenAIAgentsRunner(Endpoint(server.base_url, "big", "chat"))
        given = AgentTask("write", "Write.", "Write.", str)
        with pytest.raises(errors.AgentFailed, match="500"):
            await runner.run(given)
        assert not path.exists(), "what failed is not kept"
        await runner.run(given)
        await runner.close()
        server.close()
    assert request["messages"] == json.loads(path.read_text())["calls"][0]["request"]["messages"]
    async with opened(flow, model=choose_model(f"replay:{path}", {"OPENAI_API_KEY": KEY}, None)) as engine:
        view = await engine.run(flow, {})
    assert (view.status, view.state.text, view.run.answered_by) == ("succeeded", "well", ("replay/stand-in-1",))


@pytest.mark.parametrize("text", ["", "[]", '{"calls": [{"wire": "soap"}]}', '{"calls": 3}'])
def test_what_is_no_tape_is_one_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    path.write_text(text)
    with pytest.raises(errors.UsageError, match="is no tape"):
        open_runner(Replay(path))


def test_a_tape_that_is_not_there_says_how_to_record_one() -> None:
    with pytest.raises(errors.ModelMissing, match="workflow model record"):
        choose_model("replay:nowhere.json", {}, None)
