"""The doors of a store with runs of every kind of node, as `Doors` are those of the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from typing import Any

from pydantic import ValidationError

from tests.crash.hostile import Closing, Doors, claimed, flown, heard, problem, watched
from tests.crash.story import of_all, of_run
from tests.crash.travellers import DONE, FAILED, INNER, TOPIC, TRAVELLERS, VOYAGE, WAITER, WITHIN
from workflow_engine import File
from workflow_engine.engine import Engine
from workflow_engine.store import Store
from workflow_engine.stores.sqlite import open_ledger


class DoorsOfKinds(Doors):
    """Everything that can be done with runs that wait, spread, lie within each other, and name files."""

    async def through(self) -> None:
        for door in (self.port, self.looking, self.keeping, self.driving, self.pruning):
            await self.tried(door.__name__, door)

    async def port(self) -> None:
        async with contextlib.aclosing(Closing(await open_ledger(self.path, create=False))) as held:
            for name, read in {**of_all(), "undelivered": lambda ledger: ledger.undelivered()}.items():
                await self.tried(f"port: {name}", read, held.ledger)
            for run in TRAVELLERS:
                for name, read in of_run(run, (-1, 3)).items():
                    await self.tried(f"port: {name} of {run}", read, held.ledger)
                await self.tried(f"port: claim of {run}", claimed, held.ledger, run)

    async def looking(self) -> None:
        async with Engine.connect(self.path, workflows=[VOYAGE], create=False) as engine:
            await self.tried("runs", engine.runs, children=True)
            await self.tried("inbox", engine.inbox)
            await self.tried("due", engine.due)
            await self.tried("in flight", flown, engine, VOYAGE)
            for run in TRAVELLERS:
                for act in (engine.story, engine.replay, engine.inbox, engine.document, engine.outermost):
                    await self.tried(f"{act.__name__} {run}", act, run)
                await self.tried(f"expects {run}", engine.expects, run)
                await self.tried(f"to recover {run}", engine.to_recover, run)
                await self.tried(f"get {run}", self.viewed, engine, run)
                await self.tried(f"watch {run}", watched, engine, run)
                await self.tried(f"logs {run}", _spoken, engine, run)
                await self.tried(f"picture of {run}", _opened, engine, run)
                await self.tried(f"replay of {run} against its code", engine.replay, run, against=VOYAGE)
                for step in (0, 3):
                    await self.tried(f"state of {run} at {step}", engine.state_at, run, step)

    async def keeping(self) -> None:
        store = Store(self.path)
        await self.tried("check", store.check)
        for run in (WAITER, FAILED, WITHIN, INNER):
            page = await self.tried(f"export {run}", store.export, run)
            if page is not None:
                copy = Store(self.path.with_name(f"copy {run}.sqlite"))
                await self.tried(f"import {run}", copy.import_, page)
        await self.tried("backup", store.backup, self.path.with_name("backup.sqlite"))
        await self.tried("migrate", store.migrate, backup=False)

    async def driving(self) -> None:
        async with Engine.connect(self.path, workflows=[VOYAGE], create=False) as engine:
            for run, step in ((WAITER, 3), (WAITER, None), (FAILED, 2), (WITHIN, 3), (DONE, 1)):
                await self.tried(f"fork {run} at {step}", engine.fork, run, at=step)
            await self.tried("run anew", engine.run, VOYAGE, stops=[1, 2, 3])
            await self.tried("signal", engine.signal, WAITER, "paid", {"amount": 7}, id="z", by="x")
            await self.tried("signal badly", engine.signal, WAITER, "paid", "a" * 40 + "!", by="x")
            await self.tried("signal within", engine.signal, INNER, "knock", "who", by="x")
            await self.tried("signal around", engine.signal, WITHIN, "bell", by="x")
            await self.tried("deliver", engine.deliver)
            await self.tried("publish", engine.publish, TOPIC, {"amount": 7}, id="forged", by="x")
            await self.tried("publish the stops", engine.publish, "voyages", {"stops": [1]}, by="x")
            await self.tried("recover", engine.recover, heard)
            await self.tried("resume on LangGraph", engine.resume, FAILED, executor="langgraph")
            for run in TRAVELLERS:
                await self.tried(f"resume {run}", engine.resume, run)
            await self.tried("work", engine.work, until="idle", on_problem=problem)
            for run in TRAVELLERS:
                await self.tried(f"get {run} afterwards", self.viewed, engine, run)
                await self.tried(f"cancel {run}", engine.cancel, run)

    def typed(self) -> None:
        for line in (
            ["runs", "--children"],
            ["runs", "--children", "--json"],
            *([verb, run] for verb in ("show", "watch") for run in TRAVELLERS),
            *(["show", run, "--json"] for run in (WAITER, FAILED, WITHIN)),
            ["logs", FAILED],
            ["file", WAITER],
            ["file", WAITER, "picture", "-o", str(self.path.with_name("out.txt"))],
            ["show", FAILED, "--full"],
            ["show", WAITER, "3", "--diff"],
            ["store", "check"],
        ):
            self.typed_in(line, self.path)
        changed = self.path.with_name("changed.sqlite")
        shutil.copy(self.path, changed)
        for line in (
            ["draw", FAILED],
            ["signal", WAITER, "paid", "amount=7"],
            ["signal", WAITER, "paid", "--json-value", '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"'],
            ["publish", TOPIC, "amount=7"],
            ["resume", WITHIN],
            ["recover"],
            ["cancel", INNER],
            ["cancel", WITHIN],
        ):
            self.typed_in(line, changed)


async def _spoken(engine: Engine, run: str) -> None:
    async for _ in engine.logs(run):
        pass


async def _opened(engine: Engine, run: str) -> None:
    picture: Any = (await engine.state_at(run, 2)).get("picture")
    if picture is not None:
        try:
            file = picture if isinstance(picture, File) else File.model_validate_json(json.dumps(picture))
        except ValidationError:  # a descriptor that is none is refused before anything is looked for
            return
        with engine.open_file(file) as content:
            await asyncio.to_thread(content.read)
