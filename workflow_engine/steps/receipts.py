"""Receipts: what a visit to an agent said and did, on disk before and after each call, and read back after a crash.

The journal holds them. A talk goes on where it was through a crash, an answer and a try that failed of its
surroundings; after a try that failed of what was said, another talk begins, which no receipt of the last one answers,
save those of effects: what was done in this visit is not done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.errors import Infrastructure, StepTimeout
from workflow_engine.ports.agents import Need, Receipt, Ruling, What
from workflow_engine.record import events as e
from workflow_engine.record.ids import place_of
from workflow_engine.record.renaming import called_then
from workflow_engine.record.usage import NOTHING, Spent, Usage
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.step import Step
from workflow_engine.steps.live import Live
from workflow_engine.steps.spending import freed, must_be_priced, must_begin, priced, reserved

GOES_ON = frozenset(
    {Infrastructure.kind, StepTimeout.kind, "rate_limit", "model", "deadline", "budget", "limit", "effect"}
)
"""Kinds of failure after which a further try takes up the talk where it broke off."""
FAIL = "fail"
"""The word of a person who gives a use up, under `doubt:CALL:NUMBER` (bodies/turn.py)."""


def failed_use(usage: Usage | None, held: Spent | None) -> Spent:
    """What a failed call counts as: what it is known to have taken, or all it may have, where it was broken off."""
    if usage is None or not usage.requests:
        return NOTHING
    if usage.cost is None and not usage.input_tokens:
        return held or NOTHING
    return Spent.of(usage)


@dataclass
class _Talk:
    """What the journal tells of one visit, up to the talk it is in."""

    number: int = 0
    prompt: str | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    finished: dict[str, Receipt] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    rulings: dict[str, Ruling] = field(default_factory=dict)
    done: list[tuple[str, Receipt]] = field(default_factory=list)
    """Effects of this talk, with the names of their tools."""
    spare: list[tuple[str, Receipt]] = field(default_factory=list)
    """Effects of earlier talks that none of this talk's calls took for its own yet."""
    over: bool = False
    owed: Spent = NOTHING
    """What was used since a budget last heard of it."""
    open: dict[str, Spent] = field(default_factory=dict)
    """What calls may have used that began and whose end is not known."""

    def take(self, event: Any) -> None:
        match event:
            case e.TalkBegan():
                self.spare += self.done
                self.number, self.prompt, self.over = event.talk, event.prompt, False
                self.tools = event.tools or {}
                self.finished, self.begun, self.rulings, self.done = {}, Counter(), {}, []
            case e.CallStarted():
                self.begun[event.call] += 1
                self.owed += self.open.pop(event.call, NOTHING)  # of one whose end nobody knows
                if event.reserved is not None:
                    self.open[event.call] = Spent.of(event.reserved)
            case e.CallFinished():
                receipt = Receipt(event.asked, event.text, event.answered_by[0] if event.answered_by else "")
                self.finished[event.call] = receipt
                held, usage = self.open.pop(event.call, None), event.usage or Usage()
                untold = held is not None and not usage.input_tokens + usage.output_tokens
                self.owed += held if held and untold else Spent.of(priced(usage, event.answered_by))
                if event.effect:
                    if not self.begun[event.call]:
                        self.spare = _without_first(self.spare, event.name, event.asked)
                    self.done.append((event.name, receipt))
            case e.CallFailed():
                held = self.open.pop(event.call, None)
                self.owed += failed_use(event.usage, held)
                if not event.doubt:
                    self.begun[event.call] = 0
            case e.CallRuled():
                self.rulings[event.ref] = Ruling(event.word, event.by, event.value, event.reason)
            case e.AttemptFailed() | e.StepFailed():
                self.over = self.over or event.failure.kind not in GOES_ON
                self._ask_anew()
                if isinstance(event, e.StepFailed):
                    self.owed, self.open = NOTHING, {}
            case _:
                pass

    def _ask_anew(self) -> None:
        """A use that a person gave up is in doubt still: whoever tries again is asked again, under another word."""
        for ref in [ref for ref, each in self.rulings.items() if each.word == FAIL]:
            call, _, number = ref.removeprefix("doubt:").rpartition(":")
            if number.isdecimal():
                self.begun[call] = max(self.begun[call], int(number[:9]) + 1)


def _without_first(spare: list[tuple[str, Receipt]], name: str, asked: str) -> list[tuple[str, Receipt]]:
    at = next((at for at, (tool, each) in enumerate(spare) if (tool, each.asked) == (name, asked)), len(spare))
    return spare[:at] + spare[at + 1 :]


class JournalReceipts:
    """Implements ports.agents.Receipts on the journal of a run in its owner's hands."""

    def __init__(self, live: Live, node: Node, step: Step, talk: _Talk) -> None:
        self._live, self._node, self._step, self._talk = live, node, step, talk
        self._ahead: list[Any] = []
        self._since: dict[str, Any] = {}

    @classmethod
    async def of(cls, live: Live, node: Node, step: Step) -> JournalReceipts:
        """The receipts of one visit, or of one item in it, as far as the journal has them."""
        talk = _Talk()
        since = live.run.calls.get(place_of(step.node, step.item))
        if since is not None:
            recorded = await live.around.ledger.journal(live.run.id, since - 1)
            events = [each.event for each in recorded]
            for event, name in zip(events, called_then(events, step.node), strict=True):
                of = (getattr(event, "node", None), getattr(event, "visit", None), getattr(event, "item", None))
                if of == (name, step.visit, step.item):
                    talk.take(event)
        place = place_of(step.node, step.item)
        if place not in live.talked:
            live.talked.add(place)
            owed = sum(talk.open.values(), talk.owed)
            if owed and node.name in live.workflow.scopes:  # of a process that died
                live.owing[node.name] = live.owing.get(node.name, NOTHING) + owed
        return cls(live, node, step, talk)

    @property
    def prompt(self) -> str | None:
        return None if self._talk.over else self._talk.prompt

    @property
    def tools(self) -> Mapping[str, str]:
        return self._talk.tools

    def begin(self, prompt: str, tools: Mapping[str, str]) -> str:
        kept = prompt.encode("utf-8", "replace").decode()
        began = e.TalkBegan(
            self._now(), *self._place(), self._talk.number + 1, kept, self._step.item, dict(tools) or None
        )
        # With the first call: until then there is nothing that a second prompt could contradict.
        self._ahead.append(began)
        self._talk.take(began)
        return kept

    def found(self, call: str) -> Receipt | None:
        return self._talk.finished.get(call)

    def key(self, call: str) -> str:
        return f"{self._step.key}/{self._talk.number}/{call}"

    def begun(self, call: str) -> int:
        return self._talk.begun[call]

    def ruling(self, ref: str) -> Ruling | None:
        return self._talk.rulings.get(ref)

    def spare(self, name: str, asked: str) -> Receipt | None:
        return next((each for tool, each in self._talk.spare if (tool, each.asked) == (name, asked)), None)

    async def ruled(self, ref: str, ruling: Ruling) -> None:
        said = (ruling.word, ruling.by, ruling.value, ruling.reason)
        await self._post(e.CallRuled(self._now(), *self._place(), self._talk.number, ref, *said, self._step.item))

    async def began(
        self,
        call: str,
        what: What,
        name: str,
        asked: str,
        need: Callable[[], Need] | None = None,
        *,
        effect: bool = False,
    ) -> None:
        held: Usage | None = None
        if what == "model" and self._counts:
            if need is None:
                must_begin(self._live, self._node)
            else:
                held = await reserved(self._live, self._node, self._at(call), need)
        now = self._now()
        self._since[call] = now
        number = self._talk.number
        place = (*self._place(), number, call, what, name, asked, effect)
        await self._post(e.CallStarted(now, *place, self._step.item, held))

    def dropped(self, call: str) -> None:
        held = freed(self._live, self._at(call))
        if held is not None:
            self._add(held)

    async def ended(
        self, call: str, what: What, name: str, receipt: Receipt, usage: Usage | None, effect: bool
    ) -> None:
        now = self._now()
        took = max(0.0, (now - self._since.pop(call, now)).total_seconds())
        answered_by = (receipt.model,) if receipt.model else ()
        await self._post(
            e.CallFinished(
                *(now, *self._place(), self._talk.number, call, what, name, receipt.asked, receipt.text, took, effect),
                usage=usage,
                answered_by=answered_by,
                item=self._step.item,
            )
        )
        held = freed(self._live, self._at(call))
        if usage is not None and held is not None and not usage.input_tokens + usage.output_tokens:
            self._add(held)  # it was not told what it took
        elif usage is not None:
            self._owe(usage, answered_by)

    async def failed(
        self,
        call: str,
        what: What,
        name: str,
        why: str,
        kind: str,
        *,
        doubt: bool = False,
        usage: Usage | None = None,
    ) -> None:
        told = (self._now(), *self._place(), self._talk.number, call, what, name, kind, why[:4000], doubt, usage)
        await self._post(e.CallFailed(*told, item=self._step.item))
        held = freed(self._live, self._at(call))
        if self._counts:
            self._add(failed_use(usage, held))

    @property
    def _counts(self) -> bool:
        return self._node.name in self._live.workflow.scopes

    def _owe(self, usage: Usage, answered_by: tuple[str, ...] = ()) -> None:
        """Have budgets count it, from now on."""
        if not self._counts:
            return
        used = Spent.of(priced(usage, answered_by))
        self._add(used)
        must_be_priced(self._live, self._node, used, None)

    def _add(self, used: Spent) -> None:
        owing, name = self._live.owing, self._node.name
        owing[name] = owing.get(name, NOTHING) + used

    def _at(self, call: str) -> tuple[str, str]:
        return place_of(self._step.node, self._step.item), call

    def _now(self) -> Any:
        return self._live.around.clock.now()

    def _place(self) -> tuple[str, int]:
        return self._step.node, self._step.visit

    async def _post(self, event: Any) -> None:
        told, self._ahead = [*self._ahead, event], []
        self._talk.take(event)
        await self._live.post(told)
