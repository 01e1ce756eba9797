"""Checks: an agent's guardrails, and the person who reviews an answer before it is written.

What a check said is a receipt: after a crash, and when people have answered, it says the same again unasked.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from workflow_engine.bodies.calling import call
from workflow_engine.bodies.consent import EDIT, REJECT, review
from workflow_engine.bodies.turn import Turn
from workflow_engine.errors import AgentFailed
from workflow_engine.ports.agents import Held
from workflow_engine.spec.guardrail import AGAIN, Guardrail
from workflow_engine.spec.nodes import Agent
from workflow_engine.spec.specialist import Specialist

Judge = Callable[[Specialist, str, str], Awaitable[Any]]
"""Asks a specialist: what it is told, and the branch it is asked in."""


class Opinion(BaseModel):
    """What a specialist says who was asked whether something is fine."""

    fine: bool
    reason: str = ""


class Checks:
    """What is looked at in one try at a visit. `edited` says that a person put `value` in the answer's place."""

    def __init__(self, node: Agent[Any, Any], turn: Turn, output: Any, judge: Judge) -> None:
        self._node, self._turn, self._output, self._judge = node, turn, output, judge
        self._answers = 0
        self._tripped: Counter[str] = Counter()
        self.edited = False
        self.value: Any = None

    async def prompt(self, prompt: str) -> None:
        """Look at the prompt. Raises AgentFailed where a guardrail objects to it."""
        for each in self._on("input"):
            why = await self._said(each, "gi", prompt, (prompt,))
            if why:
                raise _failed(f"{self._node.name}: {each.name} objects to the prompt: {why}")

    async def use(self, name: str, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Look at one use of a tool: what the model is told in its place. Raises AgentFailed."""
        for each in self._on("tool"):
            if each.tools and tool not in each.tools:
                continue
            why = await self._said(each, f"{name}/g", _json([tool, arguments]), (tool, dict(arguments)))
            if why:
                if each.tripped == "fail":
                    raise _failed(f"{self._node.name}: {each.name} objects to the use of {tool}: {why}")
                return f"error: {tool} was not used: {why}"
        return None

    async def answer(self, value: Any) -> str | None:
        """Look at an answer: why it does not count yet. Raises AgentFailed, and Held where a person is to look."""
        self._answers += 1
        told = _json(TypeAdapter(self._output).dump_python(value, mode="json"))
        for each in self._on("output"):
            why = await self._said(each, f"go{self._answers}", told, (value,))
            if why:
                self._tripped[each.name] += 1
                if each.tripped == "fail" or self._tripped[each.name] > AGAIN:
                    raise _failed(f"{self._node.name}: {each.name} objects to the answer: {why}")
                return why
        return await self._reviewed(value, told)

    def _on(self, on: str) -> list[Guardrail]:
        return [each for each in self._node.guardrails if each.on == on]

    async def _said(self, one: Guardrail, at: str, told: str, given: tuple[Any, ...]) -> str:
        name = f"{at}.{one.name}"

        async def look() -> str:
            if isinstance(one.check, Specialist):
                opinion = await self._judge(one.check, told, f"{name}/")
                return "" if opinion.fine else opinion.reason or "it is not fine"
            why = await call(partial(one.check, *given), {})
            return "" if why is None else str(why)

        return await self._turn.looked(name, one.name, _digest(told), look)

    async def _reviewed(self, value: Any, told: str) -> str | None:
        if self._node.review_if is None:
            return None
        wrong, number = "", 0
        while True:
            number += 1
            ref = f"review:{self._answers}.{number}:{_digest(told)}"
            ruling = self._turn.receipts.ruling(ref)
            if ruling is None:
                if number == 1 and not await _needed(self._node.review_if, value):
                    return None
                self._turn.asks.append(review(self._node.name, self._output, told, wrong, self._node.reviewers, ref))
                raise Held
            if ruling.word == REJECT:
                return f"{ruling.by} rejected it" + (f": {ruling.reason}" if ruling.reason else "")
            if ruling.word == EDIT:
                try:
                    self.value = TypeAdapter(self._output).validate_python(ruling.value)
                except ValidationError as error:
                    wrong = "; ".join(each["msg"] for each in error.errors(include_url=False)[:5])
                    continue
                self.edited = True
            return None


async def _needed(condition: Callable[..., Any], value: Any) -> bool:
    """Whether a person must look. A condition that raises cannot say no."""
    try:
        return bool(await call(partial(condition, value), {}))
    except Exception:
        return True


def _failed(what: str) -> AgentFailed:
    return AgentFailed(what, "route it: NODE.failed >> ...", kind="guardrail", retryable=False)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
