"""A story told to a ledger: the same acts in the same order on any store, so that one in memory tells what is true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from workflow_engine.errors import WorkflowError
from workflow_engine.ports.ledger import Fence, Ledger, Page
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Letter
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing.tale import Tale, append, sets

MOST = 6  # runs

Told = Callable[[int, RunId], Awaitable[None]]
Known = Callable[[int], None]
Reading = Callable[[Ledger], Awaitable[Any]]


class Story:
    """Tells a number of acts. `told` is called once an act was issued, `known` once it was acknowledged.

    Acts are numbered from 1 in the order in which they become durable.
    """

    def __init__(self, opened: Callable[[], Awaitable[Ledger]], seed: int, told: Told, known: Known) -> None:
        self._opened = opened
        self._chance = Random(seed)
        self._told, self._known = told, known
        self._number = 0
        self._tales: dict[RunId, Tale] = {}
        self._fences: dict[RunId, Fence] = {}
        self._sent: dict[RunId, Letter] = {}

    async def tell(self, acts: int) -> None:
        """All of it, on a store that is closed and opened now and then."""
        self._ledger = await self._opened()
        while self._number < acts:
            if self._chance.random() < 0.04:
                await self._reopen()
            if self._chance.random() < 0.1:
                await self._burst()
            else:
                await self._act()
        await self._reopen()
        await self._ledger.close()

    async def _reopen(self) -> None:
        await self._ledger.close()
        self._fences.clear()
        if isinstance(self._ledger, MemoryLedger):
            self._ledger.abandon()
        self._ledger = await self._opened()

    async def _act(self) -> None:
        chance = self._chance
        if len(self._tales) < MOST and (not self._tales or chance.random() < 0.15):
            name = RunId(f"run{len(self._tales)}")
            tale = self._tales[name] = Tale(name, workflow=chance.choice(("ship", "read")))
            fields = {"note": "n" * chance.randrange(300), "tries": 0, "big": self._text(9000)}
            self._fences[name] = await self._ledger.create(tale.begun({"name": name, "shape": "s" * 300}, **fields))
            await self._did(name)
            return
        tale = self._tales[chance.choice(list(self._tales))]
        run = tale.run
        assert run is not None
        if run.ended or run.status == "failed":
            return
        if tale.id not in self._fences:
            self._fences[tale.id], _ = await self._ledger.claim(tale.id)
            await self._did(tale.id)
            await self._commit(tale.id, tale.claimed(self._fences[tale.id].epoch))
            return
        if run.open and tale.id not in self._sent:
            letter = self._sent[tale.id] = tale.answer(chance.choice(("yes", "no")))
            await self._ledger.send(letter)
            await self._did(tale.id)
            return
        if run.open:
            letter = self._sent.pop(tale.id)
            assert letter.answer is not None
            await self._commit(tale.id, tale.answered(letter.answer, [letter.id]))
            return
        match chance.randrange(20):
            case 0 | 1 | 2:
                await self._commit(tale.id, tale.asked())
            case 3:
                letter = tale.cancel()
                await self._ledger.send(letter)
                await self._did(tale.id)
                if chance.random() < 0.5:
                    await self._commit(tale.id, tale.took(letter.id))
            case 4 if int(tale.id[3:]) in (1, 3):  # the others go on, or the story would end before its time
                await self._commit(tale.id, chance.choice((tale.succeeded, tale.failed, tale.cancelled))())
            case 5:
                await self._ledger.release(self._fences.pop(tale.id))
            case _:
                await self._commit(tale.id, tale.stepped(*self._writes()))

    async def _burst(self) -> None:
        """Several commits at once, which may share a transaction."""
        waiting: list[tuple[int, Awaitable[None]]] = []
        for name in list(self._fences):
            tale = self._tales[name]
            assert tale.run is not None
            if tale.run.status == "running" and not tale.run.open:
                count = self._chance.randrange(1, 4)
                waiting += [await self._issued(name, tale.stepped(*self._writes())) for _ in range(count)]
        for number, done in waiting:
            await done
            self._known(number)

    async def _issued(self, name: RunId, batch: Any) -> tuple[int, Awaitable[None]]:
        done = self._ledger.commit(self._fences[name], batch)
        self._number += 1
        await self._told(self._number, name)
        return self._number, done

    async def _commit(self, name: RunId, batch: Any) -> None:
        number, done = await self._issued(name, batch)
        await done
        self._known(number)

    async def _did(self, name: RunId) -> None:
        self._number += 1
        await self._told(self._number, name)
        self._known(self._number)

    def _writes(self) -> Any:
        chance = self._chance
        writes = [append("log", self._text(chance.choice((20, 400, 3000))))]
        if chance.random() < 0.6:
            writes += sets({"tries": chance.randrange(1000)})
        if chance.random() < 0.1:
            writes += sets({"big": self._text(20_000)})
        return writes

    def _text(self, most: int) -> str:
        return self._chance.randbytes(self._chance.randrange(most) // 2).hex()


# ------------------------------------------------------------------------------------------------ what can be read


def of_run(run: RunId, seqs: tuple[int, ...] = ()) -> dict[str, Reading]:
    """Everything the port can tell of one run."""

    async def read(ledger: Ledger) -> Any:
        found = await ledger.read(run)
        return found.run, {name: found.state[name].whole for name in sorted(found.state)}

    def at(seq: int) -> Reading:
        async def read_at(ledger: Ledger) -> Any:
            found = await ledger.at(run, seq)
            return {name: found[name].whole for name in sorted(found)}

        return read_at

    readings: dict[str, Reading] = {
        "read": read,
        "journal": lambda ledger: ledger.journal(run),
        "the end of the journal": lambda ledger: ledger.journal(run, 5),
        "document": lambda ledger: ledger.document(run),
        "questions": lambda ledger: ledger.questions(run),
        "question": lambda ledger: ledger.question(QuestionId(f"{run}.q1")),
        "letters": lambda ledger: ledger.letters(run),
    }
    return readings | {f"at {seq}": at(seq) for seq in seqs}


def of_all() -> dict[str, Reading]:
    """Everything the port can tell of the store as a whole."""
    pages = {
        "runs": Page(),
        "runs of a workflow": Page(workflow="ship"),
        "running runs": Page(status="running"),
        "waiting runs": Page(status="waiting"),
        "succeeded runs": Page(status="succeeded"),
        "the first two runs": Page(limit=2),
        "runs with a prefix": Page(prefix="run1"),
    }
    listed = {name: (lambda ledger, page=page: ledger.runs(page)) for name, page in pages.items()}
    return listed | {
        "find": lambda ledger: ledger.find("run"),
        "find one": lambda ledger: ledger.find("run1"),
        "last": lambda ledger: ledger.find("@last"),
        "unfinished": lambda ledger: ledger.unfinished(),
        "open questions": lambda ledger: ledger.questions(),
        "boxes": lambda ledger: ledger.boxes(),
    }


async def portrait(ledger: Ledger, readings: dict[str, Reading]) -> dict[str, str]:
    """What each reading gives, as text; what is not there, or is said to be damaged, by the name of its error."""
    seen: dict[str, str] = {}
    for name, read in readings.items():
        try:
            # One moment of UTC is as good as another, whoever made its time zone.
            seen[name] = repr(await read(ledger)).replace("TzInfo(0)", "datetime.timezone.utc")
        except WorkflowError as error:
            seen[name] = type(error).__name__
    return seen
