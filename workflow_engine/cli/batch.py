"""A batch from the command line: looked over before anything runs, driven under a progress bar, told as JSON lines.

The whole file is read before the first run: a misspelt field would otherwise fail a hundred thousand runs, one by one.
A line that is wrong stops the batch there and then with its number, and nothing has happened; `--skip-bad` runs the
others and tells the bad ones as refused.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from workflow_engine.cli.choosing import choose_model, choose_sandbox
from workflow_engine.cli.driving import Manner, let_info_through
from workflow_engine.cli.exits import Exit, exit_of_error, gravest
from workflow_engine.cli.figures import line as one_line
from workflow_engine.cli.figures import plain, several
from workflow_engine.cli.inputs import Inputs, read_object
from workflow_engine.cli.jsonlines import Lines, digest, documents, looked_over, opened
from workflow_engine.cli.opening import driving
from workflow_engine.cli.stopping import Stopped, until_stopped
from workflow_engine.cli.typed import typed
from workflow_engine.cli.voice import AMBER, console, point, say
from workflow_engine.errors import InputError, UsageError
from workflow_engine.targets import Label, Loaded

if TYPE_CHECKING:
    from workflow_engine.agents import ModelChoice
    from workflow_engine.runtime.batch import Line

_TOLD = 10
_RATE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:/\s*(s|sec|m|min|h))?\s*$")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
_EXITS: Mapping[str, Exit] = {
    "succeeded": Exit.DONE,
    "failed": Exit.FAILED,
    "refused": Exit.FAILED,
    "waiting": Exit.WAITING,
    "cancelled": Exit.CANCELLED,
    "interrupted": Exit.INTERRUPTED,
}


@dataclass(frozen=True)
class Order:
    """What the options say of a batch. `source` is a path, or None for standard input."""

    source: Path | None
    key: str | None
    at_once: int
    rate: float | None
    results: Path | None
    skip_bad: bool
    known: Inputs = field(default_factory=lambda: Inputs({}, {}))


def read_rate(text: str) -> float:
    """Runs a second. Raises UsageError for what is no rate.

    >>> read_rate("10/s"), read_rate("90/m"), read_rate("2")
    (10.0, 1.5, 2.0)
    """
    found = _RATE.match(text)
    rate = float(found[1]) / _SECONDS[found[2] or "s"] if found else 0.0
    if rate <= 0:
        raise UsageError(f"--rate {one_line(text, 40)!r} is no rate", "write 10/s, 100/m or 5/h")
    return rate


async def run_batch(loaded: Loaded, order: Order, manner: Manner) -> Exit:
    """Look the file over, drive every line, and tell what became of each. Raises InputError naming every bad line."""
    choice = choose_model(loaded, manner.model)
    with opened(order.source) as text:
        lines = looked_over(loaded, order.known, choice, text)
        _tell_bad(lines, order)
        key = order.key or (f"file {order.source.resolve()}" if order.source else f"text {digest(text)}")
        with _results(order.results, order.source) as out:
            return await _driven(loaded, order, manner, choice, lines, key, out)


def _tell_bad(lines: Lines, order: Order) -> None:
    """Raises InputError where lines are bad, naming the first few, unless they are to be skipped."""
    if not lines.wrong:
        return
    some = [f"line {number}: {text}" for number, text in list(lines.wrong.items())[:_TOLD]]
    if len(lines.wrong) > _TOLD:
        some.append(f"and {len(lines.wrong) - _TOLD:,} more")
    listed = "\n  ".join(some)
    bad = f"{several(len(lines.wrong), 'line')} of {lines.count:,} cannot run"
    if not order.skip_bad:
        cure = "mend them, or run the others with --skip-bad"
        raise InputError(f"{bad}, and nothing was begun\n  {listed}", cure)
    say(plain(f"{bad}, and will be told as refused\n  {listed}"), AMBER)


async def _driven(
    loaded: Loaded,
    order: Order,
    manner: Manner,
    choice: ModelChoice | None,
    lines: Lines,
    key: str,
    out: TextIO,
) -> Exit:
    resources = await choose_sandbox(loaded.workflow, choice, allowed=manner.allow_unsandboxed)
    label = str(Label(loaded.label, manner.model if choice is not None else None))
    told = _Told(out, order.results)
    numbers: list[int] = []

    def inputs() -> Iterator[Any]:
        for number, document in documents(lines.text):
            numbers.append(number)
            if number in lines.wrong or isinstance(document, str):
                yield None
            else:
                yield read_object(loaded.workflow, document, order.known)[0].typed

    with contextlib.redirect_stdout(sys.stderr), _progress(lines.count, told, out) as step:
        let_info_through()
        async with driving([loaded], manner, choice, resources) as engine:

            async def work() -> None:
                batch = engine.batch(
                    loaded.workflow,
                    inputs(),
                    key=key,
                    at_once=order.at_once,
                    rate=order.rate,
                    label=label,
                    on_rest=step,
                )
                async for each in batch:
                    number = numbers[each.number - 1]
                    told.tell(number, each, lines.wrong.get(number))

            def parting() -> None:
                say("stopped at once; begin the batch again to go on with it", AMBER)

            try:
                await until_stopped(work(), engine.drain, parting)
            except Stopped:
                told.stopped = True
    return _summed_up(told, lines.count, order, manner)


class _Told:
    """What was told so far."""

    def __init__(self, out: TextIO, file: Path | None) -> None:
        self._out, self._file = out, file
        self.statuses: dict[str, int] = {}
        self.codes: set[Exit] = set()
        self.lines = self.before = 0
        self.stopped = False
        self.failed: str | None = None

    def tell(self, number: int, became: Line, wrong: str | None) -> None:
        """Write one result; `wrong` is what was found to be wrong with the line itself."""
        self.lines += 1
        self.before += became.before
        self.statuses[became.status] = self.statuses.get(became.status, 0) + 1
        self.codes.add(_EXITS[became.status])
        refusal, error = became.refusal, became.error
        if became.status == "failed" and self.failed is None:
            self.failed = became.run
        if refusal is not None and exit_of_error(refusal) is Exit.UNSOUND:
            self.codes.add(Exit.UNSOUND)
        told: dict[str, str | None] | None = None
        if refusal is not None:
            told = {"kind": "refused", "message": wrong or refusal.what, "node": None}
        elif error is not None:
            told = {"kind": error.kind, "message": error.message, "node": error.node}
        document = {
            "line": number,
            "run": became.run,
            "status": became.status,
            "reason": became.reason,
            "error": told,
            "questions": list(became.questions),
            "state": dict(became.values),
        }
        try:
            self._out.write(json.dumps(document, ensure_ascii=True) + "\n")
            self._out.flush()
        except (OSError, ValueError) as error:
            if self._file is not None:  # a reader that went away is no reason to stop; a full disk is
                raise UsageError(f"{self._file} cannot be written: {error}", "make room, and begin again") from error


def _summed_up(told: _Told, count: int, order: Order, manner: Manner) -> Exit:
    parts = [f"{number:,} {status}" for status, number in sorted(told.statuses.items())]
    say(f"{several(told.lines, 'line')}: {', '.join(parts)}" if parts else "no line was driven")
    if told.before:
        say(f"{told.before:,} of them had come to rest before; --batch-id NAME begins them anew")
    ways: list[tuple[str, str]] = []
    if told.statuses.get("waiting"):
        ways.append(("answer", typed("inbox", store=manner.store)))
    if told.failed is not None:
        ways.append(("look", typed("show", told.failed, store=manner.store)))
    point(*ways)
    if told.stopped or told.lines < count or told.statuses.get("interrupted"):
        left = count - told.lines + told.statuses.get("interrupted", 0)
        what = "the same input and --batch-id" if order.source is None and order.key else "the same command"
        say(f"{several(left, 'line')} left; {what} goes on with the batch", AMBER)
        return Exit.INTERRUPTED
    return gravest(told.codes)


@contextlib.contextmanager
def _results(path: Path | None, source: Path | None) -> Iterator[TextIO]:
    """Where results go: a file that is written anew by each start, or standard output."""
    if path is None:
        yield sys.stdout
        return
    try:
        if source is not None and path.exists() and path.samefile(source):
            raise UsageError(f"{path} is the batch itself", "name another file with --results")
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "give --results FILE.jsonl") from None
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):  # each line was written out, or that it was not was told
            file.close()


@contextlib.contextmanager
def _progress(count: int, told: _Told, out: TextIO) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal, unless the results pass by there themselves."""
    if not sys.stderr.isatty() or out.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), redirect_stdout=False, redirect_stderr=True) as progress:
        task = progress.add_task("", total=count)

        def step(_: int) -> None:
            trouble = [f"{number:,} {status}" for status, number in told.statuses.items() if status != "succeeded"]
            progress.update(task, advance=1, description="  ".join(trouble))

        yield step


__all__ = ["Order", "read_rate", "run_batch"]
