"""Where a node leads on a given state: `frontier.leave` with routes that really run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from workflow_engine.bodies.scene import decide
from workflow_engine.frontier.leave import Left, RouteFailed, leave
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.usage import Spent
from workflow_engine.record.values import Value
from workflow_engine.spec.nodes import Route
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.attempt import failure_of


def onward(
    workflow: Workflow[Any],
    frontier: Frontier,
    node: str,
    outcome: str | None,
    state: Mapping[str, Value],
    cost: Spent | None = None,
    staying: Collection[str] = (),
) -> Left:
    """The move that leaving `node` makes. Raises RouteFailed if a route on the way raises.

    `staying` are the due nodes that an edge out of their fork must not drop.
    """

    def ask(route: Route[Any, Any]) -> Any:
        try:
            return decide(workflow, state, route)
        except (Exception, SystemExit) as error:  # a route is the user's function
            raise RouteFailed(f"route {route.name!r} raised {failure_of(route.name, error, 1).message}") from error

    return leave(workflow, frontier, node, outcome, ask, cost, staying)
