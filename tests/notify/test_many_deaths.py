"""Many deaths: processes that ask, go on and tell, killed at random, before receivers that are as bad as they are."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.notify.lives import Ahead, Hook, live, tell
from tests.notify.receiver import Receiver
from tests.notify.test_deaths import PAST, SECRET, over
from tests.processes import started
from workflow_engine.notify import verify
from workflow_engine.ports.ledger import Page
from workflow_engine.record.events import QuestionAsked
from workflow_engine.record.notice import Notice
from workflow_engine.stores.sqlite import open_ledger

LANES = ("asks", "asks", "tells", "tells")
ANSWERS = (204, 204, 204, 204, 500, 503, "close", "hang")
CALM = 40
"""How often what is left is told, once nobody dies any more, before it counts as told for ever."""


@dataclass(frozen=True)
class Seen:
    """What a receiver was sent, and what the store says of it."""

    receiver: Receiver
    asked: frozenset[str]
    notices: Sequence[Notice]
    later: int
    kills: int


async def killed(folder: Path, *, seed: int, kills: int, fault: str | None = None) -> Seen:
    """Let processes live and die, then let what is left be told in peace, and then look a month later."""
    random, store, clock = Random(seed), folder / "runs.sqlite", Ahead.new()
    await (await open_ledger(store)).close()
    async with Receiver(otherwise=lambda: random.choice(ANSWERS)) as receiver:
        hook = Hook(receiver.url, SECRET, patience=0.3)

        def born(lane: str) -> Any:
            return started(live, store, [hook], clock, lane, fault)

        hive = [born(lane) for lane in LANES]
        for _ in range(kills):
            before = len(receiver.got)
            # In the middle of a telling, more often than not.
            await asyncio.wait([asyncio.create_task(receiver.has(before + random.randrange(1, 6)))], timeout=1)
            place = random.randrange(len(hive))
            hive[place].kill()
            assert await over(hive[place]) == -9, "it ended by itself"
            clock.advance(random.choice((0, 1, 10, PAST)))
            hive[place] = born(LANES[place])
        for each in hive:
            each.kill()
            assert await over(each) == -9
        receiver.otherwise = lambda: 204
        for _ in range(CALM):
            clock.advance(3 * PAST)
            assert await over(started(tell, store, [hook], clock, None, fault)) == 0
            if not await _due(store):
                break
        told = len(receiver.got)
        clock.advance(30 * 86_400)
        assert await over(started(tell, store, [hook], clock, None, fault)) == 0
        ledger = await open_ledger(store)
        asked = {
            f"{each.run}/{fact.seq}"
            for each in await ledger.runs(Page(limit=100_000))
            for fact in await ledger.journal(each.run)
            if isinstance(fact.event, QuestionAsked)
        }
        notices = await ledger.notices.newest(100_000)
        await ledger.close()
        return Seen(receiver, frozenset(asked), notices, len(receiver.got) - told, kills + len(LANES))


async def _due(store: Path) -> bool:
    ledger = await open_ledger(store)
    try:
        return await ledger.notices.next_due() is not None
    finally:
        await ledger.close()


def wrongs(seen: Seen) -> Iterator[str]:
    """Every promise of docs/notifications.md that is broken."""
    got = seen.receiver.got
    arrived = {each.id for each in got if each.answered == 204}
    bodies = defaultdict(set)
    for each in got:
        bodies[each.id].add(each.body)
        if not verify(SECRET, each.headers, each.body, datetime.now(UTC)):
            yield f"{each.id} has no valid signature"
    known = {each.id: each for each in seen.notices}
    noticed = {f"{each.run}/{each.seq}" for each in seen.notices if each.happened == "question.asked"}
    yield from (f"{each} is not noticed" for each in seen.asked ^ noticed)
    yield from (f"{each} is of no notice" for each in bodies if each not in known)
    yield from (f"{id} says two things" for id, said in bodies.items() if len(said) > 1)
    for id, notice in known.items():
        if notice.due is not None:
            yield f"{id} is told for ever"
        elif notice.told["ops"].status != "sent":
            yield f"{id} is {notice.told['ops'].status}"
        elif id not in arrived:
            yield f"{id} is lost: it never arrived"
    twice = Counter(each.id for each in got if each.answered == 204)
    again = sum(twice.values()) - len(twice)
    if again > 16 * seen.kills:  # what one that dies had on its way
        yield f"{again} arrived again, of {seen.kills} deaths"
    if seen.later:
        yield f"{seen.later} were sent after all were told"


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_many_deaths_lose_no_notice(tmp_path: Path, record_property: Any, seed: int) -> None:
    seen = await killed(tmp_path, seed=seed, kills=60)
    found = list(wrongs(seen))
    assert not found, "\n".join(found[:20])
    assert len(seen.asked) > 30
    again = len(seen.receiver.got) - len(seen.notices)
    record_property("kills", seen.kills)
    record_property("crash", f"notices: {len(seen.notices)} of {seen.kills} deaths, {again} requests more than those")


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("it_is_marked_before_it_is_sent", "is lost"),
        ("every_try_has_an_id_of_its_own", "is of no notice"),
        ("other_bytes_are_signed", "no valid signature"),
        ("a_death_is_for_good", "is told for ever"),
    ],
)
async def test_the_deaths_notice(tmp_path: Path, fault: str, words: str) -> None:
    found = list(wrongs(await killed(tmp_path, seed=3, kills=12, fault=fault)))
    assert any(words in each for each in found), found
