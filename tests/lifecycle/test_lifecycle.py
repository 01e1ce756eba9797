"""The life cycle: whatever people and crashes do to runs in whatever order, they are what a small model says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.lifecycle.errand import Model, World, begun, errand
from workflow_engine import Engine
from workflow_engine.errors import AlreadyAnswered, QuestionNotFound, RunEnded
from workflow_engine.record.ids import RunId, step_key
from workflow_engine.runtime.view import RunView
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing.crash import Crashed, When, crash_after

Verb = Callable[[Engine], Awaitable[Any]]
Death = tuple[int, When]
DEATHS = st.none() | st.tuples(st.integers(1, 9), st.sampled_from(("before", "after")))
GOALS = st.sampled_from((9, 5, 3, 0))
WORDS = st.sampled_from(("again", "done", "drop"))
MOST_DEATHS = 4
"""So many in one example: a step whose process dies five times becomes a question, which is tested elsewhere."""


class Life(RuleBasedStateMachine):
    """Each rule is a process: it opens the store, does one thing, and may die at one of its writes."""

    runs: Bundle[RunId] = Bundle("runs")

    mortal = True

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.flow = errand(self.world)
        self.models: dict[RunId, Model] = {}
        self.deaths = 0
        self.memory = MemoryLedger()

    async def ledger(self) -> Any:
        return self.memory

    def teardown(self) -> None:
        self.runner.close()

    # What a process does

    def act(self, verb: Verb, death: Death | None = None) -> Any:
        """What the verb returns. After a death another process recovers what was left behind."""
        if death is None or not self.mortal or self.deaths >= MOST_DEATHS:
            return self.runner.run(self._done(verb))
        dying = crash_after(self.memory, death[0], when=death[1])
        try:
            return self.runner.run(self._done(lambda engine: dying.until_crash(verb(engine)), dying))
        except Crashed:
            self.deaths += 1
            self.runner.run(self._done(self._views))
            self.act(lambda engine: engine.recover())
            self._taken_up()
            return None

    async def _done(self, verb: Verb, ledger: Any = None) -> Any:
        async with Engine.connect(ledger=ledger or await self.ledger(), workflows=[self.flow]) as engine:
            return await verb(engine)

    async def _views(self, engine: Engine) -> dict[RunId, RunView[Any]]:
        """The runs there are; what is in a history is durable."""
        views = {each.run: await engine.get(each.run) for each in await engine.runs(limit=1000)}
        for run, view in views.items():
            finished = [each for each in view.history.steps if each.status == "finished"]
            self.world.durable |= {step_key(run, each.node, each.visit) for each in finished}
        return views

    def _taken_up(self) -> None:
        for run, model in self.models.items():
            if model.letter:
                self.models[run] = model.gone_on(self.world.broken)

    def view(self, run: RunId) -> RunView[Any]:
        view: RunView[Any] = self.act(lambda engine: engine.get(run))
        return view

    def came(self, before: set[RunId], model: Model) -> Any:
        """The run that a process began; none, if it died before that was durable."""
        new = set(self.runner.run(self._done(self._views))) - before
        assert len(new) <= 1
        for run in new:
            self.models[run] = model.gone_on(self.world.broken)
            return run
        return None

    # The rules

    @rule(target=runs, goal=GOALS, death=DEATHS)
    def start(self, goal: int, death: Death | None) -> Any:
        before = set(self.models)
        self.act(lambda engine: engine.run(self.flow, goal=goal), death)
        return self._known(self.came(before, begun(goal)), death)

    def _known(self, run: RunId | None, death: Death | None) -> Any:
        assert run is not None or death is not None
        return run if run is not None else self._any()

    def _any(self) -> Any:
        # Nothing was begun: the bundle gets a run that is there already, or begins one that nobody kills.
        if self.models:
            return next(iter(self.models))
        self.act(lambda engine: engine.run(self.flow, goal=1))
        return self.came(set(), begun(1))

    @rule(run=runs, word=WORDS, death=DEATHS)
    def answer(self, run: RunId, word: str, death: Death | None) -> None:
        model, view = self.models[run], self.view(run)
        if not model.waiting:
            with pytest.raises((QuestionNotFound, RunEnded)):
                self.act(lambda engine: engine.answer(run, word))
            return
        [asked] = [each for each in view.questions if each.status in ("open", "answered")][-1:]
        if model.letter:
            with pytest.raises(AlreadyAnswered):
                self.act(lambda engine: engine.answer(asked.question.id, word))
            return
        self.act(lambda engine: engine.answer(asked.question.id, word, by="ana"), death)
        kept = self.view(run)
        if kept.status == "queued":
            self.models[run] = replace(model, letter=word)
        elif kept.run.seq != view.run.seq:  # it died, and whoever recovered took the answer up
            self.models[run] = replace(model, letter=word).gone_on(self.world.broken)
        else:
            assert self.mortal
            assert death is not None

    @rule(run=runs, death=DEATHS)
    def go_on(self, run: RunId, death: Death | None) -> None:
        model = self.models[run]
        if model.ended:
            with pytest.raises(RunEnded):
                self.act(lambda engine: engine.resume(run))
            return
        was = self.view(run)
        self.act(lambda engine: engine.resume(run), death)
        now = self.view(run)
        if death is not None and model.failed and now.run.seq == was.run.seq:
            return  # it died before it took the run, and nobody recovers a run that failed
        self.models[run] = model.gone_on(self.world.broken)

    @rule(run=runs, word=WORDS, death=DEATHS)
    def answer_and_go_on(self, run: RunId, word: str, death: Death | None) -> None:
        self.answer(run, word, None)
        self.go_on(run, death)

    @rule(death=DEATHS)
    def recover(self, death: Death | None) -> None:
        self.act(lambda engine: engine.recover(), death)
        self._taken_up()

    @rule(run=runs, death=DEATHS)
    def cancel(self, run: RunId, death: Death | None) -> None:
        model = self.models[run]
        if model.ended:
            with pytest.raises(RunEnded):
                self.act(lambda engine: engine.cancel(run))
            return
        self.act(lambda engine: engine.cancel(run, by="ana"), death)
        now = self.view(run).status
        assert death is not None or now == "cancelled"
        if now == "cancelled":
            self.models[run] = replace(model, cancelled=True, letter="")
        elif model.letter:  # whoever recovered took the answer up instead
            self.models[run] = model.gone_on(self.world.broken)

    @rule(
        target=runs,
        run=runs,
        place=st.floats(0, 1, exclude_max=True),
        edits=st.fixed_dictionaries(
            {},
            optional={
                "goal": GOALS,
                "n": GOALS,
                "word": WORDS,
            },
        ),
        death=DEATHS,
    )
    def fork(self, run: RunId, place: float, edits: dict[str, Any], death: Death | None) -> Any:
        before, model = set(self.models), self.models[run]
        at = int(place * len(model.steps))
        done = [each.step for each in self.view(run).history.steps if each.status == "finished"]
        number = 0 if at == 0 else done[at - 1]
        self.act(lambda engine: engine.fork(run, edits, at=number), death)
        return self._known(self.came(before, model.forked(at, edits)), death)

    @rule(broken=st.booleans())
    def break_or_mend(self, broken: bool) -> None:
        self.world.broken = broken

    # What always holds

    @invariant()
    def every_run_is_what_the_model_says(self) -> None:
        views = self.runner.run(self._done(self._views))
        assert set(views) == set(self.models)
        for run, model in self.models.items():
            view = views[run]
            told = dict(model.told())
            assert view.status == ("queued" if model.letter else told["status"])
            assert dict(view.values) == {name: each for name, each in told["values"].items() if name in view.values}
            assert [each.node for each in view.history.steps if each.status == "finished"] == told["left"]
            assert len(view.open_questions) == (model.waiting and not model.letter)

    @invariant()
    def no_durable_step_ran_again(self) -> None:
        assert not self.world.again


class LifeOnDisk(Life):
    """The same on a store in a file. Nobody dies in it: tests/crash kills real processes."""

    mortal = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()

    async def ledger(self) -> Any:
        return await open_ledger(Path(self.folder.name) / "runs.sqlite", synchronous="normal")

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


def lived(machine: type[Life], examples: int) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=12, deadline=None))


@pytest.mark.slow
def test_runs_live_as_the_model_says() -> None:
    lived(Life, 100)


@pytest.mark.slow
def test_runs_in_a_file_live_as_the_model_says() -> None:
    lived(LifeOnDisk, 20)


@pytest.mark.crash
def test_many_runs_live_as_the_model_says() -> None:
    lived(Life, 2000)
