"""Questions and the letters that come for runs: how a question stands, what is sent, what lies in a box."""

from __future__ import annotations

from collections.abc import Sequence

from workflow_engine.errors import AlreadyAnswered, QuestionNotFound, RunEnded, handed_over
from workflow_engine.record import people
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Answer, Letter, Standing
from workflow_engine.record.run import FINAL
from workflow_engine.stores.memory.box import Question
from workflow_engine.stores.memory.shelf import Shelf
from workflow_engine.stores.texts import answer_of_text, letter_of_text, letter_text, nothing_left, question_of_text


class Mail(Shelf):
    """The part of the ledger that people and signals reach a run by."""

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


__all__ = ["Mail"]
