"""The doors of a store that somebody forged: everything that can be done with it, and what of that went wrong."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tests.crash.story import of_all, of_run
from tests.crash.victims import ANSWERED, FLOW, LATER, LENDER, THREAD, VICTIM, WELL
from workflow_engine.cli import app
from workflow_engine.cli.exits import Exit
from workflow_engine.engine import Engine
from workflow_engine.errors import WorkflowError
from workflow_engine.record.ids import RunId
from workflow_engine.record.schedule import Schedule
from workflow_engine.saver import open_saver
from workflow_engine.store import Store
from workflow_engine.stores.sqlite import open_ledger

CONTROL = "\x00\x07\x08\x1b\x7f\x9b"
Act = Callable[..., Awaitable[Any]]


class Doors:
    """Everything that can be done with one store; `wrong` is what was neither done nor refused in our own words."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wrong: list[str] = []
        self.done = 0

    async def through(self) -> None:
        """Those that look first: the others change the store."""
        for door in (self.port, self.looking, self.keeping, self.saver, self.driving, self.pruning):
            await self.tried(door.__name__, door)

    async def tried(self, what: str, act: Act, *given: Any, **named: Any) -> Any:
        try:
            found = await act(*given, **named)
            self.done += 1
            return found
        except WorkflowError as error:
            if not error.what.strip():
                self.wrong.append(f"{what}: an error without a word")
        except Exception as error:
            self.wrong.append(f"{what}: {type(error).__name__}: {error}"[:300])
        return None

    async def port(self) -> None:
        """The ledger as such."""
        async with contextlib.aclosing(Closing(await open_ledger(self.path, create=False))) as held:
            for name, read in of_all().items():
                await self.tried(f"port: {name}", read, held.ledger)
            for run in (VICTIM, LENDER, ANSWERED):
                for name, read in of_run(run, (-1, 3, 2**70)).items():
                    await self.tried(f"port: {name} of {run}", read, held.ledger)
                await self.tried(f"port: claim of {run}", claimed, held.ledger, run)

    async def looking(self) -> None:
        """The verbs that change nothing."""
        async with Engine.connect(self.path, workflows=[FLOW], create=False) as engine:
            await self.tried("runs", engine.runs)
            await self.tried("damaged runs", engine.runs, status="damaged")
            await self.tried("inbox", engine.inbox)
            await self.tried("last", engine.find, "@last")
            for each in await self.tried("schedules", engine.schedules.list) or []:
                await self.tried("next of a schedule", _next, engine, each)
            for flow in (FLOW, LATER):
                await self.tried("in flight", flown, engine, flow)
            for run in (VICTIM, LENDER, ANSWERED):
                await self.tried(f"get {run}", self.viewed, engine, run)
                await self.tried(f"story of {run}", engine.story, run)
                await self.tried(f"replay of {run}", engine.replay, run)
                await self.tried(f"replay of {run} against its code", engine.replay, run, against=FLOW)
                await self.tried(f"watch {run}", watched, engine, run)
                await self.tried(f"inbox of {run}", engine.inbox, run)
                await self.tried(f"document of {run}", engine.document, run)
                for step in (-1, 0, 1, 3, 5, 2**70):
                    await self.tried(f"state of {run} at {step}", engine.state_at, run, step)

    async def driving(self) -> None:
        """The verbs that drive: with forged rows as with others, a body sees values of its types or none."""
        async with Engine.connect(self.path, workflows=[LATER], create=False) as engine:
            for place in (0, 1, 5):
                await self.tried(f"fork {LENDER} later at {place}", engine.fork, LENDER, at=place)
            await self.tried("resume later", engine.resume, ANSWERED, accept_changes=True)
            await self.tried("replay against the later one", engine.replay, ANSWERED, against=LATER)
        async with Engine.connect(self.path, workflows=[FLOW], create=False) as engine:
            for run in (VICTIM, LENDER):
                for step in (None, 0, 1, 5):
                    await self.tried(f"fork {run} at {step}", engine.fork, run, at=step)
            await self.tried("fork with edits", engine.fork, VICTIM, ruling="again")
            await self.tried("answer", engine.answer, f"{VICTIM}.q1", "a" * 40 + "!", by="ann")
            await self.tried("answer with an object", engine.answer, f"{VICTIM}.q1", {"a" * 40 + "!": 1}, by="x")
            await self.tried("answer what was never asked", engine.answer, f"{VICTIM}.q0x", "x", by="ann")
            await self.tried("answer by the run", engine.answer, VICTIM, "again", by="ann")
            await self.tried("answer again", engine.answer, f"{ANSWERED}.q1", "good", by="ann")
            await self.tried("resume on LangGraph", engine.resume, ANSWERED, executor="langgraph")
            await self.tried("recover", engine.recover, heard)
            for until in ("once", "idle"):
                await self.tried(f"work {until}", engine.work, until=until, on_problem=problem)
            for act in (engine.schedules.pause, engine.schedules.resume, engine.schedules.remove):
                await self.tried(f"{act.__name__} a schedule", act, "night")
            await self.tried("resume", engine.resume, VICTIM)
            await self.tried("resume the lender", engine.resume, LENDER)
            for run in (VICTIM, ANSWERED):
                await self.tried(f"get {run} afterwards", self.viewed, engine, run)
                await self.tried(f"cancel {run}", engine.cancel, run)

    async def viewed(self, engine: Engine, run: str) -> None:
        view = await engine.get(run)
        json.dumps(view.document())
        with contextlib.suppress(WorkflowError):
            self._typed(view.state)

    def _typed(self, state: BaseModel) -> None:
        try:
            type(state).model_validate(state.model_dump(), strict=True)
        except ValueError as error:
            self.wrong.append(f"a state that is none: {error}"[:300])

    async def keeping(self) -> None:
        """House-keeping."""
        store = Store(self.path)
        health = await self.tried("check", store.check)
        if health is not None:
            [str(each) for each in health.harms]
        copy = self.path.with_name("copy.sqlite")
        for run in (VICTIM, LENDER, ANSWERED):
            page = await self.tried(f"export {run}", store.export, run)
            if page is not None:
                await self.tried(f"import {run}", Store(copy).import_, page)
        given = self.path.with_name("page.json").read_text("utf-8", "surrogatepass")
        await self.tried("import a page", Store(self.path.with_name("page.sqlite")).import_, given)
        await self.tried("backup", store.backup, self.path.with_name("backup.sqlite"))
        await self.tried("migrate", store.migrate, backup=False)

    async def pruning(self) -> None:
        """Last, for it takes the lender from its borrowers."""
        store = Store(self.path)
        for statuses in (["succeeded", "cancelled"], ["damaged"]):
            await self.tried("prune", store.prune, older_than=timedelta(0), statuses=statuses)

    async def saver(self) -> None:
        """The checkpoints."""
        async with open_saver(self.path, create=False) as saver:
            on: Any = {"configurable": {"thread_id": THREAD, "checkpoint_ns": ""}}
            await self.tried("threads", saver.athreads)
            await self.tried("list all", _listed, saver.alist(None))
            await self.tried("list", _listed, saver.alist(on, limit=50))
            await self.tried("list some", _listed, saver.alist(on, filter={"step": 1}))
            found = await self.tried("read", saver.aget_tuple, on)
            fields = ["log", "note", "n"]
            await self.tried("history", saver.aget_delta_channel_history, config=on, channels=fields)
            if found is not None:
                await self.tried("write on", saver.aput_writes, found.config, [("log", ["x" * 200])], "another task")
                await self.tried("go on", _gone_on, saver, found)
            await self.tried("copy", saver.acopy_thread, THREAD, "copied")
            await self.tried("prune", saver.aprune, [THREAD])
            await self.tried("forget runs", saver.adelete_for_runs, ["x"])
            well: Any = {"configurable": {"thread_id": WELL}}
            if (await saver.aget_tuple(well)) is None:
                self.wrong.append(f"thread {WELL} is gone")
            await self.tried("forget", saver.adelete_thread, THREAD)

    def typed(self) -> None:
        """The commands, as a person types them."""
        page = str(self.path.with_name("page.json"))
        for line in (
            ["runs"],
            ["runs", "--json"],
            ["inbox"],
            ["inbox", "--json"],
            *([verb, run] for verb in ("show", "watch") for run in (VICTIM, LENDER, ANSWERED)),
            ["show", VICTIM, "--json"],
            ["logs", VICTIM],
            ["logs", VICTIM, "--jsonl"],
            ["file", VICTIM],
            ["show", VICTIM, "--full"],
            ["show", VICTIM, "1"],
            ["show", VICTIM, "5", "--diff"],
            ["watch", VICTIM, "--jsonl"],
            ["notify"],
            ["notify", "--json"],
            ["schedule", "list"],
            ["schedule", "list", "--json"],
            ["store", "check"],
            ["store", "export", VICTIM],
            ["store", "export", ANSWERED],
        ):
            self.typed_in(line, self.path)
        self.typed_in(["store", "import", page], self.path.with_name("typed.sqlite"))
        # These change the store. A run whose code is nowhere beneath the working directory is not driven.
        changed = self.path.with_name("changed.sqlite")
        shutil.copy(self.path, changed)
        for line in (
            ["draw", VICTIM],
            ["fork", VICTIM, "--at", "5", "note=x"],
            ["answer", f"{VICTIM}.q1", "choice=x", "a=[1"],
            ["answer", f"{VICTIM}.q1", "x", "a=1"],
            ["answer", VICTIM, "again"],
            ["resume", VICTIM],
            ["recover"],
            ["schedule", "pause", "night"],
            ["schedule", "resume", "night"],
            ["schedule", "remove", "night"],
            ["cancel", ANSWERED],
        ):
            self.typed_in(line, changed)

    def typed_in(self, line: list[str], store: Path) -> None:
        said, told = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            try:
                code: int | str = app.call([*line, "--store", str(store)])
            except Exception as error:
                code = f"{type(error).__name__}: {error}"
        text = "".join(_read(each) for each in (said, told))
        name = f"workflow {' '.join(line[:3])}"
        if code == Exit.BUG or isinstance(code, str):
            self.wrong.append(f"{name}: {code}: {text.strip()[-300:]}")
        if "Traceback" in text:
            self.wrong.append(f"{name}: a traceback")
        at = next((at for at, each in enumerate(text) if each in CONTROL), None)
        if at is not None:
            self.wrong.append(f"{name}: commands to the terminal: {text[max(0, at - 40) : at + 20]!r}")


async def _next(engine: Engine, schedule: Schedule) -> None:
    # What it is due by is anything: `schedule list` and workers expect so.
    with contextlib.suppress(Exception):
        engine.schedules.next(schedule)


def problem(_run: RunId | None, _error: WorkflowError) -> None:
    """A worker goes on."""


def heard(_run: RunId, problem: WorkflowError) -> None:
    """One run's problem stops no other."""


class Closing:
    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger

    async def aclose(self) -> None:
        await self.ledger.close()


def _read(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


async def claimed(ledger: Any, run: RunId) -> None:
    fence, _ = await ledger.claim(run)
    await ledger.release(fence)


async def flown(engine: Engine, flow: Any) -> None:
    async for _ in engine.in_flight(flow):
        pass


async def watched(engine: Engine, run: str) -> None:
    async for _ in engine.watch(run):
        pass


async def _listed(found: Any) -> None:
    count = 0
    async for _ in found:
        count += 1
        if count > 1000:
            raise AssertionError("a list without end")


async def _gone_on(saver: Any, found: Any) -> None:
    """The next checkpoint, as LangGraph would make it of what it read."""
    from langgraph.checkpoint.base import empty_checkpoint

    made = empty_checkpoint()
    made["channel_values"] = found.checkpoint["channel_values"]
    made["channel_versions"] = dict.fromkeys(made["channel_values"], 9)
    await saver.aput(found.config, made, {"step": 9}, made["channel_versions"])
