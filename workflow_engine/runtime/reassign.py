"""Giving a question to somebody else, and claiming one: what closes nothing, and needs no code."""

from __future__ import annotations

from typing import Any

from workflow_engine.errors import Conflict, NotAllowed, UsageError
from workflow_engine.record.inbox import Letter, Standing
from workflow_engine.record.people import Principal, is_group
from workflow_engine.runtime.answer import asked, must_be_open
from workflow_engine.runtime.inputs import signed
from workflow_engine.runtime.people import acting, must_be_asked
from workflow_engine.runtime.takingin import take_in
from workflow_engine.runtime.workshop import Workshop


async def reassign(shop: Workshop, question: str, to: str, by: Any) -> Standing:
    """Ask somebody else from now on.

    Anybody may, who says or proves who they are; where a choice needs several people, only who may answer it.
    """
    who = await acting(shop.ledger, by)
    standing = await asked(shop.ledger, question)
    must_be_open(standing)
    if standing.question.approvals:
        must_be_asked(standing, who)
    to = signed(to)
    if not to or is_group(to):
        raise UsageError(f"--to {to!r} is no person", "give it to one person: --to bob")
    if to in standing.question.not_by:
        raise NotAllowed(
            f"{to} must not answer question {standing.question.id}: its workflow excludes them", "name somebody else"
        )
    if to == standing.to:
        raise Conflict(f"question {standing.question.id} is asked of {to} already", "nothing is left to do")
    return await _handed(shop, standing, to, who)


async def claim(shop: Workshop, question: str, by: Any) -> Standing:
    """Take a question that is asked of several, or of anybody: others see who has it, and may answer it all the same.

    Claiming what one has changes nothing. What somebody else has is taken by `reassign`, which says so.
    """
    who = await acting(shop.ledger, by)
    standing = await asked(shop.ledger, question)
    must_be_open(standing)
    must_be_asked(standing, who)
    if not who.name:
        raise UsageError("a claim needs a name", "--by NAME")
    if standing.to == who.name:
        return standing
    if standing.to is not None:
        raise Conflict(
            f"{standing.to} has question {standing.question.id}",
            f"take it over: workflow reassign {standing.question.id} --to {who.name}",
        )
    return await _handed(shop, standing, who.name, who)


async def _handed(shop: Workshop, standing: Standing, to: str, who: Principal) -> Standing:
    # One letter for each time it is handed on, and the store looks whether it still stands as it was seen here.
    question, now = standing.question, shop.around.clock.now()
    handed = 0 if standing.known is None else standing.known.handed
    name = f"{question.id}.to{handed + 1}"
    letter = Letter(name, question.run, "reassign", who.name, now, handed=handed, question=question.id, to=to)
    if not await shop.ledger.send(letter):
        raise Conflict(f"question {question.id} was reassigned at this moment", "look at it once more: workflow inbox")
    await take_in(shop, question.run)
    return await shop.ledger.question(question.id)
