"""The flow of values: which writes of which fields may have reached a place, along every way there.

Reaching definitions, as in any compiler (Kildall 1973), on bit sets: one bit for each field as START leaves it, one for
each write. A write hides what was there before; a failed or expired step writes nothing; where ways meet, either may
have been taken, so the bits unite. After a join, though, all arms were taken: a field is as the arm left it that writes
it, and unwritten only if every arm left it so.

A bound's `then` is taken only after its loop was walked, so what every walk of the loop writes is written there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.nodes import EXPIRED, FAILED
from workflow_engine.spec.waits import Wait
from workflow_engine.verify.arms import Arm, Arms
from workflow_engine.verify.graph import Arc, Graph


@dataclass(frozen=True)
class Fields:
    """The bits: `begun[f]` is a field as START leaves it, `written[n]` what node n makes of it, `all[f]` either."""

    begun: Mapping[str, int]
    written: Mapping[str, Mapping[str, int]]
    all: Mapping[str, int]
    writer: Mapping[int, str]

    def hidden_by(self, node: str) -> int:
        """The bits a write of this node hides."""
        return _united(self.all[field] for field in self.written.get(node, ()))

    def made_by(self, node: str) -> int:
        return _united(self.written.get(node, {}).values())


def fields_of(names: Iterable[str], writes: Mapping[str, Iterable[str]]) -> Fields:
    """The bits for these fields and these writes, node by node."""
    begun = {name: 1 << at for at, name in enumerate(sorted(names))}
    everything, writer = dict(begun), dict[int, str]()
    written: dict[str, dict[str, int]] = {}
    at = len(begun)
    for node, given in sorted(writes.items()):
        for name in sorted(set(given) & set(begun)):
            written.setdefault(node, {})[name] = 1 << at
            everything[name] |= 1 << at
            writer[1 << at] = node
            at += 1
    return Fields(begun, written, everything, writer)


class Flow:
    """What may have reached each place from those it begins at. `into[place]` are bits, of places that are reached.

    `certain` are bits a bound's `then` does not carry. `arrived` are ends of arms that wait at their join already.
    """

    def __init__(
        self,
        graph: Graph,
        arcs: Iterable[Arc],
        lie: Arms,
        fields: Fields,
        begin: Mapping[str, int],
        certain: Mapping[str, int] | None = None,
        arrived: Mapping[Source, int] | None = None,
    ) -> None:
        self.graph = graph
        self.fields = fields
        self.lie = lie
        self.into: dict[str, int] = dict(begin)
        self.certain = certain or {}
        self.arrived = arrived or {}
        self._from: dict[str, list[Arc]] = {}
        for arc in arcs:
            self._from.setdefault(arc.tail, []).append(arc)
        self._in_arm = _written_in_arms(lie, fields)
        self._beside = _made_beside(graph, lie, fields)
        self._begun = _united(fields.begun.values())
        self._spread(begin)

    def _spread(self, begin: Iterable[str]) -> None:
        ahead = deque(begin)
        while ahead:
            for arc in self._from.get(ahead.popleft(), ()):
                bits = self.along(arc)
                if bits is None:
                    continue
                if arc.head not in self.into or self.into[arc.head] | bits != self.into[arc.head]:
                    self.into[arc.head] = self.into.get(arc.head, 0) | bits
                    ahead.append(arc.head)

    def leaving(self, source: Source) -> int | None:
        """The bits with which a node is left; None while nothing reaches it."""
        bits = self.into.get(source.node)
        if bits is None and source in self.arrived:
            return self.arrived[source]
        wrote_nothing = source.outcome in (FAILED, EXPIRED) and not self.graph.is_route(source.node)
        if bits is None or wrote_nothing:
            return bits
        node = self.graph.nodes.get(source.node)
        if isinstance(node, Wait) and node.first:
            return self._first(node, source, bits)
        return bits & ~self.fields.hidden_by(source.node) | self.fields.made_by(source.node)

    def _first(self, node: Wait, source: Source, bits: int) -> int:
        """Of several signals only the first is written: which, its way out says, and a plain one does not."""
        if source.outcome is None:
            return bits | self.fields.made_by(node.name)
        field = node.carried.get(source.outcome, "")
        made = self.fields.written.get(node.name, {}).get(field, 0)
        return bits & ~self.fields.all[field] | made if made else bits

    def along(self, arc: Arc) -> int | None:
        """The bits an arc carries; a join's are those of all its arms, and None until all have come."""
        if arc.edge.joins:
            return self._joined(arc.edge)
        bits = self.leaving(arc.source)
        if bits is not None and arc.how == "then":
            bits &= ~self.certain.get(arc.edge.key, 0)
        if bits is not None and arc.edge.leaves:
            # Nobody knows how far the arms beside it came: what they write may have been written, or not.
            bits |= self._beside.get(self.lie.of.get(arc.tail), 0)
        return bits

    def _joined(self, edge: Edge) -> int | None:
        left = {source: bits for source in edge.sources if (bits := self.leaving(source)) is not None}
        if len(left) < len(set(edge.sources)):
            return None
        written, unwritten, elsewhere = 0, self._begun, -1
        for source, bits in left.items():
            theirs = self._in_arm.get(self.lie.of.get(source.node), 0)
            written |= bits & theirs
            unwritten &= bits
            elsewhere &= ~theirs
        # What no arm writes is as it was before the fork, in any of them.
        untouched = next(iter(left.values())) & elsewhere
        return (written | untouched) & ~self._begun | unwritten


def _made_beside(graph: Graph, lie: Arms, fields: Fields) -> dict[Arm | None, int]:
    """For each arm that an edge leaves past its join, all bits that the other arms of its fork may make."""
    found: dict[Arm | None, int] = {}
    for arm in {lie.of.get(source.node) for edge in graph.edges if edge.leaves for source in edge.sources}:
        for node in fields.written if arm is not None else ():
            other = lie.of.get(node)
            if other is not None and any(_beside(arm, each) for each in other.lineage):
                found[arm] = found.get(arm, 0) | fields.made_by(node)
    return found


def _beside(one: Arm | None, other: Arm) -> bool:
    return one is not None and one is not other and one.fork is other.fork and one.outer is other.outer


def _written_in_arms(lie: Arms, fields: Fields) -> dict[Arm | None, int]:
    """For each arm all bits of the fields that some node in it writes."""
    found: dict[Arm | None, int] = {}
    for node in fields.written:
        arm = lie.of.get(node)
        for each in arm.lineage if arm is not None else ():
            found[each] = found.get(each, 0) | fields.hidden_by(node)
    return found


def certain_after(
    graph: Graph, arcs: Iterable[Arc], lie: Arms, fields: Fields, spent: Iterable[Edge]
) -> dict[str, int]:
    """For each bound that can be spent: the fields, as START leaves them, that every walk of its loop writes."""
    known = list(arcs)
    unwritten = _united(fields.begun.values())
    found: dict[str, int] = {}
    for edge in spent:
        loop = Flow(graph, known, lie, fields, {edge.targets[0]: unwritten})
        left = loop.leaving(edge.sources[0])
        found[edge.key] = 0 if left is None else unwritten & ~left
    return found


def _united(bits: Iterable[int]) -> int:
    found = 0
    for each in bits:
        found |= each
    return found
