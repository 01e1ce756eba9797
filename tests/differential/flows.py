"""Random sound workflows, built from pieces that nest: steps, choices, loops, forks, people, items, waits, subflows,
foreign graphs.

They are sound by construction, so the engine's own proof is no part of what makes them; it is asked about each of them.
Every piece continues from the loose ends of the one before it. A region is the whole, or an arm of a fork.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import create_model

from tests.differential.graphs import Making
from tests.differential.outside import Items, Work, number, signed
from workflow_engine import (
    END,
    FAIL,
    START,
    Edge,
    Question,
    Result,
    Retry,
    State,
    Step,
    Workflow,
    all_of,
    any_of,
    append,
    each,
    langgraph_node,
    signal,
    subflow,
    total,
    wait,
    workflow,
)
from workflow_engine.spec.each import OnError
from workflow_engine.spec.edges import Outcome
from workflow_engine.spec.nodes import Agent, Function, Human, Node, Route

WITHIN = timedelta(days=10)
WORDS = ("left", "right", "on")
Ends: TypeAlias = list[Any]
Flavour: TypeAlias = Literal["forks", "loops", "people", "items", "waits", "within", "graphs", "leaving"]


@dataclass(frozen=True)
class Flow:
    """A workflow and what is known of it: the region of each node, how people answer, and who sends signals.

    All of that holds for the workflows within it as well: no two nodes have one name. `loose` are nodes in arms that
    another arm may leave behind: how far they come depends on the schedule, and nothing outside of them on that.
    """

    seed: int
    workflow: Workflow[Any]
    regions: dict[str, str]
    people: dict[str, Person]
    works: dict[str, Work]
    items: dict[str, Items]
    waits: dict[str, Sender]
    loose: frozenset[str] = frozenset()

    def answer(self, node: str, visit: int) -> Any:
        """What a person says, or None for one who never answers."""
        return self.people[node].answer(self.seed, node, visit)


@dataclass(frozen=True)
class Person:
    """Says one of the words; from the third visit on only the last, which leads onward. No words: a number."""

    words: tuple[str, ...]
    silent: frozenset[int] = frozenset()

    def answer(self, seed: int, node: str, visit: int) -> Any:
        if visit in self.silent:
            return None
        if not self.words:
            return number(seed, node, visit) % 1000
        return self.words[-1] if visit > 2 else self.words[number(seed, node, visit) % len(self.words)]


@dataclass(frozen=True)
class Sender:
    """Sends what a wait waits for, at each visit the same, if `early` also before; nothing at the `silent` ones."""

    names: tuple[str, ...]
    first: bool = False
    early: bool = False
    silent: frozenset[int] = frozenset()

    def chosen(self, seed: int, node: str, visit: int) -> tuple[str, ...]:
        """The signals that come."""
        if visit in self.silent:
            return ()
        return (self.names[number(seed, node, visit) % len(self.names)],) if self.first else self.names


@dataclass
class Region:
    """Where pieces are being put: its name, the fields a node here may read, and the field its own nodes share."""

    name: str
    readable: list[str]
    loose: bool = False

    @property
    def shared(self) -> str:
        return f"shared_{self.name}"


@dataclass
class Draft:
    """A workflow in the making."""

    seed: int
    random: Random
    budget: int
    edges: list[Edge] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    works: dict[str, Work] = field(default_factory=dict)
    listed: dict[str, Items] = field(default_factory=dict)
    waits: dict[str, Sender] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    prefix: str = ""
    within: int = 0
    broken: bool = False
    flavour: Flavour = "forks"

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def connect(self, ends: Ends, target: Any) -> None:
        self.edges.extend(Edge(end, target) for end in ends)

    def called(self, letter: str, region: Region) -> str:
        name = f"{self.prefix}{letter}{len(self.nodes)}"
        self.regions[name] = region.name
        if region.loose:
            self.loose.add(name)
        return name

    # Nodes

    def work(self, region: Region, *, calm: bool = False, **more: Any) -> Node:
        """A function. A calm one does nothing but work."""
        name = self.called("f", region)
        reads = tuple(sorted(self.random.sample(region.readable, min(len(region.readable), self.random.randint(0, 2)))))
        writes = {f"of_{name}": "set"}
        if self.chance(0.6) and not region.loose:
            writes["log"] = "append"
        if self.chance(0.3) and not region.loose:
            writes["sum"] = "add"
        if self.chance(0.4):
            writes[region.shared] = "set"
        flaky = self.random.choice((1, 2)) if self.chance(0.12) and not calm else 0
        if self.chance(0.04) and not calm and not self.broken and not more:
            more["broken"] = self.broken = True
        effect = self.chance(0.4 if region.loose else 0.15)
        work = Work(self.seed, name, reads, writes, flaky, effect=effect, **more)
        retry = Retry(flaky + 1, first=timedelta(seconds=self.random.choice((0, 1, 30))))
        doubt: Any = self.random.choice(("ask", "rerun", work.probe())) if effect else "ask"
        body = work.body(plain=self.chance(0.04))
        node: Node = Function(name, body, tuple(writes), retry, effect=effect, in_doubt=doubt)
        self.fields[f"of_{name}"] = (int, 0)
        self.fields[region.shared] = (int, 0)
        region.readable += [f"of_{name}", region.shared]
        self.nodes[name], self.works[name] = node, work
        return node

    def route(self, region: Region, words: tuple[str, ...]) -> Route[Any, Any]:
        name = self.called("r", region)
        reads = tuple(sorted(set(self.random.choices(region.readable, k=2)))) if region.readable else ()

        def decide(**given: Any) -> str:
            return words[number(self.seed, name, sorted(given.items())) % len(words)]

        node: Route[Any, Any] = Route(name, signed(decide, dict.fromkeys(reads, int), Literal[words]))
        self.nodes[name] = node
        return node

    def person(self, region: Region, words: tuple[str, ...], *, silent: bool = False) -> Human[Any, Any]:
        name = self.called("h", region)
        reads = tuple(sorted(set(self.random.choices(region.readable, k=1)))) if region.readable else ()
        answer: Any = Literal[words] if words else int

        def ask(**given: Any) -> Question[Any]:
            return Question(f"{name} with {sorted(given.items())}?")

        node: Human[Any, Any] = Human(
            name,
            signed(ask, dict.fromkeys(reads, int), Question[answer]),
            (f"of_{name}",) if not words or self.chance(0.5) else (),
            within=WITHIN if silent else None,
        )
        if node.writes and words:
            self.fields[f"of_{name}"] = (answer | None, None)
        elif node.writes:
            self.fields[f"of_{name}"] = (int, 0)
            region.readable.append(f"of_{name}")
        self.nodes[name] = node
        self.people[name] = Person(words, frozenset({1, 3} if silent else ()))
        return node

    def finished(self, name: str, depth: int) -> Workflow[Any]:
        """Pieces in a row, from START to END."""
        self.fields["log"] = (Annotated[list[str], append], [])
        self.fields["sum"] = (Annotated[int, total], 0)
        self.fields["given"] = (int, ...)
        ends = self.sequence(Region("whole", ["given"]), [START], depth, 4)
        self.connect(ends, END)
        state = create_model("Outside", __base__=State, **self.fields)
        return workflow(name, state=state, edges=self.edges, nodes=tuple(self.nodes.values()))

    # Pieces: each continues from loose ends and returns its own

    def sequence(self, region: Region, ends: Ends, depth: int, most: int) -> Ends:
        for _ in range(self.random.randint(1, most)):
            ends = self.piece(region, ends, depth)
        return ends

    def piece(self, region: Region, ends: Ends, depth: int) -> Ends:
        if depth <= 0 or len(self.nodes) >= self.budget:
            return self.step(region, ends)
        liked = {
            "forks": self.fork,
            "loops": self.loop,
            "people": self.asking,
            "items": self.items,
            "waits": self.waiting,
            "within": self.entering,
            "graphs": self.foreign,
            "leaving": self.leaving,
        }[self.flavour]
        kinds = (self.step, self.choice, self.catching, self.fork, self.loop, self.asking, self.items, self.waiting)
        rare = (self.entering, *(self.consulting, self.foreign) * 2)
        pieces = (*kinds, *rare, *[liked] * (9 if self.flavour == "leaving" else 3))
        made = self.random.choice(pieces)
        return made(region, ends, depth)

    def step(self, region: Region, ends: Ends, depth: int = 0) -> Ends:
        node = self.work(region)
        self.connect(ends, node)
        return [node]

    def choice(self, region: Region, ends: Ends, depth: int) -> Ends:
        if any(isinstance(each, Outcome) and each.name in ("failed", "expired") for each in ends):
            ends = self.step(region, ends)
        words = WORDS[: self.random.choice((2, 2, 3))]
        route = self.route(region, words)
        self.connect(ends, route)
        return self.branches(region, [route[word] for word in words], depth, fails=region.name == "whole")

    def branches(self, region: Region, ways: Ends, depth: int, *, fails: bool) -> Ends:
        """Each way gets a branch of its own, or none; one may end the run."""
        ends: Ends = []
        for place, way in enumerate(ways):
            if fails and place == 0 < len(ways) - 1 and self.chance(0.15):
                self.edges.append(Edge(way, FAIL(f"after {way!r}")))
            elif self.chance(0.6):
                ends += self.sequence(region, [way], depth - 1, 2)
            else:
                ends.append(way)
        return ends

    def loop(self, region: Region, ends: Ends, depth: int) -> Ends:
        head = self.work(region)
        self.connect(ends, head)
        ends = [head]
        if self.chance(0.7):
            ends = self.sequence(region, ends, depth - 1, 2)
        if any(isinstance(each, Outcome) and each.name in ("failed", "expired") for each in ends):
            ends = self.step(region, ends)
        route = self.route(region, ("again", "done", "again too")[: self.random.choice((2, 2, 2, 3))])
        self.connect(ends, route)
        onward: Ends = [route["done"]]
        for word in route.outcomes:
            if word == "done":
                continue
            limit = self.random.choice((1, 1, 2, 3))
            if region.name == "whole" and self.chance(0.1):
                self.edges.append(Edge(route[word], head, limit=limit, then=FAIL("spent")))
            elif self.chance(0.5):
                person = self.person(region, ("again", "stop"))
                self.edges += [Edge(route[word], head, limit=limit, then=person), Edge(person["again"], head)]
                onward.append(person["stop"])
            else:
                after = self.work(region)
                self.edges.append(Edge(route[word], head, limit=limit, then=after))
                onward.append(after)
        return onward

    def fork(self, region: Region, ends: Ends, depth: int) -> Ends:
        start = ends[0]
        if len(ends) > 1 or isinstance(start, Outcome):
            (start,) = self.step(region, ends)
        known = list(region.readable)
        heads: list[Node] = []
        tails: Ends = []
        for number_ in range(self.random.choice((2, 2, 2, 3))):
            arm = Region(f"{region.name}_{len(self.nodes)}_{number_}", list(known), region.loose)
            if self.chance(0.25):
                head: Node = self.person(arm, ())
            else:
                head = self.work(arm)
            inner: Ends = [head]
            if self.chance(0.8):
                inner = self.sequence(arm, inner, depth - 1, 2)
            if len(inner) > 1 or isinstance(inner[0], Outcome):
                inner = self.step(arm, inner)
            heads.append(head)
            tails += inner
            region.readable += [each for each in arm.readable if each not in region.readable]
        self.edges.append(Edge(start, heads))
        if self.chance(0.3):
            route = self.route(region, WORDS[:2])
            self.edges.append(Edge(tails, route))
            return [route[word] for word in WORDS[:2]]
        join = self.work(region)
        self.edges.append(Edge(tails, join))
        return [join]

    def leaving(self, region: Region, ends: Ends, depth: int) -> Ends:
        """A fork that is left early: by the one arm that says so, or by whichever of several comes first.

        Of several, all lead to one place, and so does their join: the run comes there once, however it goes.
        """
        start = ends[0]
        if len(ends) > 1 or isinstance(start, Outcome):
            (start,) = self.step(region, ends)
        known, racing = list(region.readable), self.chance(0.4)
        heads, tails, ways = list[Node](), list[Any](), list[Any]()
        arms = self.random.choice((2, 2, 3))
        joining = not racing or self.chance(0.5)
        for place in range(arms):
            loose = region.loose or racing or place > 0
            arm = Region(f"{region.name}_{len(self.nodes)}_{place}", list(known), loose)
            head: Node = self.person(arm, ()) if self.chance(0.25) else self.work(arm)
            inner: Ends = [head]
            if self.chance(0.7):
                inner = self.sequence(arm, inner, depth - 1, 2)
            if place == 0 or (racing and self.chance(0.6)):
                inner = self.way_out(arm, inner, ways, stays=joining)
            elif not joining:
                ways += self.step(arm, inner)
                inner = []
            if joining and (len(inner) > 1 or isinstance(inner[0], Outcome)):
                inner = self.step(arm, inner)
            heads.append(head)
            tails += inner
            if not loose or region.loose:
                region.readable += [each for each in arm.readable if each not in region.readable]
        self.edges.append(Edge(start, heads))
        after = self.work(region)
        if joining:
            self.edges.append(Edge(tails, after))
        if racing:
            self.edges += [Edge(way, after, leaves=True) for way in ways]
            return [after]
        if region.name == "whole" and self.chance(0.2):
            self.edges += [Edge(way, self.random.choice((END, FAIL("left"))), leaves=True) for way in ways]
            return [after]
        rework = self.work(region)
        self.edges += [Edge(way, rework, leaves=True) for way in ways]
        if isinstance(start, Node) and self.chance(0.5):
            self.edges.append(Edge(rework, start, limit=self.random.choice((1, 2)), then=after))
            return [after]
        return [after, rework]

    def way_out(self, arm: Region, ends: Ends, ways: Ends, *, stays: bool) -> Ends:
        """Adds the ways out that leave the fork; returns the ends of the arm that stay in it."""
        form = self.random.choice(("person", "person", "route", "failure", "expiry"))
        if form == "failure":
            node = self.work(arm, calm=True, fails=frozenset(self.random.sample((1, 2, 3), 2)))
            self.connect(ends, node)
            ways.append(node.failed)
            inner: Ends = [node]
        elif form == "expiry":
            person = self.person(arm, (), silent=True)
            self.connect(ends, person)
            ways.append(person.expired)
            inner = [person]
        else:
            if any(isinstance(each, Outcome) and each.name in ("failed", "expired") for each in ends):
                ends = self.step(arm, ends)
            node = self.person(arm, WORDS[:2]) if form == "person" else self.route(arm, WORDS[:2])
            self.connect(ends, node)
            ways.append(node[WORDS[0]])
            inner = [node[WORDS[1]]]
        if not stays:
            ways += self.step(arm, inner)
            inner = []
        return inner

    def items(self, region: Region, ends: Ends, depth: int) -> Ends:
        """A list of numbers, something done for each of them, and often a way for its failure."""
        if self.within < 1 and self.chance(0.4):
            return self.entering_for_each(region, ends)
        lister = self.lister(region, "list")
        name = self.called("e", region)
        on_error: OnError = self.random.choice(("fail", "skip", "collect"))
        broken = on_error == "fail" and not self.broken and self.chance(0.15)
        self.broken = self.broken or broken
        work = Items(
            *(self.seed, name, tuple(sorted(self.random.sample(region.readable, min(len(region.readable), 1))))),
            flaky=self.random.choice((0, 0, 1)),
            fails=on_error != "fail",
            broken=broken,
            effect=self.chance(0.4),
            at_once=self.random.choice((1, 2, 3)),
        )
        doubt: Any = self.random.choice(("ask", "rerun", work.probe())) if work.effect else "ask"
        node = each(
            f"list_{lister}",
            name=name,
            writes=f"of_{name}",
            at_once=work.at_once,
            on_error=on_error,
            retry=Retry(work.flaky + 1, first=timedelta(0)),
            effect=work.effect,
            in_doubt=doubt,
        )(work.body(plain=self.chance(0.04)))
        self.nodes[name], self.listed[name] = node, work
        self.fields[f"of_{name}"] = (list[Result[int]] if on_error == "collect" else list[int], [])
        self.connect(ends, self.nodes[lister])
        self.edges.append(Edge(self.nodes[lister], node))
        return [node]

    def lister(self, region: Region, how: str) -> str:
        """A node that writes a list of numbers."""
        name = self.called("f", region)
        reads = tuple(sorted(self.random.sample(region.readable, min(len(region.readable), 1))))
        listing = Work(self.seed, name, reads, {f"list_{name}": how})
        self.nodes[name] = Function(name, listing.body(), (f"list_{name}",))
        self.works[name] = listing
        self.fields[f"list_{name}"] = (list[int], [])
        return name

    def entering_for_each(self, region: Region, ends: Ends) -> Ends:
        """A short list, and a workflow within for each of its numbers; one that fails stops none of the others."""
        lister = self.lister(region, "few")
        name = self.called("e", region)
        flow = self.inner(name, region, self.random.choice((1, 2, 3)))
        on_error: OnError = self.random.choice(("skip", "collect"))
        at_once = self.random.choice((1, 2, 3))
        one = subflow(flow, name=name, writes="sum")
        node = each(f"list_{lister}", writes=f"of_{name}", at_once=at_once, on_error=on_error)(one)
        self.nodes[name] = node
        self.fields[f"of_{name}"] = (list[Result[int]] if on_error == "collect" else list[int], [])
        self.connect(ends, self.nodes[lister])
        self.edges.append(Edge(self.nodes[lister], node))
        return [node]

    def consulting(self, region: Region, ends: Ends, depth: int) -> Ends:
        """An agent, whose answer follows from its prompt."""
        name = self.called("a", region)
        reads = tuple(sorted(self.random.sample(region.readable, min(len(region.readable), 2))))

        def prompt(**given: Any) -> str:
            return f"{name} with {sorted(given.items())}"

        body = signed(prompt, dict.fromkeys(reads, int), str)
        node: Node = Agent(name, body, (f"of_{name}",), instructions="Answer with a number.")
        self.fields[f"of_{name}"] = (int, 0)
        region.readable.append(f"of_{name}")
        self.nodes[name] = node
        self.connect(ends, node)
        return [node]

    def foreign(self, region: Region, ends: Ends, depth: int) -> Ends:
        """A graph of LangGraph's, often with a way for its failure."""
        name = self.called("g", region)
        fed = self.random.choice(region.readable) if region.readable else "given"
        catches = self.chance(0.3)
        fails = frozenset(self.random.sample((1, 2, 3), 2)) if catches else frozenset()
        broken = not catches and not self.broken and self.chance(0.1)
        self.broken = self.broken or broken
        making = Making(self.seed, name, self.random, fails, broken)
        builder = making.graph()

        def into(step: Step, **given: int) -> dict[str, Any]:
            return {"given": given[fed], "visit": step.visit}

        def out(output: dict[str, Any]) -> Any:
            return output["total"], output["trail"]

        told = catches or self.chance(0.5)
        logs = self.chance(0.5)
        node = langgraph_node(
            self.random.choice((builder, builder.compile(), lambda: builder)),
            name=name,
            reads=None if told else {"given": fed},
            into=signed(into, {fed: int, "step": Step}, Any) if told else None,
            writes=(f"of_{name}", "log") if logs else {f"of_{name}": "total"},
            out=signed(out, {"output": dict[str, Any]}, tuple[int, list[str]]) if logs else None,
            retry=Retry(making.flaky + 1, first=timedelta(0)),
        )
        self.nodes[name] = node
        self.fields[f"of_{name}"] = (int, 0)
        region.readable.append(f"of_{name}")
        self.connect(ends, node)
        if not catches:
            return [node]
        rescue = self.work(region, calm=True)
        self.edges.append(Edge(node.failed, rescue))
        return [node, rescue]

    def waiting(self, region: Region, ends: Ends, depth: int) -> Ends:
        """A wait for a time, for a signal, for two of them, or for the first of two; some nobody ever ends."""
        name = self.called("w", region)
        form = self.random.choice(("time", "one", "one", "all", "first"))
        silent = form != "time" and self.chance(0.25)
        within = WITHIN if silent else None
        names = (f"{name}-a",) if form == "one" else (f"{name}-a", f"{name}-b")
        fields = tuple(f"of_{each}".replace("-", "_") for each in names)
        signals = [signal(each, int) for each in names]
        match form:
            case "time":
                node = wait(timedelta(days=self.random.randint(1, 4)), name=name)
            case "one":
                node = wait(names[0], int, writes=fields[0], within=within, name=name)
            case "all":
                node = wait(all_of(*signals), writes=fields, within=within, name=name)
            case _:
                node = wait(any_of(*signals), writes=fields, within=within, name=name)
        self.nodes[name] = node
        self.connect(ends, node)
        if form == "time":
            return [node]
        self.fields.update(dict.fromkeys(fields, (int, 0)))
        region.readable += fields
        early = form != "first" and not silent
        self.waits[name] = Sender(names, form == "first", early, frozenset({1, 3} if silent else ()))
        ways: Ends = [node[each] for each in names] if form == "first" else [node]
        if silent:
            ways.append(node.expired)
        return self.branches(region, ways, depth, fails=region.name == "whole")

    def entering(self, region: Region, ends: Ends, depth: int) -> Ends:
        """A workflow within, whose failure is caught."""
        if self.within >= 2:
            return self.step(region, ends)
        if self.within < 1 and self.chance(0.3):
            return self.entering_for_each(region, ends)
        name = self.called("s", region)
        flow = self.inner(name, region, self.random.choice((2, 3, 5)))
        reads = self.random.choice(region.readable) if region.readable else "given"
        node = subflow(flow, reads={"given": reads}, writes={f"of_{name}": "sum"}, name=name)
        self.nodes[name] = node
        self.fields[f"of_{name}"] = (int, 0)
        region.readable.append(f"of_{name}")
        self.connect(ends, node)
        rescue = self.work(region, calm=True)
        self.edges.append(Edge(node.failed, rescue))
        return [node, rescue]

    def inner(self, name: str, region: Region, budget: int) -> Workflow[Any]:
        """A workflow to be within this one, as the node of this name."""
        inner = Draft(
            self.seed,
            self.random,
            budget=budget,
            broken=True,  # what is broken within is caught, and so never mended
            flavour=self.flavour if self.flavour != "within" else "forks",
            prefix=f"{name}_",
            within=self.within + 1,
        )
        flow = inner.finished(name, 2)
        self.people.update(inner.people)
        self.works.update(inner.works)
        self.listed.update(inner.listed)
        self.waits.update(inner.waits)
        self.regions.update(inner.regions)
        self.loose |= inner.regions.keys() if region.loose else inner.loose
        return flow

    def asking(self, region: Region, ends: Ends, depth: int) -> Ends:
        silent = self.chance(0.3)
        words = () if self.chance(0.3) else WORDS[: self.random.choice((2, 3))]
        person = self.person(region, words, silent=silent)
        self.connect(ends, person)
        ways: Ends = [person[word] for word in words] if words else [person]
        if silent:
            ways.append(person.expired)
        return self.branches(region, ways, depth, fails=region.name == "whole")

    def catching(self, region: Region, ends: Ends, depth: int) -> Ends:
        node = self.work(region, calm=True, fails=frozenset(self.random.sample((1, 2, 3), 2)))
        self.connect(ends, node)
        rescue = self.work(region, calm=True)
        self.edges.append(Edge(node.failed, rescue))
        return [*self.sequence(region, [node], depth - 1, 1), rescue] if self.chance(0.5) else [node, rescue]


def random_flow(seed: int, flavour: Flavour) -> Flow:
    """The workflow that follows from a seed; it has more of its flavour than of the rest."""
    random = Random(f"{flavour} {seed}")
    draft = Draft(seed, random, budget=random.choice((3, 5, 7, 9, 12)), flavour=flavour)
    flow = draft.finished(f"flow{seed}", random.choice((1, 2, 3)))
    return Flow(seed, flow, draft.regions, draft.people, draft.works, draft.listed, draft.waits, frozenset(draft.loose))
