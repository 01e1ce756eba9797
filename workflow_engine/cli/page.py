"""The page of a run: header, steps, state and questions as lines. Values are shortened unless all is asked for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.figures import NOTHING, ago, cost, duration, line, plain, room, several, tokens, value
from workflow_engine.cli.grid import Cell, grid
from workflow_engine.cli.report import failure_lines, question_lines, status_word, summary, wait_lines
from workflow_engine.cli.signs import sign
from workflow_engine.cli.voice import BOLD, DIM, painted

if TYPE_CHECKING:
    from workflow_engine.record.history import StepRecord
    from workflow_engine.runtime.view import RunView

_VALUE = 160


def run_lines(view: RunView[Any], *, full: bool = False) -> list[str]:
    """Everything a person wants to know first."""
    run, out = view.run, sys.stdout
    lines = [f"{painted(line(run.workflow), BOLD, out)}  {summary(view)}"]
    facts = [f"begun {ago(run.created)} ({run.created:%Y-%m-%d %H:%M} UTC)", f"fingerprint {run.shape}"]
    if run.target is not None:
        facts.append(line(run.target))
    if not run.answered_by and any(each.kind == "agent" for each in view.history.steps):
        facts.append("no model has answered")
    lines.append(painted("  ".join(facts), DIM, out))
    if view.history.missing:
        behind = f"steps 1 to {view.history.missing}" if view.history.missing > 1 else "step 1"
        lines.append(painted(f"{behind}: taken by a run that can no longer be read", DIM, out))
    lines += [painted(each, DIM, out) for each in _change_lines(view)]
    lines += failure_lines(view)
    steps = [_row(each) for each in view.history.steps if each.status != "running"] + _under_way(view)
    if steps:
        head = ["step", "", "node", "visit", "tries", "time", "tokens", "cost", "last word"]
        lines += ["", *grid(head, steps, out, room=room(out))]
    lines += wait_lines(view)
    lines += question_lines(view, whole=True, longest=None if full else 24)
    if view.values:
        lines += ["", painted("state", DIM, out), *state_lines(view.values, full=full)]
    return lines


def _change_lines(view: RunView[Any]) -> list[str]:
    """When it went on with other code, and what of that concerned it."""
    lines = []
    for each in view.history.changes:
        told = [f"took up {text}" for text in each.applied]
        told += [f"accepted {text}" for text in each.accepted]
        told += each.how or ([f"edited: {', '.join(each.bodies)}"] if each.bodies else [])
        shown = "; ".join(told[:_CHANGES]) + (f"; {len(told) - _CHANGES} more: --json" if len(told) > _CHANGES else "")
        if told:
            lines.append(f"other code after {'START' if not each.steps else f'step {each.steps}'}: {line(shown, 400)}")
    return lines


_CHANGES = 6


def state_lines(values: Any, *, full: bool = False) -> list[str]:
    """One field a line, long values shortened; in full, a block for each value that does not fit one."""
    broad = max((len(name) for name in values), default=0)
    lines = []
    for name, each in values.items():
        if not full:
            lines.append(f"  {name.ljust(broad)}  {value(each, max(40, min(_VALUE, room(sys.stdout) - broad - 4)))}")
            continue
        text = plain(
            each if isinstance(each, str) else json.dumps(each, ensure_ascii=False, indent=2)
        ).splitlines() or [""]
        lines.append(f"  {name.ljust(broad)}  {text[0]}")
        lines += [f"  {' ' * broad}  {more}" for more in text[1:]]
    return lines


def _row(step: StepRecord) -> list[Cell]:
    again = step.status == "finished" and step.visit > 1
    mark = sign("looping" if again else step.status)
    used = step.usage
    return [
        Cell("" if step.step is None else str(step.step), DIM, right=True),
        Cell(mark.on(sys.stdout), mark.ansi),
        Cell(line(step.node, 30)),
        Cell(str(step.visit), right=True),
        Cell(str(step.attempts) if step.attempts > 1 else "", "33", right=True),
        Cell(NOTHING if step.seconds is None else duration(step.seconds), right=True),
        Cell("" if used is None or not used.requests else tokens(used.input_tokens + used.output_tokens), right=True),
        Cell("" if used is None or not used.cost else cost(used.cost), right=True),
        Cell(line(said(step)), mark.ansi if step.status in ("failed", "waiting") else DIM),
    ]


def _under_way(view: RunView[Any]) -> list[list[Cell]]:
    """Nodes that are due and neither rest nor gave up: under way, or to be begun when somebody goes on."""
    run = view.run
    if run.status not in ("running", "queued", "waiting"):
        return []
    word = "running" if view.owned else status_word(view)
    mark = sign(word)
    empty = Cell("")
    return [
        [
            empty,
            Cell(mark.on(sys.stdout), mark.ansi),
            Cell(line(node, 30)),
            Cell(str(run.frontier.visits.get(node, 1)), right=True),
            *[empty] * 4,
            _entered(run.entered[node]) if node in run.entered else _due(view, node),
        ]
        for node in run.frontier.due
        if node not in run.resting
    ]


def _entered(within: str) -> Cell:
    return Cell(f"as run {within}", DIM)


def _due(view: RunView[Any], node: str) -> Cell:
    """What is known of a step that is to be done: whether somebody does it, and how many of its items are over."""
    if node in view.run.doubts and not view.owned:
        return Cell("in doubt: it began and its end was not recorded", "33")
    word = "under way" if view.owned else "due"
    so_far = view.run.items.get(node)
    if so_far is None:
        return Cell(word, DIM)
    failed = f", {so_far.failed} failed" if so_far.failed else ""
    return Cell(f"{word}, {several(so_far.done, 'item')} done{failed}", DIM)


def said(step: StepRecord) -> str:
    """What a step said of itself and the words it was left by."""
    words = [word for _, word in step.routes]
    if step.outcome is not None and step.outcome not in step.words:
        words.insert(0, step.outcome)
    run = f"run {step.run}" if step.run is not None and step.run not in step.words else ""
    way = f"→ {', '.join(words)}" if words else ""
    withdrew = f"(withdrew {', '.join(step.withdrew)})" if step.withdrew else ""
    return " ".join(part for part in (step.words, run, way, withdrew) if part)
