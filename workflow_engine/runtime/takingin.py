"""Letters that close nothing, taken in for a run that nobody drives: who is asked now, who approved so far.

They hold from the moment in which they are sent; taken in they are facts, and their run waits as it did. What closes a
question is left to whoever drives the run, for where it leads is decided by code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from workflow_engine.errors import RunOwned
from workflow_engine.ports.ledger import Batch
from workflow_engine.record import people
from workflow_engine.record.events import QuestionApproved, QuestionReassigned
from workflow_engine.record.fold import advance
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Letter, QuestionRecord
from workflow_engine.record.run import Run
from workflow_engine.runtime.workshop import Workshop


async def take_in(shop: Workshop, run_id: RunId) -> None:
    """Take in what can be, or let the run's owner do it."""
    ledger = shop.ledger
    with suppress(RunOwned):
        fence, snapshot = await ledger.claim(run_id)
        try:
            letters = await ledger.letters(run_id)
            asked = {
                each.question.id: each.question for each in await ledger.questions(run_id) if each.status == "open"
            }
            run, facts, taken = snapshot.run, list[Any](), list[str]()
            for letter, fact in _facts(shop, snapshot.run, asked, letters):
                run = advance(run, fact)
                facts.append(fact)
                taken.append(letter.id)
            if facts:
                await ledger.commit(fence, Batch(run, facts, (), taken))
        finally:
            await ledger.release(fence)
        for fact in facts:
            shop.tell(run_id, fact)
    shop.wake(run_id)


def _facts(
    shop: Workshop, run: Run, asked: dict[QuestionId, QuestionRecord], letters: Sequence[Letter]
) -> Iterator[tuple[Letter, QuestionReassigned | QuestionApproved]]:
    now = shop.around.clock.now()
    known = {each.id: each for each in run.open}
    for letter in letters:
        about = letter.question if letter.answer is None else letter.answer.question
        if about is None or about not in known or about not in asked:
            continue
        at = (now, about, known[about].node, known[about].visit)
        if letter.kind == "reassign" and letter.to is not None:
            yield letter, QuestionReassigned(*at, letter.to, letter.by, known[about].to)
        elif letter.kind == "approval" and letter.answer is not None:
            yield letter, QuestionApproved(*at, letter.answer, people.approval(letter.answer))
        else:
            continue
        known[about] = people.standing(asked[about], known[about], [letter]).known or known[about]
