"""An encrypted store: nothing of what people wrote stands in the file, and without its keys it is refused at once."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.stores.conftest import Opened
from workflow_engine import END, FAIL, START, Engine, Question, State, Step, StepError, function, human, workflow
from workflow_engine.errors import StoreDamaged, StoreError, UsageError
from workflow_engine.record.ids import RunId
from workflow_engine.store import Store
from workflow_engine.stores.encryption import Keys, keys_of, new_key
from workflow_engine.stores.sqlite.encrypted import COVERED, Cipher, _covering
from workflow_engine.stores.sqlite.queries import SQL, packaged
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.testing.tale import Tale, append, sets

Beneath = Callable[..., list[Any]]
OLD, NEW = new_key(), new_key()


class Case(State):
    patient: str
    finding: str = ""
    told: str = ""


@function(writes="finding")
async def examine(patient: str, step: Step) -> str:
    step.progress("whispered-words")
    return f"found-in-{patient}"


@human(writes="told")
def consult(finding: str) -> Question[Literal["go", "stop"]]:
    return Question(f"asked-about-{finding}", evidence=["evidence-piece"], title="title-of-it")


@function
async def operate(patient: str) -> None:
    raise StepError("failed-with-message", "cured-by-that")


case = workflow(
    "case",
    state=Case,
    edges=[
        START >> examine >> consult,
        consult["go"] >> operate >> END,
        consult["stop"] >> FAIL("reason-of-end"),
    ],
)
SECRETS = (
    "patient-zero",
    "found-in-",
    "asked-about-",
    "evidence-piece",
    "title-of-it",
    "whispered-words",
    "failed-with-message",
    "reason-of-end",
    "dr-who",
    "label-of-code",
    "cancelling-person",
)


async def lived(path: Path, keys: Keys | None) -> list[str]:
    """Runs with people, failures and words; copies of the file's bytes are looked at while it is open."""
    async with Engine.connect(path, workflows=[case], codec=keys) as engine:
        runs = [(await engine.run(case, {"patient": "patient-zero"}, "label-of-code")).id for _ in range(3)]
        for run, word in zip(runs, ("go", "stop"), strict=False):
            await engine.answer(run, word, by="dr-who")
            await engine.resume(run)
        await engine.cancel(runs[2], by="cancelling-person")
    return [*runs]


def bytes_of(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


async def test_nothing_of_what_people_wrote_is_in_the_file(path: Path) -> None:
    keys = Keys(NEW)
    async with Engine.connect(path, codec=keys):  # open throughout, so that the log stays beside the file
        runs = await lived(path, keys)
        assert path.with_name(f"{path.name}-wal").stat().st_size > 0
        found = bytes_of(path)
    found += bytes_of(path)
    assert [secret for secret in SECRETS if secret.encode() in found] == []
    assert all(run.encode() in found for run in runs)  # runs are looked up by their ids
    assert NEW.encode() not in found
    assert base64.urlsafe_b64decode(NEW + "=") not in found


async def test_a_plain_store_has_all_of_it_so_the_look_into_the_bytes_can_fail(path: Path) -> None:
    await lived(path, None)
    found = bytes_of(path)
    assert [secret for secret in SECRETS if secret.encode() not in found] == []


async def test_everything_comes_back_as_it_was(path: Path, tmp_path: Path) -> None:
    def told(view: Any) -> Any:
        steps = [(each.node, each.status, each.words, each.outcome) for each in view.history.steps]
        asked = [
            (each.question.title, each.question.evidence, each.answer and each.answer.by) for each in view.questions
        ]
        return view.status, view.reason, dict(view.values), steps, asked, view.run.target

    found = []
    for where, keys in ((path, Keys(NEW)), (tmp_path / "plain.sqlite", None)):
        runs = await lived(where, keys)
        async with Engine.connect(where, create=False, codec=keys, workflows=[case]) as engine:
            found.append([told(await engine.get(run)) for run in runs])
            assert {each.status for each in await engine.runs()} == {"failed", "cancelled"}
    assert found[0] == found[1]


# ------------------------------------------------------------------------------------------------ keys


async def test_without_its_key_it_is_refused_with_the_cure(path: Path) -> None:
    await lived(path, Keys(NEW))
    before = bytes_of(path)
    with pytest.raises(StoreError, match=r"is encrypted, and no key was given\n  give its key: WORKFLOW_KEY") as caught:
        async with Engine.connect(path):
            pass
    assert not isinstance(caught.value, StoreDamaged)
    with pytest.raises(StoreError, match="is encrypted, and not with the given key") as caught:
        async with Engine.connect(path, codec=Keys(OLD)):
            pass
    assert not isinstance(caught.value, StoreDamaged)
    assert bytes_of(path) == before


async def test_a_plain_store_does_not_become_half_an_encrypted_one(path: Path, opened: Opened) -> None:
    ledger = await opened()
    await ledger.create(Tale("r1").begun())
    with pytest.raises(StoreError, match=r"is not encrypted, and a key was given\n  leave the key out .* import them"):
        await opened(codec=Keys(NEW))
    assert (await ledger.read(RunId("r1"))).run.id == "r1"


async def test_a_new_key_writes_and_the_old_one_still_reads(path: Path, opened: Opened) -> None:
    ledger = await opened(codec=Keys(OLD))
    await ledger.create(Tale("r1").begun({"name": "before"}))
    await ledger.close()
    with pytest.raises(StoreError, match="not with the given key"):
        await opened(codec=Keys(NEW))
    both = await opened(codec=Keys(NEW, OLD))
    await both.create(Tale("r2").begun({"name": "after"}))
    assert [(await both.read(RunId(run))).run.id for run in ("r1", "r2")] == ["r1", "r2"]
    await both.close()
    for one in (OLD, NEW):
        with pytest.raises(StoreError, match=r"also written under an earlier key.*\n  give both"):
            await opened(codec=Keys(one))
    again = await opened(codec=Keys(OLD, NEW))
    assert (await again.read(RunId("r2"))).run.id == "r2"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "no key was given"),
        ("abcd", "the key has 3 bytes, and a key has 32"),
        (f"{NEW} not-base64!", "key 2 is no base64url text"),
        (f"{NEW},{NEW}A", "key 2 has 33 bytes"),
        ("ä" * 43, "the key is no base64url text"),
    ],
    ids=["none", "short", "marks", "long", "umlauts"],
)
def test_a_key_that_is_none_is_told_without_being_shown(given: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        keys_of(given)
    assert says in caught.value.what
    assert "secrets.token_urlsafe(32)" in str(caught.value)
    assert NEW not in str(caught.value)


def test_keys_are_never_shown_and_may_stand_in_a_file_with_remarks() -> None:
    keys = keys_of(f"# the one to write with\n{NEW}\n{OLD}=  # until all is copied\n")
    place = b"here"
    assert keys.open(Keys(OLD).shut(b"x", place), place) == b"x"
    assert Keys(NEW).open(keys.shut(b"y", place), place) == b"y"
    assert NEW not in repr(keys)
    assert OLD not in f"{vars(keys)}"
    with pytest.raises(ValueError, match="none of the keys"):
        keys.open(keys.shut(b"y", place), b"there")


def test_a_value_is_never_encrypted_the_same_way_twice() -> None:
    keys = Keys(NEW)
    assert len({keys.shut(b"yes", b"") for _ in range(100)}) == 100


# ------------------------------------------------------------------------------------------------ forging


@pytest.fixture
async def two(opened: Opened) -> Keys:
    keys = Keys(NEW)
    ledger = await opened(codec=keys)
    for name in ("r1", "r2"):
        tale = Tale(name)
        fence = await ledger.create(tale.begun({"name": name}))
        await ledger.commit(fence, tale.stepped(append("log", name), *sets({"tries": 1})))
        await ledger.commit(fence, tale.asked(f"title of {name}"))
        await ledger.release(fence)
    await ledger.close()
    return keys


K1, K2 = ("(SELECT key FROM runs WHERE id = 'r1')", "(SELECT key FROM runs WHERE id = 'r2')")
MOVES = {
    "an event": f"UPDATE journal SET (seal, text) = (SELECT seal, text FROM journal WHERE run = {K2} AND seq = 3) "
    f"WHERE run = {K1} AND seq = 3",
    "an event of its own": f"UPDATE journal SET (seal, text) = (SELECT seal, text FROM journal WHERE run = {K1} AND "
    f"seq = 2) WHERE run = {K1} AND seq = 3",
    "a version": f"UPDATE versions SET (seal, text) = (SELECT seal, text FROM versions WHERE run = {K2} AND "
    f"field = 'log') WHERE run = {K1} AND field = 'log'",
    "a text alone": f"UPDATE versions SET text = (SELECT text FROM versions WHERE run = {K2} AND field = 'log') "
    f"WHERE run = {K1} AND field = 'log'",
    "its own row": "UPDATE runs SET (seal, text) = (SELECT seal, text FROM runs WHERE id = 'r2') WHERE id = 'r1'",
    "a bit": f"UPDATE versions SET text = substr(text, 1, 20) || x'00' || substr(text, 22) WHERE run = {K1}",
}


@pytest.mark.parametrize("move", MOVES)
async def test_what_was_moved_or_changed_is_damage_of_that_run_alone(
    two: Keys, opened: Opened, beneath: Beneath, move: str
) -> None:
    beneath(MOVES[move])
    ledger = await opened(codec=two)
    read = ledger.journal if "event" in move else ledger.read
    with pytest.raises(StoreDamaged, match="run r1 is damaged"):
        await read(RunId("r1"))
    assert len(await ledger.journal(RunId("r2"))) == (await ledger.read(RunId("r2"))).run.seq


async def test_a_plain_text_with_its_plain_seal_is_damage(two: Keys, opened: Opened, beneath: Beneath) -> None:
    ((version, first, seq, op),) = beneath(
        f"SELECT version, first, seq, op FROM versions WHERE run = {K1} AND field = 'log'"
    )
    text = '["forged"]'
    mark = seal(text, "r1", "log", version, first, seq, op)
    beneath(f"UPDATE versions SET seal = ?, text = ? WHERE run = {K1} AND field = 'log'", mark, text)
    ledger = await opened(codec=two)
    with pytest.raises(StoreDamaged, match="run r1 is damaged: field log"):
        await ledger.read(RunId("r1"))


async def test_a_value_of_another_store_is_damage_under_the_same_key(
    two: Keys, opened: Opened, beneath: Beneath, tmp_path: Path
) -> None:
    from workflow_engine.stores.sqlite import open_ledger

    other = await open_ledger(tmp_path / "other.sqlite", codec=two)
    tale = Tale("r1")
    fence = await other.create(tale.begun({"name": "r1"}))
    await other.commit(fence, tale.stepped(append("log", "elsewhere"), *sets({"tries": 1})))
    await other.close()
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        mark, text = db.execute("SELECT seal, text FROM versions WHERE field = 'log'").fetchone()
    db.close()
    beneath(f"UPDATE versions SET seal = ?, text = ? WHERE run = {K1} AND field = 'log'", mark, text)
    ledger = await opened(codec=two)
    with pytest.raises(StoreDamaged, match="run r1 is damaged: field log"):
        await ledger.read(RunId("r1"))


async def test_a_damaged_trait_is_told_and_opens_nothing(two: Keys, opened: Opened, beneath: Beneath) -> None:
    beneath("UPDATE traits SET text = '{}'")
    with pytest.raises(StoreDamaged, match="how it is encrypted cannot be read"):
        await opened(codec=two)
    beneath("DELETE FROM traits")
    with pytest.raises(StoreError, match="is not encrypted, and a key was given"):
        await opened(codec=two)


# ------------------------------------------------------------------------------------------------ statements

PLAIN = {
    "runs": "id workflow status created updated document fields topics within",
    "versions": "field op",
    "questions": "id",
    "letters": "id question",
    "schedules": "name",
    "notices": "happened",
    "files": "sha256",
    "results": "key",
    "documents": "digest",
    "series": "id",
    "lines": "scope newest updated",
    "checkpoints": "id parent label",
    "pieces": "kind",
    "pending": "checkpoint task",
    "traits": "name text",
    "publications": "name",
}


def test_every_column_that_holds_text_or_bytes_is_encrypted_or_known_to_be_plain() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(packaged("schema.sql"))
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        columns = {each[1] for each in db.execute(f"PRAGMA table_info({table})") if each[2] in ("TEXT", "BLOB")}
        assert columns == COVERED.get(table, frozenset()) | set(PLAIN.get(table, "").split()), table
    db.close()


def statements() -> Iterator[str]:
    yield from SQL.values()
    from workflow_engine.stores.sqlite.keeping.statements import SQL as KEEPING

    yield from KEEPING.values()


def test_every_statement_that_writes_is_understood() -> None:
    db = sqlite3.connect(":memory:", factory=Cipher(Keys(NEW)).connections(sqlite3.Connection))
    db.executescript(packaged("schema.sql"))
    writing = [each for each in statements() if re.match(r"\s*(INSERT|REPLACE|UPDATE)", each)]
    assert len(writing) > 15
    for each in writing:
        _covering(each)
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO journal VALUES (?, ?, ?, ?)",
        "INSERT INTO journal (run, seq, seal, text) SELECT ?, ?, ?, ?",
        "INSERT INTO journal (run, seq, seal, text) VALUES (?, ?, ?, trim(?))",
        "INSERT INTO journal (run, seq, seal, text) VALUES (?, ?, ?, 'plain')",
        "INSERT INTO versions (run, text) VALUES (?, ?) ON CONFLICT DO UPDATE SET text = ?",
        "UPDATE runs SET text = text || ? WHERE key = ?",
        "UPDATE OR IGNORE runs SET text = ? WHERE key = ?",
        "UPDATE runs SET text = :text WHERE key = :key AND text <> :text",
        "UPDATE runs SET text = ?",
    ],
)
def test_a_statement_that_would_write_plain_text_is_refused(statement: str) -> None:
    db = sqlite3.connect(":memory:", factory=Cipher(Keys(NEW)).connections(sqlite3.Connection))
    with pytest.raises(sqlite3.NotSupportedError, match="cannot be encrypted"):
        db.execute(statement, ())
    with pytest.raises(sqlite3.NotSupportedError, match="past the encryption"):
        db.cursor()
    db.close()


async def test_a_commit_in_doubt_is_looked_up_though_no_text_is_the_same_twice(path: Path) -> None:
    class Doubtful(sqlite3.Connection):
        fail = False

        def execute(self, sql: str, *more: Any) -> Any:
            done = super().execute(sql, *more)
            if sql == "COMMIT" and Doubtful.fail:
                Doubtful.fail = False
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return done

    from workflow_engine.stores.sqlite import open_ledger

    ledger = await open_ledger(path, codec=Keys(NEW), factory=Doubtful)
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    Doubtful.fail = True
    await ledger.commit(fence, tale.stepped(append("log", "once")))
    await ledger.commit(fence, tale.stepped(append("log", "twice")))
    assert (await ledger.read(RunId("r1"))).state["log"].json() == ["once", "twice"]
    await ledger.close()


# ------------------------------------------------------------------------------------------------ house-keeping


async def test_a_keeper_with_the_key_checks_copies_and_moves_runs(path: Path, tmp_path: Path) -> None:
    keys, copy, elsewhere = Keys(NEW), tmp_path / "copy.sqlite", tmp_path / "elsewhere.sqlite"
    runs = await lived(path, keys)
    store = Store(path, codec=keys)
    health = await store.check()
    assert (health.whole, health.runs) == (True, 3)
    assert (await store.backup(copy)).whole
    assert [secret for secret in SECRETS if secret.encode() in bytes_of(copy)] == []
    document = await store.export(runs[0])
    assert "patient-zero" in document
    await Store(elsewhere, codec=Keys(OLD)).import_(document)
    assert [secret for secret in SECRETS if secret.encode() in bytes_of(elsewhere)] == []
    async with Engine.connect(path, codec=keys) as here, Engine.connect(elsewhere, codec=Keys(OLD)) as there:
        assert (await there.get(runs[0])).values == (await here.get(runs[0])).values
    async with Engine.connect(copy, create=False, codec=keys) as copied:
        assert {each.run for each in await copied.runs()} == set(runs)


async def test_a_keeper_without_the_key_is_told_so_and_finds_no_damage(path: Path) -> None:
    await lived(path, Keys(NEW))
    with pytest.raises(StoreError, match="is encrypted, and no key was given") as caught:
        await Store(path).check()
    assert not isinstance(caught.value, StoreDamaged)
    with pytest.raises(StoreError, match="not with the given key"):
        await Store(path, codec=Keys(OLD)).check()


async def test_what_was_changed_in_an_encrypted_store_is_found_by_its_check(
    two: Keys, path: Path, beneath: Beneath
) -> None:
    beneath(MOVES["a version"])
    health = await Store(path, codec=two).check()
    assert {each.run for each in health.harms} == {"r1"}
