"""The port's acts, on dicts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from workflow_engine.errors import (
    AlreadyAnswered,
    FenceLost,
    QuestionNotFound,
    RunEnded,
    RunNotFound,
    RunOwned,
    StoreError,
    WorkflowError,
    handed_over,
)
from workflow_engine.ports.ledger import Batch, Fence, Listed, Page, Recorded, Shared, Snapshot, Whole
from workflow_engine.ports.queue import Queued
from workflow_engine.record import events as e
from workflow_engine.record import people
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Answer, Letter, Standing
from workflow_engine.record.logs import LoggedPart, LogPage
from workflow_engine.record.notice import noticed
from workflow_engine.record.people import Person
from workflow_engine.record.publication import Publication
from workflow_engine.record.run import FINAL
from workflow_engine.record.values import Value, Write, lent
from workflow_engine.spec.file import know
from workflow_engine.stores.memory.box import Box, Question
from workflow_engine.stores.memory.checkpoints import MemoryCheckpoints
from workflow_engine.stores.memory.files import MemoryFiles
from workflow_engine.stores.memory.notices import MemoryNotices
from workflow_engine.stores.memory.police import come_back, told_right, unchanged
from workflow_engine.stores.memory.results import MemoryResults
from workflow_engine.stores.memory.schedules import MemorySchedules
from workflow_engine.stores.texts import (
    answer_of_text,
    answer_text,
    document_text,
    event_text,
    letter_of_text,
    letter_text,
    log_of_text,
    log_text,
    nothing_left,
    person_of_text,
    person_text,
    publication_of_text,
    publication_text,
    question_of_text,
    question_text,
    run_text,
)


class MemoryLedger:
    """Implements ports.ledger.Ledger. Owners are this object's: two engines that share it see one another as living."""

    def __init__(self) -> None:
        self._boxes: dict[RunId, Box] = {}
        self._questions: dict[QuestionId, Question] = {}
        self._sent: dict[str, str] = {}
        self._published: dict[tuple[str, str], str] = {}
        self._undelivered: dict[tuple[str, str], None] = {}
        self._answered: dict[QuestionId, str] = {}
        self._owners: dict[RunId, int] = {}
        self._people: dict[str, str] = {}
        self._changes = 1
        self._stirred: dict[RunId, int] = {}
        self._places = 0
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

    def _change(self) -> None:
        self._changes += 1

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

    def _stir(self, run: RunId) -> None:
        self._places += 1
        self._stirred[run] = self._places

    def _keep(self, box: Box, batch: Batch) -> None:
        run = batch.run
        self._stir(run.id)
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

    async def runs(self, page: Page) -> Sequence[Listed]:
        newest = list(reversed(self._boxes))
        if page.before is not None:
            self._box(page.before)
            newest = newest[newest.index(page.before) + 1 :]
        listed = [self._listed(run) for run in newest if run.startswith(page.prefix)]
        listed = [each for each in listed if page.children or each.within is None]
        fits = [
            each for each in listed if page.workflow in (None, each.workflow) and page.status in (None, each.status)
        ]
        return fits[: page.limit]

    def _listed(self, run: RunId) -> Listed:
        box = self._boxes[run]
        r = box.run
        mail = bool(box.letters)
        around = None if r.within is None else r.within.run
        return Listed(
            r.id,
            r.workflow,
            r.status,
            r.reason,
            r.created,
            r.updated,
            r.steps,
            mail,
            r.target,
            r.parent,
            around,
            r.usage.cost if r.usage.requests else 0.0,
        )

    async def find(self, prefix: str) -> Sequence[RunId]:
        if prefix == "@last":
            return [run for run, box in self._boxes.items() if box.run.within is None][-1:]
        found = sorted(run for run in self._boxes if run.startswith(prefix))
        if prefix in found:
            return found[:3]
        return ([run for run in found if self._boxes[run].run.within is None] or found)[:3]

    async def unfinished(self) -> Sequence[RunId]:
        runs = [(box.run, bool(box.letters)) for box in self._boxes.values()]
        return [run.id for run, letters in runs if run.status == "running" or (run.status == "waiting" and letters)]

    async def due(self, now: datetime) -> Sequence[RunId]:
        times = [(due, run) for run, due in self._times() if due <= now]
        return [run for _, run in sorted(times, key=lambda each: each[0])]

    async def next_due(self, after: datetime) -> datetime | None:
        return min((due for _, due in self._times() if due > after), default=None)

    def _times(self) -> list[tuple[RunId, datetime]]:
        times = ((run, box.run.due) for run, box in self._boxes.items())
        return [(run, due) for run, due in times if due is not None]

    async def listening(self, topic: str) -> Sequence[RunId]:
        return [run for run, box in self._boxes.items() if topic in box.run.topics]

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

    async def queued(self, workflows: Collection[str], limit: int, after: int = 0) -> Sequence[Queued]:
        runs = [(place, box.run) for place, box in enumerate(self._boxes.values(), 1) if place > after]
        left = [(place, run) for place, run in runs if run.status == "queued" and run.workflow in workflows]
        return [Queued(run.id, run.workflow, place, run.target) for place, run in left[:limit]]

    async def queues(self) -> Sequence[str]:
        runs = (box.run for box in self._boxes.values())
        return sorted({run.workflow for run in runs if run.status == "queued"})

    async def questions(self, run: RunId | None = None) -> Sequence[Standing]:
        if run is not None:
            self._box(run)
        standing = [self._standing(question) for question in self._questions.values() if run in (None, question.run)]
        return standing if run is not None else [each for each in standing if each.status == "open"]

    async def question(self, question: QuestionId) -> Standing:
        if question not in self._questions:
            raise QuestionNotFound(f"no question {question}", "list the open ones: workflow inbox")
        return self._standing(self._questions[question])

    def _standing(self, kept: Question) -> Standing:
        record = question_of_text(kept.text)
        letter = self._answered.get(record.id)
        if kept.status == "open" and self._boxes[kept.run].run.status in FINAL:
            return Standing(record, "withdrawn")
        if kept.status == "open" and letter is not None:
            return Standing(record, "answered", letter_of_text(letter).answer)
        if kept.status == "open":
            box = self._boxes[kept.run]
            known = next(each for each in box.run.open if each.id == record.id)
            return people.standing(record, known, map(letter_of_text, box.letters.values()))
        answer: Answer | None = None if kept.answer is None else answer_of_text(kept.answer)
        return Standing(record, kept.status, answer)

    async def send(self, letter: Letter) -> bool:
        box = self._box(letter.run)
        text = letter_text(letter)
        if letter.kind == "signal" and letter.id in self._sent:
            return False
        question = letter.question if letter.answer is None else letter.answer.question
        if question is not None:
            known = (await self._answerable(question, letter.run)).known
            if known is not None and letter.handed not in (None, known.handed):
                raise handed_over(question, known.to)
        elif box.run.ended:
            raise RunEnded(f"run {letter.run} has ended: it {box.run.status}", nothing_left(letter))
        if letter.id in self._sent:
            if letter.kind == "approval":
                raise AlreadyAnswered(f"{letter.by} answered question {question} already", "somebody else must, too")
            return False
        if letter.settles is not None:
            self._answered[letter.settles] = text
        self._sent[letter.id] = text
        box.letters[letter.id] = text
        self._stir(letter.run)
        self._changes += 1
        return True

    async def _answerable(self, question: QuestionId, run: RunId) -> Standing:
        kept = self._questions.get(question)
        if kept is None or kept.run != run:
            raise QuestionNotFound(f"no question {question} in run {run}", "list the open ones: workflow inbox")
        standing = self._standing(kept)
        match standing.status:
            case "answered":
                raise AlreadyAnswered(f"question {question} has its answer already", "only the first answer counts")
            case "open":
                return standing
            case status:
                if self._boxes[run].run.status in FINAL:
                    raise RunEnded(
                        f"run {run} has ended: it {self._boxes[run].run.status}", "nobody waits for an answer"
                    )
                raise QuestionNotFound(
                    f"question {question} is no longer open: it was {status}", "list the open ones: workflow inbox"
                )

    async def letters(self, run: RunId) -> Sequence[Letter]:
        return [letter_of_text(text) for text in self._box(run).letters.values()]

    async def boxes(self) -> Sequence[RunId]:
        return [run for run, box in self._boxes.items() if box.letters]

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

    def _box(self, run: RunId) -> Box:
        try:
            return self._boxes[run]
        except KeyError:
            raise RunNotFound(f"no run {run}", "list them: workflow runs") from None


def _settle(done: asyncio.Future[None], failure: WorkflowError | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
        done.exception()  # whoever does not await it hears of it at the next commit: no log line as well


__all__ = ["MemoryLedger"]
