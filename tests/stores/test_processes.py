"""Several processes and one store: one owner a run, freed by its death, and what was acknowledged survives it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.stores.conftest import Opened, Started
from workflow_engine.errors import AlreadyAnswered, FenceLost, RunOwned
from workflow_engine.record.ids import QuestionId
from workflow_engine.stores.sqlite.owners import Owners
from workflow_engine.testing.tale import Tale, append


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def end(child: subprocess.Popen[str], word: str = "") -> str:
    return child.communicate(word)[0].strip()


async def test_of_two_processes_that_claim_one_run_one_wins(opened: Opened, started: Started) -> None:
    ledger = await opened()
    tale = Tale("r1")
    await ledger.release(await ledger.create(tale.begun()))
    claiming = """
say("ready")
sys.stdin.readline()
try:
    await ledger.claim("r1")
    say("won")
except RunOwned as error:
    say("lost", bool(error.cure))
sys.stdin.readline()
"""
    children = [started(claiming) for _ in range(4)]
    for child in children:
        assert line(child) == "ready"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert sorted(line(child) for child in children) == ["lost True"] * 3 + ["won"]
    with pytest.raises(RunOwned):
        await ledger.claim(tale.id)
    assert await ledger.owned(tale.id)


async def test_an_owners_death_frees_its_runs_at_once(opened: Opened, started: Started) -> None:
    ledger = await opened()
    child = started(
        """
for name in ("r1", "r2"):
    await ledger.create(Tale(name).begun())
say("owns both")
sys.stdin.readline()
"""
    )
    assert line(child) == "owns both"
    tales = [Tale("r1"), Tale("r2")]
    for tale in tales:
        assert await ledger.owned(tale.id)
        with pytest.raises(RunOwned, match="another process"):
            await ledger.claim(tale.id)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert await ledger.unfinished() == ["r1", "r2"]
    for tale in tales:
        assert not await ledger.owned(tale.id)
        fence, found = await ledger.claim(tale.id)
        assert fence.epoch == 2
        await ledger.commit(fence, Tale.of(found.run).stepped())


async def test_an_owner_that_lost_its_lock_writes_nothing(path: Path, opened: Opened) -> None:
    """As one that is stopped, superseded, and thawed: it still believes in its fence."""
    thawed = await opened()
    tale = Tale("r1")
    old = await thawed.create(tale.begun())
    path.with_name("runs.sqlite.owners").unlink()
    ledger = await opened()
    new, found = await ledger.claim(tale.id)
    told = Tale.of(found.run)
    first = thawed.commit(old, tale.stepped(append("log", "from the past")))
    second = thawed.commit(old, tale.took())
    for each in (first, second):
        with pytest.raises(FenceLost):
            await each
    await ledger.commit(new, told.stepped())
    found = await ledger.read(tale.id)
    assert (found.run, found.state) == (told.run, {})


async def test_a_superseded_owner_is_refused_even_before_its_successor_wrote(path: Path, opened: Opened) -> None:
    thawed = await opened()
    tale = Tale("r1")
    old = await thawed.create(tale.begun())
    before = tale.run
    path.with_name("runs.sqlite.owners").unlink()
    ledger = await opened()
    await ledger.claim(tale.id)
    # The journal has not moved on: only the epoch tells.
    with pytest.raises(FenceLost):
        await thawed.commit(old, tale.stepped())
    assert (await ledger.read(tale.id)).run == before


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_acknowledged_survives_kill_9(opened: Opened, started: Started, seed: int) -> None:
    chance = random.Random(seed)
    child = started(
        """
async def drive(name):
    tale = Tale(name)
    fence = await ledger.create(tale.begun())
    for number in range(100_000):
        await ledger.commit(fence, tale.stepped(append("log", number)))
        say(name, number)

await asyncio.gather(*(drive(f"r{number}") for number in range(5)))
"""
    )
    told = dict.fromkeys((f"r{number}" for number in range(5)), -1)
    for _ in range(chance.randrange(1, 400)):
        name, word = line(child).split()
        told[name] = int(word)
    child.send_signal(signal.SIGKILL)
    for rest in end(child).splitlines():
        if len(words := rest.split()) == 2 and words[0] in told and words[1].isdigit():
            told[words[0]] = int(words[1])
    ledger = await opened(create=False)
    for name, number in told.items():
        if number < 0:
            continue
        fence, found = await ledger.claim(Tale(name).id)
        log = found.state["log"].json()
        assert log == list(range(len(log)))
        # The last line may have been cut, and at most one commit was on its way.
        assert len(log) > number
        assert found.run.steps == len(log)
        tale = Tale.of(found.run)
        await ledger.commit(fence, tale.stepped(append("log", len(log))))
        assert (await ledger.read(tale.id)).run == tale.run


async def test_answers_from_several_processes_leave_one(opened: Opened, started: Started) -> None:
    ledger = await opened()
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    await ledger.commit(fence, tale.asked())
    answering = """
tale = Tale.of((await ledger.read("r1")).run)
say("ready")
sys.stdin.readline()
for number in range(5):
    try:
        await ledger.send(tale.answer(sys.argv[1] + str(number)))
        say("won", number)
    except AlreadyAnswered:
        say("lost")
"""
    children = [started(answering) for _ in range(3)]
    for child in children:
        assert line(child) == "ready"
    words = [word for child in children for word in end(child, "go\n").splitlines()]
    assert sorted(words)[:14] == ["lost"] * 14
    assert words.count("lost") == 14
    (letter,) = await ledger.letters(tale.id)
    assert letter.answer is not None
    standing = await ledger.question(QuestionId("r1.q1"))
    assert standing.answer == letter.answer
    with pytest.raises(AlreadyAnswered):
        await ledger.send(tale.answer())


async def test_a_change_by_another_process_is_noticed(opened: Opened, started: Started) -> None:
    ledger = await opened()
    seen = await ledger.changed(0)
    child = started("await ledger.create(Tale('r1').begun()); await ledger.close()")
    end(child)
    assert await ledger.changed(seen) != seen


async def test_writers_of_several_processes_wait_for_one_another(opened: Opened, started: Started) -> None:
    ledger = await opened()
    writing = """
tale = Tale("r" + str(os.getpid()))
fence = await ledger.create(tale.begun())
for number in range(100):
    await ledger.commit(fence, tale.stepped(append("log", number)))
await ledger.close()
say(tale.id)
"""
    children = [started("import os\n" + writing) for _ in range(4)]
    names = [end(child) for child in children]
    assert len(set(names)) == 4
    for name in names:
        assert (await ledger.read(Tale(name).id)).state["log"].json() == list(range(100))


async def test_a_program_that_forgets_to_close_still_ends(opened: Opened, started: Started) -> None:
    child = started("await ledger.create(Tale('r1').begun()); say('made')")
    assert end(child) == "made"
    assert child.returncode == 0
    ledger = await opened()
    assert not await ledger.owned(Tale("r1").id)
    await ledger.claim(Tale("r1").id)


# ------------------------------------------------------------------------------------------------ locks


def test_a_forked_child_keeps_no_run(tmp_path: Path) -> None:
    owners, others = Owners(tmp_path / "owners"), Owners(tmp_path / "owners")
    assert owners.take("r1")
    (asked, told), (heard, said) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # it lives on, as a worker's child would, and holds what it inherited
        os.write(said, b"!")
        os.close(told)
        os.read(asked, 1)
        os._exit(0)
    os.read(heard, 1)
    assert not others.take("r1"), "a child's beginning takes nothing from its parent"
    owners.close()
    assert others.take("r1")
    os.close(told)
    os.waitpid(child, 0)
    others.close()
    for each in (asked, heard, said):
        os.close(each)


def test_a_process_may_own_thousands_of_runs(tmp_path: Path) -> None:
    owners, others = Owners(tmp_path / "owners"), Owners(tmp_path / "owners")
    descriptors = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert all(owners.take(f"r{number}") for number in range(3000))
    assert not descriptors or len(os.listdir("/proc/self/fd")) == descriptors
    assert not any(others.take(f"r{number}") for number in range(3000))
    owners.drop("r7")
    assert others.take("r7")
    assert not owners.take("r7")
    owners.close()
    assert all(others.take(f"r{number}") for number in range(3000))
    others.close()
    assert (tmp_path / "owners").stat().st_size == 0


def test_looking_takes_nothing(tmp_path: Path) -> None:
    one, two = Owners(tmp_path / "owners"), Owners(tmp_path / "owners")
    assert not two.taken("r1")
    assert one.take("r1")
    assert two.taken("r1")
    assert not one.taken("r1"), "a ledger asks about others; its own runs it knows"
    one.drop("r1")
    assert not two.taken("r1")
    one.close()
    two.close()
