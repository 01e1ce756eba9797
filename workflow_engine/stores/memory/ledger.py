"""The ledger in memory: the contract of a store, kept on dicts of texts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workflow_engine.errors import FenceLost, RunOwned, StoreError, WorkflowError
from workflow_engine.ports.ledger import Batch, Fence, Recorded, Shared, Snapshot, Whole
from workflow_engine.record import events as e
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.logs import LoggedPart, LogPage
from workflow_engine.record.notice import noticed
from workflow_engine.record.people import Person
from workflow_engine.record.publication import Publication
from workflow_engine.record.values import Value, Write, lent
from workflow_engine.spec.file import know
from workflow_engine.stores.memory.box import Box, Question
from workflow_engine.stores.memory.checkpoints import MemoryCheckpoints
from workflow_engine.stores.memory.files import MemoryFiles
from workflow_engine.stores.memory.lists import Lists
from workflow_engine.stores.memory.mail import Mail
from workflow_engine.stores.memory.notices import MemoryNotices
from workflow_engine.stores.memory.police import come_back, told_right, unchanged
from workflow_engine.stores.memory.results import MemoryResults
from workflow_engine.stores.memory.schedules import MemorySchedules
from workflow_engine.stores.texts import (
    answer_text,
    document_text,
    event_text,
    log_of_text,
    log_text,
    person_of_text,
    person_text,
    publication_of_text,
    publication_text,
    question_text,
    run_text,
)


class MemoryLedger(Lists, Mail):
    """Implements ports.ledger.Ledger. Owners are this object's: two engines that share it see one another as living."""

    def __init__(self) -> None:
        super().__init__()
        self._published: dict[tuple[str, str], str] = {}
        self._undelivered: dict[tuple[str, str], None] = {}
        self._owners: dict[RunId, int] = {}
        self._people: dict[str, str] = {}
        self.schedules = MemorySchedules(self._change)
        self.notices = MemoryNotices(self._change)
        self.results = MemoryResults()
        self.checkpoints = MemoryCheckpoints()
        self.files = MemoryFiles()
        know(f"memory {id(self)}", self.files, keep=False)

    def checkpoints_of(self, fence: Fence) -> MemoryCheckpoints:
        return self.checkpoints.fenced(lambda: self._owners.get(fence.run) == fence.epoch, fence.run)

    async def create(self, batch: Batch) -> Fence:
        run = batch.run.id
        assert isinstance(batch.events[0], e.RunCreated | e.RunForked), "a run's first batch says how it began"
        if run in self._boxes:
            raise StoreError(f"run {run} exists already", "give the new run an id of its own")
        box = Box(text="")
        if batch.shared is not None:
            box.shared = self._shared(batch.shared, batch)
        told_right(None, batch)
        self._keep(box, batch)
        self._boxes[run] = box
        self._owners[run] = box.epoch
        return Fence(run, box.epoch)

    def _shared(self, shared: Shared, batch: Batch) -> dict[str, Value]:
        assert not {each.field for each in batch.writes} & set(shared.fields), "what is written is not shared"
        state = self._box(shared.run).state(shared.seq)
        if missing := [name for name in shared.fields if name not in state]:
            raise StoreError(f"run {shared.run} lacks what a fork shares of it: {', '.join(missing)}", "fork it later")
        return {name: lent(state[name], batch.run.seq) for name in shared.fields}

    async def claim(self, run: RunId) -> tuple[Fence, Snapshot]:
        box = self._box(run)
        if run in self._owners:
            raise RunOwned(f"run {run} is being driven by this process", "wait until it ends or rests")
        box.epoch += 1
        box.lost = False
        self._owners[run] = box.epoch
        self._changes += 1
        return Fence(run, box.epoch), await self.read(run)

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        failure = self._commit(fence, batch)
        # Settled in a later turn of the loop, as by a disk: nobody should come to rely on a commit that never yields.
        loop.call_soon(_settle, done, failure)
        return done

    def _commit(self, fence: Fence, batch: Batch) -> WorkflowError | None:
        box = self._box(fence.run)
        before = box.run
        owner = self._owners.get(fence.run) == fence.epoch == box.epoch and not box.lost
        if not owner or batch.run.id != fence.run or before.seq != batch.run.seq - len(batch.events):
            if fence.epoch == box.epoch:
                box.lost = True
            return FenceLost(f"run {fence.run} is no longer driven from here", "look at who drives it now")
        told_right(before, batch)
        try:
            self._keep(box, batch)
        except StoreError as error:
            box.lost = True
            return error
        return None

    def _keep(self, box: Box, batch: Batch) -> None:
        run = batch.run
        first = run.seq - len(batch.events) + 1
        lines = [
            event_text(event, f"event {first + place} of run {run.id}") for place, event in enumerate(batch.events)
        ]
        text = run_text(run)
        come_back(text, run, lines, batch.events)
        document = None if batch.document is None else document_text(batch.document, run.id)
        asked = [(event, question_text(event.question)) for event in batch.events if isinstance(event, e.QuestionAsked)]
        answers = [
            (event, answer_text(event.answer)) for event in batch.events if isinstance(event, e.QuestionAnswered)
        ]
        before = box.run.status if box.text and run.status == "failed" else None  # decoded anew
        told = noticed(before, run, batch.events)
        # Nothing is changed above this line, so a batch that fails leaves no trace.
        self._stir(run.id)
        box.text = text
        self.notices.add(told)
        box.files.update(batch.files)
        box.document = document or box.document
        box.journal += lines
        box.seen += batch.events
        box.writes += [(min(first, run.seq), run.seq, write) for write in batch.writes]
        for event, line in asked:
            self._questions[event.question.id] = Question(line, run.id)
        for answered, line in answers:
            self._close(answered.question, "answered", line)
        for event in batch.events:
            match event:
                case e.QuestionExpired():
                    self._close(event.question, "expired")
                case e.QuestionWithdrawn():
                    self._close(event.question, "withdrawn")
                case _:
                    pass
        for taken in batch.taken:
            box.letters.pop(taken, None)
        self._changes += 1

    def _close(self, question: QuestionId, status: str, answer: str | None = None) -> None:
        kept = self._questions[question]
        kept.status, kept.answer = status, answer

    def log(self, fence: Fence, page: LogPage) -> None:
        box = self._boxes.get(fence.run)
        if box is None or not self._owners.get(fence.run) == fence.epoch == box.epoch:
            return
        for part in page.parts:
            box.logged += 1
            box.logs[part.take, part.part] = (box.logged, log_text(part))
        if page.gone is not None:
            for gone in range(page.gone[0], page.gone[1] + 1):
                box.logs.pop((page.parts[0].take, gone), None)
        self._changes += 1

    async def release(self, fence: Fence) -> None:
        if self._owners.get(fence.run) == fence.epoch:
            del self._owners[fence.run]

    def abandon(self) -> None:
        """As if every owner's process had died at this moment: the runs can be claimed, and old fences are lost."""
        self._owners.clear()

    async def owned(self, run: RunId) -> bool:
        return run in self._owners

    async def read(self, run: RunId) -> Snapshot:
        box = self._box(run)
        kept = box.run
        return Snapshot(kept, box.state(kept.seq))

    async def whole(self, run: RunId) -> Whole:
        kept = await self.read(run)
        return Whole(kept.run, kept.state, await self.journal(run), await self.questions(run), await self.letters(run))

    async def at(self, run: RunId, seq: int) -> Mapping[str, Value]:
        return self._box(run).state(seq)

    async def written(self, run: RunId, after: int, until: int) -> Sequence[tuple[int, Write]]:
        return [(first, write) for first, _, write in self._box(run).writes if after < first <= until]

    async def journal(self, run: RunId, after: int = 0) -> Sequence[Recorded]:
        unchanged(self._box(run))
        lines = enumerate(self._box(run).journal, start=1)
        return [Recorded(seq, e.read_event(line)) for seq, line in lines if seq > after]

    async def logs(self, run: RunId, after: int = 0, most: int = 64) -> Sequence[LoggedPart]:
        kept = sorted(each for each in self._box(run).logs.values() if each[0] > after)
        return [LoggedPart(place, log_of_text(text)) for place, text in kept[:most]]

    async def document(self, run: RunId) -> Mapping[str, Any]:
        text = self._box(run).document
        if text is None:
            raise StoreError(f"run {run} has no workflow document", "it was stored without one")
        document: dict[str, Any] = json.loads(text)
        return document

    async def publish(self, publication: Publication) -> tuple[Publication, bool]:
        name = (publication.topic, publication.id)
        if name not in self._published:
            kept = replace(publication, runs=tuple(await self.listening(publication.topic)))
            self._published[name] = publication_text(kept)
            self._undelivered[name] = None
            self._changes += 1
        return publication_of_text(self._published[name]), name in self._undelivered

    async def undelivered(self) -> Sequence[Publication]:
        return [publication_of_text(self._published[name]) for name in self._undelivered]

    async def delivered(self, publication: Publication) -> None:
        self._undelivered.pop((publication.topic, publication.id), None)
        self._changes += 1

    async def people(self) -> Sequence[Person]:
        return [person_of_text(text) for _, text in sorted(self._people.items())]

    async def enrol(self, person: Person) -> None:
        self._people[person.name] = person_text(person)
        self._changes += 1

    async def dismiss(self, name: str) -> bool:
        self._changes += 1
        return self._people.pop(name, None) is not None

    async def changed(self, since: int) -> int:  # noqa: ARG002 (the number alone tells)
        return self._changes

    async def stirred(self, since: int) -> tuple[int, Sequence[RunId]]:
        return self._places, [run for run, place in self._stirred.items() if place > since >= 0]

    async def close(self) -> None:
        for box in self._boxes.values():
            unchanged(box)
        self._owners.clear()


def _settle(done: asyncio.Future[None], failure: WorkflowError | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
        done.exception()  # whoever does not await it hears of it at the next commit: no log line as well


__all__ = ["MemoryLedger"]
