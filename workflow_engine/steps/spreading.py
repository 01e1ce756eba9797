"""Spreading: the step of an `each` node. Every item is a small step of its own, and one commit writes the whole list.

The invariant: a finished item is on disk before its place among the `at_once` is taken by another. So after a crash at
most so many items run again, and never one whose result was kept. Items that finish while a commit is under way share
the next one, so that thousands of quick items cost few commits.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from workflow_engine.bodies import each
from workflow_engine.bodies.each import Spread
from workflow_engine.bodies.intent import Intent, Rest, Wrote
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import BudgetSpent, Conflict, Failure, LimitExceeded, StoreError
from workflow_engine.ports.listener import Began, Said
from workflow_engine.record.events import EffectStarted, ItemFailed, ItemFinished, QuestionAsked, WaitBegan
from workflow_engine.record.ids import place_of
from workflow_engine.record.renaming import called_then
from workflow_engine.record.values import Write, bytes_of
from workflow_engine.spec.each import Each
from workflow_engine.spec.step import Step
from workflow_engine.spec.subflow import Subflow
from workflow_engine.steps.asking import doubt_question
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.children import Children
from workflow_engine.steps.filing import adopt_texts, must_be_there
from workflow_engine.steps.live import Live
from workflow_engine.steps.settling import Taken, fail, finish, withdraw
from workflow_engine.steps.trying import GaveUp, Released, Tries, trying
from workflow_engine.steps.writing import writes_of


async def spread(live: Live, node: Each[Any, Any], visit: int, started: datetime) -> None:
    """Take a due `each` node to its commit. Returns and raises as `steps.step.step` does."""
    live.tell(Began(node.name, node.kind, visit, 1))
    taken = Taken(node, visit, started)
    try:
        work = each.spread(node, live.scene(Step(live.run.id, node.name, visit)))
    except (StoreError, Conflict):
        raise
    except Exception as error:  # what the field holds, or how it is declared, is the user's
        await fail(live, taken, failure_of(node.name, error, 1))
        return
    many = _Many(live, node, visit, work)
    await many.recall()
    await many.done()
    children = many.children
    if children is not None:
        taken = replace(taken, started=children.began or started)
    if many.failure is not None:
        if children is not None:
            await children.leave()
        await fail(live, taken, many.failure)
    elif not many.missing:
        await _finish(live, replace(taken, words=many.words), many)
    elif children is not None and (rests := await children.resting_on(many.missing)) is not None:
        durable = live.post([WaitBegan(live.around.clock.now(), rests)])
        live.mail = True  # an answer may have come between their rest and this
        await durable
    elif many.doubtful and not live.stopping:
        question = doubt_question(live, node, visit, many.doubtful[0])
        await live.post([QuestionAsked(live.around.clock.now(), question, started)])
    elif children is None and live.is_left(node.name) and not many.doubtful:
        await withdraw(live, node.name)


async def _finish(live: Live, taken: Taken, many: _Many) -> None:
    try:
        durable = finish(live, taken, many.writes())
    except (StoreError, Conflict):
        raise
    except Exception as error:  # reducers, validators and routes are the user's code
        durable = fail(live, taken, failure_of(taken.node.name, error, 1))
    await durable


@dataclass(eq=False)
class _Page:
    """Facts that share a commit: those that come while the one before is under way."""

    facts: list[Any] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None


class _Many:
    """The items of one visit: what is known of them, and the hands that take the rest."""

    def __init__(self, live: Live, node: Each[Any, Any], visit: int, work: Spread) -> None:
        self.live, self.node, self.visit, self.work = live, node, visit, work
        self.children = Children(live, node, node.one, visit) if isinstance(node.one, Subflow) else None
        self.known: dict[int, str] = {}
        self.failed: dict[int, Failure] = {}
        self.failure: Failure | None = None
        self.size = 0
        self.doubtful: list[int] = []
        """Items whose effect only a person can tell of: all others are done first, or answers could be lost."""
        self._ahead: deque[int] = deque()
        self._page = _Page()
        self._turn = asyncio.Lock()

    async def recall(self) -> None:
        """Take in what an earlier drive of this visit brought to an end."""
        begun = self.live.run.items.get(self.node.name)
        if begun is not None:
            journal = await self.live.around.ledger.journal(self.live.run.id, begun.since - 1)
            events = [recorded.event for recorded in journal]
            ours = [
                event
                for event, name in zip(events, called_then(events, self.node.name), strict=True)
                if (getattr(event, "node", None), getattr(event, "visit", None)) == (name, self.visit)
            ]
            for event in ours:
                if isinstance(event, ItemFinished | ItemFailed):
                    self._know(event)
            if self.children is not None:
                self.children.recall(ours)
                await self.children.look()
        for index in range(len(self.work.items)):
            if not self._is_known(index):
                (self.doubtful if self._asks(index) else self._ahead).append(index)
        if self.live.is_left(self.node.name):  # only what was begun comes to its end
            only = None if self.children is None else await self.children.unsettled()
            self._ahead = deque(each for each in self._ahead if (self._began(each) if only is None else each in only))

    def _is_known(self, index: int) -> bool:
        return index in self.known or index in self.failed

    def _know(self, event: ItemFinished | ItemFailed) -> None:
        if not 0 <= event.item < len(self.work.items):  # of a damaged store; it must not count for one that is missing
            return
        if isinstance(event, ItemFinished):
            self.known[event.item] = event.text
            self.size += bytes_of(event.text)
        elif event.final:
            self.failed[event.item] = event.failure

    # -------------------------------------------------------------------------------------------------- in doubt

    def _asks(self, index: int) -> bool:
        return self.node.effect and self._in_doubt_is("ask") and self._is_doubtful(index)

    def _in_doubt_is(self, word: str) -> bool:
        return getattr(self.node.one, "in_doubt", None) == word

    def _is_doubtful(self, index: int) -> bool:
        place = place_of(self.node.name, index)
        return place in self.live.run.doubts and place not in self.live.cleared

    def _began(self, index: int) -> bool:
        return place_of(self.node.name, index) in self.live.run.doubts

    # ----------------------------------------------------------------------------------------------------- doing

    @property
    def missing(self) -> int:
        """How many items are still to be done."""
        return len(self.work.items) - len(self.known) - len(self.failed)

    @property
    def words(self) -> str:
        """What came of it, in a few words."""
        total = len(self.work.items)
        noun = "item" if total == 1 else "items"
        return f"{len(self.known)} of {total} {noun}, {len(self.failed)} failed" if self.failed else f"{total} {noun}"

    async def done(self) -> None:
        """Do what is still ahead: all of it, or until one fails for good or somebody drains."""
        many = min(self.node.at_once, len(self._ahead))
        children = self.children
        if children is not None:
            children.begin(many)
        hands = [
            asyncio.create_task(self._hand() if children is None else self._hand_of(children)) for _ in range(many)
        ]
        try:
            await asyncio.gather(*hands)
        finally:
            for hand in hands:
                hand.cancel()
            await asyncio.gather(*hands, return_exceptions=True)
            if children is not None:
                children.end()

    async def _hand(self) -> None:
        while self._ahead and self.failure is None and not self.live.draining and self.live.cancelled_by is None:
            index = self._ahead.popleft()
            if self._began(index) or not self.live.is_left(self.node.name):
                await self._item(index)

    async def _hand_of(self, children: Children) -> None:
        """The same for runs within, beside which it waits where they do: its place stays taken."""
        try:
            while self._ahead and not children.stopping:
                index = self._ahead.popleft()
                if index not in children.resting:
                    await self._item(index)
                while index in children.resting:
                    if not await children.goes_on(index):
                        return
                    await self._item(index)
        finally:
            children.lay_down()

    async def _item(self, index: int) -> None:
        node, live = self.node, self.live
        began = live.around.clock.now()
        if node.effect:
            looks = self._is_doubtful(index) and not self._in_doubt_is("rerun")
            probe = partial(each.probe, node, self.work, index)
            if looks and await self._tried(index, began, probe, "found by its probe"):
                return
            if looks and live.is_left(node.name):
                return  # its probe found that nothing happened
            live.cleared.discard(place_of(node.name, index))
            key = live.run.key(node.name, self.visit, index)
            await self._keep(EffectStarted(began, node.name, self.visit, key, index))
        await self._tried(index, began, partial(self._once, index))

    async def _once(self, index: int, scene: Scene) -> Intent | None:
        if self.children is not None:
            return await self.children.enter(self.work, index, scene)
        return await each.one(self.node, self.work, index, scene)

    async def _tried(self, index: int, began: datetime, act: Any, unsaid: str = "") -> bool:
        """Whether that settled the item, for now at least; a probe that found nothing does not."""
        result = await trying(self.live, self.node, self.visit, act, partial(self._settle, index), index)
        match result:
            case None:
                return False
            case Rest():
                assert self.children is not None
                self.children.resting[index] = result.until
            case GaveUp():
                fact = self._gave_up(index, began, result)
                if self.children is not None and fact.final:
                    await self.children.give_up(index)
                await self._keep(fact)
            case Released():
                pass
            case text, tries:
                await self._keep(self._finished(index, began, text, tries, unsaid))
                if self.children is not None:
                    self.children.done(index)
        return True

    async def _settle(self, index: int, intent: Intent | None, tries: Tries) -> tuple[str, Tries] | Rest | None:
        if intent is None or isinstance(intent, Rest):
            return intent
        assert isinstance(intent, Wrote)
        value = next(iter(intent.values.values()), None)
        text = self.work.encoded(value, f"{self.node.name} wrote item {index} of {', '.join(self.node.writes)!r}")
        if not self.live.workflow.filing.isdisjoint(self.node.writes):
            await adopt_texts(self.live, [text])
            must_be_there(self.live, self.node, [text])
        limits = self.live.around.limits
        if self.size + bytes_of(text) > limits.write:
            raise LimitExceeded(
                f"item {index} of {self.node.name}: the results hold more than {limits.write:,} bytes of JSON by now, "
                "and one write holds at most that",
                "write less for each item, keep large results in files, or raise the limit: RunLimits(write=...)",
            )
        return text, tries

    # --------------------------------------------------------------------------------------------------- keeping

    def _finished(self, index: int, began: datetime, text: str, tries: Tries, unsaid: str) -> ItemFinished:
        now, paid = self.live.around.clock.now(), tries.paid
        took = max(0.0, (now - began).total_seconds())
        words = tries.words or unsaid
        return ItemFinished(
            now, self.node.name, self.visit, index, tries.number, took, text, words, paid.usage, paid.answered_by
        )

    def _gave_up(self, index: int, began: datetime, gave_up: GaveUp) -> ItemFailed:
        now, tries = self.live.around.clock.now(), gave_up.tries
        took = max(0.0, (now - began).total_seconds())
        # A limit is no matter of this item, unless one within its own run: the step can be resumed under a higher one.
        limited = gave_up.failure.kind in (LimitExceeded.kind, BudgetSpent.kind)
        own = self.children is not None and self.children.failed_itself(index)
        final = self.node.on_error != "fail" and (own or not limited)
        if not final and self.failure is None:
            self.failure = replace(gave_up.failure, message=f"item {index}: {gave_up.failure.message}")
            if self.children is not None:
                self.children.fail()
        paid = tries.paid
        return ItemFailed(
            *(now, self.node.name, self.visit, index, tries.number, took, gave_up.failure, final),
            usage=paid.usage,
            answered_by=paid.answered_by,
        )

    async def _keep(self, event: EffectStarted | ItemFinished | ItemFailed) -> None:
        """Have a fact on disk, together with those of other items that come in the meantime."""
        if not isinstance(event, EffectStarted):
            self._know(event)
        page = self._page
        page.facts.append(event)
        if len(page.facts) > 1:
            await page.over.wait()
            if page.error is not None:
                raise page.error
            return
        # The first one has the page kept; those that wait with it are woken together, not one after the other.
        try:
            await asyncio.sleep(0)  # items that finish in this very turn share one commit
            async with self._turn:
                self._page = _Page()
                await self.live.post(page.facts)
                self.live.tell(Said(self.node.name, self.visit, f"{len(self.known)} of {len(self.work.items)}"))
        except BaseException as error:  # also where all of them are stopped: nothing that was not kept counts as such
            page.error = error
            raise
        finally:
            page.over.set()

    def writes(self) -> tuple[Write, ...]:
        """The whole list as it is written. Raises errors.BadWrite where the field's own rules refuse it."""
        if not self.node.writes:
            return ()
        (name,) = self.node.writes
        whole = self.work.whole(self.known, self.failed, self.node.on_error)
        value = self.live.workflow.fields[name].adapter.validate_json(whole)
        return writes_of(self.live.workflow, self.node.name, {name: value}, self.live.around.limits)


def accepted(live: Live, node: Each[Any, Any], visit: int, item: int, value: Any, by: str) -> ItemFinished:
    """The fact that a person vouches for one item's effect, with this value. Raises errors.BadWrite."""
    work = each.spread(node, live.scene(Step(live.run.id, node.name, visit)))
    typed = None if work.value is None else work.value.validate_json(json.dumps(value))
    text = work.encoded(typed, f"the answer for item {item}")
    return ItemFinished(live.around.clock.now(), node.name, visit, item, 1, 0.0, text, f"accepted (by {by})")


def given_up(live: Live, node: Each[Any, Any], visit: int, item: int, failure: Failure) -> ItemFailed:
    """The fact that a person gives one item up, and the step goes on without it."""
    return ItemFailed(live.around.clock.now(), node.name, visit, item, 1, 0.0, failure, final=True)


__all__ = ["accepted", "given_up", "spread"]
