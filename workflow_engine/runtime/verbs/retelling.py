"""The verbs that look back at what a run did: its journal, its steps, its states, its words and its files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, BinaryIO

from workflow_engine.errors import UsageError
from workflow_engine.ports.files import KeepsFiles
from workflow_engine.ports.ledger import Recorded
from workflow_engine.runtime import code, logs, look, replay, rerun
from workflow_engine.runtime.logs import Spoken
from workflow_engine.runtime.past import past
from workflow_engine.runtime.replay import Replay
from workflow_engine.runtime.steppage import StepPage, find_step
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.file import File
from workflow_engine.spec.workflow import Workflow


class Retelling:
    """The past of a run, as it is recorded. Nothing is executed, but by `replay` what it is asked to check anew."""

    _shop: Workshop

    def watch(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        """The run's events from `after` on, as they become durable, until nothing more will come by itself."""
        return look.watch(self._shop.ledger, run, after)

    def logs(self, run: str, *, follow: bool = False) -> AsyncIterator[Spoken]:
        """What a run's attempts printed and logged, as far as it is stored; for a fork first what its ancestors' did.

        With `follow` it goes on until nobody drives the run any more. Raises errors.RunNotFound, errors.StoreDamaged.
        """
        return logs.logs(self._shop.ledger, run, follow=follow)

    async def journal(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """The run's events numbered above `after`."""
        return await self._shop.ledger.journal(await look.find(self._shop.ledger, run), after)

    async def story(self, run: str) -> Sequence[Recorded]:
        """All that led to where a run stands: its journal, and for a fork first what its ancestors' steps did."""
        return list((await past(self._shop.ledger, await look.find(self._shop.ledger, run))).events())

    async def state_at(self, run: str, step: int) -> Mapping[str, Any]:
        """The state as a step left it, numbered as in the run's history; 0 is START.

        Raises errors.UsageError for no such step, and for one of a parent that can no longer be read.
        """
        return await look.state_at(self._shop.ledger, run, step)

    async def step(self, run: str, name: str) -> StepPage:
        """One step of a run with all that is known of it, by its number, its node (the last visit) or node:visit.

        Raises errors.UsageError for no such step.
        """
        view = await look.get(self._shop, run)
        step = find_step(view, name)
        then = {} if step.step is None else await self.state_at(view.id, step.step)
        return StepPage(view, step, await self.story(view.id), then)

    async def document(self, run: str) -> Mapping[str, Any]:
        """The workflow of a run as JSON, readable without its code."""
        return await self._shop.ledger.document(await look.find(self._shop.ledger, run))

    async def replay(
        self,
        run: str,
        *,
        against: Workflow[Any] | None = None,
        only_routes: bool = False,
        live_resources: bool = False,
    ) -> Replay:
        """Go through a run again, moment by moment: each state, and where the run stood. Executes nothing.

        `against` a workflow, functions without effect, routes and the bodies of agents and people run anew on the
        recorded state; what agents, effects, people and others came to is taken as recorded. `Replay.difference` is the
        first thing that comes out otherwise: of values too, unless `only_routes`. A function that is handed a resource
        is taken as recorded, unless `live_resources`. Nothing is written. Raises errors.RunNotFound,
        errors.InvalidWorkflow.
        """
        behind = await past(self._shop.ledger, await look.find(self._shop.ledger, run))
        if against is None:
            return await replay.replayed(self._shop, behind)
        code.prove(against)
        return await rerun.replayed_against(
            self._shop, behind, against, only_routes=only_routes, live_resources=live_resources
        )

    def open_file(self, file: File) -> BinaryIO:
        """The content of a file that runs of this store hold, checked as a whole before its first byte.

        Raises errors.FileMissing, errors.FileDamaged, and errors.UsageError for a ledger that keeps no files.
        """
        ledger = self._shop.ledger
        if not isinstance(ledger, KeepsFiles):
            raise UsageError(f"{type(ledger).__name__} keeps no files", "open the engine on a store")
        return ledger.files.open(file.sha256, file.size)


__all__ = ["Retelling"]
