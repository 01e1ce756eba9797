"""Who acts on a question: a name that was said, or a principal whose proof somebody holds; and who is enrolled."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from workflow_engine.errors import NotAllowed, UsageError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.inbox import Standing
from workflow_engine.record.people import Person, Principal, askable, bearer, is_group, may_answer, token_digest
from workflow_engine.runtime.inputs import signed
from workflow_engine.runtime.workshop import Workshop

PROVE = "give their token: WORKFLOW_TOKEN, in Python by=await engine.bearer(token)"


async def acting(ledger: Ledger, by: Any) -> Principal:
    """Who acts, with the groups the store knows them in.

    Raises errors.UsageError for what is no name, errors.NotAllowed where only a name is given and the store knows
    somebody of that name, who would prove it.
    """
    who = by if isinstance(by, Principal) else Principal(by)
    name = signed(who.name)
    known = next((each for each in await ledger.people() if each.name == name), None)
    if known is not None and not who.authenticated:
        raise NotAllowed(f"{name} is enrolled here, and nothing proves that this is {name}", PROVE)
    return Principal(name, who.authenticated, who.groups or (known.groups if known is not None else ()))


def must_be_asked(standing: Standing, who: Principal) -> None:
    """Raises errors.NotAllowed, naming who may, for somebody who may not answer."""
    question = standing.question
    if question.approvals and not who.authenticated:
        needs = ", ".join(f"{word!r} {count}" for word, count in question.approvals.items())
        raise NotAllowed(
            f"question {question.id} needs several people ({needs}), and nothing proves who {who.name or 'this'} is",
            PROVE if who.name else "workflow people add NAME makes a token",
        )
    if may_answer(question, standing.to, who):
        return
    asked = askable(question, standing.to)
    if who.name in question.not_by:
        others = [each for each in asked if each not in question.not_by]
        raise NotAllowed(
            f"{who.name} must not answer question {question.id}: its workflow excludes them",
            f"ask {' or '.join(others)}" if others else "ask somebody else",
        )
    raise NotAllowed(
        f"question {question.id} is asked of {', '.join(asked)}, and not of {who.name or 'nobody'}",
        f"one of them answers it, or gives it away: workflow reassign {question.id} --to {who.name or 'NAME'}",
    )


async def enrol(shop: Workshop, name: str, groups: Sequence[str]) -> str:
    """Know somebody by a new token, which is returned and kept nowhere."""
    name = signed(name)
    if not name or is_group(name):
        raise UsageError(f"{name!r} is no person's name", "workflow people add alice --group release")
    given: Sequence[Any] = groups
    for each in given:
        if not isinstance(each, str) or not each or each != signed(each):
            raise UsageError(f"{each!r} is no group's name", "groups are named without 'group:', as in --group release")
    token = secrets.token_urlsafe(32)
    bare = tuple(dict.fromkeys(each.removeprefix("group:") for each in groups))
    await shop.ledger.enrol(Person(name, token_digest(token), bare, shop.around.clock.now()))
    return token


async def dismiss(shop: Workshop, name: str) -> None:
    """Know somebody no more."""
    if not await shop.ledger.dismiss(signed(name)):
        raise UsageError(f"nobody called {name!r} is enrolled here", "workflow people")


async def holder(ledger: Ledger, token: str) -> Principal:
    """Whose token it is. Raises errors.NotAllowed for nobody's."""
    found = bearer(await ledger.people(), token)
    if found is None:
        raise NotAllowed("the token belongs to nobody who is enrolled here", "workflow people add NAME makes a new one")
    return found


def asked_of(standing: Standing, person: Principal) -> bool:
    """Whether a question waits for this person: it is theirs, or a candidate's and nobody has taken it."""
    if standing.to is not None:
        return standing.to == person.name
    return bool(standing.question.candidates) and may_answer(standing.question, None, person)
