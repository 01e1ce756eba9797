"""One question on its way along a chain: reserved, asked of one model after another, bounded, priced and told.

Whoever drives a talk, the SDK or our own loop, says how a single model is asked. All else about a question is here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from workflow_engine import errors
from workflow_engine.agents.failover import Line
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.prices import price_of
from workflow_engine.agents.telling import Telling
from workflow_engine.agents.visit import Answering, Visit, current
from workflow_engine.ports.agents import ModelCall, ModelReply, Need
from workflow_engine.record.usage import Usage


@dataclass(frozen=True)
class Answered:
    """What a model answered, as text to keep; what it used, of which `cached` tokens came cheaper; and who it says it
    is, where the connection did not hear it.
    """

    text: str
    usage: Usage
    cached: int = 0
    model: str = ""


Say: TypeAlias = Callable[[int, Endpoint, int | None, Telling], Awaitable[Answered]]
"""Asks one model of a chain: its place, the model, the most tokens of its answer, and who is told while it speaks."""


@dataclass
class Question:
    """A question of an agent in a visit. `limit` bounds one call, `size` the tokens that a model takes it for.

    `explained` makes an error one of ours. `told` says, once it is answered, whether anybody was asked for it.
    """

    visit: Visit
    agent: str
    line: Line
    limit: timedelta
    size: Callable[[Endpoint], int]
    say: Say
    explained: Callable[[Exception, Endpoint], Exception]
    free: bool = False
    told: bool = False
    _next: list[tuple[int, Endpoint]] = field(default_factory=list)
    _most: int | None = None

    async def ask(self, said: str) -> ModelReply:
        """The answer to what was said so far: of its receipt, or of the first model that gives one."""
        self.visit.turns += 1
        need = None if self.free else self._need
        return await self.visit.task.ask(ModelCall(_digest(said), self._make, self.visit.task.path, need))

    def _need(self) -> Need:
        if not self._next:
            self._next.append(self.line.next())
        _, link = self._next[0]
        self._most = None
        return Need(self.size(link), link.most, partial(price_of, link, link.model), self._bound)

    def _bound(self, most: int) -> None:
        self._most = most

    async def _make(self, key: str) -> ModelReply:
        visit = self.visit
        place, link = self._next.pop() if self._next else self.line.next()
        streams = visit.task.hear is not None
        asking = Answering(visit, f"{key}.{place}" if key and place else key, agent=self.agent, streams=streams)
        telling = Telling(visit, self.agent)
        self.told = True
        try:
            answered = await self._answered(asking, self.say(place, link, self._most, telling), link)
        except BaseException:
            self.line.stopped(link)
            raise
        # Raised out here: an SDK's error, which holds the request and its key, is not chained to it.
        if isinstance(answered, Exception):
            failure = self.line.failed(link, answered)
            visit.hear({"item": "broken_off", "agent": self.agent})
            # Its tokens, if it had any, nobody told.
            visit.usage += Usage(1, cost=getattr(failure, "cost", None))
            raise failure
        telling.end()
        self.line.answered(link)
        model = asking.model or visit.named(answered.model)
        used = self._priced(answered, link, model)
        visit.usage += used
        if self._most is not None and used.output_tokens >= self._most:
            raise _cut_short(visit.task.node, link, self._most, used)
        if model not in visit.models:
            visit.models.append(model)
        return ModelReply(visit.without_secret(answered.text), used, model, link.label)

    async def _answered(self, asking: Answering, coming: Awaitable[Answered], link: Endpoint) -> Answered | Exception:
        token = current.set(asking)
        try:
            # Silence is bounded by the connection; an endpoint that drips would never meet that.
            async with asyncio.timeout(self.limit.total_seconds()):
                return await coming
        except Exception as error:
            return self.explained(error, link)
        finally:
            current.reset(token)

    def _priced(self, answered: Answered, link: Endpoint, model: str) -> Usage:
        """What an answer took, at the price of the model that gave it, if it does not say so itself."""
        usage = answered.usage
        if self.free:
            return replace(usage, cost=0.0)
        if usage.cost is not None or not usage.input_tokens + usage.output_tokens:
            return usage
        by = link.model if model == "unnamed" else model
        return replace(usage, cost=price_of(link, by, usage.input_tokens, usage.output_tokens, answered.cached))


def _digest(text: str) -> str:
    """Of what was said so far. Instructions are left out: whoever edits them means the rest of the talk."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _cut_short(node: str, link: Endpoint, most: int, used: Usage) -> errors.StepError:
    """The error of an answer that came to its limit: half of one is none."""
    what = f"{node}'s answer was cut at {most:,} tokens"
    error: errors.BudgetSpent | errors.AgentFailed
    if most < link.most:
        error = errors.BudgetSpent(f"{what}, which is all that a budget left", "resume the run under a higher one")
    else:
        cure = f"raise max_output_tokens of endpoint {link.name}" if link.name else "name the endpoint in workflow.toml"
        what = f"{what}, the most that one may have where a budget counts it"
        error = errors.AgentFailed(what, cure, kind="limit", retryable=False)
    error.used = used
    return error
