"""Lives of a ticket agent in processes of their own, each of which may be killed; and what the world saw of them."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.agents.mind import Kill, Mind
from tests.processes import ended
from workflow_engine import END, START, Engine, State, Step, Workflow, agent, specialist, tool, workflow
from workflow_engine.agents.evidence import Call, Evidence
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.rules import Reply
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing.crash import kill, kill_after

MOST_LIVES = 12
NEVER = 10**9


@dataclass(frozen=True)
class Death:
    """Where a process dies: at a write of its store, inside a tool, or while its model is asked."""

    at: Literal["write", "read", "deploy", "model"]
    number: int
    when: Literal["before", "after"]

    def __str__(self) -> str:
        return f"{self.at}-{self.number}-{self.when}"


@dataclass(frozen=True)
class Variant:
    """One ticket agent. `deploys` are the services it is to deploy; `doubt` is what holds where nobody knows."""

    name: str
    deploys: tuple[str, ...] = ("api",)
    at_once: bool = False
    approval: Literal["always", "never"] = "always"
    doubt: Literal["ask", "rerun", "probe"] = "ask"
    wire: Literal["chat", "responses"] = "chat"
    nested: bool = False
    streams: bool = False

    def thinks(self, said: Evidence) -> Reply:
        """Read, then deploy what is to be deployed, then say so: whatever it says follows from what was said."""
        if "ops" in said.offered:  # a specialist does it all
            return (
                Reply(text=f"ops {said.results[-1]}") if said.results else Reply(calls=(Call("ops", {"input": "go"}),))
            )
        if not any(call.tool == "read_ticket" for call in said.calls):
            return Reply(calls=(Call("read_ticket", {"number": 7}),))
        done = sum(call.tool == "deploy" for call in said.calls)
        rest = [Call("deploy", {"service": each}) for each in self.deploys[done:]]
        if rest:
            return Reply(calls=tuple(rest if self.at_once else rest[:1]))
        return Reply(text=f"deployed {', '.join(self.deploys)}")


VARIANTS = {
    each.name: each
    for each in (
        Variant("plain"),
        Variant("responses", wire="responses"),
        Variant("two", deploys=("api", "web"), at_once=True),
        Variant("nested", deploys=("api", "web"), at_once=True, nested=True),
        Variant("streamed", streams=True),
        Variant("streamed responses", wire="responses", streams=True),
        Variant("probe", approval="never", doubt="probe"),
        Variant("rerun", deploys=("api", "web"), approval="never", doubt="rerun"),
    )
}


class Ticket(State):
    number: int = 7
    done: str = ""


def ticket(variant: Variant, folder: Path, death: Death | None) -> Workflow[Any]:
    """The workflow, whose tools write to `world` what they do, and may die of it."""
    times = {"read": 0, "deploy": 0}

    def note(what: str, line: str) -> None:
        times[what] += 1
        dies = death is not None and (death.at, death.number) == (what, times[what])
        if dies and death is not None and death.when == "before":
            kill()
        with (folder / "world").open("a") as world:
            world.write(line + "\n")
            world.flush()
            os.fsync(world.fileno())
        if dies:
            kill()

    def read_ticket(number: int) -> str:
        """Read a ticket."""
        note("read", f"read {number}")
        return f"ticket {number}: deploy"

    def is_up(service: str) -> str | None:
        return f"{service} is up" if service in deployed(folder) else None

    in_doubt: Any = is_up if variant.doubt == "probe" else variant.doubt

    @tool(effect=True, approval=variant.approval, in_doubt=in_doubt)
    def deploy(service: str, step: Step) -> str:
        """Deploy a service."""
        note("deploy", f"deploy {service} {step.key}")
        return f"{service} is up"

    tools: list[Any] = [read_ticket, deploy]
    if variant.nested:
        tools = [specialist(name="ops", instructions="Deploy.", tools=tools)]

    @agent(writes="done", instructions="Work on the ticket.", tools=tools)
    def work(number: int) -> str:
        with (folder / "world").open("a") as world:
            world.write("prompt\n")
        return f"Ticket {number}"

    return workflow("ticket", state=Ticket, edges=[START >> work >> END])


def world(folder: Path) -> list[str]:
    """What happened outside, line by line."""
    path = folder / "world"
    return path.read_text().splitlines() if path.exists() else []


def deployed(folder: Path, *, keys: bool = False) -> list[str]:
    """What was deployed, with the keys it came under if asked for."""
    told = [line.removeprefix("deploy ") for line in world(folder) if line.startswith("deploy ")]
    return told if keys else [each.split()[0] for each in told]


# ------------------------------------------------------------------------------------------------ one process


class Ear:
    """Wants to hear answers while they are made: models are asked to stream."""

    deltas = True

    def hear(self, run: Any, event: Any) -> None: ...


def go_on(folder: Path, base_url: str, variant: Variant, death: Death | None) -> None:
    """Begin the run or take it up, answer what is asked, as somebody who looked at the world, and drive it to rest."""
    asyncio.run(_go_on(folder, base_url, variant, death))


async def _go_on(folder: Path, base_url: str, variant: Variant, death: Death | None) -> None:
    request = urllib.request.Request(base_url.removesuffix("/v1") + "/pid", str(os.getpid()).encode())
    await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())
    ledger: Any = await open_ledger(folder / "runs.sqlite", create=True)
    last = death.number if death is not None and death.at == "write" else NEVER
    ledger = kill_after(ledger, last, when="after" if death is None else death.when)
    flow = ticket(variant, folder, death)
    runner = OpenAIAgentsRunner(Endpoint(base_url, "mind", variant.wire))
    ears = [Ear()] if variant.streams else []
    async with Engine.connect(workflows=[flow], agents=runner, ledger=ledger, listeners=ears) as engine:
        runs = await engine.runs()
        if not runs:
            await engine.run(flow, {})
        else:
            await engine.recover()
        for _ in range(10):
            asked = await engine.inbox()
            if not asked:
                break
            for standing in asked:
                question = standing.question
                answer: Any = "approve"
                if "rerun" in question.choices:
                    service = json.loads(question.evidence[0].partition(" ")[2])["service"]
                    there = service in deployed(folder)
                    answer = {"choice": "accept", "value": f"{service} is up"} if there else "rerun"
                await engine.answer(question.id, answer, by="anna")
            await engine.resume(asked[0].question.run)
        [run] = await engine.runs()
    if death is None:
        (folder / "ended").write_text(f"{ledger.writes} {run.status}")


# ------------------------------------------------------------------------------------------------ a life


def receipts(folder: Path) -> dict[str, str]:
    """The calls that came to their end, as the store has them: their names, and what they were."""
    path = folder / "runs.sqlite"
    if not path.exists():
        return {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        try:
            texts = [text for (text,) in db.execute("select text from journal order by run, seq")]
        except sqlite3.OperationalError:
            return {}
    facts = [json.loads(text) for text in texts]
    return {f"{each['talk']}/{each['call']}": each["what"] for each in facts if each["type"] == "CallFinished"}


def _call(key: str) -> str:
    """Which call of which talk an idempotency key is of."""
    return "/".join(key.split("/")[3:])


def live(folder: Path, mind: Mind, variant: Variant, *deaths: Death | None) -> list[str]:
    """Live until nobody dies any more; what went wrong on the way."""
    wrongs: list[str] = []
    for number, death in enumerate((*deaths, *[None] * MOST_LIVES)):
        known, seen = receipts(folder), len(world(folder))
        mind.begin_life(Kill(death.number, death.when) if death is not None and death.at == "model" else None)
        code = ended(go_on, folder, mind.base_url, variant, death)
        keys = [each.key for each in mind.asked if each.life == mind.life]
        wrongs += [f"life {number}: paid again for {key}" for key in keys if _call(key) in known]
        lines = [line for line in world(folder)[seen:] if line.startswith("deploy ")]
        wrongs += [f"life {number}: {line}, again" for line in lines if _call(line.split()[2]) in known]
        if code == 0 and (folder / "ended").exists():
            return wrongs
        if code not in (0, -9):
            return [*wrongs, f"life {number} ended with {code}"]
    return [*wrongs, "it never ended"]
