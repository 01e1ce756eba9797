"""Diagrams to draw in tests: hand-made ones, hostile ones, and random ones of any size."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any, get_args

from tests.draw.journey import Journey
from tests.draw.workflows import RELEASE, SHIP
from workflow_engine.draw import Arrow, Card, Decision, Diagram, Group, Header, diagram_of, diagram_of_run
from workflow_engine.draw.diagram import Meaning, Status
from workflow_engine.errors import Failure
from workflow_engine.record.usage import Usage

WORDS = ("reconcile", "customer", "ledger", "against", "nightly", "settlement", "über", "проверка", "δοκιμή", "fi")

HOSTILE = (
    "<b>bold</b>",
    "\"quoted\" 'single' \\back\\N\\G\\slash\\",
    "new\nline\ttab",
    "x" * 200,
    "&amp; &lt; &#65;",
    "\u202eright to left",
    "",
    "a\x00b\ud800c\x1b[31m",
    "</TD></TABLE>>",
    "n0:s",
    "[x] {y} |z| --> end",
    "%%{init: {}}%% subgraph",
    "<!-- --> ]]> <script>alert(1)</script>",
)


def waiting() -> Journey:
    """The delivery pipeline after four red tests: a person is asked."""
    journey = Journey(SHIP, {"verdict": "failed"})
    journey.did("analyze", seconds=18.2, usage=Usage(1, 4000, 100, 0.04), by=("some-model",)).did("design", seconds=41)
    for _ in range(4):
        journey.did("implement", seconds=48, usage=Usage(3, 7000, 800, 0.08)).did("test", seconds=14.5)
    return journey.asked("review", within=timedelta(days=2))


def known() -> dict[str, Diagram]:
    """A picture of each state that a card can be in."""
    ended = waiting().answered("review", "retry").then(verdict="passed").did("implement").did("test").did("deploy")
    failure = Failure("design", "rate_limit", "429 Too many requests: " + "try again later " * 12, 3)
    fork = Journey(RELEASE).did("build").asked("legal").did("compile_all", seconds=200).did("smoke")
    return {
        "workflow": diagram_of(SHIP),
        "fork": diagram_of(RELEASE),
        "waiting": run_of(waiting()),
        "interrupted": run_of(Journey(SHIP).did("analyze"), interrupted=True),
        "running": run_of(Journey(SHIP).did("analyze")),
        "failed": run_of(Journey(SHIP).did("analyze").failed("design", failure)),
        "ended": run_of(ended),
        "fork run": run_of(fork),
        "self": around_itself(),
        "statuses": every_status(),
    }


def run_of(journey: Journey, **how: Any) -> Diagram:
    return diagram_of_run(journey.workflow, journey.run, journey.history, **how)


def around_itself() -> Diagram:
    return Diagram(
        Header("again"),
        (Card("a", "first", "agent"), Card("b", "again", "agent"), Card("c", "last", "function")),
        (Arrow("a", "b"), Arrow("b", "b", "failed", "≤3", "loop"), Arrow("b", "c", "ok"), Arrow("c", "c")),
        (Group("loop ≤3", frozenset({"a", "b"})),),
    )


def every_status() -> Diagram:
    cards = tuple(Card(each, each, "agent", each, ("12 s · 3 visits",)) for each in get_args(Status))
    ends = tuple(Card(f"end {each}", each, "fail", each) for each in get_args(Status))
    meanings: tuple[Meaning, ...] = get_args(Meaning)
    arrows = tuple(
        Arrow(card.id, end.id, "on", "×2", meaning, taken)
        for card, end, meaning, taken in zip(
            cards * 2,
            (*ends, *ends[::-1]),
            meanings * 2,
            (True,) * len(meanings) + (False,) * len(meanings),
            strict=False,
        )
    )
    return Diagram(Header("statuses", "all", "cancelled", ("cancelled",)), cards + ends, arrows)


def hostile() -> Diagram:
    cards = tuple(
        Card(f"h{at}{name}", name, "agent", lines=(name, name), decision=Decision(name, name))
        for at, name in enumerate(HOSTILE)
    )
    arrows = tuple(
        Arrow(one.id, other.id, name, name, "loop") for one, other, name in zip(cards, cards[1:], HOSTILE, strict=False)
    )
    groups = (Group(HOSTILE[1], frozenset({cards[1].id, cards[2].id})),)
    return Diagram(Header(HOSTILE[0], HOSTILE[1], "failed", HOSTILE), cards, arrows, groups)


def at_random(count: int, seed: int) -> Diagram:
    """A diagram of `count` cards with long names, branches, loops in boxes, escalations and unbounded ways back."""
    random = Random(seed)
    statuses = (None,) if random.random() < 0.5 else get_args(Status)
    cards = [
        Card(
            f"c{at}",
            "_".join(random.choice(WORDS) for _ in range(random.randint(1, 9))) + f"_{at}",
            random.choice(("agent", "function", "human", "route")),
            random.choice(statuses),
            random.choice(((), ("design, report → patch",), ("12 s · 3.4k tokens · $0.05", "a line " * 12))),
        )
        for at in range(count)
    ]
    arrows = [
        Arrow(f"c{max(0, at - random.randint(1, 3))}", f"c{at}", random.choice(("", "passed", "accepted_with_changes")))
        for at in range(1, count)
    ]
    groups = []
    for at in range(4, count, 7):
        back = random.randint(0, 3)
        arrows.append(Arrow(f"c{at}", f"c{at - back}", "failed", "≤3", "loop", random.choice((None, True, False))))
        arrows.append(Arrow(f"c{at}", f"c{min(count - 1, at + random.randint(1, 5))}", "failed", ">3", "escalation"))
        if back:
            groups.append(Group("loop ≤3", frozenset(f"c{each}" for each in range(at - back, at + 1))))
    arrows += [Arrow(f"c{random.randrange(count)}", f"c{random.randrange(count)}", "retry") for _ in range(count // 10)]
    return Diagram(Header("random", f"seed {seed}"), tuple(cards), tuple(arrows), tuple(groups))
