"""Extraction: the diagram of a workflow, and of a run drawn on its workflow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflow_engine.draw.diagram import Arrow, Card, Decision, Diagram, Header, Status
from workflow_engine.draw.lettering import fold
from workflow_engine.draw.measures import bounds, moment, several, spent, time_taken
from workflow_engine.draw.plan import Place, Plan, Way, plan
from workflow_engine.draw.traffic import Traffic
from workflow_engine.frontier.leave import THEN
from workflow_engine.record.history import History, StepRecord
from workflow_engine.record.run import Items, Run
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import words_of
from workflow_engine.spec.workflow import Workflow

MESSAGE_COLUMNS = 72


def diagram_of(workflow: Workflow[Any]) -> Diagram:
    """The picture of a workflow: what may happen. Draws workflows that break laws too."""
    made = plan(workflow)
    cards = tuple(Card(each.id, each.name, each.kind, None, each.lines, each.decision) for each in made.places)
    arrows = tuple(_way(way, _bound(way), None) for way in made.ways)
    loops = sum(way.meaning == "loop" for way in made.ways)
    facts = (several(len(workflow.nodes), "node"), *((several(loops, "bounded loop"),) if loops else ()))
    return Diagram(Header(workflow.name, "workflow", None, facts), cards, arrows, made.groups)


def diagram_of_run(workflow: Workflow[Any], run: Run, history: History, *, interrupted: bool = False) -> Diagram:
    """The picture of a run on its workflow: what did happen.

    `interrupted` says that no living process drives the run, though its journal says running. Times are of finished
    visits; moments are in UTC. The same journal gives the same diagram.
    """
    made = plan(workflow)
    history = history.of_now
    traffic = Traffic.of(workflow, history)
    cards = [_card(each, made, run, history, traffic, interrupted) for each in made.places]
    drawn = {each.id for each in made.places} | {each.decision.route for each in made.places if each.decision}
    gone = dict.fromkeys(each.node for each in history.steps if each.node not in drawn)
    cards += [Card(node, node, "unknown", "done", ("no longer in the workflow",)) for node in gone]
    arrows = tuple(_arrow(way, run, traffic) for way in made.ways)
    return Diagram(header_of(workflow, run, interrupted), tuple(cards), arrows, made.groups)


def _bound(way: Way) -> str:
    if way.meaning == "leaving":
        return "leaves the fork"
    if way.edge.limit is None:
        return ""
    budget = "" if way.edge.budget is None else f", {bounds(way.edge.budget.settings)}"
    return f"≤{way.edge.limit}{budget}" if way.meaning == "loop" else f">{way.edge.limit}"


def _arrow(way: Way, run: Run, traffic: Traffic) -> Arrow:
    times = traffic.times(way)
    count = f"×{times}" if times > 1 else ""
    if way.meaning == "loop" and times:
        # The count restarts when its loop is entered anew; the journal knows how often it was taken in all.
        now = run.frontier.counts.get(way.edge.key, 0)
        count = f"×{now} of {way.edge.limit}" if now else f"×{times}"
        if 0 < now < times:
            count += f", {times} in all"
    elif way.meaning == "leaving" or (way.edge.limit is not None and way.leg != "departure"):
        count = f"{_bound(way)} {count}".strip()
    return _way(way, count, times > 0)


def _way(way: Way, count: str, taken: bool | None) -> Arrow:
    key = f"{way.edge.key} {THEN}" if way.leg == "then" else way.edge.key
    return Arrow(way.tail, way.head, way.label, count, way.meaning, taken, key, way.edge.limit)


def _card(place: Place, made: Plan, run: Run, history: History, traffic: Traffic, interrupted: bool) -> Card:
    match place.kind:
        case "start":
            status: Status = "done"
        case "end":
            status = "done" if run.frontier.ended == place.id else "not reached"
        case "fail":
            status = "failed" if run.frontier.ended == place.id else "not reached"
        case "fork" | "join":
            status = _bar(place, made, traffic)
        case "route":
            word = traffic.words.get(place.name)
            lines = () if word is None else (f"→ {word}",)
            return Card(place.id, place.name, "route", "not reached" if word is None else "done", lines)
        case _:
            status = _status(place.id, run, history, interrupted)
            decision = place.decision
            if decision is not None and place.id not in run.frontier.due:  # what it said last time is not said yet
                decision = Decision(decision.route, traffic.words.get(decision.route))
            told = tuple(_told(place.id, status, run, history))
            return Card(place.id, place.name, place.kind, status, told, decision)
    return Card(place.id, place.name, place.kind, status)


def _bar(place: Place, made: Plan, traffic: Traffic) -> Status:
    passed = any(traffic.times(way) for way in made.ways if way.tail == place.id)
    return "done" if passed else "not reached"


def _status(node: str, run: Run, history: History, interrupted: bool) -> Status:
    latest = history.latest(node)
    if node in run.failed:
        return "failed"
    if node in run.frontier.due:
        if run.status == "cancelled":
            return "cancelled"
        if node in run.resting:
            return "waiting"
        if run.status == "running":
            return "interrupted" if interrupted else "running"
        return "not reached"
    if node in history.withdrawn:
        return "cancelled"
    if latest is None:
        return "not reached"
    if latest.status == "failed":
        return "failed"
    return "looping" if run.frontier.visits.get(node, 1) > 1 else "done"


def _told(node: str, status: Status, run: Run, history: History) -> Iterator[str]:
    """The lines of a card: how often, how long and how dear, then what a reader must know now."""
    steps = history.of(node)
    finished = [each for each in steps if each.seconds is not None]
    visits = run.frontier.visits.get(node, len(steps))
    tries = sum(each.attempts for each in finished)
    facts = [
        *([f"{visits} visits"] if visits > 1 else []),
        *([f"{tries} attempts"] if tries > len(finished) else []),
        *([time_taken(sum(each.seconds or 0.0 for each in finished))] if finished else []),
        *spent(sum((each.usage for each in finished if each.usage is not None), Usage())),
    ]
    if facts:
        yield " · ".join(facts)
    latest = steps[-1] if steps else None
    yield from _items(run.items.get(node), latest)
    if failure := run.failed.get(node) or (latest.failure if latest and status == "failed" else None):
        yield from fold(f"{failure.kind}: {failure.message}", 52, 2)
    match status:
        case "waiting":
            yield from _asked(node, run, latest)
        case "interrupted":
            yield "its process is gone"
        case "not reached":
            yield "due" if node in run.frontier.due else "not reached"
        case "cancelled" if node not in run.frontier.due:
            yield "withdrawn"
        case "running" | "cancelled":
            yield status


def _items(now: Items | None, latest: StepRecord | None) -> Iterator[str]:
    """How many items an `each` node has done: in the visit it is at, else in the last."""
    done, failed = (now.done, now.failed) if now is not None else (latest and latest.items) or (0, 0)
    if done or failed:
        yield several(done + failed, "item") + (f", {failed} failed" if failed else "")


def _asked(node: str, run: Run, latest: StepRecord | None) -> Iterator[str]:
    waiting = run.wait(node)
    if waiting is not None:
        yield words_of(waiting)
        if waiting.had:
            yield f"came: {', '.join(each.name for each in waiting.had)}"
        if waiting.until is not None and waiting.on != "time":
            yield f"until {moment(waiting.until)}"
        return
    question = run.question(node)
    match question.asks if question else "human":
        case "effect":
            yield "did its effect happen?"
        case "deaths":
            yield "took its process down too often"
    if latest is not None and latest.started is not None:
        yield f"asked {moment(latest.started)}"
    if question is not None and question.due is not None:
        yield f"due {moment(question.due)}"


def header_of(workflow: Workflow[Any], run: Run, interrupted: bool) -> Header:
    """What stands above a picture of a run: how it stands, how long it took, what it used."""
    status, word = _standing(run, interrupted)
    facts = [
        word,
        time_taken((run.updated - run.created).total_seconds()),
        several(run.steps, "step"),
        *spent(run.usage),
        *([f"answered by {', '.join(run.answered_by)}"] if run.answered_by else []),
    ]
    if run.shape != workflow.shape:
        facts.append("the workflow has changed since")
    if run.status == "failed" and run.error is not None and not run.failed:
        facts += fold(run.error.message, MESSAGE_COLUMNS, 1)
    return Header(workflow.name, f"run {run.id}", status, tuple(facts))


def _standing(run: Run, interrupted: bool) -> tuple[Status, str]:
    match run.status:
        case "queued":
            return "not reached", "queued"
        case "running":
            return ("interrupted", "interrupted") if interrupted else ("running", "running")
        case "waiting":
            return "waiting", "waiting for " + ("another run" if run.reason == "run" else f"a {run.reason or 'person'}")
        case "succeeded":
            return "done", "succeeded"
        case "failed":
            return "failed", "failed"
        case "cancelled":
            return "cancelled", "cancelled"
