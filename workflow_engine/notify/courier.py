"""The courier: brings notices to channels, in a task of its own, beside the runs and never in their way.

What there is to tell stands in the store: it was written by the commit of what happened, whoever drove the run, and a
crash loses none of it. Of several couriers on one store one takes a notice, by putting off when it is due in an act
that succeeds once; it is settled when every channel that wants it has it. A courier that dies between the sending and
the saying so has taken it for `LEASE`, and then it is sent again, under the same id: at least once, never "exactly".
Nor for ever: a notice counts who took it and was heard of no more, and such takings are bounded as failed tries are.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from workflow_engine.errors import StoreError
from workflow_engine.notify.wording import message_of, test_message
from workflow_engine.ports.channels import Channel, Message, Undelivered
from workflow_engine.ports.clock import Clock
from workflow_engine.ports.ledger import Ledger
from workflow_engine.ports.notices import KeepsNotices, Notices
from workflow_engine.record import events as e
from workflow_engine.record.ids import RunId
from workflow_engine.record.notice import Notice, Told
from workflow_engine.spec.policies import GiveUp, Retry, Wait

log = logging.getLogger("workflow_engine.notify")

LEASE = timedelta(seconds=60)
"""For so long a notice is one courier's."""
PATIENCE = 30.0
"""Seconds that one channel may take for one message, whatever it says of itself; well below LEASE."""
PARTING = 5.0
"""Seconds a process that ends waits for what it is just telling."""
POLL = 1.0
"""Seconds between two looks at the store, for what other processes drive."""
AT_ONCE = 16
AGAIN = Retry(200, first=timedelta(seconds=5), factor=3.0, most=timedelta(hours=1), within=timedelta(days=3))
"""Tried again after up to 5 s, 15 s, 45 s … an hour, for three days since it happened."""
LEAST = timedelta(seconds=1)
_UNNOTED = Undelivered("nobody noted what became of it")
_RINGS = (e.QuestionAsked, e.QuestionReminded, e.QuestionReassigned, e.QuestionExpired, e.RunFailed)


class Courier:
    """Implements ports.listener.Listener. Raises nothing once it is made; what goes wrong is logged and tried again."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Sequence[Channel],
        clock: Clock,
        page_url: str | None = None,
        again: Retry = AGAIN,
    ) -> None:
        self._ledger = ledger
        self._channels = {each.name: each for each in channels}
        self._clock = clock
        self._page_url = page_url
        self._again = again
        self._bell = asyncio.Event()
        self._flights: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._next: datetime | None = None
        self._silent = False
        self._closing = False

    def hear(self, run: RunId, event: Any) -> None:  # noqa: ARG002 (the port's signature)
        """Look sooner."""
        if isinstance(event, _RINGS):
            self._bell.set()

    def start(self) -> None:
        """Tell, from now on and until it is closed."""
        if self._notices is not None and self._channels:
            self._task = asyncio.create_task(self._work(), name="notifications")

    @property
    def _notices(self) -> Notices | None:
        return self._ledger.notices if isinstance(self._ledger, KeepsNotices) else None

    async def _work(self) -> None:
        while True:
            self._bell.clear()
            await self._looked()
            if self._closing:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._bell.wait()

    async def _looked(self) -> None:
        try:
            number = await self._ledger.changed(self._number)
            due = self._next is not None and self._next <= self._clock.now()
            if number != self._number or due:
                await self.begin_due()
                self._number = number
                self._silent = False
        except StoreError as error:
            if not self._silent:  # said once, until it works again
                log.warning("nobody is told of anything for now: %s", error.what)
            self._silent = True
        except Exception:  # a mistake of ours costs messages, never the process
            log.exception("a look at what is to be told failed")

    async def begin_due(self) -> int:
        """Begin to tell what is due, as far as there is room; how many notices were taken."""
        notices = self._notices
        if notices is None:
            return 0
        begun = 0
        room = AT_ONCE - len(self._flights)
        now = self._clock.now()
        for notice in await notices.due(now, room) if room > 0 else ():
            taken = replace(notice, due=now + self._lease(notice, now), taken=notice.taken + 1)
            if await notices.replace(notice, taken):
                begun += 1
                task = asyncio.create_task(self._flight(notices, taken), name=f"telling of run {notice.run}")
                self._flights.add(task)
                task.add_done_callback(self._landed)
        self._next = await notices.next_due()
        return begun

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flights.discard(task)
        self._number = 0  # there is room again
        self._bell.set()

    async def tell_due(self) -> int:
        """Tell what is due now, and wait until that is done; how many notices were taken."""
        begun = 0
        while more := await self.begin_due():
            begun += more
            await asyncio.gather(*self._flights)
        return begun

    async def _flight(self, notices: Notices, notice: Notice) -> None:
        try:
            await self._told(notices, notice)
        except StoreError as error:
            log.warning("that %s of run %s was told could not be noted: %s", notice.happened, notice.run, error.what)
        except Exception:
            log.exception("telling of run %s failed", notice.run)

    async def _told(self, notices: Notices, notice: Notice) -> None:
        """Try every channel that should be tried, and note what became of it, each as it ends."""
        message = await message_of(self._ledger, notice, self._page_url)
        now = self._clock.now()
        told = dict(notice.told)
        if message is None:  # nobody needs to know any more
            late = {name: replace(each, status="passed over", next=None) for name, each in told.items() if each.next}
            await notices.replace(notice, replace(notice, due=None, told={**told, **late}, taken=0))
            return
        if notice.due is None or notice.due <= now:
            return  # this process stood still for so long that it is anybody's again
        for name in [name for name in told if name not in self._channels and told[name].next is not None]:
            told[name] = replace(told[name], status="given up", next=None, why="there is no such channel any more")
        wanting = [each for each in self._channels.values() if each.wants(message)]
        trying = [each for each in wanting if _is_due(told.get(each.name), now)]
        if trying and self._is_hopeless(notice, now):
            for each in trying:
                tries = _tries(told.get(each.name)) + notice.taken - 1
                told[each.name] = Told("given up", tries, None, "whoever told of it did not live to note it", now)
                log.error("%s is not told of %s of run %s any more", each.name, notice.happened, notice.run)
            trying = []
        flying = {asyncio.create_task(self._try(each, message, told.get(each.name), notice)): each for each in trying}
        try:
            while flying:
                done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                told.update({flying.pop(each).name: each.result() for each in done})
                if flying:  # one that hangs does not have the others told again, should this process end meanwhile
                    before, notice = notice, replace(notice, told=dict(told))
                    if not await notices.replace(before, notice):
                        return
        finally:
            for flight in flying:
                flight.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
        due = min((each.next for each in told.values() if each.next), default=None)
        await notices.replace(notice, replace(notice, due=due, told=told, taken=0))

    def _lease(self, notice: Notice, now: datetime) -> timedelta:
        """For how long a notice is taken: the longer, the more who took it died of it, or with it."""
        decided = self._again.after(notice.taken, _UNNOTED, random.random(), now - notice.at) if notice.taken else None
        return LEASE + (decided.time if isinstance(decided, Wait) else timedelta(0))

    def _is_hopeless(self, notice: Notice, now: datetime) -> bool:
        """Whether so many took it, and for so long, without a word of what became of it, that nobody tries again."""
        earlier = notice.taken - 1
        return earlier > 0 and isinstance(self._again.after(earlier, _UNNOTED, 0.0, now - notice.at), GiveUp)

    async def _try(self, channel: Channel, message: Message, before: Told | None, notice: Notice) -> Told:
        tries = _tries(before) + 1
        try:
            async with asyncio.timeout(PATIENCE):
                await channel.send(message)
        except Exception as error:
            return self._failed(channel, error, tries, notice)
        return Told("sent", tries, at=self._clock.now())

    def _failed(self, channel: Channel, error: Exception, tries: int, notice: Notice) -> Told:
        why = _why(error)
        now = self._clock.now()
        decided = self._again.after(tries, error, random.random(), now - notice.at)
        if isinstance(decided, GiveUp) or (isinstance(error, Undelivered) and not error.retryable):
            log.error("%s is not told of %s of run %s: %s", channel.name, notice.happened, notice.run, why)
            return Told("given up", tries, None, why, now)
        if tries == 1:
            log.warning("%s could not be told of %s of run %s: %s", channel.name, notice.happened, notice.run, why)
        return Told("waiting", tries, now + max(decided.time, LEAST), why, now)

    async def close(self) -> None:
        """Tell what is due, for a few seconds at most; what is left is told by whoever opens the store next."""
        if self._task is not None:
            # Not cancelled in the middle of a look: a notice that it just took would be nobody's for a while.
            self._closing = True
            self._bell.set()
            with suppress(TimeoutError, StoreError):
                async with asyncio.timeout(PARTING):
                    await self._task
                    await self.tell_due()
                    await asyncio.gather(*self._flights)
        for flight in list(self._flights):
            flight.cancel()
        await asyncio.gather(*self._flights, return_exceptions=True)
        for channel in self._channels.values():
            with suppress(Exception):
                await channel.close()


def _tries(told: Told | None) -> int:
    return 0 if told is None else told.tries


def _is_due(told: Told | None, now: datetime) -> bool:
    return told is None or (told.next is not None and told.next <= now)


async def tried(channels: Sequence[Channel], clock: Clock, page_url: str | None) -> dict[str, str | None]:
    """Send each channel a test, and close it; why it did not arrive, by name, or None."""
    message = test_message(f"msg_test{int(clock.now().timestamp())}", clock.now(), page_url)

    async def one(channel: Channel) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                await channel.send(message)
        except Exception as error:
            return _why(error)
        finally:
            with suppress(Exception):
                await channel.close()
        return None

    return dict(zip((each.name for each in channels), await asyncio.gather(*map(one, channels)), strict=True))


def _why(error: Exception) -> str:
    """What else a channel raises than Undelivered is not quoted: it may hold its address."""
    if isinstance(error, Undelivered):
        return error.why
    return f"no answer within {PATIENCE:g} s" if isinstance(error, TimeoutError) else type(error).__name__
