"""Streams: the journal as server-sent events, from any place in it, for any number of viewers."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.http.conftest import CAR, TEA, Served, order, serving
from tests.http.streams import reading
from workflow_engine import Engine
from workflow_engine.http.rates import Limits
from workflow_engine.http.tail import RING
from workflow_engine.record.ids import RunId


async def test_a_stream_tells_every_fact_once_and_ends_with_the_run(served: Served) -> None:
    run = await served.begun(CAR)
    async with reading(served.app, f"/api/runs/{run}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        before = await stream.until("question_asked")
        await served.client.post(f"/api/questions/{run}.q1/answer", json={"value": "buy"})
        told = [*before, *[each async for each in stream]]
    facts = [each for each in told if each.id is not None]
    journal = await served.engine.journal(run)
    assert [each.id for each in facts] == [each.seq for each in journal]
    assert facts[0].data["type"] == "RunCreated"
    assert told[-1].event == "rest"
    assert told[-1].data == {"status": "succeeded", "reason": None}


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(served: Served) -> None:
    run = await served.begun(TEA)
    await served.rested(run)
    async with reading(served.app, f"/api/runs/{run}/events", headers={"last-event-id": "2"}) as stream:
        told = [each async for each in stream]
    assert min(each.id for each in told if each.id is not None) == 3
    async with reading(served.app, f"/api/runs/{run}/events?after=99") as stream:
        assert [each.event async for each in stream] == ["status", "rest"]
    async with reading(served.app, f"/api/runs/{run}/events", headers={"last-event-id": "nonsense"}) as stream:
        first = await stream.next()
        assert first is not None
        assert first.id == 1


async def test_what_begins_here_is_heard_before_it_is_a_fact(served: Served) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    async with reading(served.app, f"/api/runs/{run}/events") as stream:
        await stream.until("status")
        await served.client.post(f"/api/questions/{run}.q1/answer", json={"value": "buy"})
        told = await stream.until("rest")
    [began] = [each for each in told if each.event == "began"]
    assert (began.id, began.data["node"]) == (None, "buy")


async def test_viewers_of_one_run_share_one_tail(served: Served, monkeypatch: Any) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    async with AsyncExitStack() as open_:
        streams = [await open_.enter_async_context(reading(served.app, f"/api/runs/{run}/events")) for _ in range(200)]
        for each in streams:
            await each.until("status")
        asked = 0
        journal = type(served.engine).journal

        async def counted(engine: Engine, name: str, after: int = 0) -> Any:
            nonlocal asked
            asked += 1
            return await journal(engine, name, after)

        monkeypatch.setattr(type(served.engine), "journal", counted)
        await served.client.post(f"/api/questions/{run}.q1/answer", json={"value": "buy"})
        ends = await asyncio.gather(*(each.until("rest") for each in streams))
    assert asked < 20
    assert len({tuple(each.id for each in told) for told in ends}) == 1


async def test_a_viewer_who_falls_behind_the_ring_misses_no_fact(served: Served) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    lines = served.desk.tails.of(RunId(run), 0)
    told = [await anext(lines)]
    for number in range(RING + 50):
        served.desk.tails.hear(RunId(run), _said(number))
    await served.client.post(f"/api/questions/{run}.q1/answer", json={"value": "buy"})
    await served.rested(run)
    await asyncio.sleep(0.3)
    told += [each async for each in lines]
    facts = [each.seq for each in told if each is not None and each.seq is not None]
    assert facts == [each.seq for each in await served.engine.journal(run)]


def _said(number: int) -> Any:
    from workflow_engine.ports.listener import Said

    return Said("ask", 1, f"word {number}")


async def test_a_run_that_another_process_takes_over_goes_on_in_the_same_stream(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    async with Engine.connect(store, workflows=[order]) as other:
        waiting = await other.run(order, CAR)
    async with (
        serving(drives=False, ledger=None, store=store) as served,
        reading(served.app, f"/api/runs/{waiting.id}/events") as stream,
    ):
        await stream.until("status")
        answered = await served.client.post(f"/api/questions/{waiting.id}.q1/answer", json={"value": "buy"})
        assert answered.status_code == 200
        assert (await stream.until("status"))[-1].data == {"status": "queued", "reason": "answered"}
        async with Engine.connect(store, workflows=[order]) as third:
            await third.resume(waiting.id)
        told = [each async for each in stream]
    assert [each.event for each in told if each.event == "run_claimed"] == ["run_claimed"]
    assert told[-1].data == {"status": "succeeded", "reason": None}


async def test_the_lists_hear_which_runs_changed(served: Served) -> None:
    async with reading(served.app, "/api/events") as stream:
        first = await stream.next()
        assert first is not None
        assert first.data == {"runs": [], "inbox": 0}
        run = await served.begun(CAR)
        heard: set[str] = set()
        while True:
            told = await stream.next()
            assert told is not None
            heard |= set(told.data["runs"])
            if told.data["inbox"] == 1:
                break
    assert heard == {run}


async def test_streams_beyond_the_limit_are_refused_and_their_places_come_back() -> None:
    async with serving(limits=Limits(streams=3)) as served:
        run = await served.begun(CAR)
        await served.rested(run)
        async with AsyncExitStack() as open_:
            path = f"/api/runs/{run}/events"
            for _ in range(3):
                await (await open_.enter_async_context(reading(served.app, path))).until("status")
            refused = await served.client.get(path)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert served.desk.rates.streams == 0
        async with reading(served.app, path) as stream:
            assert stream.status == 200


async def test_the_end_of_the_server_ends_every_stream(served: Served) -> None:
    run = await served.begun(CAR)
    await served.rested(run)
    async with reading(served.app, f"/api/runs/{run}/events") as one, reading(served.app, "/api/events") as lists:
        await one.until("status")
        await lists.next()
        served.desk.tails.close()
        assert [each async for each in one] == []
        assert [each async for each in lists] == []


async def test_a_run_that_cannot_be_read_is_told_as_an_error_and_no_stream(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    async with serving(drives=False, ledger=None, store=store) as served:
        waiting = await served.engine.run(order, CAR)
        async with reading(served.app, f"/api/runs/{waiting.id}/events") as stream:
            await stream.until("status")
            with sqlite3.connect(store) as db:
                db.execute("UPDATE runs SET text = replace(text, 'order', 'odder')")
            db.close()
            for path in (f"/api/runs/{waiting.id}/events", f"/api/runs/{waiting.id}"):
                refused = await served.client.get(path)
                assert (refused.status_code, refused.json()["type"]) == (503, "store-damaged")
            assert (await served.client.get("/api/runs")).json()["items"][0]["status"] == "damaged"
