"""A damaged store: what is damaged is named and not loaded, the rest stays readable, nothing is silently wrong."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stores.conftest import Opened
from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.ports.ledger import Ledger, Page
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.testing.tale import Tale, append, sets

Beneath = Callable[..., list[Any]]
HURT, WELL = RunId("r1"), RunId("r2")
COLUMNS = "id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, fields"
KEY = "(SELECT key FROM runs WHERE id = 'r1')"
LOG = f"run = {KEY} AND field = 'log' AND version"
OTHER, FOURTH = f"run <> {KEY} AND seq = 4", f"run = {KEY} AND seq = 4"


async def filled(ledger: Ledger, *names: str) -> None:
    """Runs with steps, a growing list, a question, and an answer that was taken or one that waits."""
    for number, name in enumerate(names):
        tale = Tale(name)
        fence = await ledger.create(tale.begun({"name": name}, note="n" * 300, tries=0))
        for step in range(6):
            await ledger.commit(fence, tale.stepped(append("log", f"{name} {step} " * 20), *sets({"tries": step})))
        await ledger.commit(fence, tale.asked())
        letter = tale.answer()
        assert letter.answer is not None
        await ledger.send(letter)
        if number % 2 == 0:
            await ledger.commit(fence, tale.answered(letter.answer, [letter.id]))
        await ledger.release(fence)


def readings(ledger: Ledger, run: RunId) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "read": lambda: ledger.read(run),
        "journal": lambda: ledger.journal(run),
        "the end of the journal": lambda: ledger.journal(run, 5),
        "at": lambda: ledger.at(run, 4),
        "document": lambda: ledger.document(run),
        "questions": lambda: ledger.questions(run),
        "question": lambda: ledger.question(QuestionId(f"{run}.q1")),
        "letters": lambda: ledger.letters(run),
    }


# What is done to run r1 behind the store's back, and which readings must notice.
HARM = {
    "a run's text changed under its old seal": (
        "UPDATE runs SET text = replace(text, 'tale', 'tall') WHERE id = 'r1'",
        {"read", "journal", "letters"},
    ),
    "a column changed": ("UPDATE runs SET steps = steps + 1 WHERE id = 'r1'", {"read", "journal"}),
    "an epoch set back": ("UPDATE runs SET epoch = 0 WHERE id = 'r1'", {"read"}),
    "a text that is no UTF-8": ("UPDATE runs SET text = CAST(x'7bff7d' AS TEXT) WHERE id = 'r1'", {"read"}),
    "a text that is a number": ("UPDATE runs SET text = 7 WHERE id = 'r1'", {"read"}),
    "another run's text": ("UPDATE runs SET text = (SELECT text FROM runs WHERE id = 'r2') WHERE id = 'r1'", {"read"}),
    "a count of versions changed": ("UPDATE runs SET fields = '{}' WHERE id = 'r1'", {"read", "at"}),
    "a value changed": (
        f"UPDATE versions SET text = '7' WHERE run = {KEY} AND field = 'tries' AND version = 7",
        {"read"},
    ),
    "an older value changed": (
        f"UPDATE versions SET text = '7' WHERE run = {KEY} AND field = 'tries' AND version = 3",
        {"at"},
    ),
    "a version moved to where nobody looks": (
        f"UPDATE versions SET first = first + 1 WHERE run = {KEY} AND field = 'tries' AND first = 4",
        {"at"},
    ),
    "an append turned into a set": (
        f"UPDATE versions SET op = 'set' WHERE run = {KEY} AND field = 'log' AND version = 3",
        {"read"},
    ),
    "the newest version lost": (
        f"DELETE FROM versions WHERE run = {KEY} AND field = 'tries' AND version = 7",
        {"read"},
    ),
    "a version in the middle lost": (
        f"DELETE FROM versions WHERE run = {KEY} AND field = 'log' AND version = 2",
        {"read", "at"},
    ),
    "the first version lost": (
        f"DELETE FROM versions WHERE run = {KEY} AND field = 'log' AND version = 1",
        {"read", "at"},
    ),
    "a version copied over another": (
        f"UPDATE versions SET (text, seal) = (SELECT text, seal FROM versions WHERE {LOG} = 5) WHERE {LOG} = 4",
        {"read"},
    ),
    "an event changed": (
        f"UPDATE journal SET text = replace(text, 'work', 'play') WHERE run = {KEY} AND seq = 4",
        {"journal"},
    ),
    "the last event lost": (
        f"DELETE FROM journal WHERE run = {KEY} AND seq = (SELECT max(seq) FROM journal WHERE run = {KEY})",
        {"read", "journal", "the end of the journal"},
    ),
    "an event in the middle lost": (f"DELETE FROM journal WHERE run = {KEY} AND seq = 4", {"journal"}),
    "an event too many": (
        f"INSERT INTO journal SELECT run, 99, seal, text FROM journal WHERE run = {KEY} AND seq = 4",
        {"read"},
    ),
    "another run's event": (
        f"UPDATE journal SET (text, seal) = (SELECT text, seal FROM journal WHERE {OTHER}) WHERE {FOURTH}",
        {"journal"},
    ),
    "a question changed": (
        f"UPDATE questions SET text = replace(text, 'Go', 'No') WHERE run = {KEY}",
        {"questions", "question"},
    ),
    "a question lost": (f"DELETE FROM questions WHERE run = {KEY}", {"questions"}),
    "an answer changed": (
        f"UPDATE questions SET fate = replace(fate, 'yes', 'no') WHERE run = {KEY}",
        {"questions", "question"},
    ),
    "a document changed": (
        "UPDATE documents SET text = replace(text, 'r1', 'r3')",
        {"document"},
    ),
    "a document lost": (
        f"DELETE FROM documents WHERE digest = (SELECT document FROM runs WHERE key = {KEY})",
        {"document"},
    ),
}


@pytest.mark.parametrize("harm", HARM)
async def test_a_damaged_row_is_named_and_other_runs_stay_readable(opened: Opened, beneath: Beneath, harm: str) -> None:
    statement, noticing = HARM[harm]
    ledger = await opened()
    await filled(ledger, HURT, WELL)
    before = {name: await read() for name, read in readings(ledger, HURT).items()}
    well = {name: await read() for name, read in readings(ledger, WELL).items()}
    beneath(statement)
    for name, read in readings(ledger, HURT).items():
        found = (await asyncio.gather(read(), return_exceptions=True))[0]
        if isinstance(found, StoreDamaged):
            assert str(HURT) in found.what
            assert found.cure
            noticing = noticing - {name}
        else:
            assert found == before[name], "it need not be noticed here, but then what is read must be true"
    assert noticing == set()
    assert {name: await read() for name, read in readings(ledger, WELL).items()} == well


async def test_a_damaged_letter_is_named(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    await filled(ledger, WELL, HURT)
    beneath("UPDATE letters SET text = replace(text, 'yes', 'no')")
    for name in ("letters", "questions", "question"):
        with pytest.raises(StoreDamaged, match=HURT):
            await readings(ledger, HURT)[name]()
    assert await ledger.letters(WELL) == []


async def test_a_damaged_run_cannot_be_driven_and_stays_as_it_is(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    await filled(ledger, HURT, WELL)
    beneath("UPDATE versions SET text = '7' WHERE field = 'tries' AND version = 7 AND run = " + KEY)
    epoch = beneath("SELECT epoch FROM runs WHERE id = 'r1'")
    with pytest.raises(StoreDamaged, match=HURT):
        await ledger.claim(HURT)
    assert beneath("SELECT epoch FROM runs WHERE id = 'r1'") == epoch
    assert not await ledger.owned(HURT)
    await ledger.claim(WELL)


async def test_damaged_runs_are_listed_as_such(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    await filled(ledger, "r1", "r2", "r3")
    beneath("UPDATE runs SET text = '' WHERE id = 'r1'")
    beneath("UPDATE runs SET updated = 'never' WHERE id = 'r3'")
    assert [(each.run, each.status) for each in await ledger.runs(Page())] == [
        ("r3", "damaged"),
        ("r2", "waiting"),
        ("r1", "damaged"),
    ]
    assert [each.run for each in await ledger.runs(Page(status="damaged"))] == ["r3", "r1"]
    assert [each.run for each in await ledger.runs(Page(status="waiting"))] == ["r2"]
    assert [each.run for each in await ledger.runs(Page(status="running"))] == []


async def test_a_damaged_question_does_not_hide_the_inbox(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    for name in ("r1", "r2"):
        tale = Tale(name)
        await ledger.commit(await ledger.create(tale.begun()), tale.asked())
    beneath("UPDATE questions SET text = '{}' WHERE id = 'r1.q1'")
    assert [each.question.id for each in await ledger.questions()] == ["r2.q1"]
    with pytest.raises(StoreDamaged):
        await ledger.questions(RunId("r1"))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"id": "r1"}', '{"py/object": "os.system"}', "[" * 100_000, '{"status": "paused"}'],
)
async def test_what_was_forged_with_its_seal_must_still_be_what_it_should(
    opened: Opened, beneath: Beneath, text: str
) -> None:
    ledger = await opened()
    await filled(ledger, HURT)
    beneath(f"UPDATE journal SET text = ?, seal = ? WHERE run = {KEY} AND seq = 4", text, seal(text, HURT, 4))
    with pytest.raises(StoreDamaged, match="event 4"):
        await ledger.journal(HURT)
    (place,) = beneath(f"SELECT {COLUMNS} FROM runs")
    beneath("UPDATE runs SET text = ?, seal = ?", text, seal(text, *place))
    with pytest.raises(StoreDamaged, match=HURT):
        await ledger.read(HURT)


async def test_a_status_nobody_knows_is_damage(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    await filled(ledger, HURT)
    (text, *place) = beneath(f"SELECT text, {COLUMNS} FROM runs")[0]
    forged = json.dumps({**json.loads(text), "status": "paused"})
    beneath("UPDATE runs SET text = ?, seal = ?", forged, seal(forged, *place))
    with pytest.raises(StoreDamaged, match=HURT):
        await ledger.read(HURT)


# ------------------------------------------------------------------------------------------------ pages


def _page(content: bytearray, chance: random.Random) -> None:
    place = chance.randrange(1, len(content) // 4096) * 4096
    content[place : place + 4096] = chance.randbytes(4096)


def _zeroes(content: bytearray, chance: random.Random) -> None:
    place = chance.randrange(1, len(content) // 4096) * 4096
    content[place : place + 4096] = bytes(4096)


def _bytes(content: bytearray, chance: random.Random) -> None:
    place = chance.randrange(1, len(content) // 4096) * 4096
    for _ in range(chance.randrange(1, 30)):
        content[place + chance.randrange(4096)] = chance.randrange(256)


def _bit(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(4096, len(content))] ^= 1 << chance.randrange(8)


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(1, len(content) // 4096) * 4096 :]


@pytest.mark.parametrize("harm", [_page, _zeroes, _bytes, _bit, _cut])
async def test_a_damaged_page_is_never_silently_wrong(path: Path, harm: Callable[..., None]) -> None:
    names = [RunId(f"run{number}") for number in range(6)]
    ledger = await open_ledger(path)
    await filled(ledger, *names)
    truth = {(run, name): await read() for run in names for name, read in readings(ledger, run).items()}
    listed = {each.run: each for each in await ledger.runs(Page())}
    await ledger.close()
    whole, chance = path.read_bytes(), random.Random(harm.__name__)
    noticed = 0
    for _ in range(20):
        content = bytearray(whole)
        harm(content, chance)
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(content)
        try:
            ledger = await open_ledger(path, create=False)
        except StoreError:
            noticed += 1
            continue
        for run in names:
            for name, read in readings(ledger, run).items():
                try:
                    found = await read()
                except StoreError:
                    noticed += 1
                else:
                    assert found == truth[run, name] or (name == "letters" and not found)
        try:
            for each in await ledger.runs(Page()):
                assert each.status == "damaged" or each == listed[each.run]
        except StoreError:
            noticed += 1
        await ledger.close()
    assert noticed > 0


async def test_a_log_that_was_cut_leaves_what_was_true_at_some_commit(path: Path, opened: Opened) -> None:
    ledger = await opened()
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    stood = [tale.run]
    for number in range(30):
        await ledger.commit(fence, tale.stepped(append("log", number)))
        stood.append(tale.run)
    database, log = path.read_bytes(), path.with_name("runs.sqlite-wal").read_bytes()
    seen = set()
    for cut in range(0, len(log), len(log) // 23):
        copy = path.parent / f"cut{cut}" / "runs.sqlite"
        copy.parent.mkdir()
        copy.write_bytes(database)
        copy.with_name("runs.sqlite-wal").write_bytes(log[:cut])
        try:
            other = await open_ledger(copy, create=False)
        except StoreError:
            continue
        if await other.find("r1"):
            again, found = await other.claim(tale.id)
            assert found.run in stood
            seen.add(found.run.seq)
            assert found.run.seq < 4 or found.state["log"].json() == list(range(found.run.seq - 2))
            await other.commit(again, Tale.of(found.run).stepped())
        await other.close()
    assert len(seen) > 10
