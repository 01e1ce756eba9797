"""Deliveries: runs that fan out, wait for two payments, for times and for people, all at once, and many processes.

Some begin runs and go on with those of the dead; others, which know no workflow, send payments and answer. All are
killed at random, and now and then all of them at once, so that times come while nobody lives.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.child import EVERY, STORE, Ears, acted, reply
from tests.crash.deaths import mortal
from tests.crash.flows import Flow, act, begin, look
from tests.crash.outside import Line, count, stand, those
from tests.crash.swarm import look as tell
from tests.processes import started, waited
from workflow_engine import END, START, Engine, Question, State, Step, each, function, human, verify, wait
from workflow_engine import workflow as declared
from workflow_engine.errors import StoreError, WorkflowError
from workflow_engine.langgraph import scheme
from workflow_engine.record.events import SignalReceived
from workflow_engine.record.ids import RunId

PARCELS = 5
AT_ONCE = {"pack": 3, "label": 2}
PAYMENTS = {"p1": 10, "p2": 20}
ROUNDS = 2
"""How often one process sends all payments of a run, each twice."""


class Delivery(State):
    ticket: str
    parcels: list[int]
    packed: list[str] = []
    labels: list[str] = []
    deposit: int = 0
    balance: int = 0
    price: int = 0
    checked: int = 0
    sent: str = ""
    billed: str = ""


@each("parcels", writes="packed", at_once=AT_ONCE["pack"])
async def pack(parcel: int, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.002)
    return f"box {parcel}"


def labelled(step: Step) -> str | None:
    return look(step)  # type: ignore[no-any-return]


@each("packed", writes="labels", at_once=AT_ONCE["label"], effect=True, in_doubt=labelled)
async def label(box: str, step: Step) -> str:
    begin(step)
    await asyncio.sleep(0.001)
    return str(act(step, f"{box}, labelled"))


cool = wait(timedelta(milliseconds=40), name="cool")
deposit = wait("payment", int, writes="deposit", name="deposit")
balance = wait("payment", int, writes="balance", name="balance")


@human(writes="price")
def appraise(ticket: str) -> Question[int]:
    return Question(f"What does {ticket} cost?")


@function(writes="checked")
async def check(price: int, step: Step) -> int:
    begin(step)
    return price + 1


def gone(step: Step) -> str | None:
    return look(step)  # type: ignore[no-any-return]


@function(writes="sent", effect=True, in_doubt=gone)
async def dispatch(labels: list[str], checked: int, step: Step) -> str:
    begin(step)
    return str(act(step, f"{len(labels)} parcels for {checked}"))


rest = wait(timedelta(milliseconds=60), name="rest")


@function(writes="billed", effect=True)
async def bill(deposit: int, balance: int, step: Step) -> str:
    begin(step)
    return str(act(step, f"paid {deposit} and {balance}"))


DELIVERY = declared(
    "delivery",
    state=Delivery,
    edges=[
        START >> (pack >> label, cool >> deposit >> balance, appraise >> check) >> dispatch >> rest >> bill >> END,
    ],
)
# Proved and compiled before the server forks, so that no child has to.
EVERY["delivery"] = Flow(DELIVERY, answers={"appraise": (70,)})
verify(DELIVERY)
scheme.scheme_of(DELIVERY)


def delivered(ticket: str) -> dict[str, object]:
    """The state in which a delivery ends."""
    boxes = [f"box {parcel}" for parcel in range(PARCELS)]
    return {
        "ticket": ticket,
        "parcels": list(range(PARCELS)),
        "packed": boxes,
        "labels": [f"{box}, labelled" for box in boxes],
        "deposit": 10,
        "balance": 20,
        "price": 70,
        "checked": 71,
        "sent": f"{PARCELS} parcels for 71",
        "billed": "paid 10 and 20",
    }


# ------------------------------------------------------------------------------------------------ the processes


def work(folder: Path, name: str, executor: str, fault: str | None) -> None:
    """Begin runs until there is a sign that they are enough, and go on with those of others until all have ended."""
    acted(folder, fault, _work(folder, name, executor))


async def _work(folder: Path, name: str, executor: str) -> None:
    world, enough = stand(folder), folder / "enough"
    ledger = await mortal(folder / STORE, None)
    async with Engine.connect(
        ledger=ledger, workflows=[DELIVERY], listeners=[Ears(world)], executor=executor
    ) as engine:

        async def begin_runs(lane: int) -> None:
            begun = 0
            while not enough.exists():
                begun += 1
                view = await engine.run(DELIVERY, ticket=f"{name}.{lane}.{begun}", parcels=list(range(PARCELS)))
                world.note("returned", run=view.id, status=view.status, values=dict(view.values))

        async def go_on() -> None:
            while not enough.exists() or await unfinished(engine):
                await engine.recover(_told)
                await asyncio.sleep(0.02)

        await asyncio.gather(*(begin_runs(lane) for lane in range(3)), go_on())


def _told(_run: RunId, error: WorkflowError) -> None:
    if isinstance(error, StoreError):
        raise error


async def unfinished(engine: Engine) -> bool:
    return any([await engine.runs(status=status, limit=1) for status in ("running", "waiting", "queued")])


def talk(folder: Path, seed: int, fault: str | None) -> None:
    """Send payments and answer questions, early or late, and again."""
    acted(folder, fault, _talk(folder, Random(seed)))


async def _talk(folder: Path, random: Random) -> None:
    world, enough = stand(folder), folder / "enough"
    ledger = await mortal(folder / STORE, None)
    sent: Counter[RunId] = Counter()
    async with Engine.connect(ledger=ledger) as engine:
        while not enough.exists() or await unfinished(engine):
            for status in ("running", "waiting"):
                for listed in await engine.runs(status=status, limit=60):
                    if random.random() < 0.5 or sent[listed.run] == ROUNDS:
                        continue  # it is told later, or by somebody else
                    with suppress(WorkflowError):  # it may have ended meanwhile
                        for id in ("p1", "p1", "p2", "p2"):
                            await engine.signal(listed.run, "payment", PAYMENTS[id], id=id)
                        sent[listed.run] += 1
            for standing in await engine.inbox():
                if random.random() < 0.3:
                    continue
                asked, value = standing.question, reply(folder, "delivery", standing)
                with suppress(WorkflowError):
                    await engine.answer(asked.id, value, by="ana")
                    world.note("answered", question=asked.id, run=asked.run, value=value)
            await asyncio.sleep(random.uniform(0, 0.03))


def deliver(folder: Path, *, runs: int, seed: int, pause: float, fault: str | None = None) -> int:
    """Let three workers and two who talk live, killing one after the other, until so many runs began; the kills."""
    random, world, names = Random(seed), stand(folder), iter(range(10**6))
    kills = 0

    def born(place: int) -> Any:
        if place >= 3:
            return started(talk, folder, next(names), fault)
        return started(work, folder, f"w{next(names)}", random.choice(("native", "native", "langgraph")), fault)

    hive = [born(place) for place in range(5)]

    def killed(place: int) -> bool:
        if hive[place].exitcode is not None:
            return False  # it ended by itself, which the oracle will tell of
        world.note("killing", victim=hive[place].pid)
        hive[place].kill()
        waited(hive[place])
        return True

    try:
        alive = True
        while alive and count(folder, "returned") < runs:
            hive[0].join(random.uniform(0.3, 1.7) * pause)
            if random.random() < 0.15:
                alive = all(killed(place) for place in range(5))
                kills += 5 * alive
                time.sleep(0.1)  # times come while nobody lives
                hive = [born(place) for place in range(5)] if alive else []
            else:
                victim = random.randrange(5)
                alive = killed(victim)
                kills += alive
                if alive:
                    hive[victim] = born(victim)
    finally:
        (folder / "enough").touch()
        for each_ in hive:
            with suppress(ValueError):  # it is closed
                waited(each_, 600)
    assert waited(started(tell, folder)) == 0
    assert waited(started(_tell_signals, folder)) == 0
    return kills


def _tell_signals(folder: Path) -> None:
    async def told() -> None:
        world, ledger = stand(folder), await mortal(folder / STORE, None)
        async with Engine.connect(ledger=ledger) as engine:
            for listed in await engine.runs(limit=10_000):
                events = [recorded.event for recorded in await engine.journal(listed.run)]
                came = [event.id for event in events if isinstance(event, SignalReceived)]
                world.note("signals", run=listed.run, ids=came)

    acted(folder, None, told())


# ------------------------------------------------------------------------------------------------ what came of it


def excess(told: list[Line]) -> Iterator[str]:
    """Signals that came more than once or not at all; items that ran more often than deaths explain."""
    for line in those(told, "signals"):
        if sorted(line["ids"]) != sorted(PAYMENTS):
            yield f"run {line['run']} received {line['ids']}"
    owners: dict[str, set[int]] = defaultdict(set)
    bodies: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in told:
        if line["what"] == "body" and (node := line["node"].partition("[")[0]) in AT_ONCE:
            owners[line["run"]].add(line["pid"])
            bodies[line["run"], node] += 1
            places[line["run"], node].add(line["node"])
    for (run, node), times in bodies.items():
        again = times - len(places[run, node])
        if again > AT_ONCE[node] * (len(owners[run]) - 1):
            yield f"{again} items of {node} in {run} ran again, and it had {len(owners[run])} owners"


__all__ = ["deliver", "delivered", "excess"]
