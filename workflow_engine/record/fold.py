"""The fold: a run is what its journal tells. `advance` is the one place where a run changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, assert_never

from workflow_engine.errors import Failure
from workflow_engine.record import events as e
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import node_of, place_of
from workflow_engine.record.inbox import MIDWAY, Open
from workflow_engine.record.renaming import renamed
from workflow_engine.record.run import FINAL, INTERRUPTED, Items, Run
from workflow_engine.record.waiting import Kept, Waiting

T = TypeVar("T")


def _with(run: Run, **changes: Any) -> Run:
    # dataclasses.replace goes through every field and through __init__, which costs ten times this, thrice a step.
    made = object.__new__(Run)
    made.__dict__.update(run.__dict__, **changes)
    return made


def begin(event: e.RunCreated | e.RunForked) -> Run:
    """The run as its first event leaves it."""
    run = Run(
        id=event.run,
        workflow=event.workflow,
        shape=event.shape,
        bodies=event.bodies,
        created=event.at,
        updated=event.at,
        target=event.target,
        frontier=Frontier().after(event.move),
        seq=1,
        deadline=event.deadline,
    )
    if isinstance(event, e.RunForked):
        run = _with(
            run,
            parent=(event.parent, event.step),
            frontier=event.before.after(event.move),
            steps=event.step,
            caught=_caught(event),
        )
    elif event.within is not None:
        run = _with(run, within=event.within)
    return _settled(run)


def _caught(event: e.RunForked) -> Mapping[str, Failure]:
    if event.failure is None:
        return event.caught
    return {**event.caught, **dict.fromkeys(event.move.entered, event.failure)}


def fold(journal: Iterable[Any]) -> Run:
    """The run a whole journal tells of. Raises ValueError if it does not begin with RunCreated or RunForked."""
    facts = iter(journal)
    first = next(facts, None)
    if not isinstance(first, e.RunCreated | e.RunForked):
        raise ValueError("a journal begins with RunCreated or RunForked")
    run = begin(first)
    for event in facts:
        run = advance(run, event)
    return run


def advance(run: Run, event: Any) -> Run:
    """The run after one more fact. A succeeded or cancelled run never changes."""
    if run.status in FINAL:
        return run
    if isinstance(event, e.StepFinished):  # most facts by far: one copy rather than one for each thing that changes
        return _settled(_finished(run, event))
    if isinstance(event, e.ItemFinished | e.ItemFailed):
        return _settled(_with_item(run, event))
    run = _with(run, seq=run.seq + 1, updated=event.at)
    match event:
        case e.RunCreated() | e.RunForked():
            return run
        case e.RunClaimed():
            deaths = _deaths(run) if event.verb == "recover" else run.deaths
            # A step that failed is tried again by request only: whose process died before it could end goes on to that.
            failed = run.failed if event.verb == "recover" and run.status == "running" else {}
            run = _with(run, status="running", reason=None, error=None, failed=failed, deaths=deaths)
            run = _with(run, deadline=None if run.late else event.deadline)
        case e.CodeChanged():
            run = _with(run, bodies=event.bodies, shape=event.shape or run.shape)
        case e.RunMigrated():
            run = _with(run, **renamed(run, event))
        case e.EffectStarted():
            run = _with(run, doubts={**run.doubts, place_of(event.node, event.item): event.key})
        case e.AttemptFailed():
            pass
        case e.SubflowEntered():
            run = _with(run, entered={**run.entered, place_of(event.node, event.item): event.run})
            if event.item is not None and event.node not in run.items:
                run = _with(run, items={**run.items, event.node: Items(run.seq)})
            if run.waits:
                run = _with(run, waits=tuple(each for each in run.waits if each.node != event.node))
        case e.TalkBegan() | e.CallStarted() | e.CallRuled():
            run = _talking(run, event)
        case e.CallFinished() | e.CallFailed():
            run = _with_paid(_talking(run, event), event)
        case e.StepFailed():
            run = _left(run, event)
            if event.late:
                run = _with(run, deadline=None, late=True)
            if event.move is None:
                failed = {**run.failed, event.node: event.failure}
                run = _with(run, failed=failed, frontier=run.frontier.charged(event.spent))
            else:
                run = _with(run, caught=_caught_by(run, event.move, event.failure))
                run = _with(_without_dropped(run, event.move), frontier=run.frontier.after(event.move))
                run = _awaiting(run, event.node)
        case e.StepWithdrawn():
            run = _with(run, frontier=run.frontier.after(event.move), **_over(run, event.node, _OF_A_VISIT))
            run = _awaiting(run, event.node)
        case e.QuestionAsked():
            asked = event.question
            if asked.asks in MIDWAY and asked.node in run.answered and run.question(asked.node) is None:
                # A body that asks again has used what it was told.
                run = _with(run, answered=_without(run.answered, asked.node))
            opened = Open(asked.id, asked.node, asked.visit, asked.due, asked.asks, asked.to, asked.remind)
            run = _with(run, asked=run.asked + 1, open=(*run.open, opened))
        case e.QuestionReminded() | e.QuestionReassigned() | e.QuestionApproved():
            run = _with(
                run, open=tuple(_after(each, event) if each.id == event.question else each for each in run.open)
            )
        case e.QuestionAnswered() | e.QuestionExpired() | e.QuestionWithdrawn():
            if isinstance(event, e.QuestionAnswered) or (isinstance(event, e.QuestionExpired) and event.answer):
                run = _told(run, event)
            run = _with(run, open=tuple(each for each in run.open if each.id != event.question))
        case e.WaitBegan():
            run = _began(run, event.waiting)
        case e.SignalReceived():
            run = _received(run, event)
        case e.SignalRefused():
            run = _refused(run, event)
        case e.WaitExpired():
            run = _with(run, waits=tuple(each for each in run.waits if each.node != event.node))
        case e.RunInterrupted():
            return _with(run, reason=INTERRUPTED)
        case e.RunFailed():
            return _with(run, status="failed", error=event.failure, reason=None)
        case e.RunCancelled():
            return _with(run, status="cancelled", reason=event.by)
        case _:
            assert_never(event)
    return _settled(run)


def _after(asked: Open, event: e.QuestionReminded | e.QuestionReassigned | e.QuestionApproved) -> Open:
    """An open question after something happened to it that does not close it."""
    match event:
        case e.QuestionReminded():
            return replace(asked, remind=asked.remind[event.times :], reminded=asked.reminded + event.times)
        case e.QuestionReassigned():
            return replace(asked, to=event.to, handed=asked.handed + 1)
        case e.QuestionApproved():
            return replace(asked, approved=(*asked.approved, event.approval))


def _deaths(run: Run) -> Mapping[str, int]:
    """How often each due node's process died, with this death; none is counted where the owner let go politely."""
    if run.reason == INTERRUPTED:
        return run.deaths
    # Of a subflow, the run within counts which of its steps it was.
    within = {node_of(place) for place in run.entered}
    died = (node for node in run.frontier.due if node not in run.resting and node not in within)
    return {**run.deaths, **{node: run.deaths.get(node, 0) + 1 for node in died}}


_OF_A_TRY = ("deaths", "failed", "caught")
_OF_A_VISIT = (*_OF_A_TRY, "answered", "items", "calls", "keys", "entered")
"""What is known of a due node, by its name. A step that failed with nothing to catch it goes on, once resumed, with
the items that are missing, and nobody is asked again what was answered: only the try is over.
"""


def _over(run: Run, node: str, names: Iterable[str]) -> dict[str, Any]:
    """What changes where this is over for a node."""
    known = run.__dict__
    changes: dict[str, Any] = {name: _without(known[name], node) for name in names if node in known[name]}
    if run.doubts:
        changes["doubts"] = _without_items(run.doubts, node)
    if run.entered and "entered" in names:
        changes["entered"] = _without_items(run.entered, node)
    if run.calls and "calls" in names:
        changes["calls"] = _without_items(run.calls, node)
    return changes


def _finished(run: Run, event: e.StepFinished) -> Run:
    before = run.frontier
    run = _with(
        run,
        seq=run.seq + 1,
        updated=event.at,
        steps=run.steps + 1,
        frontier=run.frontier.after(event.move),
        **_over(run, event.node, _OF_A_VISIT),
    )
    run = _with_paid(run, event)
    if event.move.dropped:
        run = _without_dropped(run, event.move)
    if event.move.leaving:
        run = _with(run, caught=_caught_ahead(run.caught, before, event.move))
    return _awaiting(run, event.node) if run.waits else run


def _without_dropped(run: Run, move: Move) -> Run:
    """Without what is known of the nodes a move dropped. Signals that came for their waits are there for later ones."""
    for node in move.dropped:
        waiting = run.wait(node)
        if waiting is not None and waiting.had:
            run = _with(run, early=(*run.early, *waiting.had))
        run = _with(run, **_over(run, node, _OF_A_VISIT))
    return run


def _caught_by(run: Run, move: Move, failure: Failure) -> Mapping[str, Failure]:
    """What nodes know of failures once a step gave up and was left so."""
    if not move.via:  # its fork was left before: it leads nowhere, and nobody is told
        return run.caught
    later = [there[1] for there in move.leaving.values() if there]
    return {**_caught_ahead(run.caught, run.frontier, move), **dict.fromkeys((*move.entered, *later), failure)}


def _caught_ahead(caught: Mapping[str, Failure], before: Frontier, move: Move) -> Mapping[str, Failure]:
    """Without what was brought to a place that a fork was left for, where that is not entered any more."""
    if not move.via:
        return caught
    over = [before.leaving[fork][1] for fork in move.leaving if fork in before.leaving]
    return {node: each for node, each in caught.items() if node not in over}


def _left(run: Run, event: e.StepFailed) -> Run:
    names = _OF_A_TRY if event.move is None else _OF_A_VISIT
    return _with(_with_paid(run, event), steps=run.steps + 1, **_over(run, event.node, names))


def _with_item(run: Run, event: e.ItemFinished | e.ItemFailed) -> Run:
    seq = run.seq + 1
    so_far = run.items.get(event.node) or Items(seq)
    over = isinstance(event, e.ItemFinished) or event.final
    if isinstance(event, e.ItemFinished):
        so_far = Items(so_far.since, so_far.done + 1, so_far.failed)
    elif event.final:
        so_far = Items(so_far.since, so_far.done, so_far.failed + 1)
    place = place_of(event.node, event.item)
    return _with(
        _with_paid(run, event),
        seq=seq,
        updated=event.at,
        doubts=_without_place(run.doubts, place),
        entered=_without(run.entered, place) if over else run.entered,
        calls=_without(run.calls, place) if over else run.calls,
        items={**run.items, event.node: so_far},
    )


def _talking(run: Run, event: e.TalkBegan | e.CallStarted | e.CallFinished | e.CallFailed | e.CallRuled) -> Run:
    """Where what a due agent said and did begins, and which of its effects began and did not end yet."""
    place = place_of(event.node, event.item)
    if place not in run.calls:
        run = _with(run, calls={**run.calls, place: run.seq})
    if isinstance(event, e.CallStarted) and event.effect:
        return _with(run, doubts={**run.doubts, f"{place}[{event.call}]": event.call})
    if run.doubts and (isinstance(event, e.CallFinished) or (isinstance(event, e.CallFailed) and not event.doubt)):
        return _with(run, doubts=_without(run.doubts, f"{place}[{event.call}]"))
    return run


def _with_paid(
    run: Run, event: e.StepFinished | e.StepFailed | e.ItemFinished | e.ItemFailed | e.CallFinished | e.CallFailed
) -> Run:
    answered_by = () if isinstance(event, e.CallFailed) else event.answered_by
    if event.usage is None and not answered_by:
        return run
    return _with(
        run,
        usage=run.usage if event.usage is None else run.usage + event.usage,
        answered_by=tuple(dict.fromkeys((*run.answered_by, *answered_by))),
    )


def _told(run: Run, event: e.QuestionAnswered | e.QuestionExpired) -> Run:
    """With an answer for a node that goes on with it."""
    midway = any(each.id == event.question and each.asks in MIDWAY for each in run.open)
    if not midway:
        return run
    return _with(run, answered={**run.answered, event.node: (*run.answered.get(event.node, ()), event.question)})


def _awaiting(run: Run, left: str) -> Run:
    """Without the waits of nodes that are due no more."""
    return _with(run, waits=tuple(each for each in run.waits if each.node != left and each.node in run.frontier.due))


def _began(run: Run, waiting: Waiting) -> Run:
    """A wait, with the signals that came before it: for each name the oldest, and only one where one is enough."""
    early, had = list(run.early), list(waiting.had)
    for kept in run.early:
        if kept.name in replace(waiting, had=tuple(had)).missing:
            had.append(kept)
            early.remove(kept)
    others = (each for each in run.waits if each.node != waiting.node)
    return _with(run, waits=(*others, replace(waiting, had=tuple(had))), early=tuple(early))


def _received(run: Run, event: e.SignalReceived) -> Run:
    kept = Kept(event.name, event.id, run.seq)
    if event.node is None:
        return _with(run, early=(*run.early, kept))
    return _with(
        run,
        waits=tuple(
            replace(each, had=(*each.had, kept), trouble="") if each.node == event.node else each for each in run.waits
        ),
    )


def _refused(run: Run, event: e.SignalRefused) -> Run:
    """Without that signal; the next of its name that is there already takes its place."""
    waiting = run.wait(event.node)
    if waiting is None:
        return run
    had = tuple(each for each in waiting.had if (each.name, each.id) != (event.name, event.id))
    return _began(run, replace(waiting, had=had, trouble=event.why))


def _without_place(known: Mapping[str, T], place: str) -> Mapping[str, T]:
    return {each: value for each, value in known.items() if each != place and not each.startswith(f"{place}[")}


def _without_items(known: Mapping[str, T], node: str) -> Mapping[str, T]:
    return {place: each for place, each in known.items() if node_of(place) != node}


def _without(known: Mapping[str, T], node: str) -> Mapping[str, T]:
    return {name: each for name, each in known.items() if name != node} if node in known else known


def _settled(run: Run) -> Run:
    """The status that follows from where the run stands."""
    ended = run.frontier.ended
    if ended == "END":
        return _with(run, status="succeeded", reason=None)
    if ended is not None:
        why = ended.removeprefix("FAIL: ")
        return _with(run, status="failed", reason=why, error=Failure("FAIL", "declared", why))
    if (run.open or run.waits) and run.resting >= set(run.frontier.due):
        return _with(run, status="waiting", reason=_reason(run))
    return _with(run, status="running", reason=None) if run.status == "waiting" else run


def _reason(run: Run) -> str:
    """What a waiting run waits for; of several, what needs somebody most."""
    on = {each.on for each in run.waits}
    return "person" if run.open else next(reason for reason in ("signal", "run", "time") if reason in on)
