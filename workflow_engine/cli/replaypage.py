"""The pages of a replay: what each moment changed and where the run stood then; or the first thing that differs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.diff import change_lines
from workflow_engine.cli.figures import line, plain, several, value
from workflow_engine.cli.page import state_lines
from workflow_engine.cli.signs import sign
from workflow_engine.cli.voice import BOLD, DIM, painted
from workflow_engine.record.difference import Change, differences

if TYPE_CHECKING:
    from workflow_engine.record.values import Value
    from workflow_engine.runtime.replay import Difference, Replay
    from workflow_engine.runtime.tape import Moment
    from workflow_engine.targets import Loaded

_MARKS = {
    "begun": "not reached",
    "forked": "looping",
    "finished": "done",
    "failed": "failed",
    "migrated": "looping",
    "withdrawn": "cancelled",
}


class Telling:
    """What changes from one moment to the next. A list that grows is told by what was added, and not read again."""

    def __init__(self) -> None:
        self._lengths: dict[str, int] = {}

    def changes(self, moment: Moment) -> tuple[Change, ...]:
        """The changes of the next moment in order."""
        found: list[Change] = []
        for name in dict.fromkeys((*moment.before, *moment.state)):
            was, now = moment.before.get(name), moment.state.get(name)
            if was is not now:
                found += self._of(name, was, now)
        return tuple(found)

    def _of(self, name: str, was: Value | None, now: Value | None) -> Iterator[Change]:
        if now is not None and was is not None and now.before is was:
            items = _items(now)
            at = self._lengths.get(name)
            if at is None:
                at = len(was.json())
            self._lengths[name] = at + len(items)
            if items:
                yield Change((name, at), "added", after=items)
            return
        self._lengths.pop(name, None)
        yield from differences({} if was is None else {name: was.json()}, {} if now is None else {name: now.json()})


def _items(grown: Value) -> list[Any]:
    import json

    items: list[Any] = json.loads(grown.text)
    return items


def moment_document(moment: Moment, changes: Sequence[Change]) -> dict[str, Any]:
    """One moment as JSON."""
    frontier = moment.run.frontier
    failure = getattr(moment.event, "failure", None)
    return {
        "step": moment.step,
        "event": moment.kind,
        "node": moment.node,
        "visit": moment.visit,
        "run": moment.run.id,
        "seq": moment.seq,
        "at": moment.event.at.isoformat(),
        "outcome": moment.outcome,
        "routes": [list(each) for each in moment.routes],
        "error": None if failure is None else failure.message,
        "migrations": list(getattr(moment.event, "applied", ())),
        "changes": [each.document() for each in changes],
        "state": {name: each.json() for name, each in moment.state.items()},
        "due": list(frontier.due),
        "arrived": {key: list(each) for key, each in frontier.arrived.items()},
        "counts": dict(frontier.counts),
        "ended": frontier.ended,
    }


def replay_document(told: Replay, moments: Sequence[tuple[Moment, Sequence[Change]]]) -> dict[str, Any]:
    """A replay as JSON."""
    workflow = told.moments[-1].run.workflow if told.moments else None
    return {"run": told.run, "workflow": workflow, "steps": [moment_document(*each) for each in moments]}


def moment_lines(moment: Moment, changes: Sequence[Change], *, full: bool = False) -> list[str]:
    """One moment: what it was, what it changed, where the run stands then."""
    out = sys.stdout
    mark = sign(_MARKS[moment.kind])
    words = [moment.outcome or "", *(f"{route}: {word}" for route, word in moment.routes)]
    dropped = getattr(getattr(moment.event, "move", None), "dropped", ())
    words += [f"withdrew {', '.join(dropped)}"] if dropped else ["withdrawn"] if moment.kind == "withdrawn" else []
    said = ", ".join(line(each) for each in words if each)
    visit = "" if not moment.visit else f"  visit {moment.visit}"
    number = str(moment.step).rjust(4) if moment.kind not in ("migrated", "withdrawn") else "    "
    head = f"{number}  {painted(mark.on(out), mark.ansi, out)} {painted(_name(moment), BOLD, out)}{visit}"
    lines = [f"{head}{painted(f'  → {said}', DIM, out) if said else ''}"]
    if moment.kind == "failed":
        lines.append(f"        {line(moment.event.failure.message, 200)}")
    lines += [f"    {each}" for each in change_lines(changes, full=full)]
    lines.append(painted(f"        {_stands(moment)}", DIM, out))
    return lines


def _name(moment: Moment) -> str:
    if moment.kind == "migrated":
        return f"migrated: {line(', '.join(moment.event.applied) or 'to other edges', 200)}"
    if moment.kind == "forked":
        return f"forked from run {moment.event.parent} at {moment.node}"
    return line(moment.node, 60)


def _stands(moment: Moment) -> str:
    frontier = moment.run.frontier
    if frontier.ended is not None:
        return f"ended at {line(frontier.ended)}"
    parts = [f"due: {', '.join(map(line, frontier.due))}"] if frontier.due else []
    parts += [f"at the join {line(key)}: {', '.join(there)}" for key, there in frontier.arrived.items()]
    parts += [f"{line(key)} ×{count}" for key, count in frontier.counts.items()]
    parts += [f"leaving the fork for {line(there[-1])}" for there in frontier.leaving.values()]
    return "; ".join(parts)


def state_block(moment: Moment, *, full: bool = False) -> list[str]:
    """The whole state after a moment."""
    return [
        "",
        painted("state", DIM, sys.stdout),
        *state_lines({name: each.json() for name, each in moment.state.items()}, full=full),
    ]


def against_document(told: Replay, loaded: Loaded) -> dict[str, Any]:
    """A replay against a workflow as JSON."""
    return {
        "run": told.run,
        "workflow": loaded.workflow.name,
        "against": loaded.label,
        "fingerprint": loaded.workflow.fingerprint,
        "same": told.same,
        "steps": [{"step": each.step, "node": each.node, "visit": each.visit, "how": each.how} for each in told.steps],
        "difference": None if told.difference is None else _difference_document(told.difference),
    }


def _difference_document(found: Difference) -> dict[str, Any]:
    return {
        "step": found.step,
        "node": found.node,
        "visit": found.visit,
        "kind": found.kind,
        "what": found.what,
        "recorded": found.recorded,
        "now": found.now,
        "changes": [each.document() for each in found.changes],
        "hint": found.hint,
    }


def against_lines(told: Replay, loaded: Loaded, *, full: bool = False) -> list[str]:
    """What was taken again, and the first difference with what was recorded and what comes now."""
    out = sys.stdout
    ran = sum(each.how == "ran" for each in told.steps)
    lines = [f"run {told.run} against {painted(plain(loaded.label), BOLD, out)}"]
    good, bad = sign("done"), sign("failed")
    found = told.difference
    for each in told.steps:
        differs = found is not None and each.step == found.step
        mark = bad if differs else good
        where = f"{str(each.step).rjust(4)}  {painted(mark.on(out), mark.ansi, out)} {line(each.node, 40)}"
        lines.append(f"{where}  visit {each.visit}  {painted(_HOW[each.how], DIM, out)}")
    if found is None:
        lines.append(f"nothing differs: {several(ran, 'step')} ran anew, {len(told.steps) - ran} as recorded")
        return lines
    where = "at START" if not found.step else f"at step {found.step} ({line(found.node, 40)}, visit {found.visit})"
    lines += ["", f"{painted('the first difference', bad.ansi, out)} is {where}", f"  {plain(found.what)}"]
    if found.changes:
        lines += change_lines(found.changes, full=full)
    elif found.kind != "way":
        most = 10_000 if full else 160
        lines += [f"  recorded  {value(found.recorded, most)}", f"  now       {value(found.now, most)}"]
    if found.hint:
        lines.append(painted(f"  {plain(found.hint)}", DIM, out))
    return lines


_HOW = {"ran": "ran anew", "recorded": "as recorded"}
