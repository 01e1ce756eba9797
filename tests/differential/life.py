"""The whole life of one run: begun, driven, killed, drained, answered, recovered and mended until it has ended.

What the moments are is random, and what must come of them is not: see `Outcome`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.differential.flows import WITHIN, Flow
from tests.differential.outside import PROCESS, World
from tests.differential.process import Disk, Process, Wrong
from workflow_engine.bodies.resources import Resources
from workflow_engine.record.history import history
from workflow_engine.record.ids import RunId, place_of
from workflow_engine.record.inbox import Answer, Letter, Standing
from workflow_engine.runtime.service import Executor, Service
from workflow_engine.steps.live import Surroundings
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

LONGEST = 600
"""Commits after which a life counts as endless."""


@dataclass(frozen=True)
class Outcome:
    """What must be the same whatever the schedule, the executor and the crashes.

    Steps are compared in order within their region, because arms run beside each other; so are the lines of the log.
    A step that failed with nothing to catch it is left out: how often it is tried again depends on the crashes.
    """

    status: str
    reason: str | None
    values: Mapping[str, Any]
    log: Mapping[str, Sequence[str]]
    steps: Mapping[str, Sequence[tuple[Any, ...]]]
    questions: Counter[tuple[Any, ...]]


@dataclass
class Tally:
    """What lives went through, to know that the fuzz is no idle walk."""

    kills: int = 0
    drains: int = 0
    resumes: int = 0
    steps: int = 0


class Life:
    """One run of a flow on a disk of its own. `kills` bounds how many of its processes die."""

    def __init__(
        self, flow: Flow, executors: Mapping[str, Executor], random: Random, *, kills: int, tally: Tally
    ) -> None:
        self.flow, self.executors, self.random = flow, executors, random
        self.disk, self.world, self.clock = Disk(), World(), FakeClock()
        self.kills = kills
        self.tally = tally
        self.run: RunId | None = None
        self._service: Service | None = None
        self._process: Process | None = None

    async def lived(self) -> Outcome:
        """Drive the run, by however many processes it takes, until it has ended."""
        while True:
            await self._one_process()
            if self.disk.wrongs:
                raise Wrong("; ".join(self.disk.wrongs))
            if self.disk.commits > LONGEST:
                raise Wrong(f"no end after {self.disk.commits} commits")
            found = await self.disk.ledger.find("@last")
            if not found:
                continue
            self.run = found[0]
            run = (await self.disk.ledger.read(self.run)).run
            if run.ended:
                await self.disk.ledger.close()
                return await self._outcome(self.run)
            self.tally.resumes += 1
            if run.status == "failed":
                self.world.mended = True
            if run.status == "waiting" and not await self.disk.ledger.letters(self.run):
                await self._rest(self.run)
            elif run.status not in ("failed", "running", "waiting"):
                raise Wrong(f"the run rests {run.status}")

    async def _one_process(self) -> None:
        dies = self.kills > 0
        self.kills -= dies
        kill = self.random.randint(1, 12) if dies else None
        process: Any = Process(
            self.disk,
            self.world,
            self.random,
            kill=kill,
            when=self.random.choice(("before", "after")),
            on_commit=self._committed,
        )
        around = Surroundings(process, self.clock, SeededMint(self.random.randint(0, 9**9)), Resources(), _no_model)
        name = self.random.choice(sorted(self.executors))
        service = Service(around, [self.flow.workflow], self.executors, name)
        self._service, self._process = service, process
        task = asyncio.create_task(self._acts(service, process))
        await asyncio.wait({task, process.died}, return_when=asyncio.FIRST_COMPLETED)
        if process.dead:
            self.tally.kills += 1
            # What a cancelled drive still wants of its ledger, a dead process does not get: stop it until it is gone.
            while not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=0.001)
            with suppress(asyncio.CancelledError):
                task.result()
        else:
            task.result()
        await service.close()
        left = [each.get_name() for each in asyncio.all_tasks() if self.run and each.get_name().startswith(self.run)]
        if left:
            raise Wrong(f"the drive has ended and left tasks behind: {left}")

    async def _acts(self, service: Service, process: Process) -> None:
        PROCESS.set(process)
        if self.run is None:
            await service.run(self.flow.workflow, given=self.flow.seed % 1000)
        elif (await service.get(self.run)).run.status == "running" and self.random.random() < 0.5:
            await service.recover()
        else:
            await service.resume(self.run)

    # What happens while a process lives

    def _committed(self) -> None:
        """Something became durable: now and then somebody answers, or drains."""
        if self.disk.commits > LONGEST:
            self._process_ends()
        chance = self.random.random()
        if chance < 0.25:
            asyncio.ensure_future(self._somebody_answers())  # noqa: RUF006 (it is over in a few turns)
        elif chance < 0.28 and self._service is not None and self.disk.runs:
            self.tally.drains += 1
            self._service.drain()

    def _process_ends(self) -> None:
        assert self._process is not None
        self._process._die()

    async def _somebody_answers(self) -> None:
        for _ in range(self.random.choice((0, 1, 3, 7))):
            await asyncio.sleep(0)
        (run,) = self.disk.runs
        open_ = await self._answerable(run)
        if not open_ or self.disk.runs[run].ended:
            return
        await self._answer(self.random.choice(open_))
        # Often the run's owner is told at once. Otherwise it finds the letter by itself, when it comes to rest.
        if self._service is not None and self.random.random() < 0.7:
            self._service._shop.wake(run)

    async def _rest(self, run: RunId) -> None:
        """Nothing goes on by itself: people answer, or the time passes in which they might have."""
        open_ = await self._answerable(run)
        if not open_:
            self.clock.advance(WITHIN.total_seconds() + 1)
            return
        for standing in self.random.sample(open_, self.random.randint(1, len(open_))):
            await self._answer(standing)

    async def _answerable(self, run: RunId) -> list[Standing]:
        asked = await self.disk.ledger.questions(run)
        return [
            each for each in asked if each.status == "open" and each.answer is None and self._value(each) is not None
        ]

    def _value(self, standing: Standing) -> Any:
        asked = standing.question
        if asked.asks == "human":
            return self.flow.answer(asked.node, asked.visit)
        done = self.world.effects.get((place_of(asked.node, asked.item), asked.visit))
        return {"choice": "rerun"} if done is None else {"choice": "accept", **done}

    async def _answer(self, standing: Standing) -> None:
        asked = standing.question
        now = self.clock.now()
        answer = Answer(asked.id, self._value(standing), "somebody", now, "test")
        await self.disk.ledger.send(Letter(asked.id, asked.run, "answer", "somebody", now, answer))

    # What came of it

    async def _outcome(self, run_id: RunId) -> Outcome:
        ledger, flow = self.disk.ledger, self.flow
        snapshot = await ledger.read(run_id)
        run = snapshot.run
        for effect, keys in self.world.keys.items():
            if len(keys) != 1:
                raise Wrong(f"the effect {effect} had several keys: {keys}")
        if run.frontier.due or run.frontier.arrived or run.open:
            raise Wrong(f"the run has ended and left something behind: {run}")
        values = {name: value.json() for name, value in snapshot.state.items()}
        log: dict[str, list[str]] = {}
        for line in values.pop("log", []):
            log.setdefault(flow.regions[line.partition("#")[0]], []).append(line)
        steps: dict[str, list[tuple[Any, ...]]] = {}
        joins = {edge.key for edge in flow.workflow.edges if edge.joins}
        for each in history(recorded.event for recorded in await ledger.journal(run_id)).steps:
            self.tally.steps += 1
            if each.status == "failed" and not each.via:
                continue
            own, onward = each.via[:1], (each.via[1:], each.routes)
            place = steps.setdefault(flow.regions[each.node], [])
            if own[0] in joins:
                # What lies behind a join is decided by whichever arm comes last.
                place.append((each.node, each.visit, each.status, each.outcome, own))
                if onward[0]:
                    steps.setdefault(f"behind {own[0]}", []).append(onward)
            else:
                place.append((each.node, each.visit, each.status, each.outcome, own, onward))
        questions = Counter(
            (
                each.question.node,
                each.question.visit,
                each.status,
                each.question.message,
                repr(each.answer and each.answer.value),
            )
            for each in await ledger.questions(run_id)
            if each.question.asks == "human"
        )
        return Outcome(run.status, run.reason, values, log, steps, questions)


def _no_model() -> Any:
    raise AssertionError("these flows have no agents")
