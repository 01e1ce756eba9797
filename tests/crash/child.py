"""What the processes do that are killed: drive a run, answer its questions; and what they tell the world of it.

A process first tells what the store says ("found"), which is what the one before it left behind.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import jsonschema  # noqa: F401 (what the engine loads when it first needs it is loaded before the server forks)

from tests.crash.deaths import Death, Statements, mortal
from tests.crash.flows import FLOWS
from tests.crash.outside import Outside, done, stand
from tests.crash.planted import plant
from tests.crash.special import SPECIAL
from workflow_engine import Engine, verify
from workflow_engine.errors import WorkflowError
from workflow_engine.langgraph import scheme
from workflow_engine.ports.ledger import Ledger, Page
from workflow_engine.record.events import ItemFailed, ItemFinished, QuestionAnswered, StepFailed, StepFinished
from workflow_engine.record.ids import place_of, step_key
from workflow_engine.record.inbox import Standing

STORE = "runs.sqlite"
EVERY = {**FLOWS, **SPECIAL}

# Proved and compiled before the server forks, so that no child has to.
for _flow in EVERY.values():
    verify(_flow.workflow)
    scheme.scheme_of(_flow.workflow)


class Ears:
    """Tells the world what the engine acknowledges: an event is shown once it is durable."""

    def __init__(self, world: Outside) -> None:
        self._world = world

    def hear(self, run: str, event: Any) -> None:
        name = type(event).__name__
        if name in ("Began", "Said"):
            return
        facts = {
            key: getattr(event, key) for key in ("node", "visit", "question", "verb", "epoch") if hasattr(event, key)
        }
        if isinstance(event, ItemFinished | ItemFailed):
            facts["node"] = place_of(event.node, event.item)
        elif name == "QuestionAsked":
            facts["question"] = event.question.id
        elif name == "QuestionAnswered":
            facts["value"] = event.answer.value
        self._world.note("heard", run=run, event=name, **facts)


def acted(folder: Path, fault: str | None, act: Coroutine[Any, Any, None]) -> None:
    """Act in this process, told to the world if it goes wrong."""
    world = stand(folder)
    if fault is not None:
        plant(fault)
    try:
        asyncio.run(act)
    except BaseException as error:
        world.note("error", kind=type(error).__name__, text=str(error), trace=traceback.format_exc())
        raise SystemExit(1) from None


# ------------------------------------------------------------------------------------------------ driving


def drive(folder: Path, flow: str, executor: str, death: Death | None = None, fault: str | None = None) -> None:
    """Begin the run, or go on with the one that is there, until it rests."""
    acted(folder, fault, _drive(folder, flow, executor, death))


async def _drive(folder: Path, flow: str, executor: str, death: Death | None) -> None:
    world = stand(folder)
    ledger = await mortal(folder / STORE, death)
    told = EVERY[flow]
    async with Engine.connect(
        ledger=ledger, workflows=[told.workflow], listeners=[Ears(world)], executor=executor
    ) as engine:
        runs = await found(world, ledger)
        if runs:
            views = await engine.recover()
        else:
            views = [await engine.run(told.workflow, told.inputs)]
        for view in views:
            world.note("returned", run=view.id, status=view.status, values=dict(view.values))
        counted(world, "drive", ledger)
        await found(world, ledger)


def counted(world: Outside, role: str, ledger: Any) -> None:
    """Tell at how many places this process could have died."""
    world.note("places", role=role, write=ledger.writes, statement=Statements.count)


async def found(world: Outside, ledger: Ledger) -> list[str]:
    """Tell what the store says of each of its runs."""
    runs: dict[str, Any] = {}
    for listed in await ledger.runs(Page(limit=10_000)):
        snapshot = await ledger.read(listed.run)
        run = snapshot.run
        events = [each.event for each in await ledger.journal(listed.run)]
        standing = await ledger.questions(listed.run)
        runs[listed.run] = {
            "status": run.status,
            "seq": run.seq,
            "journal": len(events),
            "left": [
                [place_of(each.node, getattr(each, "item", None)), each.visit] for each in events if _leaves(each)
            ],
            "due": {node: run.frontier.visits[node] for node in run.frontier.due},
            "asked": [each.question.id for each in standing],
            "given": {each.question.id: each.answer.value for each in standing if each.answer is not None},
            "taken": [[each.question, each.answer.value] for each in events if isinstance(each, QuestionAnswered)],
            "values": {name: value.json() for name, value in snapshot.state.items()},
            "waits": [each.question.id for each in standing if each.status == "open" and each.answer is None],
        }
    world.note("found", runs=runs)
    return list(runs)


def _leaves(event: Any) -> bool:
    match event:
        case StepFinished() | ItemFinished():
            return True
        case StepFailed():
            return event.move is not None
        case ItemFailed():
            return event.final
        case _:
            return False


# ------------------------------------------------------------------------------------------------ answering


def answer(folder: Path, flow: str, death: Death | None = None, fault: str | None = None) -> None:
    """Answer every open question, as people would who can look at the world outside."""
    acted(folder, fault, _answer(folder, flow, death))


async def _answer(folder: Path, flow: str, death: Death | None) -> None:
    world = stand(folder)
    ledger = await mortal(folder / STORE, death)
    async with Engine.connect(ledger=ledger) as engine:
        for standing in await engine.inbox():
            value = reply(folder, flow, standing)
            try:
                await engine.answer(standing.question.id, value, by="ana")
            except WorkflowError as error:
                world.note("refused", question=standing.question.id, kind=type(error).__name__)
            else:
                world.note("answered", question=standing.question.id, run=standing.question.run, value=value)
        counted(world, "answer", ledger)


def reply(folder: Path, flow: str, standing: Standing) -> Any:
    """What a person answers: at each visit the same, and about an effect what is so."""
    asked = standing.question
    if asked.asks == "human":
        return EVERY[flow].answers[asked.node][asked.visit - 1]
    there = done(folder, step_key(asked.run, asked.node, asked.visit, asked.item))
    if there is None:
        return {"choice": "rerun"}
    (written,) = EVERY[flow].workflow.nodes[asked.node].writes if asked.item is None else ("value",)
    return {"choice": "accept", written: json.loads(json.dumps(there))}
