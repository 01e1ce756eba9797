"""`to_langgraph`: a workflow as a plain LangGraph graph, for those who want to stay with LangGraph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from workflow_engine.bodies.resources import Resources
from workflow_engine.errors import InvalidWorkflow, ModelMissing, UsageError
from workflow_engine.frontier.leave import catches
from workflow_engine.langgraph.channels import schemas_of, seeds_of
from workflow_engine.langgraph.plain import Plain
from workflow_engine.ports.agents import AgentRunner
from workflow_engine.record.frontier import Move
from workflow_engine.spec import waits
from workflow_engine.spec.each import Each
from workflow_engine.spec.edges import END_NAME, FAIL_PREFIX, START_NAME, Edge, Source, is_end
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nesting import agents_within, nested, subflow_of
from workflow_engine.spec.nodes import FAILED, Human, Node, Route
from workflow_engine.spec.policies import Retry, Wait, attempts_of, rules_of
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import broken, verify


def to_langgraph(
    workflow: Workflow[Any],
    *,
    agents: AgentRunner | None = None,
    resources: Mapping[type, Callable[..., Any]] | None = None,
) -> StateGraph[Any, Any, Any, Any]:
    """The workflow as a `StateGraph` that is not compiled yet: `to_langgraph(ship).compile(checkpointer=...)`.

    Fields become channels (reducers and all), nodes become nodes of the same name that read and write them. A node says
    by a `Command` where the run goes on, so a route has no node of its own except behind a join. Counts of bounded
    edges and visits are kept in private channels. A `@human` node calls `interrupt()` with the question as a dict;
    resume with `Command(resume=answer)`, or with `{interrupt id: answer}` where several people are asked at once. An
    answer that does not fit is asked for again, with the `problem`. Retries, time limits and `.failed` edges become
    LangGraph's own; FAIL raises `ReachedFail`.

    A `wait` interrupts as well, with the names of its signals and the schema of what each carries: resume with {name:
    what it carries}. Nothing is kept of what comes early, and a time is over when you resume it.

    A `langgraph_node` is a graph within the graph: your checkpointer keeps it, and its interrupts are LangGraph's.

    `agents` runs the agents, if there are any (`workflow_engine.agents.open_runner`). `resources` replaces openers;
    what is opened stays open as long as the process. The graph is asynchronous: call `ainvoke` and `astream`.

    A subflow is a graph called within its node; how deep one may lie within itself is not looked at.

    Items of an `each` node are done in one go, and kept when all of them are done. So nobody can be asked in the middle
    of one: errors.UsageError for an `each` over a subflow that asks or waits.

    What is lost on the way: durability is your checkpointer's (between supersteps, not per step), and so is who may
    drive a run: two processes resuming one thread both execute. Effects are plain calls that may be repeated. There is
    no inbox, no deadline (`within=` and `.expired` do nothing), no check of a changed workflow. A fork's arms move in
    lockstep, so a waiting person holds up the other arms' next nodes. A failure that nothing catches cancels them.

    Raises errors.InvalidWorkflow for a workflow with findings, errors.ModelMissing for agents without a runner,
    errors.UsageError for one with an edge that leaves a fork.
    """
    findings = broken(verify(workflow))
    if findings:
        raise InvalidWorkflow(workflow.name, findings)
    for each in (workflow, *nested(workflow).values()):
        if (edge := next((edge for edge in each.edges if edge.leaves), None)) is not None:
            raise UsageError(
                f"{each.name} leaves a fork ({edge.key}), and a graph of LangGraph cannot withdraw the other arms",
                'run it by the engine, also on LangGraph: executor="langgraph"; or join the arms and choose behind it',
            )
    if agents is None and agents_within(workflow):
        raise ModelMissing(
            f"{workflow.name} has agents and no runner was given for them", "to_langgraph(..., agents=open_runner(...))"
        )
    if asking := _asks_for_items(workflow):
        raise UsageError(
            f"{asking} asks or waits in the middle of an item, and LangGraph does all items in one go",
            "run it here, or ask before or after the items",
        )
    return _Export(workflow, agents, resources).built()


def _asks_for_items(workflow: Workflow[Any]) -> str | None:
    """The first `each` node over a workflow that rests in between."""
    for around in (workflow, *nested(workflow).values()):
        for node in around.nodes.values():
            within = subflow_of(node) if isinstance(node, Each) else None
            flows = () if within is None else (within.workflow, *nested(within.workflow).values())
            if any(isinstance(each, Human | waits.Wait | Foreign) for flow in flows for each in flow.nodes.values()):
                return node.name
    return None


class _Export:
    def __init__(
        self,
        workflow: Workflow[Any],
        agents: AgentRunner | None,
        resources: Mapping[type, Callable[..., Any]] | None,
    ) -> None:
        def runner() -> AgentRunner:
            assert agents is not None
            return agents

        self.workflow = workflow
        self.plain = Plain(workflow, Resources(resources), runner, self.ways, self.within)
        whole, public = schemas_of(workflow)
        self.graph: StateGraph[Any, Any, Any, Any] = StateGraph(whole, input_schema=public, output_schema=public)

        self._given = agents, resources
        self._within: dict[int, Any] = {}

    def within(self, workflow: Workflow[Any]) -> Any:
        """The graph of a workflow within, compiled when it is first entered."""
        if id(workflow) not in self._within:
            agents, resources = self._given
            self._within[id(workflow)] = to_langgraph(workflow, agents=agents, resources=resources).compile()
        return self._within[id(workflow)]

    def built(self) -> StateGraph[Any, Any, Any, Any]:
        for node in self.workflow.nodes.values():
            if not isinstance(node, Route):
                self.step(node)
        for end in sorted({each for edge in self.workflow.edges for each in edge.leads_to if each != END_NAME}):
            if is_end(end):
                self.graph.add_node(_label(end), self.plain.failing(end))
        for edge in self.workflow.edges:
            if edge.joins:
                self.join(edge)
        self.begin()
        return self.graph

    def step(self, node: Node) -> None:
        handler = self.plain.caught(node) if catches(self.workflow, node.name, FAILED) else None
        limit: timedelta | None = node.timeout
        self.graph.add_node(
            node.name,
            self.plain.step(node),
            destinations=self.destinations(*(each for each in self.workflow.out if each.node == node.name)),
            retry_policy=_policies(node),
            timeout=limit,
            error_handler=handler,
        )

    def join(self, edge: Edge) -> None:
        (target,) = edge.targets
        for source in edge.sources:
            if not self.alone(source):
                self.graph.add_node(_label(str(source)), self.plain.arriving())
        joined = target
        if not self.plainly(target):
            joined = f"join before {_label(target)}"
            self.graph.add_node(joined, self.plain.joined(edge), destinations=self.beyond(target))
        self.graph.add_edge([self.arriving(source) for source in edge.sources], joined)

    def begin(self) -> None:
        first = self.workflow.out[Source(START_NAME)]
        seeds = seeds_of(self.workflow, self.graph.channels)
        if not seeds and all(self.plainly(target) for target in first.targets):
            for target in first.targets:
                self.graph.add_edge(START, target)
            return
        begin = f"begin {self.workflow.name}"
        self.graph.add_node(_label(begin), self.plain.begin(seeds), destinations=self.destinations(Source(START_NAME)))
        self.graph.add_edge(START, _label(begin))

    def plainly(self, target: str) -> bool:
        """Whether a static edge may lead here: nothing is decided or counted on the way."""
        is_step = not is_end(target) and not isinstance(self.workflow.nodes[target], Route)
        return is_step and target not in self.workflow.bounded_into

    def alone(self, source: Source) -> bool:
        """Whether its node always comes to the join when it is done, so that a static edge can say so."""
        return source.outcome is None

    def arriving(self, source: Source) -> str:
        return source.node if self.alone(source) else _label(str(source))

    def ways(self, move: Move) -> list[str]:
        """Where LangGraph goes on after a move; a static edge needs no word."""
        arrived = [there[-1] for there in move.arrived.values() if there]
        ends = [] if move.ended is None else [move.ended]
        return [*move.entered, *(_label(each) for each in arrived if "[" in each), *(_target(each) for each in ends)]

    # For pictures only: where a node may lead, and by which words

    def destinations(self, *sources: Source) -> dict[str, str]:
        """The LangGraph nodes these ways out may lead to, with the words that lead there."""
        found: dict[str, list[str]] = {}
        for source in sources:
            for target, words in self.led(source, () if source.outcome is None else (source.outcome,), frozenset()):
                found.setdefault(target, []).extend(word for word in words if word not in found[target])
        return {target: ", ".join(words) for target, words in found.items()}

    def beyond(self, target: str) -> dict[str, str]:
        return {place: ", ".join(words) for place, words in self.entered(target, (), frozenset())}

    def led(
        self, source: Source, words: tuple[str, ...], seen: frozenset[str]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        edge = self.workflow.out[source]
        if edge.joins:
            if not self.alone(source):
                yield _label(str(source)), words
            return
        for target in edge.leads_to:
            yield from self.entered(target, words, seen)

    def entered(
        self, target: str, words: tuple[str, ...], seen: frozenset[str]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        node = self.workflow.nodes.get(target)
        if not isinstance(node, Route):
            yield _target(target), words
        elif target not in seen:
            for word in node.outcomes:
                yield from self.led(Source(target, word), (*words, word), seen | {target})


def _target(name: str) -> str:
    if name == END_NAME:
        return END
    return _label(name) if name.startswith(FAIL_PREFIX) else name


def _label(name: str) -> str:
    """A name without the two characters LangGraph keeps for itself. It has a space or a bracket, so no node has it."""
    return name.replace(": ", " ").replace(":", " ").replace("|", " ")


def _policies(node: Node) -> list[RetryPolicy] | None:
    # Items are tried again one by one, where they are done.
    if isinstance(node, Each) or attempts_of(node.retry) <= 1:
        return None
    return [_policy(rule) for rule in rules_of(node.retry)]


def _policy(retry: Retry) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=retry.first.total_seconds(),
        backoff_factor=retry.factor,
        max_interval=retry.most.total_seconds(),
        max_attempts=retry.attempts,
        jitter=retry.jitter,
        # Whether another attempt may help is the policy's own decision; how many there are is LangGraph's to count.
        retry_on=lambda error: isinstance(retry.after(0, error, 0.0), Wait),
    )
