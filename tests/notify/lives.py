"""What the processes do that are killed: ask and tell of it, or only tell; with one clock for all that a test moves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx2  # noqa: F401 (what a webhook loads when it is made is loaded before the server forks)

from tests.crash.planted import swapped
from tests.notify.flows import asking
from tests.processes import server
from workflow_engine import Engine, verify
from workflow_engine.errors import StoreError
from workflow_engine.notify import Message, Webhook, courier, signing, webhook, wording
from workflow_engine.ports.clock import Clock
from workflow_engine.record.events import QuestionAsked
from workflow_engine.record.notice import Notice, Told
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.notices import SqliteNotices
from workflow_engine.testing import kill

verify(asking)  # proved before the server forks, so that no child has to

Death = Literal["noticed", "taken", "answered", "marked"]
"""Where a process kills itself: once it is durable that there is something to tell; once it took that; once the
receiver answered; once it is durable that it was told.
"""


@dataclass(frozen=True)
class Ahead:
    """Implements ports.clock.Clock: the system's, and `seconds` ahead of it, in every process that shares them."""

    seconds: Any

    @classmethod
    def new(cls) -> Ahead:
        return cls(server.RawValue("d", 0.0))

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds.value)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self.seconds.value += seconds


@dataclass(frozen=True)
class Hook:
    """A webhook to be made in another process."""

    url: str
    secret: str
    name: str = "ops"
    patience: float = 20

    def made(self) -> Webhook:
        return Webhook(self.name, self.url, secret=self.secret, patience=self.patience)


class Mortal:
    """A channel in whose process something happens around the sending."""

    def __init__(self, hook: Hook, death: Death | None) -> None:
        self._hook, self._death = hook.made(), death
        self.name = hook.name

    def wants(self, message: Message) -> bool:
        return self._hook.wants(message)

    async def send(self, message: Message) -> None:
        if self._death == "taken":
            kill()
        await self._hook.send(message)
        if self._death == "answered":
            kill()

    async def close(self) -> None:
        await self._hook.close()


class Dying:
    """A listener that dies of a question."""

    def hear(self, run: str, event: Any) -> None:
        if isinstance(event, QuestionAsked):
            kill()


def ask(store: Path, hooks: Sequence[Hook], clock: Clock, death: Death | None = None) -> None:
    """Begin a run that asks, and tell of it."""
    _born(death, None)
    asyncio.run(_ask(store, hooks, clock, death))


async def _ask(store: Path, hooks: Sequence[Hook], clock: Clock, death: Death | None) -> None:
    channels = [Mortal(each, death) for each in hooks]
    listeners = [Dying()] if death == "noticed" else []
    async with Engine.connect(store, workflows=[asking], clock=clock, channels=channels, listeners=listeners) as engine:
        await engine.run(asking)
        await _idle(engine)


def tell(
    store: Path,
    hooks: Sequence[Hook],
    clock: Clock,
    death: Death | None = None,
    fault: str | None = None,
    stops: bool = False,
    gate: Any = None,
) -> None:
    """Tell what is due; with a gate, at the moment at which others do. One that stops takes a notice and freezes."""
    _born(death, fault)
    if stops:
        _before_it_is_sent()
    asyncio.run(_tell(store, hooks, clock, death, gate))


async def _tell(store: Path, hooks: Sequence[Hook], clock: Clock, death: Death | None, gate: Any) -> None:
    channels = [Mortal(each, death) for each in hooks]
    ledger = await open_ledger(store, create=False)
    teller = courier.Courier(ledger, channels, clock)
    if gate is not None:
        await asyncio.to_thread(gate.wait)
    await teller.tell_due()
    await teller.close()
    await ledger.close()


def live(store: Path, hooks: Sequence[Hook], clock: Clock, lane: str, fault: str | None = None) -> None:
    """Begin runs that ask, one after the other, go on with those of the dead, and tell, until it is killed."""
    _born(None, fault)
    asyncio.run(_live(store, hooks, clock, lane))


async def _live(store: Path, hooks: Sequence[Hook], clock: Clock, lane: str) -> None:
    channels = [each.made() for each in hooks]
    async with Engine.connect(store, workflows=[asking], clock=clock, channels=channels) as engine:
        with suppress(StoreError):
            await engine.recover()
        while True:
            if lane == "asks":
                await engine.run(asking)
            await asyncio.sleep(0.01)


async def _idle(engine: Engine) -> None:
    assert engine.courier is not None
    while await engine.courier.tell_due() or engine.courier._flights:
        await asyncio.gather(*engine.courier._flights)


# ------------------------------------------------------------------------------------------------ faults


def _born(death: Death | None, fault: str | None) -> None:
    if death == "marked":
        _after_the_mark()
    if fault is not None:
        FAULTS[fault]()


def _after_the_mark() -> None:
    real = SqliteNotices.replace

    async def replaced(self: SqliteNotices, before: Notice, after: Notice) -> bool:
        done = await real(self, before, after)
        if after.due is None:
            kill()
        return done

    SqliteNotices.replace = replaced  # type: ignore[method-assign]


def _before_it_is_sent() -> None:
    real = wording.message_of

    async def message_of(ledger: Any, notice: Notice, page_url: str | None) -> Message | None:
        swapped(courier, "message_of", real)
        os.kill(os.getpid(), signal.SIGSTOP)
        return await real(ledger, notice, page_url)

    swapped(courier, "message_of", message_of)


def it_is_marked_before_it_is_sent() -> None:
    real = courier.Courier._told

    async def told(self: courier.Courier, notices: Any, notice: Notice) -> None:
        marked = replace(notice, due=None, told={name: Told("sent", 1) for name in self._channels})
        await notices.replace(notice, marked)
        await real(self, notices, replace(notice))

    courier.Courier._told = told  # type: ignore[method-assign]


def every_try_has_an_id_of_its_own() -> None:
    real = wording.message_of

    async def message_of(ledger: Any, notice: Notice, page_url: str | None) -> Message | None:
        message = await real(ledger, notice, page_url)
        return None if message is None else replace(message, id=f"msg_{os.urandom(8).hex()}")

    swapped(courier, "message_of", message_of)


def other_bytes_are_signed() -> None:
    swapped(webhook, "sign", lambda keys, id, at, body: signing.sign(keys, id, at, body + b"\n"))


def a_death_is_for_good() -> None:
    """What somebody took is taken, whether they live or not."""
    courier.Courier._lease = lambda *_: timedelta(days=3650)  # type: ignore[method-assign]


FAULTS = {
    each.__name__: each
    for each in (
        it_is_marked_before_it_is_sent,
        every_try_has_an_id_of_its_own,
        other_bytes_are_signed,
        a_death_is_for_good,
    )
}
