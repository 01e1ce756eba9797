"""Tools over real loopback HTTP: called, told, refused, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.agents.asking import BOTH, Design, ask, failing, task, tool
from tests.agents.endpoint import ScriptedEndpoint, call, say
from workflow_engine import errors
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.ports.agents import Tool


@BOTH
async def test_tools_go_round_trip_and_are_told(wire: Wire) -> None:
    told: list[str] = []
    seen: list[Any] = []

    def read(arguments: Mapping[str, Any]) -> str:
        seen.append(arguments)
        return "def add(): ..."

    script = (call(("read", {"path": "calc.py"}), ("read", {"path": "b.py"})), say('{"title": "t"}'))
    given = task(tools=(tool("read", read),), tell=told.append)
    answer = await ask(*script, wire=wire, given=given)
    assert seen == [{"path": "calc.py"}, {"path": "b.py"}]
    assert told == ["read calc.py", "read b.py"]
    kinds = [item["item"] for item in answer.story]
    assert sorted(kinds) == ["message", "tool_call", "tool_call", "tool_result", "tool_result"]
    assert kinds[-1] == "message"
    assert {"path": "calc.py"} in [item.get("arguments") for item in answer.story]
    assert [item["text"] for item in answer.story if item["item"] == "tool_result"] == ["def add(): ..."] * 2


@pytest.mark.parametrize(
    ("answer", "arguments", "seen"),
    [
        ("error: no such file", {"path": "a"}, "error: no such file"),
        (KeyError("what"), {"path": "a"}, "error: read failed: KeyError: 'what'"),
        ("never", "{not json", "error: the arguments are not JSON"),
        ("never", "[1]", "error: the arguments are a JSON list, not an object"),
        ("never", '{"path": NaN}', "error: the arguments are not JSON"),
    ],
)
async def test_a_tools_mistake_is_told_to_the_model(answer: Any, arguments: Any, seen: str) -> None:
    result = await ask(call(("read", arguments)), say('{"title": "t"}'), given=task(tools=(tool("read", answer),)))
    [text] = [item["text"] for item in result.story if item["item"] == "tool_result"]
    assert text.startswith(seen)


async def test_arguments_that_no_request_can_carry_fail_the_visit() -> None:
    failed = await failing(call(("read", '{"path": "\\ud800"}')), given=task(tools=(tool("read", "x"),)))
    assert (failed.kind, failed.retryable) == ("model", True)


@pytest.mark.parametrize(
    "error", [errors.Infrastructure("the sandbox did not start"), errors.FenceLost("a later owner")]
)
async def test_a_tools_failure_that_no_model_can_mend_ends_the_turn(error: errors.WorkflowError) -> None:
    with pytest.raises(type(error)) as raised:
        await ask(call(("read", {"path": "a"}), ("read", {"path": "b"})), given=task(tools=(tool("read", error),)))
    assert raised.value is error


async def test_a_tool_nobody_offered_is_told_to_the_model() -> None:
    answer = await ask(call(("delete", {})), say('{"title": "t"}'), given=task(tools=(tool("read", "x"),)))
    assert answer.value == Design(title="t")


async def test_a_tool_with_free_keys_is_offered_loosely() -> None:
    loose = Tool("put", "puts", {"type": "object", "additionalProperties": {"type": "string"}}, tool("put", "ok").call)
    async with ScriptedEndpoint([say('{"title": "t"}')]) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        await runner.run(task(tools=(loose, tool("read", "x"))))
        await runner.close()
    strict = {each["function"]["name"]: each["function"].get("strict") for each in served.requests[0].body["tools"]}
    assert strict == {"put": False, "read": True}


async def test_turns_are_bounded() -> None:
    script = [call(("read", {"path": str(n)})) for n in range(9)]
    failed = await failing(*script, given=task(tools=(tool("read", "x"),), turns=3))
    assert failed.kind == "tool"
    assert failed.so_far is not None
    assert failed.so_far.usage.requests == 3
