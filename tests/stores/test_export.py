"""Export and import: a run leaves one store and enters another to the byte, and nothing that is no run gets in."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stores.conftest import Opened
from tests.stores.keeping import CASE, KEPT, fill
from tests.stores.test_backup import killed
from tests.stores.test_check import Beneath, kept
from tests.stores.test_damage import HARM, HURT
from tests.stores.test_prune import fork, values
from workflow_engine import Engine, Store
from workflow_engine.errors import Conflict, InputError, RunNotFound, RunOwned, StoreDamaged, WorkflowError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Write
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.keeping import page
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint
from workflow_engine.testing.tale import Tale, append, sets

Page = dict[str, Any]


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


@pytest.fixture
def other(path: Path) -> Store:
    return Store(path.with_name("other.sqlite"))


def sealed(parts: Page) -> str:
    """A page with its digest made anew, as a forger would."""
    return page.written({name: each for name, each in parts.items() if name not in ("format", "schema", "digest")})


# ------------------------------------------------------------------------------------------------ there and back


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
ACTS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from("abü"), JSON),
    st.tuples(st.just("append"), st.sampled_from(["log", "más"]), st.lists(JSON, max_size=2)),
    st.tuples(st.just("both"), st.sampled_from("ab"), JSON),
    st.tuples(st.sampled_from(["stepped", "asked", "answered", "sent", "expired", "took", "cancel"])),
)
ENDS = st.sampled_from(["", "failed", "cancelled", "succeeded"])


async def played(ledger: Ledger, acts: list[Any], end: str) -> None:
    """A run told act by act; what cannot happen where it stands does not."""
    tale = Tale("r1", target="graphs/x.py:x")
    fence = await ledger.create(tale.begun({"name": "x", "edges": [1, 2.5]}, n=1))
    for number, (act, *more) in enumerate(acts):
        assert tale.run is not None
        waits = bool(tale.run.open)
        match act:
            case "set":
                await ledger.commit(fence, tale.stepped(*sets({more[0]: more[1]})))
            case "append":
                await ledger.commit(fence, tale.stepped(append(more[0], *more[1])))
            case "both":
                await ledger.commit(fence, tale.stepped(*sets({"c": 1, more[0]: more[1]}), append("log", number)))
            case "stepped":
                await ledger.commit(fence, tale.stepped())
            case "asked" if not waits:
                await ledger.commit(fence, tale.asked())
            case "answered" | "sent" if waits:
                letter = tale.answer()
                if (await ledger.question(letter.id)).status == "open":  # type: ignore[arg-type]
                    await ledger.send(letter)
                if act == "answered" and letter.answer is not None:
                    [sent] = [each for each in await ledger.letters(tale.id) if each.answer is not None]
                    assert sent.answer is not None
                    await ledger.commit(fence, tale.answered(sent.answer, [sent.id]))
            case "expired" if waits and not await ledger.letters(tale.id):
                await ledger.commit(fence, tale.expired())
            case "cancel" if not waits:
                await ledger.send(tale.cancel(f"r1.cancel{number}"))
            case "took":
                found = [each.id for each in await ledger.letters(tale.id) if each.kind == "cancel"]
                await ledger.commit(fence, tale.took(*found))
    if end:
        await ledger.commit(fence, getattr(tale, end)())
    await ledger.release(fence)


@given(st.lists(ACTS, max_size=10), ENDS)
@settings(max_examples=60, deadline=None)
def test_what_was_exported_imported_and_exported_again_is_the_same_to_the_byte(acts: list[Any], end: str) -> None:
    async def there_and_back(folder: Path) -> None:
        ledger = await open_ledger(folder / "one.sqlite")
        await played(ledger, acts, end)
        await ledger.close()
        one, two = Store(folder / "one.sqlite"), Store(folder / "two.sqlite")
        assert (await one.check()).harms == ()
        text = await one.export("r1")
        assert await two.import_(text) == "r1"
        assert await two.export("r1") == text
        assert (await two.check()).harms == ()
        run = [RunId("r1")]
        assert await values(folder / "two.sqlite", run) == await values(folder / "one.sqlite", run)

    with TemporaryDirectory() as folder:
        asyncio.run(there_and_back(Path(folder)))


async def test_runs_in_every_state_come_through(path: Path, store: Store, other: Store) -> None:
    async with Engine.connect(path, workflows=[CASE], clock=FakeClock(), mint=SeededMint(3)) as engine:
        runs = await fill(engine)
        views = {run: (await engine.get(run)).document() for run in runs.values()}
    for run in runs.values():
        await other.import_(await store.export(run))
    async with Engine.connect(path.with_name("other.sqlite"), create=False, clock=FakeClock()) as engine:
        assert {run: (await engine.get(run)).document() for run in runs.values()} == views
    assert (await other.check()).harms == ()


@pytest.mark.parametrize("schema", sorted(KEPT.glob("schema*.sqlite")), ids=lambda each: each.stem)
async def test_runs_of_a_store_of_each_schema_come_through(
    path: Path, store: Store, other: Store, schema: Path
) -> None:
    path.write_bytes(schema.read_bytes())
    for each in json.loads(schema.with_suffix(".json").read_text()).values():
        text = await store.export(each["run"])
        await other.import_(text)
        assert await other.export(each["run"]) == text


async def test_an_imported_run_goes_on_where_it_is_now(path: Path, store: Store, other: Store) -> None:
    there = path.with_name("other.sqlite")
    async with Engine.connect(path, workflows=[CASE]) as engine:
        run = (await engine.run(CASE, n=4)).id
    await other.import_(await store.export(run))
    async with Engine.connect(there, workflows=[CASE]) as engine:
        await engine.answer(run, {"choice": "retry"})
        view = await engine.resume(run)
        assert (view.status, view.values["tries"]) == ("succeeded", 4)
    async with Engine.connect(path, workflows=[CASE]) as engine:
        assert (await engine.get(run)).status == "waiting"


async def test_a_run_whose_process_died_can_be_taken_over_where_it_was_imported(path: Path, other: Store) -> None:
    path.write_bytes((KEPT / "schema1.sqlite").read_bytes())
    died = json.loads((KEPT / "schema1.json").read_text())["died"]["run"]
    await other.import_(await Store(path).export(died))
    there = path.with_name("other.sqlite")
    async with Engine.connect(there, workflows=[CASE]) as engine:
        assert [each.run for each in await engine.runs(status="running")] == [died]
        assert (await engine.cancel(died)).status == "cancelled"


async def test_a_fork_comes_through_without_its_parent(path: Path, store: Store, other: Store) -> None:
    ledger = await open_ledger(path)
    parent = Tale("parent")
    fence = await ledger.create(parent.begun(large="x" * 500))
    for number in range(3):
        await ledger.commit(fence, parent.stepped(append("log", number)))
    await ledger.release(await ledger.create(fork(parent, "fork", "large", "log")))
    await ledger.close()
    text = await store.export("fork")
    await other.import_(text)
    forks = [RunId("fork")]
    assert await values(path.with_name("other.sqlite"), forks) == await values(path, forks)
    assert await other.export("fork") == text


async def test_a_page_is_readable_and_says_what_it_is(path: Path, store: Store) -> None:
    await kept(path)
    text = await store.export("r1")
    parts = json.loads(text)
    assert (parts["format"], parts["schema"], parts["run"]["id"]) == ("workflow-run", 1, "r1")
    assert [each["type"] for each in parts["journal"][:2]] == ["RunCreated", "RunClaimed"]
    assert {"field": "tries", "first": 1, "seq": 2, "op": "set", "value": 0} in parts["versions"]
    assert sum(line.startswith('{"at":') for line in text.splitlines()) == len(parts["journal"])


async def test_a_run_is_found_by_its_beginning_and_a_missing_one_is_told(path: Path, store: Store) -> None:
    await kept(path)
    assert json.loads(await store.export("@last"))["run"]["id"] == "r2"
    with pytest.raises(RunNotFound, match="nowhere"):
        await store.export("nowhere")


@pytest.mark.parametrize("harm", HARM)
async def test_a_damaged_run_is_not_exported(path: Path, store: Store, beneath: Beneath, harm: str) -> None:
    await kept(path)
    whole = await store.export("r2")
    beneath(HARM[harm][0])
    with pytest.raises(StoreDamaged, match="r1"):
        await store.export(HURT)
    assert await store.export("r2") == whole


# ------------------------------------------------------------------------------------------------ who is there


async def test_a_run_that_is_there_stays_as_it_is(path: Path, store: Store, opened: Opened) -> None:
    await kept(path)
    text = await store.export("r1")
    ledger = await opened()
    fence, found = await ledger.claim(HURT)
    with pytest.raises(RunOwned):
        await store.import_(text)
    tale = Tale.of(found.run)
    await ledger.commit(fence, tale.stepped())
    await ledger.release(fence)
    with pytest.raises(Conflict, match="already"):
        await store.import_(text)
    assert (await ledger.read(HURT)).run == tale.run


async def test_one_of_many_imports_at_once_gets_in(path: Path, store: Store, other: Store) -> None:
    await kept(path)
    text = await store.export("r1")
    done = await asyncio.gather(*(other.import_(text) for _ in range(5)), return_exceptions=True)
    assert [each for each in done if isinstance(each, str)] == ["r1"]
    assert all(isinstance(each, Conflict) for each in done if each != "r1")
    assert (await other.check()).harms == ()


@pytest.mark.slow
def test_a_kill_at_any_instant_leaves_all_of_a_run_or_nothing(tmp_path: Path) -> None:
    assert killed("import", tmp_path) > 15


# ------------------------------------------------------------------------------------------------ forgers


def at(*path: Any) -> Callable[[Page, Any], None]:
    """Puts a value into a page, at this place of it."""

    def put(parts: Page, value: Any) -> None:
        inner: Any = parts
        for each in path[:-1]:
            inner = inner[each]
        if value is _GONE:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value

    return put


_GONE = object()
FORGED: dict[str, tuple[Callable[[Page, Any], None], Any]] = {
    "a status": (at("run", "status"), "succeeded"),
    "a status nobody knows": (at("run", "status"), "paused"),
    "a count": (at("run", "steps"), 77),
    "another run's name": (at("run", "id"), "r9"),
    "no epoch": (at("epoch"), 0),
    "a wrong epoch": (at("epoch"), "1"),
    "an epoch that is too large": (at("epoch"), 2**63),
    "an epoch before its own": (at("epoch"), True),
    "a document that is none": (at("document"), ["os.system"]),
    "no event": (at("journal"), []),
    "an event nobody knows": (at("journal", 3, "type"), "RunDeleted"),
    "an event of wrong parts": (at("journal", 3, "move"), "os.system"),
    "an event left out": (at("journal", 3), _GONE),
    "a beginning in the middle": (at("journal", 3, "type"), "RunCreated"),
    "another time": (at("journal", 0, "at"), "2027-01-01T00:00:00Z"),
    "a version of no field": (at("versions", 0, "field"), 7),
    "a version of a wrong op": (at("versions", 0, "op"), "shared"),
    "a version before the beginning": (at("versions", 0, "first"), 0),
    "a version after the end": (at("versions", 0, "seq"), 999),
    "a version of a wrong number": (at("versions", 0, "seq"), "1"),
    "a version of more parts": (at("versions", 0, "more"), 1),
    "an append that is no list": (at("versions", 8, "value"), "x"),
    "a letter of another run": (at("letters", 0, "letter", "run"), "r2"),
    "a letter of a wrong kind": (at("letters", 0, "letter", "kind"), "delete"),
    "a letter taken after the end": (at("letters", 0, "taken"), 999),
    "a letter taken never": (at("letters", 0, "taken"), None),
    "a letter of more parts": (at("letters", 0, "more"), 1),
    "a letter to another question": (at("letters", 0, "letter", "answer", "question"), "r1.q9"),
    "no letter": (at("letters"), []),
    "text that is no Unicode": (at("versions", 1, "value"), "\ud800"),
    "an answer nobody gave": (at("journal", 10, "answer", "value"), "no"),
}


@pytest.fixture
async def told(path: Path, store: Store) -> Page:
    await kept(path)
    parts: Page = json.loads(await store.export("r1"))
    assert parts["versions"][8]["op"] == "append"
    assert parts["journal"][10]["type"] == "QuestionAnswered"
    return parts


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_page_is_refused_and_leaves_nothing(other: Store, path: Path, told: Page, forgery: str) -> None:
    there = path.with_name("other.sqlite")
    await (await open_ledger(there)).close()
    before = there.read_bytes()
    put, value = FORGED[forgery]
    put(told, value)
    try:
        text = sealed(told)
    except UnicodeEncodeError:
        text = json.dumps(told)
    with pytest.raises(InputError) as caught:
        await other.import_(text)
    assert caught.value.cure
    assert there.read_bytes() == before or (await other.check()).runs == 0
    assert (await other.check()).harms == ()


@pytest.mark.parametrize("name", ["../../etc/passwd", "--store", "@last", "", "a b", "a\n", "ü", "x" * 200])
async def test_a_run_by_a_name_that_means_something_else_is_refused(other: Store, told: Page, name: str) -> None:
    quoted = json.dumps(name)[:-1]
    renamed = json.loads(json.dumps(told).replace('"r1"', f'{quoted}"').replace('"r1.', f"{quoted}."))
    with pytest.raises(InputError, match="no name for a run"):
        await other.import_(sealed(renamed))
    renamed = json.loads(json.dumps(told).replace('"r1"', '"r7"').replace('"r1.', '"r7.'))
    assert await other.import_(sealed(renamed)) == "r7"


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", "{}", "7", '"workflow-run"', "[" * 100_000, "NaN", "1" * 10_000,
        '{"format": "workflow-run"}', '{"format": "workflow-run", "schema": 2}',
        '{"format": "workflow-run", "schema": 1}', '{"format": "workflow-run", "schema": true}', "\ud800",
        "SQLite format 3\x00", "<html>", '{"format": "workflow-run", "schema": 1, "run": NaN}',
    ],
)  # fmt: skip
async def test_what_is_no_page_is_refused(other: Store, text: str) -> None:
    with pytest.raises(InputError) as caught:
        await other.import_(text)
    assert caught.value.cure
    assert len(caught.value.what) < 400


async def test_a_page_that_did_not_come_through_whole_is_refused(other: Store, path: Path, told: Page) -> None:
    text = await Store(path).export("r1")
    for changed in (text.replace("visit 3", "visit 8"), text.replace('"n":"', '"n" :"x'), text[: len(text) // 2]):
        if changed != text:
            with pytest.raises(InputError):
                await other.import_(changed)
    await other.import_(json.dumps(json.loads(text), indent=4))


async def test_no_change_to_a_page_gets_a_run_in_that_is_not_whole(path: Path, told: Page) -> None:
    """Random forgeries with the right digest: refused with an error of ours, or what got in passes the check."""
    chance = random.Random("forgeries")
    strange: list[Any] = [None, True, 0, -1, 2**70, 1.5, "", "x", "r2", [], {}, [[]], {"a": 1}, "2026-01-01T00:00:00Z"]
    got_in = 0
    there = path.with_name("other.sqlite")
    other = Store(there)
    for _ in range(250):
        parts = copy.deepcopy(told)
        for _ in range(chance.randrange(1, 3)):
            _spoil(parts, chance, strange)
        try:
            text = sealed(parts)
        except (KeyError, TypeError):  # no forger gets a digest for this
            continue
        try:
            await other.import_(text)
        except WorkflowError:
            continue
        got_in += 1
        assert (await other.check()).harms == ()
        for file in path.parent.glob("other.sqlite*"):
            file.unlink()
    assert got_in < 125


def _spoil(parts: Any, chance: random.Random, strange: list[Any]) -> None:
    inner = parts
    while True:
        places: list[Any] = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        if not places:
            return
        place = chance.choice(places)
        if isinstance(inner[place], dict | list) and inner[place] and chance.random() < 0.9:
            inner = inner[place]
            continue
        if chance.random() < 0.2:
            del inner[place]
        elif isinstance(inner, list) and chance.random() < 0.3:
            inner.insert(chance.randrange(len(inner) + 1), inner[place])
        else:
            inner[place] = chance.choice(strange)
        return


async def test_a_value_of_any_form_is_kept_as_it_is(opened: Opened, store: Store, other: Store, path: Path) -> None:
    ledger = await opened()
    tale = Tale("r1")
    texts = [
        "1e22",
        "1E-7",
        "-0.0",
        "123456789012345678",
        '"\\u00e9\\u2028\\ud83d\\ude42"',
        '{"b":1,"a":[]}',
        "[[[1]]]",
    ]
    writes = [Write(f"f{number}", "set", text) for number, text in enumerate(texts)]
    await ledger.release(await ledger.create(tale.begun()))
    fence, _ = await ledger.claim(tale.id)
    await ledger.commit(fence, tale.stepped(*writes))
    await other.import_(await store.export("r1"))
    found = await values(path.with_name("other.sqlite"), [tale.id])
    assert list(found["r1"].items()) == [(each.field, json.loads(each.text)) for each in writes]


async def test_a_key_that_stands_twice_does_not_hide_what_was_changed(other: Store, path: Path, told: Page) -> None:
    text = await Store(path).export("r1")
    doubled = text.replace('"epoch": 1,', '"epoch": 1,\n"epoch": 9,')
    assert doubled != text
    with pytest.raises(InputError, match="digest"):
        await other.import_(doubled)
