"""Recalling: the result of a node with `cache=`, where the same code read the same before."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from workflow_engine.bodies.intent import Wrote
from workflow_engine.errors import BadWrite
from workflow_engine.ports.results import KeepsResults, Results
from workflow_engine.record.codec import decode, encode
from workflow_engine.record.result import KeptResult
from workflow_engine.spec.nodes import Function, Node
from workflow_engine.steps.live import Live
from workflow_engine.steps.writing import writes_of

VERSION = 1
_LOG = logging.getLogger("workflow_engine")


@dataclass(frozen=True)
class Recalled:
    """What was found, and how old it is."""

    wrote: Wrote
    age: timedelta


@dataclass(frozen=True)
class Cache:
    """Where the result of one step belongs: the same for every run, and every workflow, that reads the same."""

    live: Live
    node: Function[..., object]
    key: str
    results: Results

    @classmethod
    def of(cls, live: Live, node: Node) -> Cache | None:
        """None for a node without `cache=`, a store that keeps no results, and a step that knows of a failure."""
        ledger = live.around.ledger
        if not isinstance(node, Function) or node.cache is None or not isinstance(ledger, KeepsResults):
            return None
        if node.name in live.run.caught:
            return None
        try:
            return cls(live, node, _key(live, node), ledger.results)
        except BadWrite:  # a default that typed JSON loses
            return None

    async def recall(self) -> Recalled | None:
        """The result, if it is there, young enough and still of the fields' types."""
        now = self.live.around.clock.now()
        found = await self.results.recall(self.key, now)
        # The node's own word counts: what was kept for a day is not used under `cache=` of an hour.
        age = timedelta(0) if found is None else max(now - found.at, timedelta(0))
        if found is None or age >= (self.node.cache or timedelta(0)):
            return None
        fields = self.live.workflow.fields
        try:
            values = {name: decode(fields[name].adapter, text) for name, text in found.writes.items()}
        except (KeyError, ValueError) as error:
            _LOG.warning("a kept result of %s was not used: it fits no more (%s)", self.node.name, type(error).__name__)
            return None
        return Recalled(Wrote(values), age) if set(values) == set(self.node.writes) else None

    def keep(self, wrote: Wrote) -> None:
        """Keep what was written, before any reducer."""
        now = self.live.around.clock.now()
        writes = writes_of(self.live.workflow, self.node.name, wrote.values, self.live.around.limits)
        texts = {write.field: write.text for write in writes}
        until = _after(now, self.node.cache or timedelta(0))
        self.results.keep(KeptResult(self.key, self.node.name, now, until, texts), now)


def _after(now: datetime, time: timedelta) -> datetime:
    return now + min(time, datetime.max.replace(tzinfo=now.tzinfo) - now)


def _key(live: Live, node: Function[..., object]) -> str:
    fields, state = live.workflow.fields, live.state
    reads: dict[str, str] = {}
    for parameter in node.signature.parameters:
        if (name := parameter.name) in fields and not live.workflow.hands_in(parameter.type):
            value = state.get(name)
            reads[name] = (
                value.whole
                if value is not None
                else encode(fields[name].adapter, fields[name].default, f"the default of {name!r}")
            )
    said = json.dumps([VERSION, node.code, list(node.writes), reads], sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
