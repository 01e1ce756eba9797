"""A run told by hand: the batches a run's owner would bring to a ledger, without workflow, bodies or engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow_engine.errors import Failure
from workflow_engine.ports.ledger import Batch, Ledger, Shared
from workflow_engine.record import events as e
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.frontier import Move
from workflow_engine.record.ids import QuestionId, RunId, question_id
from workflow_engine.record.inbox import Answer, Letter, QuestionRecord
from workflow_engine.record.people import approval
from workflow_engine.record.run import Run
from workflow_engine.record.values import Write
from workflow_engine.record.waiting import Waiting
from workflow_engine.testing.clock import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class Tale:
    """A run of two nodes, `work` and `ask`, that may be visited for ever. Each act gives the batch that tells of it."""

    def __init__(self, run: str, *, workflow: str = "tale", target: str | None = None, start: datetime = START) -> None:
        self.id = RunId(run)
        self._clock = FakeClock(start)
        self._workflow = workflow
        self._target = target
        self.run: Run | None = None

    @classmethod
    def of(cls, run: Run) -> Tale:
        """To be told on from where a run stands."""
        tale = cls(run.id, workflow=run.workflow, target=run.target, start=run.updated)
        tale.run = run
        return tale

    def begun(self, document: Mapping[str, Any] | None = None, **fields: Any) -> Batch:
        """The run begins, standing at `work`; fields are its inputs."""
        queued = self.queued(document, **fields)
        claimed = e.RunClaimed(self._now(), 1, "here:1", "run")
        return self._batch([claimed], queued.writes, document=queued.document, before=queued.events)

    def queued(self, document: Mapping[str, Any] | None = None, **fields: Any) -> Batch:
        """The run begins, standing at `work`, and is left to a worker."""
        created = e.RunCreated(
            self._now(),
            self.id,
            self._workflow,
            "shape-1",
            {"work": "body-1"},
            Move(None, ("work",), via=("START>work",)),
            self._target,
        )
        self.run = begin(created)
        return self._batch([], sets(fields), document=document or {"name": self._workflow}, before=[created])

    def forked(self, parent: Tale, seq: int, shared: Sequence[str], **fields: Any) -> Batch:
        """The run begins as a fork of another, from its event `seq`; fields are its edits."""
        theirs = parent._run()
        fact = e.RunForked(
            at=self._now(),
            run=self.id,
            workflow=theirs.workflow,
            shape=theirs.shape,
            bodies=theirs.bodies,
            parent=parent.id,
            step=theirs.steps,
            seq=seq,
            before=theirs.frontier,
            move=Move("work", ("work",), via=("work>work",)),
            node="work",
            kind="function",
            visit=1,
            edits=tuple(fields),
        )
        self.run = begin(fact)
        claimed = e.RunClaimed(self._now(), 1, "here:1", "run")
        batch = self._batch([claimed], sets(fields), document={"name": self._workflow}, before=[fact])
        return replace(batch, shared=Shared(parent.id, seq, tuple(shared)))

    def claimed(self, epoch: int) -> Batch:
        """A process took the run."""
        return self._batch([e.RunClaimed(self._now(), epoch, "here:2", "resume")])

    def stepped(self, *writes: Write, taken: Sequence[str] = ()) -> Batch:
        """`work` was done, and is due again."""
        return self._batch([self._finished("work", writes)], writes, taken=taken)

    def asked(self, title: str = "Go on?", due: datetime | None = None, **terms: Any) -> Batch:
        """`work` was done and a person is asked on these terms; the run waits."""
        run = self._run()
        number = run.asked + 1
        question = QuestionRecord(
            id=question_id(self.id, number),
            run=self.id,
            node="ask",
            visit=number,
            title=title,
            message="",
            schema={"type": "string", "enum": ["yes", "no"]},
            choices=("yes", "no"),
            evidence=("what was tried\u2028and seen: ü 🙂",),
            asked=self._clock.now(),
            due=due,
            **terms,
        )
        return self._batch([self._finished("work", (), entered="ask"), e.QuestionAsked(self._now(), question)])

    def answered(self, answer: Answer, taken: Sequence[str]) -> Batch:
        """The owner took the answer up; `work` is due."""
        visit = self._run().asked
        taken_up = e.QuestionAnswered(self._now(), answer.question, "ask", visit, answer)
        writes = sets({"ruling": answer.value})
        return self._batch([taken_up, self._finished("ask", writes, entered="work")], writes, taken=taken)

    def expired(self) -> Batch:
        """Nobody answered in time; `work` is due."""
        question = self._run().open[0]
        expired = e.QuestionExpired(self._now(), question.id, question.node, question.visit)
        return self._batch([expired, self._finished("ask", (), entered="work")])

    def waits(self, *names: str, until: datetime | None = None, topic: str | None = None) -> Batch:
        """`work` was done and the run waits for signals."""
        visit = self._run().frontier.visits.get("wait", 0) + 1
        waiting = Waiting("wait", visit, "signal", names, until=until, topic=topic, since=self._clock.now())
        return self._batch([self._finished("work", (), entered="wait"), e.WaitBegan(self._now(), waiting)])

    def waits_beside(self, until: datetime, topic: str) -> Batch:
        """Something waits while `work` is still to be done: the run's status says nothing of it."""
        waiting = Waiting("beside", 1, "signal", ("paid",), until=until, topic=topic, since=self._clock.now())
        return self._batch([e.WaitBegan(self._now(), waiting)])

    def signalled(self, name: str = "paid", taken: Sequence[str] = ()) -> Batch:
        """The signal came; `work` is due."""
        visit = self._run().frontier.visits["wait"]
        came = e.SignalReceived(self._now(), name, f"evt-{visit}", "ann", {"n": visit}, "wait", visit)
        return self._batch([came, self._finished("wait", (), entered="work")], taken=taken)

    def failed(self) -> Batch:
        """`work` gave up and nothing catches it."""
        failure = Failure("work", "validation", "no", 1)
        now = self._now()
        gave_up = e.StepFailed(now, "work", "function", 1, 1, now, 0.1, failure)
        return self._batch([gave_up, e.RunFailed(self._now(), failure)])

    def cancelled(self, taken: Sequence[str] = ()) -> Batch:
        """Somebody stopped it for good; its questions stay as they are, which no owner does on purpose."""
        return self._batch([e.RunCancelled(self._now(), "somebody")], taken=taken)

    def succeeded(self) -> Batch:
        """`work` was done, and the run reached END."""
        now = self._now()
        move = Move("work", (), ended="END", via=("work>END",))
        return self._batch([e.StepFinished(now, "work", "function", 1, 1, now, 0.1, (), move)])

    def took(self, *letters: str) -> Batch:
        """Letters were taken, and nothing else happened."""
        return self._batch([], taken=letters)

    def answer(self, value: Any = "yes", question: QuestionId | None = None, by: str = "ann") -> Letter:
        """The letter with an answer to the newest question."""
        asked = question or question_id(self.id, self._run().asked)
        return Letter(asked, self.id, "answer", by, self._now(), Answer(asked, value, by, self._now(), "test"))

    def approval(self, value: Any = "yes", by: str = "ann", handed: int | None = 0) -> Letter:
        """The letter with one person's word on the newest question, where it needs several."""
        asked = question_id(self.id, self._run().asked)
        given = Answer(asked, value, by, self._now(), "test", authenticated=True)
        return Letter(f"{asked}:{by}", self.id, "approval", by, self._now(), given, handed=handed)

    def approved(self, letter: Letter) -> Batch:
        """The owner took one person's word up; others are waited for."""
        assert letter.answer is not None
        known = self._run().open[0]
        at = (self._now(), known.id, known.node, known.visit)
        return self._batch([e.QuestionApproved(*at, letter.answer, approval(letter.answer))], taken=[letter.id])

    def handing(self, to: str, handed: int = 0) -> Letter:
        """The letter that gives the newest question to somebody else, seen after it was given away `handed` times."""
        asked = question_id(self.id, self._run().asked)
        name = f"{asked}.to{handed + 1}"
        return Letter(name, self.id, "reassign", "ann", self._now(), handed=handed, question=asked, to=to)

    def handed(self, letter: Letter) -> Batch:
        """The owner took up that somebody else is asked."""
        known = self._run().open[0]
        fact = e.QuestionReassigned(
            self._now(), known.id, known.node, known.visit, letter.to or "", letter.by, known.to
        )
        return self._batch([fact], taken=[letter.id])

    def cancel(self, letter: str = "") -> Letter:
        """The letter that asks for the run's end."""
        return Letter(letter or f"{self.id}.cancel", self.id, "cancel", "ann", self._now())

    def _finished(self, node: str, writes: Sequence[Write], entered: str | None = None) -> e.StepFinished:
        visit = self._run().frontier.visits.get(node, 1)
        now = self._now()
        move = Move(node, (entered or node,), counts={f"{node}>{entered or node}": visit}, via=(f"{node}>",))
        names = tuple(each.field for each in writes)
        return e.StepFinished(now, node, "function", visit, 1, now, 0.25, names, move, words=f"visit {visit}")

    def _batch(
        self,
        events: Sequence[Any],
        writes: Sequence[Write] = (),
        *,
        taken: Sequence[str] = (),
        document: Mapping[str, Any] | None = None,
        before: Sequence[Any] = (),
    ) -> Batch:
        run = self._run()
        for event in events:
            run = advance(run, event)
        self.run = run
        return Batch(run, (*before, *events), tuple(writes), tuple(taken), document)

    def _run(self) -> Run:
        assert self.run is not None, "a tale begins with `begun`"
        return self.run

    def _now(self) -> datetime:
        self._clock.advance(timedelta(seconds=1).total_seconds())
        return self._clock.now()


async def waiting(ledger: Ledger) -> Tale:
    """A run that waits for an answer, owned by nobody."""
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    await ledger.commit(fence, tale.asked())
    await ledger.release(fence)
    return tale


def sets(fields: Mapping[str, Any]) -> tuple[Write, ...]:
    """Writes that set fields to plain JSON values."""
    return tuple(Write(name, "set", json.dumps(value)) for name, value in fields.items())


def append(name: str, *items: Any) -> Write:
    """A write that appends items to a field."""
    return Write(name, "append", json.dumps(items))


__all__ = ["START", "Tale", "append", "sets", "waiting"]
