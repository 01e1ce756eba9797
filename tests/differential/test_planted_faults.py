"""A fault planted in one life is caught by the comparison: without this, agreement would prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langgraph.pregel import Pregel

from tests.differential import agreement
from tests.differential.agreement import Disagreement, agree
from tests.differential.flows import Flavour
from tests.differential.life import Tally
from tests.differential.process import Wrong
from workflow_engine.errors import WorkflowError
from workflow_engine.frontier import leave
from workflow_engine.langgraph import running
from workflow_engine.langgraph.saver import LedgerSaver
from workflow_engine.langgraph.standing import GraphSaver, Standing
from workflow_engine.record.events import EffectStarted
from workflow_engine.record.run import Run
from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.regions import Regions
from workflow_engine.steps import settling, spreading
from workflow_engine.steps.live import Live

Walk: Any = leave._Walk
Fault = Callable[[pytest.MonkeyPatch], None]


def counts_never_restart(patch: pytest.MonkeyPatch) -> None:
    enter = Walk.enter
    patch.setattr(Walk, "enter", lambda walk, target, bounded: enter(walk, target, True))


def bounded_entries_restart_counts(patch: pytest.MonkeyPatch) -> None:
    enter = Walk.enter
    patch.setattr(Walk, "enter", lambda walk, target, bounded: enter(walk, target, False))


def a_bound_is_one_too_many(patch: pytest.MonkeyPatch) -> None:
    count = Walk.count
    patch.setattr(Walk, "count", lambda walk, key: max(0, count(walk, key) - 1))


def a_join_fires_at_its_first_arm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Walk, "complete", lambda walk, edge, source: True)


def a_join_fires_before_its_last_arm(patch: pytest.MonkeyPatch) -> None:
    def complete(walk: Any, edge: Edge, source: Source) -> bool:
        there = (*walk.frontier.arrived.get(edge.key, ()), str(source))
        walk.arrived[edge.key] = there
        return len(there) == max(2, len(edge.sources) - 1)

    patch.setattr(Walk, "complete", complete)


def a_join_forgets_that_it_fired(patch: pytest.MonkeyPatch) -> None:
    complete = Walk.complete

    def forgetful(walk: Any, edge: Edge, source: Source) -> bool:
        done: bool = complete(walk, edge, source)
        if done:
            walk.arrived[edge.key] = (str(source),)
        return done

    patch.setattr(Walk, "complete", forgetful)


def a_fork_forgets_its_last_arm(patch: pytest.MonkeyPatch) -> None:
    run = Walk.run

    def forgetful(walk: Any, source: Source) -> None:
        run(walk, source)
        if len(walk.entered) > 1:
            walk.entered.pop()

    patch.setattr(Walk, "run", forgetful)


def a_step_begins_before_the_one_before_it_is_on_disk(patch: pytest.MonkeyPatch) -> None:
    def startable(live: Live) -> tuple[str, ...]:
        if live.stopping:
            return ()
        unready = live.run.resting | live.busy
        return tuple(node for node in live.run.frontier.due if node not in unready)

    def told(live: Live, durable: Any, run: Any, events: Any) -> Any:
        live.kept = run
        live.wake.set()
        return durable

    patch.setattr(Live, "startable", startable)
    patch.setattr(Live, "_told", told)


def a_key_differs_between_attempts(patch: pytest.MonkeyPatch) -> None:
    keys = iter(range(10**9))
    patch.setattr(Run, "key", lambda run, node, visit, item=None: f"{run.id}/{node}/{visit}/{item}/{next(keys)}")


def finished_items_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    async def nothing(many: Any) -> None:
        many._ahead.extend(range(len(many.work.items)))

    patch.setattr(spreading._Many, "recall", nothing)


def an_item_is_done_before_it_is_on_disk(patch: pytest.MonkeyPatch) -> None:
    keep = spreading._Many._keep

    async def told(many: Any, event: Any) -> None:
        if isinstance(event, EffectStarted):
            await keep(many, event)
        else:
            many._know(event)

    patch.setattr(spreading._Many, "_keep", told)


def a_graph_begins_anew_after_a_death(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*given: Any) -> None: ...

    patch.setattr(running, "standing", nothing)


def a_graph_does_not_wait_for_its_disk(patch: pytest.MonkeyPatch) -> None:
    astream = Pregel.astream

    def hasty(*given: Any, **more: Any) -> Any:
        return astream(*given, **{**more, "durability": "async"} if more.get("durability") == "sync" else more)

    patch.setattr(Pregel, "astream", hasty)


def an_answer_is_given_to_a_graph_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Standing, "waits", lambda here, place: True)


def what_failed_first_is_never_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GraphSaver, "_put_writes", LedgerSaver._put_writes)


def a_fork_that_is_left_keeps_its_arms(patch: pytest.MonkeyPatch) -> None:
    go_out = Walk.go_out

    def keeping(walk: Any, edge: Edge, source: Source) -> None:
        go_out(walk, edge, source)
        walk.dropped = ()

    patch.setattr(Walk, "go_out", keeping)


def what_arrived_before_a_fork_was_left_stays_there(patch: pytest.MonkeyPatch) -> None:
    go_out = Walk.go_out

    def keeping(walk: Any, edge: Edge, source: Source) -> None:
        arrived = dict(walk.arrived)
        go_out(walk, edge, source)
        walk.arrived = arrived

    patch.setattr(Walk, "go_out", keeping)


def a_fork_is_left_before_what_is_under_way_there_is_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Live, "staying", frozenset())


def what_was_under_way_when_its_fork_was_left_goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Regions, "left_around", lambda regions, node, left: None)


def the_other_questions_stay_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settling, "_withdrawn", lambda live, move, now: [])


def an_effect_in_doubt_is_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Live, "staying", property(lambda live: frozenset({*live.busy, *live.run.entered})))


FAULTS: list[tuple[Fault, Flavour]] = [
    (counts_never_restart, "loops"),
    (bounded_entries_restart_counts, "loops"),
    (a_bound_is_one_too_many, "loops"),
    (a_join_fires_at_its_first_arm, "forks"),
    (a_join_fires_before_its_last_arm, "forks"),
    (a_join_forgets_that_it_fired, "forks"),
    (a_fork_forgets_its_last_arm, "forks"),
    (a_step_begins_before_the_one_before_it_is_on_disk, "forks"),
    (a_key_differs_between_attempts, "forks"),
    (finished_items_are_forgotten, "items"),
    (an_item_is_done_before_it_is_on_disk, "items"),
    (a_graph_begins_anew_after_a_death, "graphs"),
    (a_graph_does_not_wait_for_its_disk, "graphs"),
    (an_answer_is_given_to_a_graph_twice, "graphs"),
    (what_failed_first_is_never_done, "graphs"),
    (a_fork_that_is_left_keeps_its_arms, "leaving"),
    (what_arrived_before_a_fork_was_left_stays_there, "leaving"),
    (a_fork_is_left_before_what_is_under_way_there_is_over, "leaving"),
    (what_was_under_way_when_its_fork_was_left_goes_on, "leaving"),
    (the_other_questions_stay_open, "leaving"),
    (an_effect_in_doubt_is_dropped, "leaving"),
]


@pytest.mark.parametrize(("fault", "flavour"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_planted_fault_is_caught(fault: Fault, flavour: Flavour) -> None:
    @contextmanager
    def planted() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(agreement, "PATIENCE", 5)  # some of them hang
            fault(patch)
            yield

    def every_seed() -> None:
        for seed in range(200):
            agree(seed, flavour, Tally(), planted)

    with pytest.raises((Disagreement, Wrong, WorkflowError, TimeoutError)):
        every_seed()
