"""Nothing that stands in a file runs code or is loaded changed, and nothing is stored that would come back changed."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.types import Interrupt, Send
from pydantic import BaseModel, Field

from tests.langgraph.graphs import beneath, checkpoint, looping, on
from workflow_engine import open_saver
from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.langgraph.saver import LedgerSaver
from workflow_engine.langgraph.serializer import StrictSerializer, TypeRefused, same
from workflow_engine.stores.sqlite.seals import seal

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
async def saver(path: Path) -> AsyncIterator[LedgerSaver]:
    async with open_saver(path) as saver:
        yield saver


@dataclasses.dataclass
class Held:
    pair: tuple[int, ...]
    items: list[Any]


class Model(BaseModel):
    number: int
    name: str = Field("x", alias="Name")
    pair: tuple[int, ...] = ()


class Colour(enum.Enum):
    RED = "red"


class Named(NamedTuple):
    number: int
    pair: tuple[int, ...]


TYPES = (Held, Model, Colour, Named)
CARRIED: list[Any] = [
    (1, (2, [3])),
    {"a": (1,), 2: 3},
    {1, 2},
    {(1, 2)},
    frozenset([1]),
    collections.deque([1, (2,)]),
    Held((1,), [2]),
    Model(number=1, Name="foo", pair=(1, 2)),
    Colour.RED,
    Named(1, (2,)),
    datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC),
    datetime.timedelta(1),
    uuid.UUID(int=7),
    re.compile("a"),
    decimal.Decimal("1.2"),
    pathlib.Path("/x"),
    float("nan"),
    [float("inf"), float("nan")],
    HumanMessage("hi", id="1"),
    AIMessage("x", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1"}]),
    ToolMessage("x", tool_call_id="1"),
    Send("node", {"a": (1,)}),
    Interrupt("v"),
    b"x",
    2**64 - 1,
]


@pytest.mark.parametrize("value", CARRIED, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    serde = StrictSerializer(TYPES)
    again = serde.loads_typed(serde.dumps_typed(value))
    assert type(again) is type(value)
    assert same(value, again)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
        max_leaves=20,
    )
)
def test_what_is_plain_comes_back_or_is_told_apart(value: Any) -> None:
    serde = StrictSerializer()
    again = serde.loads_typed(serde.dumps_typed(value))
    lossless = repr(value).isascii() or "\\ud" not in ascii(value)
    assert same(value, again) or not lossless


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Held((1,), []), "types=[Held]"),
        ([Colour.RED], "types=[Colour]"),
        ("\ud800" * 60, "come back changed"),
        (["fine", "\ud800"], "come back changed"),
        (2**70, "cannot be stored"),
        (object(), "cannot be stored"),
        ({"error": ValueError("x")}, "come back changed"),
    ],
)
async def test_what_would_not_come_back_is_refused_when_it_is_saved(saver: LedgerSaver, value: Any, said: str) -> None:
    parent = await saver.aput(on("t"), checkpoint({}), {}, {})
    with pytest.raises(StoreError, match=re.escape(said)) as refused:
        await saver.aput(parent, checkpoint({"field": value}), {}, {"field": 1})
    assert "'field'" in refused.value.what
    with pytest.raises(StoreError, match=re.escape(said)):
        await saver.aput_writes(parent, [("field", value)], "task")
    found = await saver.aget_tuple(on("t"))
    assert found is not None
    assert (found.checkpoint["channel_values"], found.pending_writes) == ({}, [])


async def test_what_grew_is_checked_as_well(saver: LedgerSaver) -> None:
    parent = await saver.aput(on("t"), checkpoint({"log": ["a" * 100]}), {}, {"log": 1})
    with pytest.raises(StoreError, match="come back changed"):
        await saver.aput(parent, checkpoint({"log": ["a" * 100, "\ud800"]}, 2), {}, {"log": 2})


async def test_types_are_named_to_write_and_to_read(path: Path) -> None:
    values = {"held": Held((1,), [2] * 100), "colour": Colour.RED}
    async with open_saver(path, types=TYPES) as saver:
        await saver.aput(on("t"), checkpoint(values), {}, {})
        found = await saver.aget_tuple(on("t"))
        assert found is not None
        assert found.checkpoint["channel_values"] == values
    async with open_saver(path) as saver:
        with pytest.raises(TypeRefused, match=r"thread 't' .*not named"):
            await saver.aget_tuple(on("t"))
        # LangGraph names a graph's types itself under LANGGRAPH_STRICT_MSGPACK.
        told = saver.with_allowlist([(each.__module__, each.__name__) for each in TYPES])
        found = await told.aget_tuple(on("t"))
        assert found is not None
        assert found.checkpoint["channel_values"] == values


# ------------------------------------------------------------------------------------------------ hostile files


@pytest.mark.parametrize("code", range(-128, 128))
def test_no_extension_of_msgpack_runs_code(code: int, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    serde = StrictSerializer()
    payloads = [
        ["os", "system", f"touch {ran}"],
        ["os", "system", [f"touch {ran}"]],
        ["subprocess", "run", {"args": f"touch {ran}", "shell": True}],
        ["builtins", "eval", f"open({str(ran)!r}, 'w')", "__call__"],
        ["pathlib", "Path", str(ran), "touch"],
        ["planted.module", "Class", {}, "model_validate_json"],
        ["builtins", "tuple", [1], "__class__"],
        b"",
    ]
    if not -1 < code < 128:
        return  # reserved by msgpack: ormsgpack writes none, and gives none to its hook
    for payload in payloads:
        data = payload if isinstance(payload, bytes) else ormsgpack.packb(payload)
        for depth in (data, ormsgpack.packb([ormsgpack.Ext(code, data)])):
            try:
                serde.loads_typed(("msgpack", ormsgpack.packb(ormsgpack.Ext(code, depth))))
            except (StoreError, ValueError):
                continue
    assert not ran.exists()
    assert "planted.module" not in sys.modules


@pytest.mark.parametrize("kind", ["pickle", "json", "yaml", ""])
def test_no_other_kind_of_value_is_read(kind: str) -> None:
    with pytest.raises(ValueError, match="not read"):
        StrictSerializer().loads_typed((kind, b"cos\nsystem\n(S'true'\ntR."))


PROGRAM = """
import asyncio, sys
from workflow_engine import open_saver
async def main():
    async with open_saver(sys.argv[1]) as saver:
        config = {"configurable": {"thread_id": "t"}}
        await saver.aget_tuple(config)
        seen = []
        watched = ("import", "exec", "compile", "pickle", "marshal", "subprocess", "os.system", "ctypes", "open")
        sys.addaudithook(lambda event, args: seen.append((event, args[0])) if event.startswith(watched) else None)
        await saver.aget_tuple(config)
        print(seen)
asyncio.run(main())
"""


def _read(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], cwd=HOUSE, capture_output=True, text=True, check=False
    )


async def test_reading_imports_and_opens_nothing(path: Path) -> None:
    async with open_saver(path) as saver:
        await saver.aput(on("t"), checkpoint({"said": [HumanMessage("import os" * 100)], "pair": (1, 2)}), {}, {})
    done = _read(path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------------------------------------ damaged files


async def _filled(path: Path) -> None:
    async with open_saver(path) as saver:
        for thread in ("t", "well"):
            await looping(saver, lambda n: f"{n}" * 300).ainvoke({"n": 0, "until": 5}, on(thread))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE checkpoints SET text = replace(text, '\"n\":5', '\"n\":6') WHERE line = 1",
        "UPDATE checkpoints SET parent = id WHERE line = 1",
        "UPDATE checkpoints SET text = x'00' WHERE line = 1",
        "DELETE FROM checkpoints WHERE line = 1 AND id = (SELECT max(id) FROM checkpoints WHERE line = 1)",
        "UPDATE lines SET newest = (SELECT min(id) FROM checkpoints WHERE line = 1) WHERE key = 1",
        "UPDATE pieces SET data = replace(CAST(data AS BLOB), x'33', x'34') WHERE key >> 32 = 1",
        "UPDATE pieces SET after = NULL WHERE key >> 32 = 1",
        "DELETE FROM pieces WHERE key >> 32 = 1 AND after IS NULL",
        "UPDATE series SET id = CASE id WHEN 't' THEN 'was t' WHEN 'well' THEN 't' END WHERE id = 't'",
    ],
)
async def test_damage_is_reported_for_its_thread_and_nothing_of_it_is_loaded(path: Path, damage: str) -> None:
    await _filled(path)
    beneath(path, damage)
    async with open_saver(path) as saver:
        if damage.startswith("UPDATE series"):
            with pytest.raises(StoreDamaged, match="was t"):
                await saver.athreads()
            return
        with pytest.raises(StoreDamaged, match="'t'") as found:
            await saver.aget_tuple(on("t"))
        assert found.value.cure
        with pytest.raises(StoreDamaged, match="'t'"):
            _ = [each async for each in saver.alist(on("t"))]
        well = await saver.aget_tuple(on("well"))
        assert well is not None
        assert well.checkpoint["channel_values"]["n"] == 5
        await saver.adelete_thread("t")  # a damaged thread can be forgotten
        assert [each.id for each in await saver.athreads()] == ["well"]


async def test_a_row_moved_from_another_thread_is_damage(path: Path) -> None:
    await _filled(path)
    newest = "(SELECT max(id) FROM checkpoints WHERE line = {})"
    moved = f"(SELECT text FROM checkpoints WHERE line = 2 AND id = {newest.format(2)})"
    mark = f"(SELECT seal FROM checkpoints WHERE line = 2 AND id = {newest.format(2)})"
    beneath(path, f"UPDATE checkpoints SET text = {moved}, seal = {mark} WHERE line = 1 AND id = {newest.format(1)}")
    async with open_saver(path) as saver:
        with pytest.raises(StoreDamaged):
            await saver.aget_tuple(on("t"))


async def test_a_damaged_pending_write_is_reported(path: Path, saver: LedgerSaver) -> None:
    parent = await saver.aput(on("t"), checkpoint({}), {}, {})
    await saver.aput_writes(parent, [("n", 1)], "task")
    beneath(path, "UPDATE pending SET text = replace(text, '1', '2')")
    with pytest.raises(StoreDamaged, match="task"):
        await saver.aget_tuple(parent)


async def test_a_forged_value_with_a_right_seal_builds_nothing_it_may_not(path: Path, saver: LedgerSaver) -> None:
    await saver.aput(on("t"), checkpoint({"field": (1,)}), {}, {})
    ((line, id, text),) = beneath(path, "SELECT line, id, text FROM checkpoints")
    forged = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["os", "system", "false"])))
    made = re.sub(r'\["msgpack","[^"]*"\]', f'["msgpack","{base64.b64encode(forged).decode()}"]', text)
    assert made != text
    beneath(path, "UPDATE checkpoints SET text = ?, seal = ?", made, seal(made, "checkpoint", line, id, None, None))
    with pytest.raises(TypeRefused, match=r"os\.system"):
        await saver.aget_tuple(on("t"))
