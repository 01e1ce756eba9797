"""The whole life of one run: begun, driven, killed, drained, answered, recovered and mended until it has ended.

What the moments are is random, and what must come of them is not: see `Outcome`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.differential.flows import WITHIN, Flow
from tests.differential.graphs import answer
from tests.differential.outside import PROCESS, World, number
from tests.differential.process import Disk, Process, Wrong
from workflow_engine.bodies.resources import Resources
from workflow_engine.engine import graphs_on
from workflow_engine.errors import RunEnded
from workflow_engine.ports.agents import AgentAnswer, AgentTask
from workflow_engine.record.history import history
from workflow_engine.record.ids import RunId, place_of
from workflow_engine.record.inbox import Answer, Letter, SignalRecord, Standing
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Usage
from workflow_engine.runtime.service import Executor, Service
from workflow_engine.spec.document import from_document
from workflow_engine.steps.live import Surroundings
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

LONGEST = 600
"""Commits after which a life counts as endless, unless somebody says otherwise."""


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
    within: dict[str, Outcome] = field(default_factory=dict)


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
        self,
        flow: Flow,
        executors: Mapping[str, Executor],
        random: Random,
        *,
        kills: int,
        tally: Tally,
        longest: int = LONGEST,
    ) -> None:
        self.flow, self.executors, self.random = flow, executors, random
        self.disk, self.world, self.clock = Disk(), World(), FakeClock()
        self.kills, self.longest = kills, longest
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
            if self.disk.commits > self.longest:
                raise Wrong(f"no end after {self.disk.commits} commits")
            if not self.disk.runs:
                continue
            self.run = next(iter(self.disk.runs))  # those within it came later
            run = (await self.disk.ledger.read(self.run)).run
            if run.ended:
                await self.disk.ledger.close()
                return await self._outcome(self.run)
            self.tally.resumes += 1
            if run.status == "failed":
                self.world.mended = True
            if run.status == "waiting" and not [each for each in self.disk.runs if await self._told(each)]:
                await self._rest()
            elif run.status not in ("failed", "running", "waiting"):
                raise Wrong(f"the run rests {run.status}")

    async def _told(self, run: RunId) -> bool:
        """Whether a letter lies there that somebody will take: a signal may be for a wait to come."""
        standing = self.disk.runs[run]
        waited = {name for each in standing.waits for name in each.missing}
        letters = await self.disk.ledger.letters(run)
        return any(each.signal is None or each.signal.name in waited for each in letters)

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
        mint = SeededMint(self.random.randint(0, 9**9))
        around = Surroundings(process, self.clock, mint, Resources(), Model, graphs=graphs_on(process))
        name = self.random.choice(sorted(self.executors))
        service = Service(around, [self.flow.workflow], self.executors, name, has_model=True)
        self._service, self._process = service, process
        task = asyncio.create_task(self._acts(service, process))
        await asyncio.wait({task, process.died}, return_when=asyncio.FIRST_COMPLETED)
        if process.dead:
            self.tally.kills += 1
            # What a cancelled drive still wants of its ledger, a dead process does not get: stop it until it is gone.
            while not task.done():
                task.cancel()
                process.bury()
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
        if self.disk.commits > self.longest:
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
        run = self.random.choice(list(self.disk.runs))
        if self.disk.runs[run].ended:
            return
        open_, awaited = await self._answerable([run]), await self._awaited([run], early=True)
        if not open_ and not awaited:
            return
        if open_ and (not awaited or self.random.random() < 0.5):
            await self._answer(self.random.choice(open_))
        else:
            await self._signal(self.random.choice(awaited))
        # Often the run's owner is told at once. Otherwise it finds the letter by itself, when it comes to rest.
        if self._service is not None and self.random.random() < 0.7:
            self._service._shop.wake(run)

    async def _rest(self) -> None:
        """Nothing goes on by itself: people answer, signals come, or the time passes in which they might have."""
        runs = [run for run in self.disk.runs if not self.disk.runs[run].ended]
        coming: list[Any] = [*await self._answerable(runs), *await self._awaited(runs)]
        if not coming:
            self.clock.advance(WITHIN.total_seconds() + 1)
            return
        for each in self.random.sample(coming, self.random.randint(1, len(coming))):
            await (self._answer(each) if isinstance(each, Standing) else self._signal(each))

    async def _answerable(self, runs: Sequence[RunId]) -> list[Standing]:
        asked = [each for run in runs for each in await self.disk.ledger.questions(run)]
        return [
            each for each in asked if each.status == "open" and each.answer is None and self._value(each) is not None
        ]

    async def _awaited(self, runs: Sequence[RunId], *, early: bool = False) -> list[Letter]:
        """Signals that runs wait for; those they have not come to yet as well, where the order of arrival allows it.

        The number-th signal of a name is for the number-th visit of its wait.
        """
        found: list[Letter] = []
        for run_id in runs:
            run = self.disk.runs[run_id]
            due = {each.node: each.visit for each in run.waits if each.on == "signal"}
            for node, sender in self.flow.waits.items():
                visits = run.frontier.visits.get(node, 0)
                if node in due:
                    visit = due[node]
                elif early and sender.early and node in self._nodes(run_id) and self.random.random() < 0.3:
                    visit = visits + (node not in run.frontier.due)
                else:
                    continue
                for name in sender.chosen(self.flow.seed, node, visit):
                    value = number(self.flow.seed, name, visit) % 1000
                    letter = Letter(
                        *(f"{run_id}.signal.{name}.{visit}", run_id, "signal", "somebody", self.clock.now()),
                        signal=SignalRecord(name, str(visit), value),
                    )
                    found.append(letter)
        return found

    def _nodes(self, run_id: RunId) -> Collection[str]:
        """The nodes of a run's own workflow, be it within another."""
        flow: Any = self.flow.workflow
        run = self.disk.runs[run_id]
        for name in (*run.within.workflows[1:], run.workflow) if run.within is not None else ():
            node = flow.nodes[name]
            flow = getattr(node, "one", node).workflow
        return flow.nodes  # type: ignore[no-any-return]

    async def _signal(self, letter: Letter) -> None:
        """Send it, often twice: the second one is none."""
        for _ in range(self.random.choice((1, 1, 2))):
            with suppress(RunEnded):
                await self.disk.ledger.send(letter)

    def _value(self, standing: Standing) -> Any:
        asked = standing.question
        if asked.asks == "human":
            return self.flow.answer(asked.node, asked.visit)
        if asked.asks == "graph":
            return answer(self.flow.seed, asked.message, asked.choices, asked.schema)
        done = self.world.effects.get((asked.run, place_of(asked.node, asked.item), asked.visit))
        return {"choice": "rerun"} if done is None else {"choice": "accept", **done}

    async def _answer(self, standing: Standing) -> None:
        asked = standing.question
        now = self.clock.now()
        answer = Answer(asked.id, self._value(standing), "somebody", now, "test")
        await self.disk.ledger.send(Letter(asked.id, asked.run, "answer", "somebody", now, answer))

    # What came of it

    async def _outcome(self, run_id: RunId) -> Outcome:
        for effect, keys in self.world.keys.items():
            if len(keys) != 1:
                raise Wrong(f"the effect {effect} had several keys: {keys}")
        outcome = await self._of(run_id)
        for inner in self.disk.runs:
            run = self.disk.runs[inner]
            if inner != run_id:
                if not run.ended:
                    raise Wrong(f"the run {inner} within has not ended")
                if self._loose(run):
                    continue
                outcome.within[inner.removeprefix(run_id)] = await self._of(inner)
        return outcome

    def _loose(self, run: Run) -> bool:
        """Whether a run lies within an arm that may be left behind."""
        while run.within is not None:
            if run.within.node in self.flow.loose:
                return True
            run = self.disk.runs[run.within.run]
        return False

    async def _of(self, run_id: RunId) -> Outcome:
        ledger, flow = self.disk.ledger, self.flow
        snapshot = await ledger.read(run_id)
        run = snapshot.run
        if run.frontier.due or run.frontier.arrived or run.open or run.waits or run.entered:
            raise Wrong(f"the run has ended and left something behind: {run}")
        loose = {f"shared_{flow.regions[name]}" for name in flow.loose}
        written = await ledger.document(run_id)
        for name, node in written["shape"]["nodes"].items():
            loose |= {*node["writes"]} if name in flow.loose else set()
        kept = {name: value.json() for name, value in snapshot.state.items() if name not in loose}
        # What failed of the run of an item is told by its id, and that begins with the one of this life.
        values: dict[str, Any] = json.loads(json.dumps(kept).replace(str(self.run), "RUN"))
        log: dict[str, list[str]] = {}
        for line in values.pop("log", []):
            log.setdefault(flow.regions[line.partition("#")[0]], []).append(line)
        steps: dict[str, list[tuple[Any, ...]]] = {}
        workflow: Any = from_document(written)
        joins = {edge.key for edge in workflow.edges if edge.joins}
        for each in history(recorded.event for recorded in await ledger.journal(run_id)).steps:
            self.tally.steps += 1
            if (each.status == "failed" and not each.via) or each.node in flow.loose:
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
            if each.question.asks in ("human", "graph") and each.question.node not in flow.loose
        )
        return Outcome(run.status, run.reason, values, log, steps, questions)


class Model:
    """Implements ports.agents.AgentRunner: the answer follows from the prompt."""

    async def run(self, task: AgentTask) -> AgentAnswer:
        process = PROCESS.get()
        for _ in range(process.turns()):
            await asyncio.sleep(0)
        await process.alive()
        return AgentAnswer(number(task.prompt) % 1000, Usage(1, 2, 3), ("a scripted model",))

    async def close(self) -> None: ...
