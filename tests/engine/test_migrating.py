"""Runs carried over to a later version: renamed nodes and fields, changed values, what is refused, what is accepted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tests.engine.conftest import KeptLedger, Open
from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    Question,
    State,
    Step,
    Store,
    add_field,
    at_most,
    change_field,
    drop_field,
    function,
    human,
    rename_field,
    rename_node,
    rename_outcome,
    workflow,
)
from workflow_engine.errors import RunOwned, WorkflowChanged
from workflow_engine.record.events import CodeChanged, RunMigrated
from workflow_engine.record.fold import fold
from workflow_engine.testing import crash_after
from workflow_engine.testing.crash import Crashed


class Order(State):
    item: str
    tries: int = 0
    note: str | None = None
    word: Literal["yes", "no"] | None = None
    key: str | None = None


@function(writes="tries")
async def pack(tries: int) -> int:
    return tries + 1


@function(writes="note")
async def label(item: str) -> str:
    return f"to {item}"


@human(writes="word")
def approve(item: str) -> Question[Literal["yes", "no"]]:
    return Question(f"send {item}?")


@function(writes="key")
async def send(step: Step) -> str:
    return step.key


def shop(*rows: Any, migrations: Any = (), state: Any = Order) -> Any:
    return workflow("order", state=state, edges=list(rows), migrations=migrations)


def asking(ask: Any = approve, ship: Any = send, **more: Any) -> Any:
    return shop(START >> label >> ask, ask["yes"] >> ship >> END, ask["no"] >> FAIL("refused"), **more)


def shapes(run: Any) -> list[str]:
    return [f"{each.node}:{each.visit}" for each in run.history.steps]


RENAMED = asking(approve.named("confirm"), migrations=[rename_node("approve", "confirm")])


async def test_a_run_that_waits_at_a_renamed_node_is_refused_and_goes_on_after_the_declaration(opened: Open) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
    async with opened(asking(approve.named("confirm"))) as engine:
        with pytest.raises(WorkflowChanged) as refused:
            await engine.resume(run)
        assert "W601  approve" in refused.value.what
        assert 'migrations=[rename_node("approve", "confirm")]' in str(refused.value.cure)
        assert f"workflow fork {run} --at STEP" in str(refused.value.cure)
        assert (await engine.get(run)).run.frontier.due == ("approve",)
    async with opened(RENAMED) as engine:
        view = await engine.resume(run)
        assert (view.status, view.run.frontier.due, view.run.resting) == (
            "waiting",
            ("confirm",),
            frozenset({"confirm"}),
        )
        assert [each.node for each in view.history.steps] == ["label", "confirm"]
        await engine.answer(run, "yes")  # the question that was asked is the one that is answered
        view = await engine.resume(run, verb="answer")
        assert (view.status, view.values["word"], shapes(view)) == (
            "succeeded",
            "yes",
            ["label:1", "confirm:1", "send:1"],
        )


async def test_an_answer_given_before_the_migration_is_taken_up_after_it(opened: Open) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
        await engine.answer(run, "no")
    async with opened(RENAMED) as engine:
        assert (await engine.resume(run, verb="answer")).reason == "refused"


async def test_a_run_inside_a_fork_and_a_counted_loop_keeps_its_place(opened: Open) -> None:
    def looping(node: Any, ask: Any, **more: Any) -> Any:
        late = send.named("late")
        return shop(
            START >> (node, label),
            (node, label) >> ask,
            ask["yes"] >> at_most(3, ask, then=late),
            ask["no"] >> late >> END,
            **more,
        )

    old = looping(pack, approve)
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
        for _ in range(2):
            await engine.answer(run, "yes")
            await engine.resume(run, verb="answer")
        before = (await engine.get(run)).run.frontier
        assert before.counts == {"approve[yes] > approve": 2}
    new = looping(
        pack.named("wrap"),
        approve.named("confirm"),
        migrations=[
            rename_node("approve", "confirm"),
            rename_node("pack", "wrap"),
        ],
    )
    async with opened(new) as engine:
        after = (await engine.resume(run)).run.frontier
        assert (after.due, after.counts) == (("confirm",), {"confirm[yes] > confirm": 2})
        assert after.visits == {"wrap": 1, "label": 1, "confirm": 3}
        await engine.answer(run, "yes")
        await engine.resume(run, verb="answer")
        await engine.answer(run, "yes")  # the third was the last the bound allows
        view = await engine.resume(run, verb="answer")
        assert (view.status, shapes(view)[-1]) == ("succeeded", "late:1")


def arms(label: Any, ask: Any, ship: Any, **more: Any) -> Any:
    return shop(START >> (label, ask), (label, ask) >> ship >> END, **more)


@human(writes="word")
def look(item: str) -> Question[str]:
    return Question(f"look at {item}")


async def test_an_arm_that_arrived_at_a_join_has_arrived_under_its_new_name(opened: Open) -> None:
    class Parcel(Order):
        word: str | None = None  # type: ignore[assignment]

    old = arms(label, look, send, state=Parcel)
    new = arms(
        label.named("tag"),
        look.named("see"),
        send.named("ship"),
        state=Parcel,
        migrations=[rename_node("label", "tag"), rename_node("look", "see"), rename_node("send", "ship")],
    )
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
        assert (await engine.get(run)).run.frontier.arrived == {"label + look > send": ("label",)}
    async with opened(new) as engine:
        assert (await engine.resume(run)).run.frontier.arrived == {"tag + see > ship": ("tag",)}
        await engine.answer(run, "fine")
        assert (await engine.resume(run, verb="answer")).status == "succeeded"


async def test_arms_in_another_order_need_no_declaration(opened: Open) -> None:
    class Parcel(Order):
        word: str | None = None  # type: ignore[assignment]

    old = arms(label, look, send, state=Parcel)
    new = shop(START >> (look, label), (look, label) >> send >> END, state=Parcel)
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
    async with opened(new) as engine:
        await engine.answer(run, "fine")
        assert (await engine.resume(run, verb="answer")).status == "succeeded"


async def test_a_step_keeps_its_key_though_its_node_is_renamed(opened: Open) -> None:
    keys: list[str] = []

    @function(writes="key", effect=True, in_doubt="rerun")
    async def charge(step: Step) -> str:
        keys.append(step.key)
        if len(keys) < 3:
            raise RuntimeError("no money")
        return step.key

    old = shop(START >> charge >> END)
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
    new = shop(START >> charge.named("bill") >> END, migrations=[rename_node("charge", "bill")])
    async with opened(new) as engine:
        assert (await engine.resume(run)).status == "failed"
        view = await engine.resume(run)
    assert keys == [f"{run}/charge/1"] * 3
    assert (view.status, view.run.keys) == ("succeeded", {})


# Fields


class Detail(BaseModel):
    text: str
    urgent: bool


class Better(State):
    goods: str
    tries: int = 0
    note: Detail | None = None
    word: Literal["yes", "no"] | None = None
    key: str | None = None
    customer: str


@function(writes="note")
async def tag(goods: str) -> Detail:
    return Detail(text=goods, urgent=True)


@human(writes="word", name="approve")
def approve_goods(goods: str, note: Detail) -> Question[Literal["yes", "no"]]:
    return Question(f"send {goods}?")


def detailed(held: Any) -> Any:
    return Detail(text=held, urgent=False)


def better(*migrations: Any) -> Any:
    ask = approve_goods
    return shop(
        START >> tag >> ask,
        ask["yes"] >> send >> END,
        ask["no"] >> FAIL("refused"),
        state=Better,
        migrations=migrations,
    )


MOVES = (
    rename_node("label", "tag"),
    rename_field("item", "goods"),
    change_field("note", detailed),
    add_field("customer", lambda state: f"who wants {state['goods']}"),
)


async def test_fields_are_renamed_changed_added_and_dropped_in_one_commit(opened: Open) -> None:
    class Extra(Order):
        old: int = 0

    @function(name="label", writes=("note", "old"))
    async def labelled(item: str) -> tuple[str, int]:
        return f"to {item}", 7

    old = shop(
        START >> labelled >> approve,
        approve["yes"] >> send >> END,
        approve["no"] >> FAIL("refused"),
        state=Extra,
    )
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
    async with opened(better(*MOVES, drop_field("old"))) as engine:
        view = await engine.resume(run)
        assert view.values == {
            "goods": "tea",
            "note": {"text": "to tea", "urgent": False},
            "customer": "who wants tea",
        }
        assert view.state.note == Detail(text="to tea", urgent=False)
        migrated = [each for each in await engine.journal(run) if isinstance(each.event, RunMigrated)]
        assert [each.event.applied for each in migrated] == [tuple(map(str, (*MOVES, drop_field("old"))))]
        assert set(migrated[0].event.fields) == {"item", "goods", "note", "customer", "old"}
        assert await engine.state_at(run, 1) == {"item": "tea", "note": "to tea", "old": 7}
        await engine.answer(run, "yes")
        assert (await engine.resume(run, verb="answer")).status == "succeeded"


async def test_a_run_begun_under_the_later_version_takes_up_nothing(opened: Open) -> None:
    flow = better(*MOVES)
    async with opened(flow) as engine:
        run = (await engine.run(flow, goods="tea", customer="ana")).id
        await engine.resume(run)
        assert not [each for each in await engine.journal(run) if isinstance(each.event, RunMigrated)]
        assert (await engine.get(run)).values["note"]["urgent"] is True


async def test_a_run_is_migrated_twice_each_time_by_what_is_new_to_it(opened: Open) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
    async with opened(RENAMED) as engine:
        await engine.resume(run)
    third = asking(
        approve.named("decide"), migrations=[rename_node("approve", "confirm"), rename_node("confirm", "decide")]
    )
    async with opened(third) as engine:
        await engine.resume(run)
        await engine.answer(run, "yes")
        view = await engine.resume(run, verb="answer")
        journal = [each.event for each in await engine.journal(run)]
        applied = [each.applied for each in journal if isinstance(each, RunMigrated)]
        assert applied == [('rename_node("approve", "confirm")',), ('rename_node("confirm", "decide")',)]
        assert (view.status, shapes(view)) == ("succeeded", ["label:1", "decide:1", "send:1"])
        assert fold(journal) == view.run
    async with opened(asking()) as engine:
        other = (await engine.run(asking(), item="tea")).id
    async with opened(third) as engine:  # from the first version to the third at once
        assert (await engine.resume(other)).run.frontier.due == ("decide",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda held: held.missing, "raised AttributeError"),
        (lambda held: {"text": held}, "does not fit: urgent: Field required"),
        (lambda held: 3, "does not fit"),
        (lambda held: {"text": "x" * 2_000_000, "urgent": True}, "2,000,0"),
        (lambda held: {"text": "\ud800", "urgent": True}, "change_field"),
    ],
)
async def test_a_migration_that_fails_is_told_and_stores_nothing(opened: Open, change: Any, says: str) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
        before = (await engine.get(run), await engine.journal(run))
    moves = (MOVES[0], MOVES[1], change_field("note", change), MOVES[3])
    async with opened(better(*moves)) as engine:
        with pytest.raises(WorkflowChanged) as refused:
            await engine.resume(run)
        assert "W618  note" in refused.value.what
        assert says in refused.value.what
    async with opened(asking()) as engine:  # and the old code can go on
        assert (await engine.get(run), await engine.journal(run)) == before
        await engine.answer(run, "yes")
        assert (await engine.resume(run, verb="answer")).status == "succeeded"


# Forks


async def test_a_fork_from_before_the_migration_begins_under_the_names_of_now(opened: Open) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
    flow = better(*MOVES)
    async with opened(flow) as engine:
        early = await engine.fork(run, at=1)  # before the parent itself was migrated
        assert (early.status, early.run.frontier.due) == ("waiting", ("approve",))
        assert early.values == {
            "goods": "tea",
            "note": {"text": "to tea", "urgent": False},
            "customer": "who wants tea",
        }
        await engine.resume(run)
        await engine.answer(run, "yes")
        await engine.resume(run, verb="answer")
        for step, due in ((0, ("tag",)), (1, ("approve",))):
            fork = await engine.fork(run, at=step, goods="milk")
            assert fork.values["goods"] == "milk"
            assert (fork.status, fork.run.frontier.due) == ("waiting", ("approve",)), due
        after = await engine.fork(run, at=2, word="no")
        assert (after.status, after.reason) == ("failed", "refused")
        again = await engine.fork(early.id, at=1, goods="salt")
        assert (again.values["goods"], again.values["customer"]) == ("salt", "who wants tea")


async def test_the_picture_and_the_page_of_a_migrated_run_know_its_earlier_steps(opened: Open) -> None:
    new = shop(
        START >> label.named("tag") >> approve,
        approve["yes"] >> send >> END,
        approve["no"] >> FAIL("refused"),
        migrations=[rename_node("label", "tag")],
    )
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
    async with opened(new) as engine:
        history = (await engine.resume(run)).history
    assert [each.node for each in history.steps] == ["label", "approve"]
    assert [(each.node, each.via) for each in history.of_now.steps] == [("tag", ("tag > approve",)), ("approve", ())]
    assert history.of_now.begun_via == ("START > tag",)
    assert history.changes[0].applied == ('rename_node("label", "tag")',)


# What has to be accepted


async def test_an_open_question_with_other_answers_is_asked_anew_once_that_is_accepted(opened: Open) -> None:
    @human(writes="word", name="approve")
    def approve_more(item: str) -> Question[Literal["yes", "no", "later"]]:
        return Question(f"send {item}?")

    class Later(Order):
        word: Literal["yes", "no", "later"] | None = None  # type: ignore[assignment]

    new = shop(
        START >> label >> approve_more,
        approve_more["yes"] >> send >> END,
        approve_more["no"] >> FAIL("refused"),
        approve_more["later"] >> label,
        state=Later,
    )
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
        first = (await engine.inbox(run))[0].question.id
    async with opened(new) as engine:
        with pytest.raises(WorkflowChanged) as refused:
            await engine.resume(run)
        assert "W611  approve" in refused.value.what
        assert "--accept-changes" in str(refused.value.cure)
        view = await engine.resume(run, accept_changes=True)
        asked = (await engine.inbox(run))[0].question
        assert (view.status, asked.choices) == ("waiting", ("yes", "no", "later"))
        assert asked.id != first
        told = [each.event for each in await engine.journal(run) if isinstance(each.event, CodeChanged)]
        assert any("asked anew" in each for each in told[-1].accepted)
        assert any(each.startswith("node approve: outcomes") for each in told[-1].how)


async def test_an_answer_that_waits_is_not_lost_to_a_changed_question(opened: Open) -> None:
    @human(writes="word", name="approve")
    def approve_more(item: str) -> Question[Literal["yes", "never"]]:
        return Question(f"send {item}?")

    class Later(Order):
        word: Literal["yes", "never"] | None = None  # type: ignore[assignment]

    new = shop(
        START >> label >> approve_more,
        approve_more["yes"] >> send >> END,
        approve_more["never"] >> FAIL("refused"),
        state=Later,
    )
    for word, status in (("yes", "succeeded"), ("no", "waiting")):
        async with opened(asking()) as engine:
            run = (await engine.run(asking(), item="tea")).id
            await engine.answer(run, word)
        async with opened(new) as engine:
            view = await engine.resume(run, verb="answer")
            assert view.status == status
            if status == "waiting":  # what was answered is no answer any more, so it is asked anew
                assert (await engine.inbox(run))[0].question.choices == ("yes", "never")


async def test_a_bound_that_is_gone_is_forgotten_once_that_is_accepted(opened: Open) -> None:
    late = send.named("late")
    old = shop(START >> label >> approve, approve["no"] >> late >> END, approve["yes"] >> at_most(3, label, then=late))
    new = shop(START >> label >> approve, approve["no"] >> late >> END, approve["yes"] >> label)
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
        await engine.answer(run, "yes")
        assert (await engine.resume(run, verb="answer")).run.frontier.counts
    async with opened(new) as engine:
        with pytest.raises(WorkflowChanged, match="W604"):
            await engine.resume(run)
        assert (await engine.resume(run, accept_changes=True)).run.frontier.counts == {}


async def test_an_edited_body_is_no_obstacle_unless_an_effect_is_in_doubt(opened: Open, ledger: KeptLedger) -> None:
    def version(text: str, doubt: Any) -> Any:
        @function(writes="key", effect=True, in_doubt=doubt)
        async def charge(item: str) -> str:
            return item + "b" if text == "b" else item

        @function(name="charge", writes="key", effect=True, in_doubt=doubt)
        async def edited(item: str) -> str:
            return item + "another body"

        return shop(START >> (charge if text == "a" else edited) >> END)

    for doubt in ("ask", "rerun"):
        old = version("a", doubt)
        dying = crash_after(ledger, 3, when="before")
        async with Engine.connect(ledger=dying, workflows=[old]) as engine:
            with pytest.raises(Crashed):
                await dying.until_crash(engine.run(old, item="tea"))
        run = (await ledger.find("@last"))[0]
        assert (await ledger.read(run)).run.doubts
        async with opened(version("b", doubt)) as engine:
            if doubt == "ask":  # a person is asked anyway
                assert (await engine.resume(run)).status == "waiting"
                continue
            with pytest.raises(WorkflowChanged, match="W612"):
                await engine.resume(run)
            view = await engine.resume(run, accept_changes=True)
            assert (view.status, view.values["key"]) == ("succeeded", "teaanother body")


async def test_a_value_that_would_lose_something_by_being_read_anew_has_to_be_accepted(opened: Open) -> None:
    class Wide(BaseModel):
        text: str
        more: int = 0

    class Narrow(BaseModel):
        text: str

    def version(kind: Any) -> Any:
        class Held(State):
            item: str
            note: kind | None = None  # pyright: ignore[reportInvalidTypeForm]
            word: Literal["yes", "no"] | None = None
            key: str | None = None

        @function(name="label", writes="note")
        async def labelled(item: str) -> kind:  # pyright: ignore[reportInvalidTypeForm]
            return kind(text=item, **({"more": 3} if kind is Wide else {}))

        labelled.body.__annotations__.update({"return": kind, "item": str})
        Held.__annotations__["note"] = kind | None
        Held.model_rebuild(force=True)
        return shop(
            START >> labelled >> approve, approve["yes"] >> send >> END, approve["no"] >> FAIL("no"), state=Held
        )

    async with opened(version(Wide)) as engine:
        run = (await engine.run(version(Wide), item="tea")).id
    async with opened(version(Narrow)) as engine:
        with pytest.raises(WorkflowChanged, match=r"W613  note .*note\.more is removed"):
            await engine.resume(run)
        assert (await engine.resume(run, accept_changes=True)).status == "waiting"


# The saboteur


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_killed_while_migrating_leaves_the_run_before_or_after(
    opened: Open, ledger: KeptLedger, when: Any
) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking(), item="tea")).id
    flow = better(*MOVES)
    dying = crash_after(ledger, 2, when=when)
    async with Engine.connect(ledger=dying, workflows=[flow]) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.resume(run))
    kept = await ledger.read(run)
    assert sorted(kept.state) == (["item", "note"] if when == "before" else ["customer", "goods", "note"])
    async with opened(flow) as engine:
        view = await engine.resume(run)
        assert view.values["goods"] == "tea"
        assert sum(isinstance(each.event, RunMigrated) for each in await engine.journal(run)) == 1


async def test_of_two_processes_that_migrate_at_once_one_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[asking()]) as engine:
        run = (await engine.run(asking(), item="tea")).id
    flow = better(*MOVES)
    async with Engine.connect(path, workflows=[flow]) as one, Engine.connect(path, workflows=[flow]) as two:
        fence, _ = await one._shop.ledger.claim(run)
        with pytest.raises(RunOwned):
            await two.resume(run)
        await one._shop.ledger.release(fence)
        await two.resume(run)
        await one.resume(run)
        assert sum(isinstance(each.event, RunMigrated) for each in await one.journal(run)) == 1


async def test_a_migrated_run_is_whole_in_a_file_and_comes_through_export_and_import(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[asking()]) as engine:
        run = (await engine.run(asking(), item="tea")).id
    flow = better(*MOVES)
    async with Engine.connect(path, workflows=[flow]) as engine:
        await engine.resume(run)
        fork = (await engine.fork(run, at=1)).id
        view = await engine.get(run)
    assert (await Store(path).check()).harms == ()
    other = tmp_path / "other.sqlite"
    await Store(other).import_(await Store(path).export(run))
    await Store(other).import_(await Store(path).export(fork))
    async with Engine.connect(other, workflows=[flow]) as engine:
        there = await engine.get(run)
        assert (there.run, there.values) == (view.run, view.values)
        assert sorted(there.values) == ["customer", "goods", "note"]
        assert await engine.state_at(run, 1) == {"item": "tea", "note": "to tea"}
        await engine.answer(run, "yes")
        assert (await engine.resume(run, verb="answer")).status == "succeeded"
    assert (await Store(other).check()).harms == ()


class Seconds(State):
    seconds: int
    word: Literal["yes", "no"] | None = None


class Minutes(State):
    minutes: int
    word: Literal["yes", "no"] | None = None


@human(writes="word", name="approve")
def in_seconds(seconds: int) -> Question[Literal["yes", "no"]]:
    return Question(f"{seconds}?")


@human(writes="word", name="approve")
def in_minutes(minutes: int) -> Question[Literal["yes", "no"]]:
    return Question(f"{minutes}?")


async def test_a_change_of_meaning_goes_with_a_change_of_name(opened: Open) -> None:
    def version(state: Any, ask: Any, *migrations: Any) -> Any:
        rows = [START >> ask, ask["yes"] >> END, ask["no"] >> FAIL("no")]
        return workflow("timer", state=state, edges=rows, migrations=migrations)

    moves = (rename_field("seconds", "minutes"), change_field("minutes", lambda held: held // 60))
    first, bare, later = (
        version(Seconds, in_seconds),
        version(Minutes, in_minutes),
        version(Minutes, in_minutes, *moves),
    )
    async with opened(first) as engine:
        run = (await engine.run(first, seconds=120)).id
    async with opened(bare) as engine:  # a version that had the field, and did not declare it yet
        other = (await engine.run(bare, minutes=7)).id
    async with opened(later) as engine:
        assert (await engine.resume(run)).values == {"minutes": 2}
        assert (await engine.resume(run)).values == {"minutes": 2}
        assert (await engine.fork(run, at=0)).values == {"minutes": 2}
        assert (await engine.resume(other)).values == {"minutes": 7}


async def test_a_question_that_expires_needs_an_edge_or_a_default(opened: Open) -> None:
    @human(writes="word", name="approve", within=timedelta(days=1))
    def hurried(item: str) -> Question[Literal["yes", "no"]]:
        return Question(f"send {item}?")

    @human(writes="word", name="approve", within=timedelta(days=1), default="no")
    def settled(item: str) -> Question[Literal["yes", "no"]]:
        return Question(f"send {item}?")

    def flow(ask: Any, *rows: Any) -> Any:
        return shop(START >> label >> ask, ask["yes"] >> send >> END, ask["no"] >> FAIL("refused"), *rows)

    old, extra = flow(hurried, hurried.expired >> END), send.named("more")
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
    async with opened(flow(approve)) as engine:
        with pytest.raises(WorkflowChanged, match=r"W611  approve .*expires"):
            await engine.resume(run)
        view = await engine.resume(run, accept_changes=True)
        assert (view.status, view.run.open[0].due) == ("waiting", None)
    longer = shop(START >> label >> settled, settled["yes"] >> send >> extra >> END, settled["no"] >> FAIL("refused"))
    async with opened(flow(settled)) as engine:
        run = (await engine.run(flow(settled), item="tea")).id
    async with opened(longer) as engine:
        assert (await engine.resume(run)).status == "waiting"


async def test_a_word_is_renamed_with_the_bound_it_counts(opened: Open) -> None:
    @human(writes="word", name="approve")
    def asked_anew(item: str) -> Question[Literal["again", "no"]]:
        return Question(f"send {item}?")

    class Later(Order):
        word: Literal["again", "no"] | None = None  # type: ignore[assignment]

    late = send.named("late")
    old = shop(START >> label >> approve, approve["no"] >> late >> END, approve["yes"] >> at_most(3, label, then=late))
    new = shop(
        START >> label >> asked_anew,
        asked_anew["no"] >> late >> END,
        asked_anew["again"] >> at_most(3, label, then=late),
        state=Later,
        migrations=[rename_outcome("approve", "yes", "again"), change_field("word", {"yes": "again", "no": "no"}.get)],
    )
    async with opened(old) as engine:
        run = (await engine.run(old, item="tea")).id
        await engine.answer(run, "yes")
        await engine.resume(run, verb="answer")
    async with opened(new) as engine:
        view = await engine.resume(run, accept_changes=True)  # its question offered other words
        assert view.run.frontier.counts == {"approve[again] > label": 1}
        assert view.values["word"] == "again"
        found = (await engine.replay(run, against=new)).difference
        assert found is not None
        assert (found.kind, found.changes[0].after) == ("question", "again")
        assert (await engine.replay(run, against=new, only_routes=True)).same
        fork = await engine.fork(run, at=2)
        assert (fork.status, fork.run.frontier.counts) == ("waiting", {"approve[again] > label": 1})


async def test_a_rename_to_a_node_the_run_was_at_already_is_refused(opened: Open) -> None:
    twice = shop(START >> label >> send >> approve, approve["yes"] >> END, approve["no"] >> END)
    once = shop(
        START >> send >> approve,
        approve["yes"] >> END,
        approve["no"] >> END,
        migrations=[rename_node("label", "send")],
    )
    async with opened(twice) as engine:
        run = (await engine.run(twice, item="tea")).id
    async with opened(once) as engine:
        with pytest.raises(WorkflowChanged, match="W617"):
            await engine.resume(run)
