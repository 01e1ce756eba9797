"""The page of a difference: what one step changed in the state, or how two steps of one run or of two differ."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.figures import line, plain, value
from workflow_engine.cli.voice import AMBER, BOLD, DIM, GREEN, RED, painted
from workflow_engine.errors import UsageError
from workflow_engine.record.difference import Change, differences
from workflow_engine.runtime.steppage import find_step

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.record.ids import RunId
    from workflow_engine.runtime.view import RunView

_SIGNS = {"added": ("+", GREEN), "removed": ("-", RED), "changed": ("~", AMBER)}
_MOST = 12
_CONTEXT = 1


@dataclass(frozen=True)
class Moment:
    """The state as a step of a run left it. Step 0 is START."""

    run: RunId
    step: int
    node: str
    state: Mapping[str, Any]

    def __str__(self) -> str:
        return f"step {self.step} ({self.node})"


async def moments(engine: Engine, run: str, name: str | None, other: str | None) -> tuple[Moment, Moment]:
    """What is compared: a step, and what it is compared with; by default the last step, with the one before it."""
    view = await engine.get(run)
    step = view.run.steps if name is None else number_of(view, name)
    if other is None:
        if step == 0:
            raise UsageError(f"nothing comes before START in run {view.id}", "name a step to compare it with")
        return await _moment(engine, view, step - 1), await _moment(engine, view, step)
    return await _other(engine, view, other), await _moment(engine, view, step)


def number_of(view: RunView[Any], name: str) -> int:
    """The number of a step that is named by it, by its node or by node:visit; 0 for START."""
    if name in ("0", "START"):
        return 0
    found = find_step(view, name)
    if found.step is None:
        raise UsageError(f"{line(name, 60)} is not over yet in run {view.id}", "name a step that has its number")
    return found.step


async def _other(engine: Engine, view: RunView[Any], name: str) -> Moment:
    """A step of the same run, or RUN:STEP."""
    try:
        return await _moment(engine, view, number_of(view, name))
    except UsageError:
        run, colon, step = name.partition(":")
        if not colon:
            raise
        there = await engine.get(run)
        return await _moment(engine, there, number_of(there, step))


async def _moment(engine: Engine, view: RunView[Any], step: int) -> Moment:
    record = next((each for each in view.history.steps if each.step == step), None)
    node = "START" if step == 0 else "?" if record is None else f"{record.node}:{record.visit}"
    return Moment(view.id, step, node, await engine.state_at(view.id, step))


def diff_document(before: Moment, after: Moment) -> dict[str, Any]:
    """The difference as JSON: a list of changes, each with the path that leads to it."""
    return {
        "run": after.run,
        "step": after.step,
        "other": {"run": before.run, "step": before.step},
        "changes": [each.document() for each in differences(before.state, after.state)],
    }


def diff_lines(before: Moment, after: Moment, *, full: bool = False) -> list[str]:
    """The difference as lines: a sign, the place, and what stood and stands there."""
    out = sys.stdout
    against = str(before) if before.run == after.run else f"{before} of run {before.run}"
    lines = [f"{painted(str(after), BOLD, out)} of run {after.run}, against {against}", ""]
    changes = differences(before.state, after.state)
    if not changes:
        return [*lines, painted("  nothing differs", DIM, out)]
    return [*lines, *change_lines(changes, full=full)]


def change_lines(changes: Sequence[Change], *, full: bool = False) -> list[str]:
    """Changes as lines, their places below one another."""
    broad = min(30, max((len(each.place) for each in changes), default=0))
    return [text for each in changes for text in _change_lines(each, broad, full)]


def _change_lines(change: Change, broad: int, full: bool) -> Iterator[str]:
    sign, colour = _SIGNS[change.kind]
    head = f"  {painted(sign, colour, sys.stdout)} {painted(line(change.place, 60), BOLD, sys.stdout)}"
    gap = " " * max(2, broad - len(change.place) + 2)
    most = 10_000 if full else 120
    was, now = change.before, change.after
    if change.kind == "changed" and (_long(was) or _long(now)):
        yield head
        yield from _compared(_text(was), _text(now), full)
    elif change.kind == "changed":
        yield f"{head}{gap}{_short(was, most // 2)} {painted('→', DIM, sys.stdout)} {_short(now, most // 2)}"
    elif full or not isinstance(change.path[-1], int):
        yield f"{head}{gap}{_short(now if change.kind == 'added' else was, most)}"
    else:
        for index, item in enumerate(now if change.kind == "added" else was):
            yield f"{head}{gap}{_short(item, most)}" if index == 0 else f"    {' ' * broad}  {_short(item, most)}"
            if index == _MOST:
                yield f"    {' ' * broad}  … --full shows them all"
                return


def _compared(was: str, now: str, full: bool) -> Iterator[str]:
    """Two long texts, line by line."""
    told = list(difflib.unified_diff(was.splitlines(), now.splitlines(), n=_CONTEXT, lineterm=""))[2:]
    shown = told if full else told[: 2 * _MOST]
    for each in shown:
        colour = {"+": GREEN, "-": RED}.get(each[:1], DIM)
        text = plain(each) if full else line(each[1:], 160)
        yield f"      {painted(text if full else f'{each[:1]}{text}', colour, sys.stdout)}"
    if len(shown) < len(told):
        yield f"      … {len(told) - len(shown)} more lines: --full"


def _long(thing: Any) -> bool:
    return "\n" in thing or len(thing) > 120 if isinstance(thing, str) else len(_text(thing)) > 160


def _text(thing: Any) -> str:
    return thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False, indent=2)


def _short(thing: Any, most: int) -> str:
    """A value with its quotes, so that nothing, an empty text and the word null can be told apart."""
    return value(json.dumps(thing, ensure_ascii=False), most)
