"""A store with something of everything in it, for somebody who knows how it is sealed to forge.

`run0` is a fork of `run1` and waits for an answer; `run3` has its answer and waits for somebody to go on; `run2` waits
too and, like the thread `well`, is never forged: whatever is done to the others, it must stay as it is. The thread `t`
has checkpoints of LangGraph's. Beside the store lies `page.json`, the page of `run3`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from langgraph.checkpoint.base import Checkpoint, empty_checkpoint

from workflow_engine import (
    END,
    START,
    Question,
    State,
    append,
    at_most,
    change_field,
    function,
    human,
    rename_node,
    workflow,
)
from workflow_engine.engine import Engine
from workflow_engine.record.ids import RunId
from workflow_engine.store import Store

VICTIM, LENDER, BYSTANDER, ANSWERED = (RunId(f"run{number}") for number in range(4))
THREAD, WELL = "t", "well"
strange: list[str] = []
"""What bodies were given that is not of the type they declare."""


class Draft(State):
    topic: str
    log: Annotated[list[int], append] = []
    note: str = "n"
    tries: int = 0
    ruling: Literal["again", "good"] | None = None


@function(writes="log")
def work(topic: str, note: str, tries: int, log: list[int]) -> list[int]:
    given: list[tuple[Any, type]] = [
        (topic, str),
        (note, str),
        (tries, int),
        (log, list),
        *((each, int) for each in log),
    ]
    strange.extend(f"{each!r} for {kind.__name__}"[:200] for each, kind in given if type(each) is not kind)
    return [len(log)]


@function(writes="tries")
def count(log: list[int]) -> int:
    return len(log)


@human(writes="ruling")
def ask(topic: str, log: list[int]) -> Question[Literal["again", "good"]]:
    return Question(f"Print {topic}?", evidence=(f"{len(log)} entries",))


FLOW = workflow(
    "draft",
    state=Draft,
    edges=[START >> work >> count >> ask, ask["again"] >> at_most(3, work, then=END), ask["good"] >> END],
)

# The same, later: where its runs stand is called otherwise.
_toil, _judge = work.named("toil"), ask.named("judge")
LATER = workflow(
    "draft",
    state=Draft,
    edges=[START >> _toil >> count >> _judge, _judge["again"] >> at_most(3, _toil, then=END), _judge["good"] >> END],
    migrations=[rename_node("work", "toil"), rename_node("ask", "judge"), change_field("note", str)],
)


class Names:
    """Implements ports.clock.Mint with names that are known beforehand."""

    def __init__(self, names: Sequence[RunId]) -> None:
        self._left = list(names)

    def run_id(self) -> RunId:
        return self._left.pop(0)

    def chance(self) -> float:
        return 0.5


async def made(path: Path) -> None:
    """Make the store, and the page beside it."""
    names = Names([LENDER, VICTIM, BYSTANDER, ANSWERED])
    async with Engine.connect(path, workflows=[FLOW], mint=names) as engine:
        await engine.run(FLOW, topic="tides")
        await engine.answer(f"{LENDER}.q1", "again", by="ann")
        await engine.resume(LENDER)
        await engine.answer(f"{LENDER}.q2", "good", by="ann")
        await engine.resume(LENDER)
        await engine.fork(LENDER, note="edited", at=5)  # asks again
        await engine.run(FLOW, topic="stars")
        await engine.run(FLOW, topic="moons")
        await engine.answer(f"{ANSWERED}.q1", "again", by="ann")
        saver = engine.saver()
        for thread in (THREAD, WELL):
            config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
            said: list[str] = []
            for version in range(1, 4):
                said = [*said, f"{version}" * 100]
                values = {"log": said, "note": "n" * 100, "n": version}
                config = await saver.aput(
                    config, _checkpoint(values, version), {"step": version}, _all(values, version)
                )
                await saver.aput_writes(config, [("log", [said[0]]), ("n", version + 1)], f"task{version}")
    page = await Store(path).export(ANSWERED)
    path.with_name("page.json").write_text(page, encoding="utf-8")


def _checkpoint(values: dict[str, Any], version: int) -> Checkpoint:
    made = empty_checkpoint()
    made["channel_values"] = values
    made["channel_versions"] = _all(values, version)
    return made


def _all(values: dict[str, Any], version: int) -> Any:
    return dict.fromkeys(values, version)
