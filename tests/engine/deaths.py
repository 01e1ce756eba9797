"""Death at every write of a run with others within it: however often its process died, the end is the same."""

from __future__ import annotations

from typing import Any

from tests.engine.conftest import KeptLedger
from workflow_engine import Engine
from workflow_engine.testing import Crashed, FakeClock, SeededMint, crash_after


async def life(engine: Engine, made: Any, answer: str, rounds: int = 1, /, **inputs: Any) -> None:
    """All that anybody does with one run; whatever was done already is left as it is."""
    if not (runs := await engine.runs(workflow=made.name)):
        root = (await engine.run(made, inputs)).id
    else:
        root = runs[0].run
        await engine.recover()
    for _ in range(rounds):
        for asked in await engine.inbox():
            await engine.answer(asked.question.id, answer, by="ana")
        await engine.recover()
    view = await engine.get(root)
    if view.status == "waiting" or view.reason == "answered":
        raise AssertionError(f"{view.status} {view.reason}")


async def ends(ledger: KeptLedger, made: Any) -> dict[str, Any]:
    """How each run ended: its status, its state and the steps it committed."""
    found: dict[str, Any] = {}
    async with Engine.connect("unused", ledger=ledger, workflows=[made], clock=FakeClock()) as engine:
        for run in list(ledger._boxes):
            view = await engine.get(run)
            steps = [(each.node, each.visit, each.status, each.items, each.run) for each in view.history.steps]
            found[run] = (view.status, view.values, sorted(steps, key=str))
            assert view.run.status in ("succeeded", "failed"), (run, view.status)
            assert view.run.entered == {} or view.status == "failed"
            assert await ledger.letters(run) == []
    return found


async def die_at_every_write(
    made: Any, done: list[str], answer: str, rounds: int = 1, /, *, executor: str, **inputs: Any
) -> tuple[int, int]:
    """How many runs there are in the end, and how many writes there were to die at. `done` is what bodies note."""

    def engine(ledger: Any) -> Any:
        mint = SeededMint(1)
        return Engine.connect(
            "unused", ledger=ledger, workflows=[made], clock=FakeClock(), mint=mint, executor=executor
        )

    calm = KeptLedger()
    async with engine(calm) as one:
        await life(one, made, answer, rounds, **inputs)
    expected = await ends(calm, made)
    number, crashed = 0, True
    while crashed:
        number += 1
        for when in ("before", "after"):
            done.clear()
            kept = KeptLedger()
            dying = crash_after(kept, number, when=when)
            crashed = False
            try:
                async with engine(dying) as one:
                    await dying.until_crash(life(one, made, answer, rounds, **inputs))
            except Crashed:
                crashed = True
            kept.abandon()
            async with engine(kept) as one:
                await life(one, made, answer, rounds, **inputs)
            assert await ends(kept, made) == expected, (number, when)
            limit = 2 if crashed else 1
            assert all(done.count(each) <= limit for each in done), (number, when, done)
    return len(expected), number
