"""The page of a step as lines: its tries, its way on, and what it wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.figures import cost, duration, line, plain, several, tokens
from workflow_engine.cli.page import state_lines
from workflow_engine.cli.report import question_block
from workflow_engine.cli.signs import sign
from workflow_engine.cli.voice import BOLD, DIM, painted
from workflow_engine.record.events import QuestionAnswered, StepFinished
from workflow_engine.runtime.steppage import StepPage, failed_items, story_of, tries

if TYPE_CHECKING:
    from workflow_engine.record.inbox import Answer, Standing
    from workflow_engine.record.story import StoryItem


MOST_ITEMS = 12
"""Failed items that are shown unless all are asked for."""


def step_lines(page: StepPage, *, full: bool = False) -> list[str]:
    """One step as lines."""
    view, step, journal = page.view, page.step, page.journal
    out, mark = sys.stdout, sign(step.status)
    number = "" if step.step is None else f"  step {step.step}"
    status, node = painted(f"{mark.on(out)} {step.status}", mark.ansi, out), painted(line(step.node), BOLD, out)
    lines = [f"{status}  {node}  visit {step.visit}{number}  of run {view.id}"]

    def fact(name: str, text: str) -> None:
        if text:
            lines.append(f"  {painted(name.ljust(11), DIM, out)}  {plain(text)}")

    fact("kind", step.kind)
    fact("began", "" if step.started is None else f"{step.started:%Y-%m-%d %H:%M:%S} UTC")
    fact("took", "" if step.seconds is None else duration(step.seconds))
    fact("last word", line(step.words))
    fact("outcome", step.outcome or "")
    fact("as run", step.run or "")
    for route, word in step.routes:
        fact("route", f"{route}: {word}")
    fact("way on", ", ".join(line(each) for each in step.via))
    fact("answered by", ", ".join(step.answered_by))
    if step.usage is not None and step.usage.requests:
        used = f"{tokens(step.usage.input_tokens)} in, {tokens(step.usage.output_tokens)} out, {cost(step.usage.cost)}"
        fact("used", f"{several(step.usage.requests, 'request')}, {used}")
    for each in tries(step, journal):
        of_item = "" if each.item is None else f"item {each.item}: "
        fact(f"try {each.attempt}", f"{of_item}{line(each.failure.message)}; waited {duration(each.wait)}")
    failed = failed_items(step, journal)
    for gone in failed if full else failed[:MOST_ITEMS]:
        fact(f"item {gone.item}", f"{gone.failure.kind}: {line(gone.failure.message)}")
    if len(failed) > MOST_ITEMS and not full:
        fact("", f"… and {several(len(failed) - MOST_ITEMS, 'item')} more: --full")
    if step.failure is not None:
        fact("error", f"{step.failure.kind}: {plain(step.failure.message)}")
        lines += [painted(f"    {each}", DIM, out) for each in plain(step.failure.trace).rstrip().splitlines()]
    lines += _story_lines(story_of(step, journal), full)
    for standing in view.questions:
        if _about(page, standing.question.node, standing.question.visit):
            open_ = standing.status == "open" and standing.answer is None
            lines += ["", *(_open(standing, full) if open_ else _settled(standing, full))]
    here = {standing.question.id for standing in view.questions}
    for recorded in journal:
        match recorded.event:
            case QuestionAnswered(question=asked, node=node, visit=visit, answer=answer) if asked not in here:
                # It stands with the run that this was forked from.
                lines += ["", _told(answer, full)] if _about(page, node, visit) else []
    lines += _written(page, full)
    return lines


def _open(standing: Standing, full: bool) -> list[str]:
    return question_block(standing, whole=True, longest=None if full else 24)


def _settled(standing: Standing, full: bool) -> list[str]:
    """A question that wants no answer any more: what was asked, and what became of it. Its form is of no use."""
    asked, answer, out = standing.question, standing.answer, sys.stdout
    lines = [f"  {line(asked.node)} asked  {painted(asked.id, DIM, out)}"]
    told = plain(asked.message).strip().splitlines()
    lines += [f"  {each}" for each in (told if full else told[:1])]
    for piece in asked.evidence if full else ():
        lines += [f"      {each}" for each in plain(piece).splitlines()]
    if answer is None:
        return [*lines, f"    {painted(standing.status, DIM, out)}"]
    return [*lines, _told(answer, full)]


def _told(answer: Answer, full: bool) -> str:
    said = answer.value
    if isinstance(said, Mapping) and "choice" in said:
        more = "".join(f", {name} {_value(value)}" for name, value in said.items() if name != "choice" and value)
        said = f"{said['choice']}{more}"
    told_by = f"{_value(said)} by {answer.by} through {answer.through}"
    return f"    {painted('answer'.ljust(8), DIM, sys.stdout)}  {told_by if full else line(told_by, 100)}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_TOLD = {"prompt": "asked", "message": "said", "reasoning": "thought", "tool_call": "uses", "tool_result": "got"}
_TOLD |= {"ruling": "ruled", "handoff": "handed", "check": "looked", "failed": "failed", "unknown": "unclear"}


def _story_lines(items: Sequence[StoryItem], full: bool) -> list[str]:
    """The story of an agent's step: a line each; with whole texts and times where all is asked for."""
    if not items:
        return []
    out = sys.stdout
    lines = ["", painted("story", DIM, out)]
    talks = {each.talk for each in items}
    for number, each in enumerate(items):
        if len(talks) > 1 and (number == 0 or items[number - 1].talk != each.talk):
            lines.append(painted(f"  talk {each.talk}", DIM, out))
        took = "" if each.seconds is None else f"  {duration(each.seconds)}"
        of_item = "" if each.item is None else f"item {each.item}: "
        deep = "  " * each.path.count("/")
        head = f"  {deep}{painted(_TOLD[each.kind].ljust(8), DIM, out)}{of_item}"
        words = plain(_words(each))
        if full:
            first, *rest = words.rstrip().splitlines() or [""]
            lines.append(f"{head}{first}{took}")
            lines += [f"  {deep}{' ' * 8}{word}" for word in rest]
        elif words:
            lines.append(f"{head}{line(' '.join(words.split()), 100)}")
    return lines


def _words(item: StoryItem) -> str:
    match item.kind:
        case "tool_call" | "unknown" if item.call.startswith("t."):
            return f"{item.who} {item.text}"
        case "unknown":
            return "the model: how it ended is not known"
        case "handoff":
            return f"{item.who} > {item.text}"
        case "check":
            return f"{item.who}: {item.text or 'fine'}"
        case "ruling":
            return f"{item.text} (by {item.who})"
        case "failed":
            return f"{item.who or 'the model'}: {item.text}"
        case _:
            return item.text


def _about(page: StepPage, node: str, visit: int) -> bool:
    """Whether a question is this step's, which may have been asked before its node was renamed."""
    named = page.view.history.nodes.get(node, node)
    return visit == page.step.visit and page.step.node in (node, named)


def _written(page: StepPage, full: bool) -> list[str]:
    """The fields it wrote, as they were then, and which later step wrote them anew."""
    if not page.wrote:
        return []
    step, out = page.step, sys.stdout
    lines = ["", painted("wrote", DIM, out), *state_lines(page.wrote, full=full)]
    finished = [event for each in page.journal if isinstance(event := each.event, StepFinished)]
    last = {name: (event.node, event.visit) for event in finished for name in event.writes}
    for name in page.wrote:
        node, visit = last[name]
        if (node, visit) != (step.node, step.visit):
            lines.append(painted(f"  {name} was written again by {line(node)}, visit {visit}", DIM, out))
    return lines
