"""The ready workflows with several agents, by their playbooks: the newsroom, the desk and the release ticket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from graphs.desk import desk
from graphs.newsroom import newsroom
from graphs.ticket import Yard, ticket
from workflow_engine import Engine, Workflow, verify
from workflow_engine.agents import offline, open_runner
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import Crashed, crash_after

GRAPHS = Path(__file__).parents[2] / "graphs"


@asynccontextmanager
async def playing(flow: Workflow[Any], **given: Any) -> AsyncIterator[Engine]:
    runner = open_runner(offline(GRAPHS / f"{flow.name}.playbook.toml"))
    async with Engine.connect(workflows=[flow], agents=runner, **given) as engine:
        yield engine


@pytest.mark.parametrize("flow", [newsroom, desk, ticket], ids=lambda each: each.name)
def test_they_are_sound(flow: Workflow[Any]) -> None:
    assert verify(flow) == ()


async def test_an_editor_has_two_writers_who_have_a_researcher() -> None:
    async with playing(newsroom, ledger=MemoryLedger()) as engine:
        view: Any = await engine.run(newsroom, topic="the harbour bridge")
        assert view.state.article.paragraphs == [
            "The harbour bridge opens on the first of May.",
            "The old bridge was closed in 1987 after a storm.",
        ]
        # two of the editor, two of each writer, two of each one's researcher
        assert view.history.steps[-1].usage.requests == 10


@pytest.mark.parametrize(
    ("mail", "text"),
    [
        ("Where is parcel 17?", "Your parcel is in Lyon since Tuesday."),
        ("What is invoice B2?", "Your invoice comes to 400 euros."),
        ("Please refund invoice A1", "Done: 30 euros of A1 are on their way back."),
    ],
)
async def test_the_desk_answers_what_it_knows(mail: str, text: str) -> None:
    async with playing(desk, ledger=MemoryLedger()) as engine:
        view: Any = await engine.run(desk, mail=mail)
        assert (view.status, view.state.reply.text) == ("succeeded", text)


@pytest.mark.parametrize(
    ("mail", "node", "answer", "text"),
    [
        ("Is my cat with you?", "colleague", {"text": "No cats here."}, "No cats here."),
        ("My card is 4111 1111 1111 1111", "colleague", {"text": "Never send that."}, "Never send that."),
        ("Where is parcel 18?", "parcels", "accept", "We are sorry: your parcel is lost."),
        ("Please refund invoice B2", "money", "approve", "Done: 400 euros of B2 are on their way back."),
        (
            "Please refund invoice B2",
            "money",
            {"choice": "reject", "reason": "too much"},
            "A colleague will write to you about your refund.",
        ),
    ],
)
async def test_the_desk_asks_a_person_where_it_should(mail: str, node: str, answer: Any, text: str) -> None:
    async with playing(desk, ledger=MemoryLedger()) as engine:
        view: Any = await engine.run(desk, mail=mail)
        [standing] = await engine.inbox()
        assert (view.status, standing.question.node) == ("waiting", node)
        await engine.answer(standing.question.id, answer, by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.state.reply.text) == ("succeeded", text)


def _yard(folder: Path) -> tuple[Yard, Any]:
    yard = Yard(folder / "deployments" / "log")

    @asynccontextmanager
    async def open_yard() -> AsyncIterator[Yard]:
        yield yard

    return yard, {Yard: open_yard}


async def _to_the_end(engine: Engine, word: str) -> None:
    for _ in range(5):
        for standing in await engine.inbox():
            await engine.answer(standing.question.id, word, by="anna")
            await engine.resume(standing.question.run)


@pytest.mark.parametrize(
    ("number", "word", "report", "count"),
    [
        (7, "approve", "Done: api 1.2 is up.", 1),
        (7, "reject", "Nothing was deployed: it was not allowed.", 0),
        (8, "approve", "Nothing was deployed: nobody has tested it.", 0),
    ],
)
async def test_a_ticket_is_deployed_with_a_persons_word_alone(
    tmp_path: Path, number: int, word: str, report: str, count: int
) -> None:
    yard, resources = _yard(tmp_path)
    async with playing(ticket, ledger=MemoryLedger(), resources=resources) as engine:
        view = await engine.run(ticket, number=number)
        assert yard.lines() == []
        await _to_the_end(engine, word)
        view = await engine.get(view.id)
        assert (view.status, view.state.report, len(yard.lines())) == ("succeeded", report, count)


@pytest.mark.parametrize("at", range(6, 17, 2))
async def test_killed_on_its_way_a_ticket_is_deployed_once(tmp_path: Path, at: int) -> None:
    yard, resources = _yard(tmp_path)
    kept = MemoryLedger()
    dying = crash_after(kept, at)
    async with playing(ticket, ledger=dying, resources=resources) as engine:
        with suppress(Crashed):
            await dying.until_crash(engine.run(ticket, number=7))
            await dying.until_crash(_to_the_end(engine, "approve"))
        assert dying.crashed
    async with playing(ticket, ledger=kept, resources=resources) as engine:
        await engine.recover()
        await _to_the_end(engine, "approve")
        [run] = await engine.runs()
        assert run.status == "succeeded"
    assert len(yard.lines()) == 1
