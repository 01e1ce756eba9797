"""The key: in no error, story, log or line."""

from __future__ import annotations

import logging
import traceback

import pytest
from pydantic import SecretStr

from tests.agents.asking import ask, task, tool
from tests.agents.endpoint import Script, ScriptedEndpoint, call, fault, raw, say, status
from workflow_engine import errors
from workflow_engine.agents import open_runner
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.runner import OpenAIAgentsRunner

CANARY = "sk-canary-4711-do-not-show"


@pytest.mark.parametrize(
    "script",
    [
        [status(401, {"error": {"message": f"Incorrect API key provided: {CANARY}"}})],
        [status(500, {"error": {"message": f"\x1b[31m{CANARY}"}})],
        [say(CANARY), say(CANARY), say(CANARY)],
        [call(("read", {"path": CANARY})), status(400, {"error": {"message": CANARY}})],
        [fault("cut")],
        [raw(CANARY.encode(), "text/plain")],
    ],
)
async def test_the_key_is_in_no_error_story_log_or_line(
    script: list[Script], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    caplog.set_level(logging.DEBUG)
    given = task(tools=(tool("read", f"the key is {CANARY}"),), tell=told.append)
    async with ScriptedEndpoint(script) as served:
        choice = served.endpoint(api_key=SecretStr(CANARY))
        runner = open_runner(choice)
        with pytest.raises(errors.AgentFailed) as raised:
            await runner.run(given)
        await runner.close()
    # It was really sent, so that what follows can fail.
    assert served.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    failed = raised.value
    shown = [
        repr(choice),
        str(failed),
        repr(failed),
        repr(failed.so_far),
        repr(vars(failed)),
        *told,
        repr(vars(runner)),
    ]
    shown += traceback.format_exception(failed)
    shown += [record.getMessage() for record in caplog.records]
    shown += list(capfd.readouterr())
    assert [text for text in shown if CANARY in text] == []
    assert "\x1b" not in str(failed)
    assert failed.__cause__ is None
    assert failed.__context__ is None


async def test_the_key_is_not_in_the_story_of_a_success() -> None:
    script = (call(("read", {"path": CANARY})), say('{"title": "t"}'))
    given = task(tools=(tool("read", f"got {CANARY}"),))
    answer = await ask(*script, given=given, api_key=SecretStr(CANARY))
    assert CANARY not in repr(answer)
    assert "•••" in repr(answer)


async def test_a_story_is_bounded_and_safe_to_print() -> None:
    script = (call(("read", {"path": "x" * 50_000})), say('{"title": "t"}', model="\x1b[2Jm" + "m" * 500))
    answer = await ask(*script, given=task(tools=(tool("read", "\x1b]0;evil\x07" + "y" * 50_000),)))
    assert len(repr(answer.story)) < 50_000
    assert "\x1b" not in str([item.get("text") for item in answer.story])
    assert "\x1b" not in "".join(answer.answered_by)
    assert max(map(len, answer.answered_by)) < 200


def test_a_key_goes_to_its_endpoint_as_a_secret() -> None:
    runner = OpenAIAgentsRunner(Endpoint("http://127.0.0.1:1/v1", "m", "chat", SecretStr(CANARY)))
    assert CANARY not in repr(vars(runner))
