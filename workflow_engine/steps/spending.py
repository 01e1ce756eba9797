"""Spending: whether the budgets of a run and of a node leave anything to begin an attempt with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from workflow_engine.bodies.intent import Wrote
from workflow_engine.errors import BudgetSpent
from workflow_engine.frontier.leave import exhausted
from workflow_engine.ports.agents import AgentAnswer, Need
from workflow_engine.record.ids import node_of
from workflow_engine.record.usage import NOTHING, Spent, Usage
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Function, Node
from workflow_engine.steps.live import Live

FREE = "offline-playbook/"
LEAST = 16
"""Tokens of an answer: with fewer left, nothing is asked that could not be said. Some endpoints refuse less."""


def must_begin(live: Live, node: Node) -> None:
    """Raises errors.BudgetSpent if a budget leaves nothing for another attempt of this node.

    A loop's budget is none of them: it decides whether to go round once more, where the loop's edge is taken. Nor does
    one stop the very node that a spent budget led to: somebody must be there to deal with it.
    """
    if _deals_with(live, node):
        return
    for whose, key, budget in _budgets(live, node):
        why = exhausted(budget, _used(live, node, key), thinks=thinks(node))
        if why is not None:
            raise BudgetSpent(
                f"{node.name} does not begin: {whose} is spent: {why}", "resume the run under a higher one"
            )


async def reserved(live: Live, node: Node, call: tuple[str, str], need: Callable[[], Need]) -> Usage | None:
    """The most that a call may use, held for it until it ended; None where no budget counts tokens or money.

    Raises errors.BudgetSpent where budgets do not leave so much. Where others hold what is missing, it waits for them.
    """
    while True:
        must_begin(live, node)
        bounds = [each for each in _budgets(live, node) if each[2].tokens is not None or each[2].money is not None]
        if not bounds or _deals_with(live, node):
            return None
        needs = need()
        most, crowded = needs.most, False
        for whose, key, budget in bounds:
            used = _used(live, node, key)
            room = _room(needs, budget, used)
            if room < min(LEAST, needs.most):
                raise BudgetSpent(_too_little(node, whose, budget, used, needs), "resume the run under a higher one")
            crowded = crowded or _room(needs, budget, used + _held(live, key)) < room
            most = min(most, room)
        if not crowded:
            needs.limit(most)
            usage = Usage(1, needs.tokens, most, needs.price(needs.tokens, most))
            live.held[call] = Spent.of(usage)
            return usage
        # Others may use less than they hold: no answer is cut for what is not used in the end.
        await live.freed.wait()


def freed(live: Live, call: tuple[str, str]) -> Spent | None:
    """Let go of what was held for a call; what that was."""
    found = live.held.pop(call, None)
    if found is not None:
        live.freed.set()
        live.freed = asyncio.Event()
    return found


def _room(needs: Need, budget: Budget, used: Spent) -> int:
    """How many tokens an answer may have, so that a budget is kept whatever the question takes."""
    room = needs.most
    if budget.tokens is not None:
        room = min(room, budget.tokens - used.tokens - needs.tokens)
    if budget.money is None or used.money is None:
        return room
    left = budget.money - used.money
    low, high = -1, room  # a price list may have steps, so what fits is looked for
    while low < high:
        middle = (low + high + 1) // 2
        price = needs.price(needs.tokens, middle)
        low, high = (middle, high) if price is not None and price <= left else (low, middle - 1)
    return low


def _too_little(node: Node, whose: str, budget: Budget, used: Spent, needs: Need) -> str:
    if budget.money is not None and needs.price(needs.tokens, LEAST) is None:
        return f"{node.name} asks no further: {whose} is of money, and the price of its model is unknown"
    left = [] if budget.tokens is None else [f"{max(budget.tokens - used.tokens, 0):,} tokens"]
    left += [] if budget.money is None else [f"${max(budget.money - (used.money or 0.0), 0):.4f}"]
    return (
        f"{node.name} asks no further: {whose} leaves {' and '.join(left)}, "
        f"and the question may take {needs.tokens:,} tokens before it is answered"
    )


def _used(live: Live, node: Node, key: str) -> Spent:
    """What counts against the budget of a scope: of steps that ended, and of those under way."""
    used = live.run.frontier.spent.get(key, NOTHING)
    for name, owed in live.owing.items():
        if key in live.workflow.scopes[name]:
            used += owed if name != node.name else replace(owed, steps=0)
    return used


def _held(live: Live, key: str) -> Spent:
    """What calls under way may use of the budget of a scope."""
    mine = (held for (place, _), held in live.held.items() if key in live.workflow.scopes[node_of(place)])
    return sum(mine, NOTHING)


def _deals_with(live: Live, node: Node) -> bool:
    """Whether a spent budget led to this node: somebody must be there to deal with it."""
    caught = live.run.caught.get(node.name)
    return caught is not None and caught.kind == BudgetSpent.kind


def must_be_priced(live: Live, node: Node, used: Spent, told: Any) -> None:
    """Raises errors.BudgetSpent for a use of unknown price under a budget of money: it would count as nothing."""
    if used.money is not None:
        return
    limited = any(edge.budget and edge.budget.money for edge in live.workflow.edges if edge.key in _scopes(live, node))
    if limited or any(budget.money is not None for _, _, budget in _budgets(live, node)):
        error = BudgetSpent(
            f"{node.name} used {used.tokens:,} tokens of unknown price, and its budget is of money",
            "use a model whose price is known, or budget tokens",
        )
        error.so_far = told
        raise error


def usage_of(told: Any) -> Usage | None:
    """What an attempt told of its use. A playbook costs nothing, and nobody else's price is guessed."""
    if not isinstance(told, Wrote | AgentAnswer) or told.usage is None:
        return None
    return priced(told.usage, told.answered_by)


def priced(usage: Usage, answered_by: tuple[str, ...]) -> Usage:
    """The use of those who answered, at their price: a playbook costs nothing, and nobody else's is guessed."""
    free = answered_by and all(each.startswith(FREE) for each in answered_by)
    return replace(usage, cost=0.0) if free and usage.cost is None else usage


def thinks(node: Node) -> bool:
    """Whether a node may use tokens and money."""
    return not isinstance(node.one if isinstance(node, Each) else node, Function)


def _budgets(live: Live, node: Node) -> Iterator[tuple[str, str, Budget]]:
    if live.workflow.budget is not None:
        yield "the run's budget", "", live.workflow.budget
    if node.budget is not None:
        yield f"the budget of {node.name}", node.name, node.budget


def _scopes(live: Live, node: Node) -> tuple[str, ...]:
    return live.workflow.scopes.get(node.name, ())
