"""W3, loops: every loop has a bound or a person in it, so between two answers a run takes finitely many steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from workflow_engine.verify.course import Course
from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Arc, Graph, is_count
from workflow_engine.verify.paths import Reach, ending, loops, shown, traps


def bounds(graph: Graph) -> Iterator[Finding]:
    """Whether each bound means something by itself."""
    for edge in graph.edges:
        place = edge.sources[0].node if edge.sources else graph.workflow.name
        if edge.limit is None:
            if edge.then is not None:
                what = f"an edge has a `then` and no limit ({edge.key})"
                yield graph.finding("W304", place, what, "at_most(3, target, then=...), or remove `then`")
            continue
        if not is_count(edge.limit):
            what = f"the bound {edge.limit!r} is no number of times ({edge.key})"
            yield graph.finding("W303", place, what, "at_most(n, ...) takes an int of at least 1")
        if edge.then is None:
            what = f"nobody says where the run goes once the bound is spent ({edge.key})"
            yield graph.finding("W304", place, what, "at_most(n, target, then=somewhere_else)")
        if len(edge.sources) != 1 or len(edge.targets) != 1:
            what = f"a {'join' if edge.joins else 'fork'} cannot be bounded ({edge.key})"
            yield graph.finding("W305", place, what, "put a node between, and bound the edge of that")


def ends(course: Course) -> Iterator[Finding]:
    """No loop without a bound or an answer, and a way to an end that stays open when bounds are spent."""
    graph = course.graph
    for loop in loops(arc for arc in course.arcs if graph.is_route(arc.tail) and graph.is_route(arc.head)):
        what = f"a loop of routes decides on a state that never changes: {shown(loop)}"
        yield graph.finding("W302", loop[0], what, "lead the loop through a node that does some work")
    free = [arc for arc in course.unbounded if not graph.answers(arc.source)]
    for loop in loops(free):
        if course.walk is not None and course.walk.longest is not None:
            continue  # counting shows that the run never goes round
        what = f"a loop has no bound: {shown(loop)}"
        yield graph.finding("W301", loop[0], what, f"{_closing(graph, loop, free)}, then=...), or ask a @human")
    lost = (course.reached & ending(course.arcs)) - ending(course.always)
    for trap in traps(course.always, lost):
        if course.walk is not None and not course.walk.stuck:
            continue
        spent = sorted(arc.edge.key for arc in course.arcs if arc.how == "bounded" and arc.tail in trap)
        what = f"once the bound of {' and '.join(spent)} is spent no path leads to an end"
        yield graph.finding("W306", trap[0], what, "let its `then` lead on to END or FAIL(...)")


def _closing(graph: Graph, loop: Sequence[str], arcs: Collection[Arc]) -> str:
    """The row of a loop to bound: the last that a route's word takes, since another word leads out; else the last."""
    last = f"{loop[-2]} >> at_most(3, {loop[-1]}"
    for tail, head in pairwise(loop):
        for arc in arcs:
            if (arc.tail, arc.head) == (tail, head) and graph.is_route(tail) and arc.source.outcome is not None:
                last = f'{tail}["{arc.source.outcome}"] >> at_most(3, {head}'
    return last


def pitfalls(course: Course) -> Iterator[Finding]:
    """Bounds that do something, but hardly what was meant."""
    graph = course.graph
    for edge in graph.bounded:
        if edge.key not in course.spent and edge.sources[0].node in course.reached:
            what = f"{edge.key} is bounded and closes no loop: `then` is never taken"
            yield graph.finding("W351", edge.sources[0].node, what, "write it as a plain edge", "warning")
    into = Counter(edge.targets[0] for edge in graph.bounded)
    for target, count in sorted(into.items()):
        if count > 1:
            what = f"{count} bounded edges lead into it: they do not restart each other's counts"
            yield graph.finding("W352", target, what, "lead one of them to a node of its own before it", "warning")
    yield from _never_restarted(course)


def _never_restarted(course: Course) -> Iterator[Finding]:
    graph = course.graph
    restarted = {arc.head for arc in course.unbounded}
    doubtful = [each for each in graph.bounded if each.key in course.spent and each.targets[0] not in restarted]
    reach = Reach(course.arcs if doubtful else ())
    for edge in doubtful:
        target, source = edge.targets[0], edge.sources[0].node
        if reach.leads(str(edge.then), source):
            what = f"{edge.key} is counted over the whole run: {target} has no unbounded entry to restart it"
            yield graph.finding("W353", source, what, f"lead an outer loop or an answer to {target}", "warning")
