"""Looking: the verbs that change nothing and need no workflow's code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from workflow_engine.errors import AmbiguousRun, RunNotFound, StoreDamaged, StoreError
from workflow_engine.ports.ledger import Ledger, Recorded, Whole
from workflow_engine.record.ids import RunId, around, place_in
from workflow_engine.record.inbox import Standing
from workflow_engine.record.run import FINAL, Run
from workflow_engine.runtime.past import past, past_of
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import EAR, Workshop


async def find(ledger: Ledger, prefix: str) -> RunId:
    """The run a unique prefix or "@last" means."""
    found = await ledger.find(prefix) if prefix else ()
    if not found:
        raise RunNotFound(
            "there is no run yet" if prefix == "@last" else f"no run begins with {prefix!r}", "workflow runs"
        )
    if len(found) > 1 and prefix not in found and not all(around(found[0], each) for each in found[1:]):
        raise AmbiguousRun(
            f"{prefix!r} is the beginning of several runs: {', '.join(found)}", "type one more character"
        )
    return RunId(prefix) if prefix in found else found[0]


async def get(shop: Workshop, run: str) -> RunView[Any]:
    """The run that a prefix means, at this moment."""
    return await view_of(shop, await find(shop.ledger, run))


async def view_of(shop: Workshop, run: RunId) -> RunView[Any]:
    """The run at this moment: all that is its own is of one reading."""
    kept = await shop.ledger.whole(run)
    behind = tuple((await past_of(shop.ledger, run, kept.journal)).events())
    return await _view(shop, kept, behind)


async def view_of_begun(shop: Workshop, run: RunId) -> RunView[Any]:
    """The same of a run that was begun and driven here: nobody may want its history, and these very facts made it."""
    kept = await shop.ledger.whole(run)
    return await _view(shop, kept, kept.journal)


async def _view(shop: Workshop, kept: Whole, behind: Sequence[Recorded]) -> RunView[Any]:
    ledger, run = shop.ledger, kept.run.id
    workflow = shop.workflows.get(kept.run.workflow)
    asked, letters = await _of_those_within(ledger, kept.run)
    return RunView(
        run=kept.run,
        values={name: value.json() for name, value in kept.state.items()},
        behind=behind,
        questions=(*(_under_its_name(each, kept.run) for each in kept.questions), *asked),
        owned=kept.run.status not in FINAL and await ledger.owned(run),  # nobody drives what is over
        letters=bool(kept.letters) or letters,
        workflow=workflow,
        signalled=bool(kept.letters) and all(each.kind == "signal" for each in kept.letters),
        expects=await _expects(ledger, kept.run),
    )


async def _of_those_within(ledger: Ledger, run: Run) -> tuple[list[Standing], bool]:
    """The open questions of the runs within that it waits for or has in hand, and whether one of them has letters."""
    asked: list[Standing] = []
    letters = False
    ahead = _in_hand(run)
    seen: set[str] = {run.id}
    while ahead:
        name = ahead.pop(0)
        if name in seen:  # of a damaged store: they wait for each other in a circle
            continue
        seen.add(name)
        with suppress(RunNotFound, StoreDamaged):  # whoever goes on with the run hears of it
            within = await ledger.whole(name)
            asked += [each for each in within.questions if each.status == "open" and each.answer is None]
            letters = letters or bool(within.letters)
            ahead += _in_hand(within.run)
    return asked, letters


def _in_hand(run: Run) -> list[RunId]:
    """The runs within that it waits for, and those of items of a step that goes on with others."""
    if not (run.entered or run.waits) or run.ended:
        return []
    waited = [RunId(name) for each in run.waits if each.on == "run" for name in each.names]
    items = (inner for place, inner in run.entered.items() if place_in(place)[1] is not None)
    return list(dict.fromkeys((*waited, *items)))


async def _expects(ledger: Ledger, run: Run) -> Mapping[str, Mapping[str, Any]]:
    """What the signals carry that a run waits for; nothing where its document cannot tell."""
    if all(each.on != "signal" for each in run.waits):
        return {}
    with suppress(StoreError):
        return await expected(ledger, run)
    return {}


async def expected(ledger: Ledger, run: Run) -> Mapping[str, Mapping[str, Any]]:
    """The signals that nodes of a run's workflow wait for, and the schema of what each carries: read without code."""
    document = await ledger.document(run.id)
    try:
        waits = [node["wait"]["signals"] for node in document["shape"]["nodes"].values() if node["kind"] == "wait"]
        return {str(name): dict(schema) for signals in waits for name, schema in signals}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"the workflow document of run {run.id} does not say what it waits for", "workflow store check"
        ) from error


def _under_its_name(standing: Standing, run: Run) -> Standing:
    """An open question of a node that was renamed since it was asked."""
    asked = standing.question
    opened = next((each for each in run.open if each.id == asked.id), None)
    if opened is None or opened.node == asked.node:
        return standing
    return replace(standing, question=replace(asked, node=opened.node))


async def inbox(ledger: Ledger, run: str | None = None) -> list[Standing]:
    """Questions that wait for an answer, oldest first; of all runs, or of one and of those within that it waits for."""
    if run is None:
        asked = list(await ledger.questions())
    else:
        name = await find(ledger, run)
        asked = [*await ledger.questions(name), *(await _of_those_within(ledger, (await ledger.read(name)).run))[0]]
    return [each for each in asked if each.status == "open" and each.answer is None]


async def state_at(ledger: Ledger, run: str, step: int) -> Mapping[str, Any]:
    """The state as a step left it, as plain JSON."""
    holder, seq = (await past(ledger, await find(ledger, run))).moment(step)
    return {name: value.json() for name, value in (await ledger.at(holder, seq)).items()}


async def watch(ledger: Ledger, run: str, after: int = 0) -> AsyncIterator[Recorded]:
    """The run's events from `after` on, as they become durable, until nothing more will come by itself."""
    run_id = await find(ledger, run)
    while True:
        seen = await ledger.changed(0)
        owned = await ledger.owned(run_id)
        for recorded in await ledger.journal(run_id, after):
            after = recorded.seq
            yield recorded
        if not owned and not await ledger.journal(run_id, after):
            return
        # Other processes commit too, and no event of this loop can tell: hence the look at intervals.
        while await ledger.changed(seen) == seen and await ledger.owned(run_id):  # noqa: ASYNC110
            await asyncio.sleep(EAR / 2)
