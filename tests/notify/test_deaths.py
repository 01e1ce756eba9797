"""Notifications from real processes that are killed, frozen and race: what there is to tell is told, under one id.

Nobody waits for time: one clock is moved for all processes, and a test waits for what comes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.notify.flows import asking
from tests.notify.lives import Ahead, Death, Hook, ask, tell
from tests.notify.receiver import Got, Receiver
from tests.processes import freeze, server, started, thaw, waited
from workflow_engine import Engine
from workflow_engine.notify import new_secret, verify
from workflow_engine.notify.courier import LEASE
from workflow_engine.record.notice import Notice

SECRET = new_secret()
PAST = LEASE.total_seconds() + 10


async def over(process: Any) -> int:
    """How a process ends."""
    return await asyncio.to_thread(waited, process)


async def noticed(store: Path) -> Sequence[Notice]:
    async with Engine.connect(store) as engine:
        return await engine.notices()


def sound(got: Sequence[Got], *, times: int) -> None:
    """So many requests, all of one message, each signed, whatever process sent it."""
    assert len(got) == times
    assert len({each.id for each in got}) == 1, "one id for every try"
    assert len({each.body for each in got}) == 1
    assert all(verify(SECRET, each.headers, each.body, datetime.now(UTC)) for each in got)


@pytest.mark.parametrize(
    ("death", "times"), [("noticed", 1), ("taken", 1), ("held", 2), ("answered", 2), ("marked", 1)]
)
async def test_whatever_a_process_dies_of_another_tells(tmp_path: Path, death: Any, times: int) -> None:
    store, clock, fatal = tmp_path / "runs.sqlite", Ahead.new(), None if death == "held" else death
    async with Receiver(["hold"] if death == "held" else []) as receiver:
        hook = Hook(receiver.url, SECRET)
        process = started(ask, store, [hook], clock, fatal)
        if death == "held":
            await receiver.has(1)
            process.kill()
        assert await over(process) == -9
        before = len(receiver.got)
        assert before == (death in ("held", "answered", "marked"))
        if death not in ("noticed", "marked"):
            assert await over(started(tell, store, [hook], clock)) == 0
            assert len(receiver.got) == before, "for a minute it is the dead one's"
            [notice] = await noticed(store)
            assert (notice.told, notice.taken) == ({}, 1)
            clock.advance(PAST)
        for _ in range(2):
            assert await over(started(tell, store, [hook], clock)) == 0
            clock.advance(86_400)
        sound(receiver.got, times=times)
        [notice] = await noticed(store)
        assert (notice.due, notice.told["ops"].status, notice.taken) == (None, "sent", 0)


async def test_bad_receivers_are_tried_again_by_another_and_the_good_one_is_told_once(tmp_path: Path) -> None:
    store, clock = tmp_path / "runs.sqlite", Ahead.new()
    bad: dict[str, int | str] = {
        "fails": 500,
        "closes": "close",
        "hangs": "hang",
        "drips": "drip",
        "leads away": "http://127.0.0.1:9/",
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with Receiver() as good, Receiver(["flood"]) as huge:
        receivers = {name: Receiver([answer]) for name, answer in bad.items()}
        for each in receivers.values():
            await each.__aenter__()
        try:
            urls = {name: each.url for name, each in {**receivers, "good": good, "huge": huge}.items()}
            hooks = [Hook(url, SECRET, name, patience=0.5) for name, url in urls.items()]
            hooks.append(Hook(f"http://127.0.0.1:{port}/hook", SECRET, "refuses", 0.5))
            assert await over(started(ask, store, hooks, clock)) == 0
            [notice] = await noticed(store)
            assert {name: told.why for name, told in notice.told.items() if told.status == "waiting"} == {
                "fails": "answered 500",
                "closes": "RemoteProtocolError",
                "hangs": "no answer within 0.5 s",
                "drips": "no answer within 0.5 s",
                "leads away": "answered 302, and redirects are not followed",
                "refuses": "ConnectError",
            }
            clock.advance(3600)
            assert await over(started(tell, store, hooks[:-1], clock)) == 0
        finally:
            for each in receivers.values():
                await each.__aexit__()
        sound([got for each in receivers.values() for got in each.got], times=2 * len(bad))
        sound([*good.got, *huge.got], times=2)
    [notice] = await noticed(store)
    assert {told.status for name, told in notice.told.items() if name != "refuses"} == {"sent"}
    assert notice.told["refuses"].status == "given up", "no such channel any more"


async def test_one_that_hangs_does_not_have_the_others_told_again(tmp_path: Path) -> None:
    store, clock = tmp_path / "runs.sqlite", Ahead.new()
    async with Receiver() as good, Receiver(["hold"]) as bad:
        hooks = [Hook(bad.url, SECRET, "bad"), Hook(good.url, SECRET, "good")]
        process = started(ask, store, hooks, clock)
        await asyncio.gather(good.has(1), bad.has(1))
        async with Engine.connect(store) as engine:
            while not (await engine.notices())[0].told:  # noqa: ASYNC110 (another process commits)
                await asyncio.sleep(0)
        process.kill()
        assert await over(process) == -9
        clock.advance(PAST)
        assert await over(started(tell, store, hooks, clock)) == 0
        sound(good.got, times=1)
        sound(bad.got, times=2)


async def test_of_processes_that_race_for_a_notice_one_tells(tmp_path: Path) -> None:
    store, clock, gate = tmp_path / "runs.sqlite", Ahead.new(), server.Barrier(3)
    async with Engine.connect(store, workflows=[asking]) as engine:
        for number in range(12):
            await engine.run(asking, n=number)
    async with Receiver() as receiver:
        hook = Hook(receiver.url, SECRET)
        racing = [started(tell, store, [hook], clock, None, None, False, gate) for _ in range(3)]
        assert [await over(each) for each in racing] == [0, 0, 0]
        assert len(receiver.got) == len({each.id for each in receiver.got}) == 12
    assert {each.told["ops"].tries for each in await noticed(store)} == {1}


@pytest.mark.parametrize("late", [204, 500, 410])
async def test_one_that_is_thawed_undoes_nothing(tmp_path: Path, late: int) -> None:
    store, clock = tmp_path / "runs.sqlite", Ahead.new()
    async with Receiver(["hold", 204, late]) as receiver:
        hook = Hook(receiver.url, SECRET)
        frozen = started(ask, store, [hook], clock)
        await receiver.has(1)
        freeze(frozen)
        clock.advance(PAST)
        assert await over(started(tell, store, [hook], clock)) == 0
        [notice] = await noticed(store)
        assert notice.told["ops"].status == "sent"
        receiver.release.set()
        thaw(frozen)
        assert await over(frozen) == 0
        assert await noticed(store) == [notice], "what came of it late changes nothing"
        clock.advance(86_400)
        assert await over(started(tell, store, [hook], clock)) == 0
        sound(receiver.got, times=2)


async def test_one_that_is_thawed_too_late_sends_nothing(tmp_path: Path) -> None:
    store, clock = tmp_path / "runs.sqlite", Ahead.new()
    async with Engine.connect(store, workflows=[asking]) as engine:
        await engine.run(asking)
    async with Receiver() as receiver:
        hook = Hook(receiver.url, SECRET)
        frozen = started(tell, store, [hook], clock, None, None, True)
        stands = Path(f"/proc/{frozen.pid}/stat")
        while stands.read_text().rpartition(") ")[2][0] != "T":  # noqa: ASYNC110 (the kernel tells nobody)
            await asyncio.sleep(0)
        assert [each.taken for each in await noticed(store)] == [1]
        clock.advance(PAST)
        assert await over(started(tell, store, [hook], clock)) == 0
        await receiver.has(1)
        thaw(frozen)
        assert await over(frozen) == 0
        sound(receiver.got, times=1)


async def test_what_kills_everybody_who_tells_of_it_is_given_up(tmp_path: Path) -> None:
    store, clock = tmp_path / "runs.sqlite", Ahead.new()
    async with Engine.connect(store, workflows=[asking]) as engine:
        await engine.run(asking)
    deaths: list[Death | None] = ["answered", "answered", "answered", None, None]
    async with Receiver() as receiver:
        for death in deaths:
            await over(started(tell, store, [Hook(receiver.url, SECRET)], clock, death))
            clock.advance(86_400)
        sound(receiver.got, times=3)
    [notice] = await noticed(store)
    assert (notice.due, notice.told["ops"].status) == (None, "given up")
