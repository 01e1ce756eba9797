"""Spending: whether the budgets of a run and of a node leave anything to begin an attempt with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workflow_engine.bodies.intent import Wrote
from workflow_engine.errors import BudgetSpent
from workflow_engine.frontier.leave import exhausted
from workflow_engine.ports.agents import AgentAnswer
from workflow_engine.record.usage import NOTHING, Spent, Usage
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Function, Node
from workflow_engine.steps.live import Live

FREE = "offline-playbook/"


def must_begin(live: Live, node: Node) -> None:
    """Raises errors.BudgetSpent if a budget leaves nothing for another attempt of this node.

    A loop's budget is none of them: it decides whether to go round once more, where the loop's edge is taken. Nor does
    one stop the very node that a spent budget led to: somebody must be there to deal with it.
    """
    caught = live.run.caught.get(node.name)
    if caught is not None and caught.kind == BudgetSpent.kind:
        return
    for whose, key, budget in _budgets(live, node):
        used = live.run.frontier.spent.get(key, NOTHING)
        for name, owed in live.owing.items():
            if key in live.workflow.scopes[name]:
                used += owed if name != node.name else replace(owed, steps=0)
        why = exhausted(budget, used, thinks=thinks(node))
        if why is not None:
            raise BudgetSpent(
                f"{node.name} does not begin: {whose} is spent: {why}", "resume the run under a higher one"
            )


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
