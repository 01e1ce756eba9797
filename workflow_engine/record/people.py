"""People: who acts, whether that is proved, who may answer a question, and what the answers of several add up to.

Pure, and on the lowest floor, because a store must decide it in the transaction in which an answer comes in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    """A digest of an answer as plain JSON: the same for the same answer, however it was written."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]


def choice_in(value: Any) -> str | None:
    """The word an answer (as plain JSON) decides by, if it has one."""
    word = value.get("choice") if isinstance(value, Mapping) else value
    return word if isinstance(word, str) else None


def approval(answer: Answer) -> Approval:
    """One person's word among those that a choice needs."""
    return Approval(answer.by, choice_in(answer.value) or "", gist(answer.value), answer.at)


def decides(question: QuestionRecord, given: Sequence[Approval]) -> bool:
    """Whether the last of these settles the question: so many different people gave the same answer as it needs."""
    if not given:
        return False
    last = given[-1]
    same = {each.by for each in given if each.gist == last.gist}
    return len(same) >= question.approvals.get(last.choice, 1)


def standing(question: QuestionRecord, known: Open, letters: Iterable[Letter]) -> Standing:
    """How an open question stands, with the letters in its run's box that nobody took yet."""
    given = list(known.approved)
    for letter in letters:
        if letter.answer is None or letter.answer.question != question.id:
            continue
        if letter.kind == "answer":
            return Standing(question, "answered", letter.answer)
        given.append(approval(letter.answer))
        if decides(question, given):
            return Standing(question, "answered", letter.answer)
    return Standing(question, known=replace(known, approved=tuple(given)))
