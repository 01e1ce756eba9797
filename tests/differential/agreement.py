"""Whether the two executors agree on one random workflow, and what they differ in if they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from random import Random

from tests.differential.flows import Flavour, Flow, random_flow
from tests.differential.life import LONGEST, Life, Outcome, Tally
from workflow_engine.errors import InvalidWorkflow
from workflow_engine.langgraph.executor import drive as on_langgraph
from workflow_engine.runtime.code import prove
from workflow_engine.runtime.drive import drive as on_ours
from workflow_engine.runtime.service import Executor

OURS: Mapping[str, Executor] = {"native": on_ours}
LANGGRAPH: Mapping[str, Executor] = {"langgraph": on_langgraph}
EITHER: Mapping[str, Executor] = {**OURS, **LANGGRAPH}
PATIENCE = 30
"""Seconds after which a life hangs. It takes some hundredths of one."""


class Disagreement(AssertionError):
    """The lives of one workflow ended differently."""


def live(
    flow: Flow, executors: Mapping[str, Executor], chance: str, kills: int, tally: Tally, longest: int = LONGEST
) -> Outcome:
    """One life of a flow; `chance` seeds everything that is random in it."""

    async def lived() -> Outcome:
        life = Life(flow, executors, Random(chance), kills=kills, tally=tally, longest=longest)
        return await asyncio.wait_for(life.lived(), PATIENCE)

    return asyncio.run(lived())


def agree(
    seed: int,
    flavour: Flavour,
    tally: Tally,
    planted: Callable[[], AbstractContextManager[None]] = nullcontext,
    longest: int = LONGEST,
) -> None:
    """Live a workflow on our executor, then on LangGraph or on a random one at each resume. Raises Disagreement.

    A fault that is `planted` is there in the second life only.
    """
    flow = random_flow(seed, flavour)
    try:
        prove(flow.workflow)
    except InvalidWorkflow as error:
        raise Disagreement(f"{flavour} {seed} is not sound: {error}") from error
    random = Random(seed)
    ours = live(flow, OURS, f"ours {seed}", random.choice((0, 3)), tally, longest)
    second = LANGGRAPH if seed % 2 else EITHER
    with planted():
        theirs = live(flow, second, f"theirs {seed}", random.choice((0, 2, 4, 7)), tally, longest)
    differences = list(_differences(ours, theirs))
    if differences:
        table = "\n    ".join(map(str, flow.workflow.edges))
        raise Disagreement(f"{flavour} {seed}\n    {table}\n" + "\n".join(differences))


def all_agree(seeds: range, flavour: Flavour) -> Tally:
    """Every seed in turn; what they went through together. Of many, the longest take some eight hundred commits."""
    tally = Tally()
    for seed in seeds:
        agree(seed, flavour, tally, longest=5 * LONGEST)
    return tally


def _differences(ours: Outcome, theirs: Outcome) -> Iterator[str]:
    for field in fields(Outcome):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        if one != other:
            yield f"  {field.name}\n    ours:   {one}\n    theirs: {other}"
