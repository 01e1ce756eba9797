"""The scripted model and the scripted person, as a test of somebody's workflow uses them."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Question, Retry, State, agent, human, tool, workflow
from workflow_engine.testing import ScriptedPerson, scripted_model, uses

__all__ = ["clock", "ledger", "opened"]

SENT: list[str] = []


class Mail(State):
    topic: str
    text: str = ""
    ruling: Literal["good", "again"] | None = None


@tool(effect=True, approval="always")
def send(text: str) -> str:
    """Send it."""
    SENT.append(text)
    return "sent"


@agent(writes="text", instructions="Write a mail, and send it.", tools=[send], retry=Retry(1))
def write(topic: str) -> str:
    return topic


@human(writes="ruling")
def review(text: str) -> Question[Literal["good", "again"]]:
    return Question(text)


flow = workflow(
    "mail",
    state=Mail,
    edges=[START >> write >> review, review["good"] >> END, review["again"] >> write],
)


async def test_a_script_stands_in_for_the_model_and_for_the_person(opened: Open) -> None:
    SENT.clear()
    model = scripted_model(uses("send", text="hello"), "it is sent", "as it was", write=[])
    model = scripted_model(write=[uses("send", text="hello"), "it is sent", "as it was"])
    async with opened(flow, agents=model) as engine:
        person = ScriptedPerson(engine, {"write": ["approve"], "review": ["again", "good"]})
        view = await engine.run(flow, {"topic": "greet"})
        view = await person.see_through(view.id)
    assert (view.status, view.state.text, SENT) == ("succeeded", "as it was", ["hello"])
    assert [each.node for each in person.asked] == ["write", "review", "review"]
    assert view.run.answered_by == ("scripted",)


async def test_a_script_that_is_over_is_a_clear_failure(opened: Open) -> None:
    async with opened(flow, agents=scripted_model()) as engine:
        view = await engine.run(flow, {"topic": "greet"})
    assert "the script of write is over" in view.run.failed["write"].message


async def test_a_question_without_an_answer_fails_the_test(opened: Open) -> None:
    async with opened(flow, agents=scripted_model("hello")) as engine:
        view = await engine.run(flow, {"topic": "greet"})
        with pytest.raises(AssertionError, match="review asks"):
            await ScriptedPerson(engine, {}).see_through(view.id)
