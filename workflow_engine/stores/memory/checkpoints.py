"""Foreign checkpoints on dicts: the same contract as on disk, for tests, and as strict about JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from workflow_engine.errors import FenceLost, StoreError
from workflow_engine.ports.checkpoints import (
    Chunks,
    Given,
    Ground,
    Kept,
    Outdated,
    Part,
    Past,
    Piece,
    Placed,
    Scalar,
    Series,
    Write,
)

Ref = Scalar | Piece


@dataclass(frozen=True)
class _Stored:
    parent: str | None
    text: str
    values: Mapping[str, Ref]
    label: str | None
    rests: Sequence[str]


@dataclass
class _Line:
    """One scope of a series."""

    ground: Ground
    checkpoints: dict[str, _Stored] = field(default_factory=dict)
    pending: dict[str, dict[tuple[str, int], tuple[str, str, Ref]]] = field(default_factory=dict)
    pieces: list[tuple[str, bytes, int | None]] = field(default_factory=list)

    def kept(self, value: Scalar | Part | Piece | Chunks) -> Ref:
        """A value as it is stored: bytes become a piece, numbered from 1."""
        assert not isinstance(value, Chunks), "what was read is not stored again"
        if not isinstance(value, Part):
            return value
        self.pieces.append((value.kind, bytes(value.data), value.after))
        return Piece(len(self.pieces))

    def value(self, ref: Ref) -> Scalar | Chunks:
        if not isinstance(ref, Piece):
            return ref
        kind, data, after = self.pieces[ref.number - 1]
        found = [data]
        while after is not None:
            same, data, after = self.pieces[after - 1]
            assert same == kind, "a piece adds to one of another kind"
            found.append(data)
        return Chunks(kind, found[::-1], ref.number)


class MemoryCheckpoints:
    """Implements ports.checkpoints.Checkpoints. Nothing is held back: what is pending is there when it is asked for."""

    def __init__(self) -> None:
        self._series: dict[str, dict[str, _Line]] = {}
        self._eras = count(1)
        self._owns: Callable[[], bool] = lambda: True
        self._run = ""

    def fenced(self, owns: Callable[[], bool], run: str) -> MemoryCheckpoints:
        """The same, storing nothing once `owns` says no."""
        made = copy(self)
        made._owns, made._run = owns, run
        return made

    async def _begin(self) -> None:
        await asyncio.sleep(0)  # nobody should come to rely on a checkpoint that never yields
        if not self._owns():
            raise FenceLost(f"run {self._run} is no longer driven from here", "look at who drives it now")

    async def put(self, series: str, scope: str, given: Given, ground: Ground | None) -> Placed:
        await self._begin()
        found = self._line(series, scope)
        if ground is not None and (found is None or found.ground != ground):
            raise Outdated(f"pieces of {series!r} were removed by somebody else", "give the checkpoint whole")
        text = _json([given.record, given.metadata], series)
        line = found or self._begun(series, scope)
        values = {name: line.kept(value) for name, value in given.values.items()}
        line.checkpoints[given.id] = _Stored(given.parent, text, values, given.label, tuple(given.rests))
        return Placed(line.ground, {name: ref.number for name, ref in values.items() if isinstance(ref, Piece)})

    async def pend(self, series: str, scope: str, checkpoint: str, writes: Sequence[Write]) -> None:
        await self._begin()
        line = self._line(series, scope) or self._begun(series, scope)
        pending = line.pending.setdefault(checkpoint, {})
        for each in writes:
            if each.slot < 0 or (each.task, each.slot) not in pending:
                pending[each.task, each.slot] = (each.path, each.field, line.kept(each.value))

    # Reading

    async def read(self, series: str, scope: str, id: str | None = None) -> Kept | None:
        line = self._line(series, scope)
        if line is None or not line.checkpoints:
            return None
        at = id or max(line.checkpoints)
        return self._kept(series, scope, line, at) if at in line.checkpoints else None

    async def page(
        self, series: str, scope: str, before: str | None, size: int, matching: Callable[[Mapping[str, Any]], bool]
    ) -> Sequence[Kept]:
        line = self._line(series, scope)
        ids = [] if line is None else sorted(line.checkpoints, reverse=True)
        every = (self._kept(series, scope, line, id) for id in ids if line and (before is None or id < before))
        return [each for each in every if matching(each.metadata)][:size]

    async def past(self, series: str, scope: str, id: str | None, fields: Sequence[str]) -> Mapping[str, Past]:
        line = self._line(series, scope) or _Line(Ground(0, 0))
        writes: dict[str, list[Write]] = {name: [] for name in fields}
        seeds: dict[str, Scalar | Chunks] = {}
        at = line.checkpoints.get(id or max(line.checkpoints, default=""))
        cursor = None if at is None else at.parent
        seen: set[str] = set()
        while cursor in line.checkpoints and cursor not in seen and seeds.keys() != set(fields):
            seen.add(cursor)
            here = line.checkpoints[cursor]
            for write in reversed(self._pending(line, cursor)):
                if write.field in writes and write.field not in seeds:
                    writes[write.field].append(write)
            for name in fields:
                if name in here.values and name not in seeds:
                    seeds[name] = line.value(here.values[name])
            cursor = here.parent
        return {name: Past(found[::-1], seeds.get(name), name in seeds) for name, found in writes.items()}

    async def scopes(self, series: str) -> Sequence[str]:
        return [scope for scope, line in self._series.get(series, {}).items() if line.checkpoints]

    async def page_of_series(self, after: str | None, size: int) -> Sequence[Series]:
        names = list(reversed(self._series))
        names = names[names.index(after) + 1 :] if after in names else names
        return [self._listed(name) for name in names[:size]]

    # Removing

    async def delete(self, series: str) -> None:
        self._series.pop(series, None)

    async def delete_labelled(self, labels: Sequence[str]) -> None:
        plans = []
        for series, lines in self._series.items():
            for line in lines.values():
                doomed = {id for id, each in line.checkpoints.items() if each.label in labels}
                stay = line.checkpoints.keys() - doomed
                if any(_foundation(line, id) & doomed for id in stay):
                    raise StoreError(
                        f"a checkpoint of {series!r} rests on writes of one to be deleted",
                        "prune it, or delete it as a whole",
                    )
                plans.append((line, stay))
        for line, stay in plans:
            self._thin(line, stay)

    async def copy(self, series: str, target: str) -> None:
        if series == target:
            return
        self._series.pop(target, None)
        for scope, line in self._series.get(series, {}).copy().items():
            made = self._begun(target, scope)
            made.checkpoints, made.pieces = dict(line.checkpoints), list(line.pieces)
            made.pending = {id: dict(each) for id, each in line.pending.items()}

    async def prune(self, series: str) -> None:
        for line in self._series.get(series, {}).values():
            newest = max(line.checkpoints, default="")
            self._thin(line, {newest} | _foundation(line, newest))

    def _thin(self, line: _Line, stay: Any) -> None:
        """Keep these checkpoints. Their pieces are left where they are, and nobody may name them any more."""
        gone = line.checkpoints.keys() - stay
        for id in gone:
            del line.checkpoints[id]
            line.pending.pop(id, None)
        if gone:
            line.ground = Ground(line.ground.line, next(self._eras))

    def _line(self, series: str, scope: str) -> _Line | None:
        return self._series.get(series, {}).get(scope)

    def _begun(self, series: str, scope: str) -> _Line:
        era = next(self._eras)
        line = self._series.setdefault(series, {})[scope] = _Line(Ground(era, era))
        return line

    def _kept(self, series: str, scope: str, line: _Line, id: str) -> Kept:
        at = line.checkpoints[id]
        record, metadata = json.loads(at.text)
        values = {name: line.value(ref) for name, ref in at.values.items()}
        return Kept(series, scope, id, at.parent, record, metadata, values, self._pending(line, id), line.ground)

    def _pending(self, line: _Line, checkpoint: str) -> list[Write]:
        found = [
            Write(task, path, slot, name, line.value(ref))
            for (task, slot), (path, name, ref) in line.pending.get(checkpoint, {}).items()
        ]
        return sorted(found, key=lambda each: (each.path, each.task, each.slot))

    def _listed(self, series: str) -> Series:
        lines = [each for each in self._series[series].values() if each.checkpoints]
        times = [json.loads(at.text)[0].get("ts", "") for each in lines for at in each.checkpoints.values()]
        return Series(series, len(lines), len(times), max(times, default=""))


def _foundation(line: _Line, id: str) -> set[str]:
    """The ancestors that are needed to make the fields which a checkpoint has no value for."""
    if id not in line.checkpoints:
        return set()
    wanted, parent = set(line.checkpoints[id].rests), line.checkpoints[id].parent
    found: set[str] = set()
    while wanted and parent in line.checkpoints and parent not in found:
        found.add(parent)
        wanted -= line.checkpoints[parent].values.keys()
        parent = line.checkpoints[parent].parent
    return found


def _json(value: Any, series: str) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(
            f"what {series!r} says of itself is no JSON: {error}", "keep plain data in metadata"
        ) from error
    return text
