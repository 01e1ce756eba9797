"""Questions: a human node's own, and those the engine itself asks when only a person can know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.bodies.intent import Ask
from workflow_engine.record.history import StepRecord, history
from workflow_engine.record.ids import question_id
from workflow_engine.record.inbox import QuestionRecord, Tried
from workflow_engine.spec.each import Each, value_type
from workflow_engine.spec.nodes import Human, Node
from workflow_engine.steps.live import Live
from workflow_engine.steps.terms import Terms, terms_of

RERUN, ACCEPT, FAIL = "rerun", "accept", "fail"
LONGEST = 20_000
MOST_TRIED = 40
MOST_EVIDENCE = 40


def human_question(live: Live, node: Node, visit: int, ask: Ask, tried: tuple[Tried, ...]) -> QuestionRecord:
    """The question a human node's body made, numbered and dated."""
    now = live.around.clock.now()
    terms = terms_of(node, ask.question, now) if isinstance(node, Human) else Terms()
    return QuestionRecord(
        id=question_id(live.run.id, live.run.asked + 1),
        run=live.run.id,
        node=node.name,
        visit=visit,
        title=_clean(ask.question.title or node.name.replace("_", " ")),
        message=_clean(ask.question.message),
        schema=ask.schema,
        choices=ask.choices,
        evidence=_evidence(ask.question.evidence),
        tried=tried,
        asked=now,
        due=terms.due,
        to=terms.to,
        candidates=terms.candidates,
        not_by=terms.not_by,
        remind=terms.remind,
        default=terms.default,
        approvals=terms.approvals,
    )


def _evidence(given: Sequence[Any]) -> tuple[str, ...]:
    pieces = [given] if isinstance(given, str) else list(given)  # one text is one piece, not its letters
    kept = tuple(_clean(str(piece)) for piece in pieces[:MOST_EVIDENCE])
    left = len(pieces) - len(kept)
    return kept if left <= 0 else (*kept, f"... {left:,} more {'piece' if left == 1 else 'pieces'} left out ...")


async def tried_so_far(live: Live) -> tuple[Tried, ...]:
    """The last steps before a question, oldest first: which node, which visit, and what came of it."""
    journal = await live.around.ledger.journal(live.run.id)
    steps = history(each.event for each in journal).steps
    return tuple(Tried(each.node, each.visit, _came_of(each)) for each in steps if each.step is not None)[-MOST_TRIED:]


def _came_of(step: StepRecord) -> str:
    if step.failure is not None:
        return f"failed: {step.failure.message}"
    decided = ", ".join(f"{route}: {word}" for route, word in step.routes)
    return " - ".join(part for part in (step.outcome or decided, step.words) if part) or "done"


def doubt_question(live: Live, node: Node, visit: int, item: int | None = None) -> QuestionRecord:
    """An effect was begun by a process that died; only a person can tell whether it happened."""
    return _engine_question(
        live,
        node,
        visit,
        "effect",
        f"Did {node.name} happen{'' if item is None else f' for item {item}'}?",
        f"{node.name} touches the outside world. The process died after it began and before its end was recorded.",
        item,
    )


def deaths_question(live: Live, node: Node, visit: int) -> QuestionRecord:
    """A step took its process down too often to be tried again unasked."""
    count = live.run.deaths.get(node.name, 0)
    return _engine_question(
        live,
        node,
        visit,
        "deaths",
        f"{node.name} took its process down {count} times",
        f"Each time {node.name} was tried its process died. It is not tried again unless you say so.",
    )


def _engine_question(
    live: Live, node: Node, visit: int, asks: Any, title: str, message: str, item: int | None = None
) -> QuestionRecord:
    return QuestionRecord(
        id=question_id(live.run.id, live.run.asked + 1),
        run=live.run.id,
        node=node.name,
        visit=visit,
        title=title,
        message=f"{message}\n{RERUN}: do it again. {ACCEPT}: it is done, with this value. {FAIL}: give it up.",
        schema=_engine_schema(live, node, item),
        choices=(RERUN, ACCEPT, FAIL),
        asked=live.around.clock.now(),
        asks=asks,
        item=item,
    )


def _engine_schema(live: Live, node: Node, item: int | None) -> dict[str, Any]:
    """{"choice": rerun | accept | fail}, and for accept the value of each field the node writes, under its name; that
    of one item is called `value`.
    """
    if isinstance(node, Each) and item is not None:
        values = {"value": TypeAdapter(value_type(node, live.workflow))} if node.writes else {}
    else:
        values = {name: live.workflow.fields[name].adapter for name in node.writes}
    properties: dict[str, Any] = {"choice": {"enum": [RERUN, ACCEPT, FAIL]}}
    defs: dict[str, Any] = {}
    for name, adapter in values.items():
        schema = TypeAdapter.json_schema(adapter)
        defs.update(schema.pop("$defs", {}))
        properties[name] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": ["choice"],
        "additionalProperties": False,
        **({"$defs": defs} if defs else {}),
        "if": {"properties": {"choice": {"const": ACCEPT}}},
        "then": {"required": ["choice", *values]},
    }


def _clean(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return (
        clean
        if len(clean) <= LONGEST
        else f"{clean[: LONGEST // 2]}\n... {len(clean) - LONGEST:,} characters cut ...\n{clean[-LONGEST // 2 :]}"
    )
