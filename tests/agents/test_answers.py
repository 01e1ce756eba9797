"""Answers over real loopback HTTP: typed, asked again where they do not fit, told by whom."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tests.agents.asking import BOTH, Design, ask, completion, task, tool
from tests.agents.endpoint import ScriptedEndpoint, call, raw, say
from workflow_engine import errors
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.record.usage import Usage


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    since: date


@BOTH
@pytest.mark.parametrize(
    ("output", "text", "value"),
    [
        (Design, '{"title": "t", "parts": ["a"], "size": 2}', Design(title="t", parts=["a"], size=2)),
        (str, "plain words", "plain words"),
        (list[int], '{"response": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (int, '{"response": 7}', 7),
        (Cat | Dog, '{"response": {"kind": "dog", "since": "2024-01-31"}}', Dog(kind="dog", since=date(2024, 1, 31))),
        (Design | None, '{"response": null}', None),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (dict[str, Any], '{"response": [1]}', {"response": [1]}),
        (Design, '```json\n{"title": "t"}\n```', Design(title="t")),
        (Literal["yes", "no"], '{"response": "no"}', "no"),
    ],
)
async def test_an_answer_has_the_type_that_was_asked_for(wire: Wire, output: Any, text: str, value: Any) -> None:
    answer = await ask(say(text), wire=wire, given=task(output))
    assert answer.value == value
    assert type(answer.value) is type(value)


@BOTH
async def test_the_request_carries_schema_prompt_and_instructions(wire: Wire) -> None:
    async with ScriptedEndpoint([say('{"title": "t"}')], wire) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        await runner.run(task())
        await runner.close()
    [request] = served.requests
    form = request.body["response_format"]["json_schema"] if wire == "chat" else request.body["text"]["format"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["title", "parts", "size"]
    assert "You design." in str(request.body)
    assert "Design it." in str(request.body)
    assert request.body["model"] == "asked-for"


async def test_a_type_without_a_strict_schema_is_asked_for_loosely() -> None:
    async with ScriptedEndpoint([say('{"a": 1}')]) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        await runner.run(task(dict[str, int]))
        await runner.close()
    assert served.requests[0].body["response_format"]["json_schema"]["strict"] is False


@BOTH
async def test_who_answered_is_what_the_responses_say(wire: Wire) -> None:
    script = [
        call(("read", {"path": "a"}), model="big-2"),
        say("no json", model="big-2"),
        say('{"title": "t"}', model="small-1"),
    ]
    answer = await ask(*script, wire=wire, given=task(tools=(tool("read", "text"),)), model="big")
    assert answer.answered_by == ("big-2", "small-1")
    assert answer.usage == Usage(requests=3, input_tokens=9, output_tokens=15, cost=None)


async def test_a_task_may_name_its_own_model() -> None:
    async with ScriptedEndpoint([say('{"title": "t"}')]) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        await runner.run(task(model="its-own"))
        await runner.close()
    assert served.requests[0].body["model"] == "its-own"


async def test_a_response_without_a_model_name_is_answered_by_nobody_known() -> None:
    answer = await ask(completion({"content": '{"title": "t"}'}))
    assert answer.answered_by == ("unnamed",)
    assert answer.usage == Usage(requests=1)


async def test_what_a_model_thought_is_in_the_story() -> None:
    part = {"type": "output_text", "text": '{"title": "t"}', "annotations": []}
    said = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    thought = {"type": "reasoning", "id": "t", "summary": [{"type": "summary_text", "text": "hm"}]}
    body = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [thought, said]}
    needed = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    answer = await ask(raw(json.dumps(body | needed).encode()), wire="responses")
    assert [item["item"] for item in answer.story] == ["reasoning", "message"]


@BOTH
@pytest.mark.parametrize(
    "bad", ["not json", '{"title": 3}', "", '{"title": "t", "size": 12}', '{"title": "\\ud800"}', "[" * 50_000]
)
async def test_a_bad_answer_is_asked_again_with_the_error(wire: Wire, bad: str) -> None:
    async with ScriptedEndpoint([say(bad), say('{"title": "t"}')], wire) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        answer = await runner.run(task())
        await runner.close()
    assert answer.value == Design(title="t")
    again = str(served.requests[1].body)
    assert "That answer does not fit" in again
    assert "Design it." in again


@BOTH
async def test_an_answer_that_never_fits_is_given_up_after_two_repeats(wire: Wire) -> None:
    async with ScriptedEndpoint([say('{"size": 0}')] * 9, wire) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        with pytest.raises(errors.AgentFailed, match="did not fit Design in 3 tries") as failed:
            await runner.run(task())
        await runner.close()
    assert len(served.requests) == 3
    assert failed.value.kind == "validation"
    assert "title: Field required" in failed.value.what
    assert failed.value.so_far is not None
    assert failed.value.so_far.usage == Usage(3, 9, 15)
    assert failed.value.so_far.answered_by == ("stand-in-1",)


async def test_tool_calls_before_a_bad_answer_are_not_repeated() -> None:
    script = (call(("read", {"path": "a"})), say("bad"), say('{"title": "t"}'))
    answer = await ask(*script, given=task(tools=(tool("read", "x"),)))
    assert [item["item"] for item in answer.story] == ["tool_call", "tool_result", "message", "message"]


async def test_a_type_no_schema_can_say_is_refused_before_any_call() -> None:
    async with ScriptedEndpoint([]) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        with pytest.raises(errors.AgentFailed, match="no model can be asked for a") as failed:
            await runner.run(task(asyncio.Event))
        await runner.close()
    assert served.requests == []
    assert not failed.value.retryable
