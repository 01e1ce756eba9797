"""A page told again: the batches that would have brought its run to a ledger, each checked as it is read.

Nothing of a page is believed. Events, run and letters come in through their types; the journal is folded and must give
the run; every version must stand where a commit can have put it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from workflow_engine.errors import InputError
from workflow_engine.ports.ledger import Batch
from workflow_engine.record.events import read_event
from workflow_engine.record.fold import advance, fold
from workflow_engine.record.ids import around
from workflow_engine.record.inbox import Letter
from workflow_engine.record.logs import LogPart
from workflow_engine.record.run import Run
from workflow_engine.record.values import Write
from workflow_engine.spec.file import Named
from workflow_engine.stores.sqlite.keeping import contents, page
from workflow_engine.stores.sqlite.lending import MOST
from workflow_engine.stores.texts import letter_of_text, log_of_text, run_of_text

T = TypeVar("T")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}")
_LONG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,4095}")
_CURE = "nothing was imported; export the run once more where it is"


@dataclass(frozen=True)
class Replay:
    """A run as it will be stored. `letters` come with the events at which they were taken, if they were."""

    run: Run
    epoch: int
    batches: Sequence[Batch]
    letters: Sequence[tuple[Letter, int | None]]
    logs: Sequence[LogPart] = ()
    graphs: Sequence[Mapping[str, Any]] = ()
    files: Sequence[tuple[Named, bytes]] = ()
    within: Sequence[Replay] = ()


def replay(text: str) -> Replay:
    """What a page tells. Raises InputError."""
    parts = page.read(text)
    told = _told(parts)
    within = []
    for each in parts["within"]:
        if not {"run", "epoch", "document", "journal", "versions", "letters", "logs", "graphs", "files"} == set(each):
            raise _wrong("a run within it has other parts than it should")
        within.append(_told(each))
    known = {told.run.id}
    for each_run in (each.run for each in within):
        around_it = each_run.within.run if each_run.within else None
        if around_it is None or around_it not in known or not around(around_it, each_run.id) or each_run.id in known:
            raise _wrong(f"run {each_run.id[:80]!r} does not lie within it")
        known.add(each_run.id)
    return replace(told, within=within)


def _told(parts: Mapping[str, Any]) -> Replay:
    run = _record(run_of_text, parts["run"], "its run")
    if not (_ID if run.within is None else _LONG).fullmatch(run.id):
        raise _wrong(f"{run.id[:40]!r} is no name for a run")
    epoch = parts["epoch"]
    if type(epoch) is not int or not 0 < epoch < 2**62:
        raise _wrong("its epoch is no count")
    document = parts["document"]
    if document is not None and not isinstance(document, dict):
        raise _wrong("its document is no object")
    events = [_record(read_event, each, f"event {seq}") for seq, each in enumerate(parts["journal"], start=1)]
    try:
        folded = fold(events)
    except Exception as error:  # facts that contradict each other may do so in any way
        raise _wrong(f"its journal contradicts itself ({type(error).__name__})") from error
    if folded != run or run.seq != len(events):
        raise _wrong("its run is not what its journal adds up to")
    batches = tuple(_batches(events, _writes(parts["versions"], run.seq), document))
    logs = [_record(log_of_text, each, "a part of a log") for each in parts["logs"]]
    if any(not (0 < each.take < MOST and 0 < each.part < MOST) for each in logs):
        raise _wrong("a part of a log stands where it cannot stand")
    letters = [_letter(each, run) for each in parts["letters"]]
    return Replay(run, epoch, batches, letters, logs, parts["graphs"], contents.read(parts["files"]))


def _record(read: Callable[[str], T], value: Any, place: str) -> T:
    try:
        return read(page.compact(value))
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{place} is not what it should be ({str(error).splitlines()[0]})") from error


def _writes(versions: Sequence[Mapping[str, Any]], last: int) -> dict[tuple[int, int], list[Write]]:
    """What was written by the batch of these events, in the order of the page."""
    found: dict[tuple[int, int], list[Write]] = {}
    newest: dict[str, tuple[int, bool]] = {}
    for each in versions:
        if set(each) != {"field", "first", "seq", "op", "value"}:
            raise _wrong("a version of a field has other parts than it should")
        field, first, seq, op, value = (each[name] for name in ("field", "first", "seq", "op", "value"))
        if not isinstance(field, str) or op not in ("set", "append", "drop"):
            raise _wrong("a version of a field has no name, or was neither set, appended nor dropped")
        before, is_list = newest.get(field, (0, True))
        if type(first) is not int or type(seq) is not int or not max(before, 1) <= first <= seq <= last:
            raise _wrong(f"a version of field {field!r} stands where it cannot stand")
        if op == "append" and not (is_list and isinstance(value, list)):
            raise _wrong(f"field {field!r} was appended to, and is no list")
        newest[field] = (first, isinstance(value, list) or op == "drop")
        found.setdefault((seq, first), []).append(Write(field, op, page.compact(value)))
    return found


def _batches(
    events: Sequence[Any], writes: Mapping[tuple[int, int], list[Write]], document: Mapping[str, Any] | None
) -> Iterator[Batch]:
    """The journal cut where something was written. `told` events are folded so far."""
    run: Run | None = None
    told = 0
    for seq, first in sorted(writes):
        if first > told + 1:
            run = _after(run, events[told : first - 1])
            yield Batch(run, events[told : first - 1], document=document if told == 0 else None)
            told = first - 1
        if first <= told and not (first == seq == told and run is not None):
            raise _wrong(f"two commits overlap at event {first}")
        new = events[told:seq]
        run = _after(run, new)
        yield Batch(run, new, writes[seq, first], document=document if told == 0 else None)
        told = seq
    if told < len(events):
        yield Batch(_after(run, events[told:]), events[told:], document=document if told == 0 else None)


def _after(run: Run | None, events: Sequence[Any]) -> Run:
    if run is None:
        return fold(events)
    for event in events:
        run = advance(run, event)
    return run


def _letter(each: Mapping[str, Any], run: Run) -> tuple[Letter, int | None]:
    if set(each) != {"taken", "letter"}:
        raise _wrong("a letter has other parts than it should")
    letter = _record(letter_of_text, each["letter"], "a letter")
    taken = each["taken"]
    if letter.run != run.id:
        raise _wrong(f"letter {letter.id!r} belongs to another run")
    if taken is not None and not (type(taken) is int and 0 < taken <= run.seq):
        raise _wrong(f"letter {letter.id!r} was taken at an event that is not there")
    return letter, taken


def _wrong(why: str) -> InputError:
    return InputError(f"the document cannot be imported: {why}", _CURE)
