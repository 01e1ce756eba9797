"""Filing: what a write names must be beside the store before it is committed, and is held from then on.

Only fields that may name files are looked at, by the shape that a File has as JSON. Code may name any content that is
there. A model and a person may name only what their run holds already, or made: a SHA-256 that somebody learnt must not
hand out another run's file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from workflow_engine.errors import BadWrite
from workflow_engine.ports.files import Files, KeepsFiles
from workflow_engine.record.events import ItemFinished
from workflow_engine.record.values import Value, Write
from workflow_engine.spec.each import Each
from workflow_engine.spec.file import OUTSIDE, Named, named
from workflow_engine.spec.nodes import Agent, Node
from workflow_engine.spec.workflow import Workflow

if TYPE_CHECKING:
    from workflow_engine.ports.ledger import Ledger
    from workflow_engine.steps.live import Live


class Desk:
    """Implements spec.file.Shelf for the bodies of one run: the store's files, and which of them were made here."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.made: set[str] = set()
        self.has, self.hold, self.open, self.lent = files.has, files.hold, files.open, files.lent

    def put(self, content: BinaryIO) -> Named:
        sha256, size = self.files.put(content)
        self.made.add(sha256)
        return sha256, size


def desk_of(ledger: Ledger) -> Desk | None:
    """Where the bodies of a run put files; None on a ledger that keeps none."""
    return Desk(ledger.files) if isinstance(ledger, KeepsFiles) else None


def named_in(workflow: Workflow[Any], writes: Iterable[Write], events: Iterable[Any] = ()) -> tuple[Named, ...]:
    """The contents that a batch names: in its writes, and in the results of items that are written later."""
    if not workflow.filing:
        return ()
    texts = [write.text for write in writes if write.field in workflow.filing]
    texts += [each.text for each in events if isinstance(each, ItemFinished) and _files(workflow, each.node)]
    return tuple(dict.fromkeys(each for text in texts for each in named(text)))


def held_by(workflow: Workflow[Any], state: Mapping[str, Value]) -> tuple[Named, ...]:
    """The contents that a state names."""
    texts = [state[name].whole for name in workflow.filing if name in state]
    return tuple(dict.fromkeys(each for text in texts for each in named(text)))


def _files(workflow: Workflow[Any], node: str) -> bool:
    known = workflow.nodes.get(node)
    return known is not None and not workflow.filing.isdisjoint(known.writes)


def must_be_there(live: Live, node: Node, texts: Sequence[str], *, told: bool = False) -> None:
    """Raises errors.BadWrite where one of these texts names a file that is not there.

    With `told`, and from an agent, also one that this run neither holds nor made.
    """
    found = list(dict.fromkeys(each for text in texts for each in named(text)))
    if not found:
        return
    desk = live.desk
    if desk is None:
        raise BadWrite(f"{node.name} wrote a file, and {type(live.around.ledger).__name__} keeps none", "use a store")
    doer = node.one if isinstance(node, Each) else node
    if told or isinstance(doer, Agent):
        known = desk.made | {sha256 for sha256, _ in held_by(live.workflow, live.state)}
        for sha256, _ in found:
            if sha256 not in known:
                raise BadWrite(
                    f"{node.name}: the file {sha256[:16]}… is none of this run's", "name one that its state holds"
                )
    for sha256, size in found:
        if not desk.hold(sha256, size):
            raise BadWrite(
                f"{node.name} wrote the file {sha256[:16]}…, whose content is not beside the store",
                "make it within the body: File.of(path), File.of(b'...')",
            )


async def adopted(files: Files | Desk | None, names: Iterable[Named]) -> list[Named]:
    """Take over contents that were made outside of any run; those that are nowhere are returned."""
    lost: list[Named] = []
    for sha256, size in names:
        if files is not None and files.hold(sha256, size):
            continue
        if files is None or not OUTSIDE.has(sha256, size):
            lost.append((sha256, size))
        else:
            await asyncio.to_thread(_taken, files, sha256, size)
    return lost


def _taken(files: Files | Desk, sha256: str, size: int) -> None:
    with OUTSIDE.open(sha256, size) as stream:
        files.put(stream)


async def adopt_values(live: Live, values: Mapping[str, Any]) -> None:
    """The same for what a body returned. What is wrong with a value is told where it is encoded."""
    fields = live.workflow.fields
    texts: list[str] = []
    for name in live.workflow.filing.intersection(values):
        with suppress(Exception):
            texts.append(fields[name].adapter.dump_json(values[name], warnings=False).decode())
    await adopt_texts(live, texts)


async def adopt_texts(live: Live, texts: Sequence[str]) -> None:
    """The same for what is encoded already."""
    await adopted(live.desk, [each for text in texts for each in named(text)])


__all__ = ["Desk", "adopt_texts", "adopt_values", "adopted", "desk_of", "held_by", "must_be_there", "named_in"]
