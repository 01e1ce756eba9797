"""People: who acts, whether that is proved, who may answer a question, and what the answers of several add up to.

Pure, and on the lowest floor, because a store must decide it in the transaction in which an answer comes in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflow_engine.record.inbox import Answer, Approval, Letter, Open, QuestionRecord, Standing

GROUP = "group:"
BY_DEFAULT = "the default at expiry"
"""Who gave an answer that nobody gave: the declared default of a question whose time was up."""


@dataclass(frozen=True)
class Principal:
    """Somebody who acts. A name alone is a claim; `authenticated` says that whoever hands it in has proof of it.

    `groups` are those that the proof speaks of.
    """

    name: str
    authenticated: bool = False
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """Somebody a store knows: by a token, of which it keeps only a digest, and with the groups they belong to."""

    name: str
    token: str
    groups: tuple[str, ...] = ()
    since: datetime | None = None


def token_digest(token: str) -> str:
    """What is kept of a token. A token is drawn at random from 256 bits, so a plain digest cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def bearer(people: Iterable[Person], token: str) -> Principal | None:
    """Whose token it is."""
    held = token_digest(token)
    found = [each for each in people if hmac.compare_digest(each.token, held)]
    return Principal(found[0].name, authenticated=True, groups=found[0].groups) if found else None


def is_group(name: str) -> bool:
    """Whether a candidate is a group of people."""
    return name.startswith(GROUP)


def askable(question: QuestionRecord, to: str | None) -> tuple[str, ...]:
    """Who may answer, people and groups; empty means anybody."""
    return tuple(dict.fromkeys(each for each in (to, *question.candidates) if each is not None))


def may_answer(question: QuestionRecord, to: str | None, who: Principal) -> bool:
    """Whether somebody is among those who may answer, and is not excluded."""
    if who.name in question.not_by:
        return False
    asked = askable(question, to)
    return not asked or who.name in asked or any(f"{GROUP}{each}" in asked for each in who.groups)


def gist(value: Any) -> str:
    """A digest of an answer as plain JSON: the same for the same answer, however it was written.

    Empty for what no answer can be, and then it is the same as no other.
    """
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    except (ValueError, TypeError, RecursionError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def choice_in(value: Any) -> str | None:
    """The word an answer (as plain JSON) decides by, if it has one."""
    word = value.get("choice") if isinstance(value, Mapping) else value
    return word if isinstance(word, str) else None


def approval(answer: Answer) -> Approval:
    """One person's word among those that a choice needs."""
    return Approval(answer.by, choice_in(answer.value) or "", gist(answer.value), answer.at)


def decides(question: QuestionRecord, given: Sequence[Approval]) -> bool:
    """Whether the last of these settles the question: so many different people gave the same answer as it needs."""
    if not given or not given[-1].gist:
        return False
    last = given[-1]
    same = {each.by for each in given if each.gist == last.gist}
    return len(same) >= question.approvals.get(last.choice, 1)


def standing(question: QuestionRecord, known: Open, letters: Iterable[Letter]) -> Standing:
    """How an open question stands, with the letters in its run's box that nobody took yet, in the order they came."""
    for letter in letters:
        if question.id not in (letter.question, letter.answer and letter.answer.question):
            continue
        if letter.kind == "reassign":
            known = replace(known, to=letter.to, handed=known.handed + 1)
        elif letter.answer is not None:
            given = (*known.approved, approval(letter.answer))
            if letter.kind == "answer" or decides(question, given):
                return Standing(question, "answered", letter.answer)
            known = replace(known, approved=given)
    return Standing(question, known=known)
