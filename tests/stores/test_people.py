"""People in a store: what several said travels with its run, is checked, and nobody is taken for somebody else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from typing import Literal

import pytest

from workflow_engine import END, START, Engine, Principal, Question, State, Store, human, workflow
from workflow_engine.errors import AlreadyAnswered, NotAllowed, StoreDamaged
from workflow_engine.stores.encryption import Keys


class Case(State):
    said: Literal["yes", "no"] | None = None


@human(writes="said", to="ann", candidates=("bob", "eve"), approvals={"yes": 2})
def ask() -> Question[Literal["yes", "no"]]:
    return Question("Go on?")


FLOW = workflow("flow", state=Case, edges=[START >> ask >> END])


def proved(name: str) -> Principal:
    return Principal(name, authenticated=True)


async def test_what_several_said_travels_with_its_run(tmp_path: Path) -> None:
    paths = tmp_path / "here.sqlite", tmp_path / "there.sqlite"
    here, there = map(Store, paths)
    runs = []
    async with Engine.connect(paths[0], workflows=[FLOW]) as engine:
        for names in ((), ("ann",), ("ann", "bob")):
            run = (await engine.run(FLOW)).id
            for name in names:
                await engine.answer(run, "yes", by=proved(name))
            runs.append(run)
        await engine.reassign(runs[0], to="dave", by=proved("ann"))
        done = (await engine.run(FLOW)).id
        for name in ("ann", "bob"):
            await engine.answer(done, "yes", by=proved(name))
        assert (await engine.resume(done)).status == "succeeded"
        views = {run: (await engine.get(run)).document() for run in (*runs, done)}
    assert (await here.check()).harms == ()
    for run in views:
        text = await here.export(run)
        await there.import_(text)
        assert await there.export(run) == text
    assert (await there.check()).harms == ()
    async with Engine.connect(paths[1], workflows=[FLOW]) as engine:
        assert {run: (await engine.get(run)).document() for run in views} == views
        with pytest.raises(AlreadyAnswered):
            await engine.answer(runs[1], "yes", by=proved("ann"))
        await engine.answer(runs[1], "yes", by=proved("eve"))
        assert {view.id for view in await engine.recover()} == {runs[1], runs[2]}


HARM = {
    "the word of the last": "DELETE FROM letters WHERE id LIKE '%:bob'",
    "its place": "UPDATE letters SET id = replace(id, ':bob', ':eve') WHERE id LIKE '%:bob'",
}


@pytest.mark.parametrize("harm", HARM)
async def test_a_settled_question_without_the_word_that_settled_it_is_damage(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[FLOW]) as engine:
        run = (await engine.run(FLOW)).id
        for name in ("ann", "bob"):
            await engine.answer(run, "yes", by=proved(name))
        await engine.resume(run)
    with closing(sqlite3.connect(path)) as db:
        db.execute(HARM[harm])
        db.commit()
    assert [each.run for each in (await Store(path).check()).harms] != []


async def test_a_word_that_waits_and_was_lost_from_its_index_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[FLOW]) as engine:
        run = (await engine.run(FLOW)).id
        await engine.answer(run, "yes", by=proved("ann"))
        await engine.answer(run, "yes", by=proved("bob"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE letters SET text = replace(text, 'bob', 'eve') WHERE id LIKE '%:bob'")
        db.commit()
    async with Engine.connect(path, workflows=[FLOW]) as engine:
        with pytest.raises(StoreDamaged):
            await engine.get(run)


@pytest.mark.parametrize("text", ["replace(text, 'ann', 'eve')", "'{}'", "7"])
async def test_a_person_whose_row_was_changed_is_nobody_and_can_be_enrolled_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[FLOW]) as engine:
        token = await engine.enrol("ann")
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE people SET text = {text}")
        db.commit()
    [harm] = (await Store(path).check()).harms
    assert "person 1 of this store is damaged" in harm.what
    async with Engine.connect(path, workflows=[FLOW]) as engine:
        run = (await engine.run(FLOW)).id
        for act in (engine.bearer(token), engine.answer(run, "yes", by=proved("ann")), engine.enrolled()):
            with pytest.raises(StoreDamaged):
                await act
        token = await engine.enrol("ann")
        await engine.answer(run, "yes", by=await engine.bearer(token))
    assert (await Store(path).check()).harms == ()


async def test_an_encrypted_store_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    keys = Keys(token_urlsafe(32))
    async with Engine.connect(path, codec=keys) as engine:
        token = await engine.enrol("Zaphod")
        assert (await engine.bearer(token)).name == "Zaphod"
        with pytest.raises(NotAllowed):
            await engine.bearer("x")
    assert b"Zaphod" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
