"""The engine: the composition root. Opens the store, connects every part, and lends its verbs."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel

from workflow_engine.bodies.child import refuse_in_child
from workflow_engine.bodies.resources import Resources
from workflow_engine.errors import ModelMissing, StepError, UsageError
from workflow_engine.ports.agents import AgentRunner
from workflow_engine.ports.channels import Channel
from workflow_engine.ports.checkpoints import KeepsCheckpoints
from workflow_engine.ports.clock import Clock, Mint
from workflow_engine.ports.codec import Codec
from workflow_engine.ports.graphs import GraphRunner
from workflow_engine.ports.ledger import Fence, Ledger
from workflow_engine.ports.listener import Listener
from workflow_engine.runtime.clock import SystemClock, SystemMint
from workflow_engine.runtime.drive import drive
from workflow_engine.runtime.service import Executor, Service
from workflow_engine.runtime.view import RunView
from workflow_engine.spec.edges import shown
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import Live, Surroundings

if TYPE_CHECKING:
    from workflow_engine.agents import ModelChoice
    from workflow_engine.langgraph.saver import LedgerSaver
    from workflow_engine.notify import Courier

S = TypeVar("S", bound=BaseModel)
STORE = "checkpoints/runs.sqlite"
_CURE = "Engine.open(..., model=offline(Path('flow.playbook.toml'))), with offline from workflow_engine.agents"
log = logging.getLogger("workflow_engine")


async def _langgraph(live: Live) -> None:
    # Imported when it is first chosen: langgraph alone takes a second.
    from workflow_engine.langgraph.executor import drive as drive_on_langgraph

    await drive_on_langgraph(live)


EXECUTORS: Mapping[str, Executor] = {"native": drive, "langgraph": _langgraph}


class _Model:
    """The agent runner, opened when the first agent needs it."""

    def __init__(self, choice: ModelChoice | None, runner: AgentRunner | None, clock: Clock) -> None:
        self._choice, self._runner, self._clock = choice, runner, clock

    @property
    def chosen(self) -> bool:
        return self._choice is not None or self._runner is not None

    def get(self) -> AgentRunner:
        if self._runner is None:
            if self._choice is None:
                raise ModelMissing("no model was chosen", _CURE)
            from workflow_engine.agents import open_runner

            self._runner = open_runner(self._choice, now=self._clock.now)
        return self._runner

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.close()


def graphs_on(ledger: Ledger) -> Callable[[Fence], GraphRunner]:
    """What runs foreign graphs of the runs of a ledger, each while its fence holds."""

    def graphs(fence: Fence) -> GraphRunner:
        if not isinstance(ledger, KeepsCheckpoints):
            what = f"{type(ledger).__name__} keeps no checkpoints of foreign graphs"
            raise StepError(what, "open the engine on a file", retryable=False)
        # Imported when it is first needed: langgraph alone takes a second.
        from workflow_engine.langgraph.running import LangGraphRunner

        return LangGraphRunner(ledger.checkpoints_of(fence))

    return graphs


class Engine(Service):
    """Runs workflows on one store. Made by `open` (which also recovers dead runs) or `connect` (which never does).

    `courier` brings questions and failures to its channels, where it was given any.
    """

    courier: Courier | None = None

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        store: str | Path = STORE,
        *,
        workflows: Sequence[Workflow[Any]] = (),
        model: ModelChoice | None = None,
        agents: AgentRunner | None = None,
        resources: Mapping[type, Callable[..., Any]] | None = None,
        executor: str = "native",
        listeners: Sequence[Listener] = (),
        channels: Sequence[Channel] = (),
        page_url: str | None = None,
        limits: RunLimits | None = None,
        ledger: Ledger | None = None,
        codec: Codec | None = None,
        clock: Clock | None = None,
        mint: Mint | None = None,
        create: bool = True,
    ) -> AsyncIterator[Self]:
        """Open a store. `create=False` refuses to make a new one; `resources` replaces openers of the workflows'.

        `model` is an `agents.ModelChoice` (see `choose_model`), `agents` any runner of your own. `limits` are those of
        every run driven here. `channels`, such as `notify.Webhook`, are told of questions and failures of every
        run of the store, with a link beneath `page_url`. `codec`, such as `stores.encryption.Keys`, encrypts the store;
        `ledger` replaces it.
        """
        refuse_in_child()
        workflows = _listed(workflows)
        _refuse_text(model)
        _refuse_other_limits(limits)
        if ledger is None:
            from workflow_engine.stores.sqlite import open_ledger

            ledger = await open_ledger(Path(store), create=create, codec=codec)
        async with AsyncExitStack() as closing:  # whatever does not close, the store is closed last
            closing.push_async_callback(ledger.close)
            opened = Resources(resources)
            closing.push_async_callback(opened.close)
            clock = clock or SystemClock()
            runner = _Model(model, agents, clock)
            closing.push_async_callback(runner.close)
            courier = _courier(ledger, channels, clock, page_url)
            if courier is not None:
                closing.push_async_callback(courier.close)
                listeners = (*listeners, courier)
            around = Surroundings(
                ledger,
                clock,
                mint or SystemMint(),
                opened,
                runner.get,
                listeners,
                limits or RunLimits(),
                graphs_on(ledger),
            )
            engine = cls(around, workflows, EXECUTORS, executor, has_model=runner.chosen)
            closing.push_async_callback(engine.close)
            if courier is not None:
                engine.courier = courier
                courier.start()
            yield engine

    @classmethod
    @asynccontextmanager
    async def open(cls, store: str | Path = STORE, **settings: Any) -> AsyncIterator[Self]:
        """Like `connect`, and go on in the background with the runs of `workflows` whose process died.

        Runs in the queue stay there: they were left to a worker, which this engine becomes by its verb `work`.
        """
        async with cls.connect(store, **settings) as engine:
            task = asyncio.create_task(_recovered(engine), name="recover")
            engine._background.add(task)
            task.add_done_callback(engine._background.discard)
            yield engine

    def saver(self, *, types: Iterable[type | tuple[str, ...]] = ()) -> LedgerSaver:
        """A LangGraph checkpointer on this engine's store, for as long as the engine is open.

        `types` are classes of yours that the graph's state holds. Raises UsageError for a store that keeps only runs.
        """
        # Imported when it is first asked for: langgraph alone takes a second.
        from workflow_engine.langgraph.saver import LedgerSaver

        ledger = self._shop.ledger
        if not isinstance(ledger, KeepsCheckpoints):
            raise UsageError(
                f"{type(ledger).__name__} keeps no checkpoints of LangGraph's", "open the engine on a file"
            )
        return LedgerSaver(ledger.checkpoints, types=types)


def _courier(ledger: Ledger, channels: Sequence[Channel], clock: Clock, page_url: str | None) -> Courier | None:
    names = [each.name for each in channels]
    if twice := [each for each in names if names.count(each) > 1]:
        raise UsageError(f"two channels are called {twice[0]!r}", "what was told is known by their names: rename one")
    if not channels:
        return None
    from workflow_engine.notify import Courier

    return Courier(ledger, channels, clock, page_url)


async def _recovered(engine: Engine) -> None:
    try:
        await engine.recover(lambda run, error: log.error("run %s was not recovered: %s", run, error))
    except Exception:  # nobody awaits this task
        log.exception("dead runs were not recovered")


def _listed(workflows: Any) -> tuple[Workflow[Any], ...]:
    if isinstance(workflows, Workflow):
        raise UsageError(f"workflows={workflows.name} is no list of workflows", f"workflows=[{workflows.name}]")
    given = tuple(workflows) if isinstance(workflows, Iterable) else (workflows,)
    for each in given:
        if not isinstance(each, Workflow):
            raise UsageError(f"{shown(each)} is no workflow", 'make one: workflow("nightly", state=..., edges=[...])')
    return given


def _refuse_text(model: Any) -> None:
    if isinstance(model, str):
        cure = "model=choose_model(...) or model=offline(Path('flow.playbook.toml')), both from workflow_engine.agents"
        raise UsageError(f"model={shown(model)} is a text, not a chosen model", cure)


def _refuse_other_limits(limits: Any) -> None:
    if limits is not None and not isinstance(limits, RunLimits):
        raise UsageError(
            f"limits={shown(limits)} are no limits of a run", "limits=RunLimits(write=..., state=..., steps=...)"
        )


def run_sync(
    workflow: Workflow[S], inputs: Mapping[str, Any] | None = None, /, store: str | Path = STORE, **settings: Any
) -> RunView[S]:
    """Run a workflow from a script without an event loop: one run, driven until it ends or waits.

    `settings` are those of `Engine.connect`, such as `model=`. Raises what `Engine.run` raises.
    """

    _refuse_misplaced(workflow, inputs, settings)

    async def main() -> RunView[S]:
        async with Engine.connect(store, workflows=[workflow], **settings) as engine:
            return await engine.run(workflow, inputs)

    return asyncio.run(main())


def _refuse_misplaced(workflow: Any, inputs: Any, settings: Mapping[str, Any]) -> None:
    """What would otherwise end in an error of Python's own. Values are not repeated: they may be secrets."""
    _listed([workflow])
    name = workflow.name
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        cure = f"write: async with Engine.open(...) as engine: await engine.run({name}, ...)"
        raise UsageError("run_sync cannot be called where an event loop is running", cure)
    if inputs is not None and not isinstance(inputs, Mapping):
        raise UsageError(f"the inputs are of type {type(inputs).__name__}", f"run_sync({name}, {{...}})")
    known = [each for each in inspect.signature(Engine.connect).parameters if each not in ("store", "workflows")]
    odd = [each for each in settings if each not in known]
    if odd:
        fields = ", ".join(f'"{each}": ...' for each in odd)
        cure = f"inputs are one mapping: run_sync({name}, {{{fields}}})"
        if not set(odd) <= set(workflow.fields):
            cure = f"its settings are store, {', '.join(known)}; inputs are one mapping"
        raise UsageError(f"run_sync has no setting {', '.join(odd)}", cure)
