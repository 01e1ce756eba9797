"""The fold: what events make of a run, and values through typed JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, TypeAdapter

from workflow_engine.errors import BadWrite, Failure
from workflow_engine.record import events as e
from workflow_engine.record.codec import decode, encode
from workflow_engine.record.fold import advance, begin, fold
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.history import history
from workflow_engine.record.ids import RunId, question_id
from workflow_engine.record.inbox import Answer, QuestionRecord
from workflow_engine.record.run import FINAL
from workflow_engine.record.values import Write, set_to
from workflow_engine.record.waiting import Kept, Waiting

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId("r1")
CREATED = e.RunCreated(AT, RUN, "flow", "shape", {"a": "1"}, Move(None, ("a",), via=("START > a",)))
CLAIMED = e.RunClaimed(AT, 1, "host:1", "run")
FAILURE = Failure("a", "error", "broken")


def finished(node: str, move: Move, **more: Any) -> e.StepFinished:
    return e.StepFinished(AT, node, "function", 1, 1, AT, 0.5, ("x",), move, **more)


def asked(node: str, number: int = 1) -> e.QuestionAsked:
    return e.QuestionAsked(AT, QuestionRecord(question_id(RUN, number), RUN, node, 1, "t", "m", {}))


def test_a_run_moves_by_its_events() -> None:
    run = fold([CREATED, CLAIMED, finished("a", Move("a", ("b", "c")))])
    assert (run.status, run.frontier.due, run.frontier.visits, run.steps, run.seq) == (
        "running",
        ("b", "c"),
        {"a": 1, "b": 1, "c": 1},
        1,
        3,
    )
    run = advance(run, finished("b", Move("b", arrived={"b + c > d": ("b",)})))
    assert run.frontier.arrived == {"b + c > d": ("b",)}
    run = advance(run, finished("c", Move("c", ("d",), arrived={"b + c > d": ()}, counts={"x": 1})))
    assert (run.frontier.due, run.frontier.arrived, run.frontier.counts) == (("d",), {}, {"x": 1})
    run = advance(run, finished("d", Move("d", counts={"x": 0}, ended="END")))
    assert (run.status, run.frontier.due, run.frontier.counts) == ("succeeded", (), {})


def test_a_run_waits_only_when_everything_due_rests() -> None:
    run = fold([CREATED, CLAIMED, finished("a", Move("a", ("b", "c"))), asked("b")])
    assert run.status == "running"
    run = advance(run, asked("c", 2))
    assert (run.status, run.reason) == ("waiting", "person")
    answer = Answer(question_id(RUN, 1), "yes", "ana", AT, "test")
    assert advance(run, e.QuestionAnswered(AT, question_id(RUN, 1), "b", 1, answer)).status == "running"


def test_a_failure_nothing_catches_stays_due_until_it_is_claimed_again() -> None:
    failed = e.StepFailed(AT, "a", "function", 1, 1, AT, 0.1, FAILURE)
    run = fold([CREATED, CLAIMED, failed, e.RunFailed(AT, FAILURE)])
    assert (run.status, run.frontier.due, run.failed) == ("failed", ("a",), {"a": FAILURE})
    run = advance(run, e.RunClaimed(AT, 2, "host:2", "resume"))
    assert (run.status, run.failed, run.error) == ("running", {}, None)


def test_deaths_are_counted_unless_the_owner_let_go_politely() -> None:
    run = fold([CREATED, CLAIMED, e.RunClaimed(AT, 2, "h", "recover")])
    assert run.deaths == {"a": 1}
    run = advance(advance(run, e.RunInterrupted(AT)), e.RunClaimed(AT, 3, "h", "recover"))
    assert run.deaths == {"a": 1}
    assert advance(run, finished("a", Move("a", ("b",)))).deaths == {}


def test_a_final_run_never_changes() -> None:
    for last in (finished("a", Move("a", ended="END")), e.RunCancelled(AT, "ana")):
        run = fold([CREATED, CLAIMED, last])
        assert run.status in FINAL
        for event in (CLAIMED, asked("a"), e.RunFailed(AT, FAILURE), finished("a", Move("a", ("b",)))):
            assert advance(run, event) is run


def test_a_journal_begins_with_its_creation() -> None:
    with pytest.raises(ValueError, match="begins with RunCreated"):
        fold([CLAIMED])


EVENTS = st.sampled_from(
    [
        CLAIMED,
        e.RunClaimed(AT, 2, "h", "recover"),
        finished("a", Move("a", ("b", "c"))),
        finished("b", Move("b", arrived={"j": ("b",)})),
        finished("c", Move("c", ("a",), arrived={"j": ()}, counts={"k": 2})),
        finished("a", Move("a", ended="FAIL: no")),
        e.StepFailed(AT, "b", "function", 1, 2, AT, 0.1, FAILURE),
        e.StepFailed(AT, "c", "function", 1, 2, AT, 0.1, FAILURE, Move("c", ("a",))),
        asked("a"),
        asked("b", 2),
        e.QuestionExpired(AT, question_id(RUN, 1), "a", 1),
        e.QuestionWithdrawn(AT, question_id(RUN, 2), "b", 1),
        e.EffectStarted(AT, "a", 1, "k"),
        e.AttemptFailed(AT, "a", 1, 1, FAILURE, 0.5),
        e.CodeChanged(AT, {"a": "2"}, ("a",)),
        e.RunMigrated(AT, ('rename_node("a", "b")',), {"a": "b"}, {"k": "l"}, {"a": "b"}, ("j",), ("x",)),
        e.RunInterrupted(AT),
        e.RunFailed(AT, FAILURE),
        e.RunCancelled(AT, "ana"),
    ]
)


@given(st.lists(EVENTS, max_size=12))
def test_whatever_happens_the_status_is_one_of_six_and_events_survive_json(events: list[Any]) -> None:
    run = begin(CREATED)
    for event in events:
        assert e.read_event(e.write_event(event)) == event
        run = advance(run, event)
        assert run.status in ("queued", "running", "waiting", "succeeded", "failed", "cancelled")
    assert fold([CREATED, *events]) == run
    history([CREATED, *events])


def test_history_tells_the_steps_in_order() -> None:
    told = history([CREATED, CLAIMED, finished("a", Move("a", ("b",), via=("a > b",)), words="done"), asked("b")])
    assert told.begun_via == ("START > a",)
    assert [(each.node, each.step, each.status, each.via) for each in told.steps] == [
        ("a", 1, "finished", ("a > b",)),
        ("b", None, "waiting", ()),
    ]
    assert told.latest("a") is told.steps[0]


# Values


class Point(BaseModel):
    x: int
    when: date


class Finer(Point):
    y: int = 0


JSONABLE: list[tuple[Any, Any]] = [
    (int, 3),
    (float, 1.5),
    (str, 'quotes " and \\ and \u2028'),
    (list[Point], [Point(x=1, when=date(2026, 1, 2))]),
    (dict[str, tuple[int, ...]], {"a": (1, 2)}),
    (set[int], {1, 2}),
    (timedelta | None, timedelta(days=2, microseconds=5)),
    (bytes, b"text"),
]


@pytest.mark.parametrize(("type_", "value"), JSONABLE)
def test_what_is_encoded_comes_back_the_same(type_: Any, value: Any) -> None:
    adapter = TypeAdapter(type_)
    assert decode(adapter, encode(adapter, value, "x")) == value


def deep(levels: int) -> Any:
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("type_", "value", "says"),
    [
        (float, float("nan"), "holds NaN or infinity"),
        (float, float("inf"), "holds NaN or infinity"),
        (JsonValue, {"a": [1.0, float("nan")]}, "holds NaN or infinity"),
        (str, "\ud800", "surrogates not allowed"),
        (int, 2**63, "64 bits"),
        (dict[str, Any], {"x": -(2**63) - 1}, "64 bits"),
        (int, 10**30, r"integer 10000000000000000000… \(31 digits\) does not fit"),
        (list[Any], deep(5000), "depth exceeded"),
        (JsonValue, deep(5000), "^the place: .{0,60}maximum validation depth exceeded"),
        (list[Any], deep(250), "nested 251 deep"),
        (bytes, b"\xff", "cannot carry it"),
        (Point, Finer(x=1, when=date(2026, 1, 2), y=5), "would change it|cannot carry it"),
        (int, "5", "valid integer"),
        (list[int], (1, 2), "valid list"),
        (Any, object(), "cannot carry it"),
    ],
)
def test_what_typed_json_would_change_is_refused(type_: Any, value: Any, says: str) -> None:
    with pytest.raises(BadWrite, match=says) as caught:
        encode(TypeAdapter(type_), value, "the place")
    assert caught.value.what.startswith("the place")
    assert not caught.value.retryable


def test_a_nesting_of_brackets_in_text_is_no_nesting() -> None:
    assert encode(TypeAdapter(str), "[" * 900 + '"{' * 300, "x")


@given(st.lists(st.lists(st.text() | st.integers(-(2**63), 2**63 - 1)), max_size=6))
def test_appends_make_the_same_list_as_one_write(parts: list[list[Any]]) -> None:
    adapter = TypeAdapter(list[str | int])
    value = set_to("[]")
    for number, part in enumerate(parts):
        value = value.then(Write("f", "append", encode(adapter, part, "x")), number)
    assert value.size == len(value.whole.encode())
    assert value.json() == [item for part in parts for item in part]
    assert value.then(Write("f", "set", "[1]"), 99).whole == "[1]"


def test_a_frontier_is_unchanged_by_a_move_that_changes_nothing() -> None:
    frontier = Frontier(("a",), {"a": 1}, {"j": ("x",)}, {"k": 1})
    assert frontier.after(Move(None)) == frontier


def waits(node: str, *names: str, **more: Any) -> e.WaitBegan:
    return e.WaitBegan(AT, Waiting(node, 1, "signal", names, **more))


def signal(name: str, number: int, node: str | None = None) -> e.SignalReceived:
    return e.SignalReceived(AT, name, f"id{number}", "ana", {"n": number}, node, 1)


FORKED = [CREATED, CLAIMED, finished("a", Move("a", ("b", "c")))]


def test_a_run_waits_for_a_signal_and_goes_on_once_it_is_there() -> None:
    run = fold([CREATED, CLAIMED, waits("a", "paid", until=AT)])
    assert (run.status, run.reason, run.resting, run.due) == ("waiting", "signal", frozenset({"a"}), AT)
    run = advance(run, signal("paid", 1, "a"))
    assert (run.status, run.resting, run.due) == ("running", frozenset(), None)
    waiting = run.wait("a")
    assert waiting is not None
    assert waiting.complete
    run = advance(run, finished("a", Move("a", ended="END")))
    assert (run.status, run.waits) == ("succeeded", ())


def test_all_names_must_come_or_any_one() -> None:
    run = fold([CREATED, CLAIMED, waits("a", "paid", "signed"), signal("paid", 1, "a")])
    waiting = run.wait("a")
    assert (run.status, waiting and waiting.missing) == ("waiting", ("signed",))
    run = fold([CREATED, CLAIMED, waits("a", "paid", "signed", first=True), signal("signed", 1, "a")])
    assert run.status == "running"


def test_signals_that_came_before_the_wait_are_its_own_the_oldest_of_each_name() -> None:
    early = [signal("paid", 1), signal("paid", 2), signal("other", 3)]
    run = fold([CREATED, CLAIMED, *early])
    assert [each.id for each in run.early] == ["id1", "id2", "id3"]
    assert [each.seq for each in run.early] == [3, 4, 5]
    run = advance(run, waits("a", "paid", "signed"))
    waiting = run.wait("a")
    assert waiting is not None
    assert (waiting.had, waiting.missing) == ((Kept("paid", "id1", 3),), ("signed",))
    assert [each.id for each in run.early] == ["id2", "id3"]


def test_one_early_signal_is_enough_where_any_one_is() -> None:
    run = fold([CREATED, CLAIMED, signal("paid", 1), signal("signed", 2), waits("a", "signed", "paid", first=True)])
    waiting = run.wait("a")
    assert waiting is not None
    assert [each.id for each in waiting.had] == ["id1"]
    assert [each.id for each in run.early] == ["id2"]


def test_a_refused_signal_leaves_the_run_waiting() -> None:
    refused = e.SignalRefused(AT, "paid", "id1", "a", 1, "too little")
    run = fold([CREATED, CLAIMED, waits("a", "paid"), signal("paid", 1, "a"), refused])
    waiting = run.wait("a")
    assert (run.status, waiting and waiting.trouble, waiting and waiting.had) == ("waiting", "too little", ())


def test_of_what_it_waits_for_a_run_names_what_needs_somebody_most() -> None:
    time = e.WaitBegan(AT, Waiting("b", 1, "time", until=AT))
    assert fold([*FORKED, time, asked("c")]).reason == "person"
    assert fold([*FORKED, time, waits("c", "paid", topic="orders")]).reason == "signal"
    run = fold([*FORKED, e.WaitBegan(AT, Waiting("c", 1, "run", ("r2",))), time])
    assert run.reason == "run"
    assert fold([*FORKED, time]).status == "running"


def test_a_failed_run_has_nothing_due_and_still_listens() -> None:
    run = fold([*FORKED, waits("b", "paid", until=AT, topic="orders"), e.RunFailed(AT, FAILURE)])
    assert (run.due, run.topics) == (None, frozenset({"orders"}))
    cancelled = fold([*FORKED, waits("b", "paid", until=AT, topic="orders"), e.RunCancelled(AT, "ana")])
    assert (cancelled.due, cancelled.topics) == (None, frozenset())


def test_a_wait_stands_last_in_the_history_until_its_step_is_done() -> None:
    began = waits("a", "paid", until=AT)
    record = history([CREATED, CLAIMED, began]).steps[-1]
    assert (record.kind, record.status, record.due, record.words) == ("wait", "waiting", AT, "for signal paid")
    done = history([CREATED, CLAIMED, began, finished("a", Move("a", ended="END"))]).steps
    assert [each.status for each in done] == ["finished"]
