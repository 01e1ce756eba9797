"""What LedgerSaver writes: only what is new, in one transaction a superstep, and never a mixture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from tests.langgraph.graphs import beneath, checkpoint, looping, on
from workflow_engine import open_saver
from workflow_engine.errors import StoreError
from workflow_engine.langgraph.saver import LedgerSaver
from workflow_engine.langgraph.serializer import StrictSerializer
from workflow_engine.langgraph.shelf import Shelves, Stored, placed, stored
from workflow_engine.ports.checkpoints import Ground, Part, Piece, Placed
from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.stores.sqlite import open_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
async def saver(path: Path) -> AsyncIterator[LedgerSaver]:
    async with open_saver(path) as saver:
        yield saver


def written(path: Path) -> int:
    """Bytes of all values and texts."""
    tables = {"pieces": "data", "checkpoints": "text", "pending": "text"}
    return sum(
        beneath(path, f"SELECT coalesce(sum(length({column})), 0) FROM {table}")[0][0]
        for table, column in tables.items()
    )


@pytest.mark.parametrize(
    "item",
    [lambda n: f"{n:04}" * 256, lambda n: {"n": n, "text": f"{n:04}" * 256}, lambda n: AIMessage(f"{n:04}" * 256)],
    ids=["strings", "dicts", "messages"],
)
async def test_a_growing_list_costs_the_same_at_every_step(saver: LedgerSaver, path: Path, item: Any) -> None:
    graph = looping(saver, item)
    at: list[int] = [0]
    for until in (50, 100, 150):
        await graph.ainvoke({"n": until - 50, "until": until}, on("t"))
        at.append(written(path))
    first, _, last = (later - earlier for earlier, later in pairwise(at))
    assert last < first * 1.05
    assert last < 50 * 2200  # an item has 1 KB, and is stored once, though it is written and then kept
    assert (await graph.aget_state(on("t"))).values["log"] == [item(n) for n in range(150)]


async def test_an_unchanged_field_costs_nothing(saver: LedgerSaver, path: Path) -> None:
    graph = looping(saver)
    await graph.ainvoke({"n": 0, "until": 1, "big": "x" * 1_000_000}, on("t"))
    before = written(path)
    await graph.ainvoke({"n": 0, "until": 50}, on("t"))
    assert written(path) - before < 50 * 1000


async def test_a_superstep_is_one_transaction(path: Path) -> None:
    ledger = await open_ledger(path)
    try:
        await looping(LedgerSaver(ledger.checkpoints)).ainvoke({"n": 0, "until": 100}, on("t"))
        assert ledger.transactions <= 110
    finally:
        await ledger.close()


async def test_many_threads_share_transactions(path: Path) -> None:
    ledger = await open_ledger(path)
    try:
        graph = looping(LedgerSaver(ledger.checkpoints))
        await asyncio.gather(*(graph.ainvoke({"n": 0, "until": 10}, on(f"t{number}")) for number in range(100)))
        assert ledger.transactions < 1200 / 4  # of 1,200 checkpoints, and as many tasks
    finally:
        await ledger.close()


@pytest.mark.parametrize("place", [0, 30])
async def test_a_change_of_an_earlier_item_in_place_is_not_lost(saver: LedgerSaver, path: Path, place: int) -> None:
    items: list[Any] = [{"n": n, "inner": [n]} for n in range(50)]
    parent = await saver.aput(on("t"), checkpoint({"log": items}), {}, {"log": 1})
    items = [*items, {"n": 50}]
    items[place]["inner"].append("changed")
    parent = await saver.aput(parent, checkpoint({"log": items}, 2), {}, {"log": 2})
    async with open_saver(path) as another:
        found = await another.aget_tuple(parent)
        assert found is not None
        assert found.checkpoint["channel_values"] == {"log": items}


async def test_every_checkpoint_keeps_its_own_length_of_a_list(saver: LedgerSaver, path: Path) -> None:
    parent: Any = on("t")
    log: list[Any] = []
    kept: list[tuple[Any, list[Any]]] = []
    for step in range(12):
        log = log[:3] if step == 6 else [*log, f"{step}" * 100]
        parent = await saver.aput(parent, checkpoint({"log": log}, step), {}, {"log": step})
        kept.append((parent, log))
    # Back to the fourth, and on from there.
    parent = await saver.aput(kept[4][0], checkpoint({"log": [*kept[4][1], "other" * 40]}, 5), {}, {"log": 5})
    kept.append((parent, [*kept[4][1], "other" * 40]))
    async with open_saver(path) as another:
        for config, wanted in kept:
            found = await another.aget_tuple(config)
            assert found is not None
            assert found.checkpoint["channel_values"]["log"] == wanted


async def test_a_new_process_goes_on_with_a_list_where_it_ended(path: Path) -> None:
    big = "x" * 100_000
    for number in range(3):
        async with open_saver(path) as saver:
            graph = looping(saver, lambda n: f"{n}{big}")
            await graph.ainvoke({"n": number, "until": number + 1}, on("t"))
    assert written(path) < 3 * 100_000 + 20_000


async def test_two_processes_on_one_thread_are_never_mixed(path: Path) -> None:
    async with open_saver(path) as one, open_saver(path) as two:
        first = await one.aput(on("t"), checkpoint({"log": ["a" * 100], "big": "b" * 200}), {}, {"log": 1, "big": 1})
        await two.aget_tuple(first)
        ours = await one.aput(
            first, checkpoint({"log": ["a" * 100, "one" * 50], "big": "b" * 200}, 2), {}, {"log": 2, "big": 2}
        )
        theirs = await two.aput(
            first, checkpoint({"log": ["a" * 100, "two" * 50], "big": "c" * 200}, 2), {}, {"log": 2, "big": 2}
        )
        # The same versions, told apart by the checkpoint that was built on.
        last = await one.aput(theirs, checkpoint({"log": ["a" * 100, "two" * 50], "big": "c" * 200}, 2), {}, {})
        async with open_saver(path) as fresh:
            for config, word, big in ((ours, "one", "b"), (theirs, "two", "c"), (last, "two", "c")):
                found = await fresh.aget_tuple(config)
                assert found is not None
                assert found.checkpoint["channel_values"] == {"log": ["a" * 100, word * 50], "big": big * 200}


async def test_pieces_that_another_process_removed_are_stored_anew(path: Path) -> None:
    async with open_saver(path) as one, open_saver(path) as two:
        parent = await one.aput(on("t"), checkpoint({"log": ["a" * 100], "big": "b" * 200}), {}, {"log": 1, "big": 1})
        await two.adelete_thread("t")
        await two.aput(on("t"), checkpoint({"log": ["z" * 100]}), {}, {"log": 1})
        values = {"log": ["a" * 100, "b" * 100], "big": "b" * 200}
        last = await one.aput(parent, checkpoint(values, 2), {}, {"log": 2})
        found = await two.aget_tuple(last)
        assert found is not None
        assert found.checkpoint["channel_values"] == values


async def test_pruning_leaves_no_piece_that_nothing_names(saver: LedgerSaver, path: Path) -> None:
    graph = looping(saver, lambda n: f"{n}" * 200, big="y" * 500)
    await graph.ainvoke({"n": 0, "until": 20}, on("t"))
    await looping(saver, lambda n: f"{n}" * 200).ainvoke({"n": 0, "until": 3}, on("other"))
    before = beneath(path, "SELECT count(*) FROM pieces")[0][0]
    await saver.aprune(["t"])
    assert (await graph.aget_state(on("t"))).values["log"] == [f"{n}" * 200 for n in range(20)]
    assert beneath(path, "SELECT count(*) FROM pieces")[0][0] < before
    await graph.ainvoke({"n": 20, "until": 22}, on("t"))
    assert len((await graph.aget_state(on("t"))).values["log"]) == 22
    await saver.aprune(["t", "other"], strategy="delete")
    for table in ("series", "lines", "checkpoints", "pieces", "pending"):
        assert beneath(path, f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_serializer_of_ones_own_hides_every_value(path: Path) -> None:
    class Reversing:
        def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
            return "reversed", plaintext[::-1]

        def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
            return ciphertext[::-1]

    async with open_saver(path, serde=EncryptedSerializer(Reversing())) as saver:
        graph = looping(saver, lambda n: f"secret {n} " * 20, big="secret")
        ended = await graph.ainvoke({"n": 0, "until": 4}, on("t"))
        assert (await graph.aget_state(on("t"))).values == ended
    assert b"secret" not in path.read_bytes()


async def test_a_saver_on_an_encrypted_store_hides_what_a_serializer_does_not(path: Path) -> None:
    key = new_key()
    async with open_saver(path, codec=Keys(key)) as saver:
        graph = looping(saver, lambda n: f"secret {n} " * 20, big="secret")
        ended = await graph.ainvoke({"n": 0, "until": 4}, {**on("t"), "metadata": {"for": "secret"}})
    async with open_saver(path, codec=Keys(key)) as saver:
        assert (await looping(saver).aget_state(on("t"))).values == ended
    files = list(path.parent.glob("runs.sqlite*"))
    assert path in files
    assert not [each for each in files if b"secret" in each.read_bytes()]
    with pytest.raises(StoreError, match="is encrypted, and no key was given"):
        async with open_saver(path):
            pass


# ------------------------------------------------------------------------------------------------ what is remembered


def test_only_so_much_is_remembered() -> None:
    shelves = Shelves(lines=3, size=10_000)
    for number in range(10):
        known = {"log": Stored(Piece(1), 1, size=100)}
        shelves.keep(("t", str(number)), placed(known, Placed(Ground(1, 1), {}), "c"))
    assert [shelves.get(("t", str(number))) is not None for number in range(10)] == [False] * 7 + [True] * 3
    shelves.keep(("t", "large"), placed({"log": Stored(Piece(1), 1, size=20_000)}, Placed(Ground(1, 1), {}), "c"))
    assert shelves.size == 0


_items = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(st.characters(codec="utf-8"), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


_changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "shift", "replace"]),
        st.lists(st.sampled_from([0, 1, True, "a", "b", None]) | _items, min_size=1, max_size=8),
    ),
    min_size=2,
    max_size=6,
)


@given(_changes)
def test_the_parts_of_a_list_put_together_are_the_list(changes: list[tuple[str, list[Any]]]) -> None:
    serde = StrictSerializer()
    chain: dict[int, tuple[int | None, list[Any]]] = {}
    value: list[Any] = []
    known: Stored | None = None
    for number, (how, items) in enumerate(changes):
        value = {"add": [*value, *items], "shift": [*value[1:], *items], "replace": [*items, *value[1:]]}[how]
        known = stored(value, number, known, serde.dumps_typed)
        if isinstance(known.content, Part):
            chain[number] = known.content.after, serde.loads_typed((known.content.kind, known.content.data))
            known = placed({"x": known}, Placed(Ground(1, 1), {"x": number}), "c").stored["x"]
        assert isinstance(known.content, Piece)
        together: list[Any] = []
        cursor: int | None = known.content.number
        while cursor is not None:
            cursor, part = chain[cursor]
            together = part + together
        assert repr(together) == repr(value)
