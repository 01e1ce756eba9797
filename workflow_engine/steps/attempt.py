"""One attempt: a body run in its scene, under its time limit, with a workspace of its own."""

from __future__ import annotations

import asyncio
import shutil
import sysconfig
import tempfile
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from workflow_engine.bodies import capture
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import BadWrite, Failure, StepError, StepTimeout, WorkflowError
from workflow_engine.ports.listener import Began, Said
from workflow_engine.record.logs import Source
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.policies import within_of
from workflow_engine.spec.step import Step
from workflow_engine.steps.live import Live, log
from workflow_engine.steps.recorder import Recorder

T = TypeVar("T")
SLICES = 8
"""Of an idle time: an attempt that is quiet is stopped at most an eighth of it late."""
_making = threading.Lock()
_NOT_THEIRS = tuple({sysconfig.get_path(each) for each in ("stdlib", "purelib", "platlib")} | {"<frozen"})


class Attempt:
    """The surroundings of one try; `words` is the last thing the body said of itself, `signs` how often it was heard.

    `left` is the time that all attempts of its step have left together, if that is limited.
    """

    def __init__(self, live: Live, node: Node, visit: int, number: int, item: int | None = None) -> None:
        self.live, self.node, self.visit, self.number, self.item = live, node, visit, number, item
        self.words = ""
        self.signs = 0
        self.left: timedelta | None = None
        self._workspace: Path | None = None
        self._recorder: Recorder | None = None
        self._loop = asyncio.get_running_loop()
        self._stopped = False

    async def run(self, act: Callable[[Scene], Awaitable[T]]) -> T:
        """Run `act` in this attempt's scene. Raises what it raises, and errors.StepTimeout when its time is up."""
        if self.item is None and self.live.around.listeners:  # of many items the step tells as a whole
            self.live.tell(Began(self.node.name, self.node.kind, self.visit, self.number))
        heard = capture.listen(self if self.live.around.limits.log else None)
        try:
            return await _within(self, act(self.live.scene(self._step())))
        except asyncio.CancelledError as error:
            # A body may await something of its own that was cancelled: nobody wants this step to stop then.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            failed = StepError(f"{self.node.name} awaited something that was cancelled")
            raise failed.with_traceback(error.__traceback__) from error
        except SystemExit as error:
            failed = StepError(f"{self.node.name} called sys.exit({error.code!r})", "raise an error instead")
            raise failed.with_traceback(error.__traceback__) from error
        finally:
            capture.unlisten(heard)
            with _making:
                self._stopped = True
            try:
                if self._workspace is not None:
                    workspace = self._workspace
                    await asyncio.shield(asyncio.to_thread(shutil.rmtree, workspace, ignore_errors=True))
            finally:
                if self._recorder is not None:
                    self._recorder.close()

    def hear(self, source: Source, text: str, level: str = "", logger: str = "") -> None:
        """Implements bodies.capture.Ear; once the attempt is over, what is said is nobody's."""
        recorder = self._recorder
        if recorder is None:
            with _making:
                if self._stopped or not self.live.around.limits.log:
                    return
                if self._recorder is None:
                    self._recorder = Recorder(self.live, self.node, self.visit, self.number, self.item, self._loop)
                recorder = self._recorder
        recorder.hear(source, text, level, logger)

    def _step(self) -> Step:
        run = self.live.run.id
        return Step(
            run=run,
            node=self.node.name,
            visit=self.visit,
            attempt=self.number,
            item=self.item,
            key=self.live.run.key(self.node.name, self.visit, self.item),
            log=self._log,
            progress=self._say,
            workspace_at=self._open_workspace,
            is_cancelled=lambda: self._stopped or self.live.cut,
        )

    def _log(self, text: str) -> None:
        self.signs += 1
        self.hear("step", str(text))
        with capture.unheard():
            log.info("%s %s: %s", self.live.run.id, self.node.name, text)

    def _say(self, words: str) -> None:
        self.signs += 1
        self.hear("progress", str(words))
        self.words = " ".join(str(words).split())[:200]
        at = "" if self.item is None else f"item {self.item}: "
        self.live.tell(Said(self.node.name, self.visit, at + self.words))

    def _open_workspace(self) -> Path:
        if self._workspace is None:
            # resolve(): bodies compare paths to refuse those that lead outside, and /tmp is a link on some systems.
            self._workspace = Path(tempfile.mkdtemp(prefix=f"workflow-{self.node.name[:20]}-")).resolve()
        return self._workspace


async def _within(attempt: Attempt, work: Awaitable[T]) -> T:
    node, limit, error = attempt.node, attempt.node.timeout, _too_long
    if attempt.left is not None and (limit is None or attempt.left < limit):
        limit, error = attempt.left, attempts_spent
    if limit is None and node.idle is None:
        return await work
    # Told apart from a TimeoutError the body itself raised, which is an error like any other.
    ours = asyncio.timeout(None if limit is None else limit.total_seconds())
    ear = None if node.idle is None else asyncio.create_task(_listen(attempt, node.idle, ours))
    try:
        async with ours:
            return await work
    except TimeoutError as cause:
        if not ours.expired():
            raise
        quiet = ear is not None and ear.done() and not ear.cancelled()
        raise (_quiet if quiet else error)(node) from cause
    finally:
        if ear is not None:
            ear.cancel()


async def _listen(attempt: Attempt, idle: timedelta, limit: asyncio.Timeout) -> None:
    """Let the time be up once nothing was heard of the attempt for so long."""
    # Counted in slices rather than measured: signs come from threads too, and clocks are set while nobody looks.
    quiet, seen = 0, attempt.signs
    while quiet < SLICES:
        await attempt.live.around.clock.sleep(idle.total_seconds() / SLICES)
        quiet, seen = (quiet + 1 if attempt.signs == seen else 0), attempt.signs
    limit.reschedule(asyncio.get_running_loop().time())


def _quiet(node: Node) -> StepTimeout:
    seconds = (node.idle or timedelta(0)).total_seconds()
    return StepTimeout(
        f"{node.name} was not heard of for {seconds:g} s", "let it call step.progress(...), or raise idle="
    )


def _too_long(node: Node) -> StepTimeout:
    seconds = (node.timeout or timedelta(0)).total_seconds()
    return StepTimeout(f"{node.name} took longer than {seconds:g} s", "raise timeout= or make the step smaller")


def attempts_spent(node: Node) -> StepTimeout:
    """The error of a step whose attempts took all the time they have together."""
    within = within_of(node.retry) or timedelta(0)
    what = f"{node.name} had {within.total_seconds():g} s for all its attempts"
    return StepTimeout(what, "raise within= of its retry, or make the step smaller", kind="deadline", retryable=False)


def failure_of(node: str, error: BaseException, attempts: int) -> Failure:
    """What is kept of an exception: a kind from the taxonomy, its message, and the user's part of the trace."""
    if isinstance(error, StepError):
        kind, message = error.kind, error.what
    elif isinstance(error, WorkflowError):
        kind, message = "error", error.what
    else:
        kind = "timeout" if isinstance(error, TimeoutError) else "error"
        text = ""
        with suppress(Exception):  # __str__ is the user's code
            text = str(error)
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Failure(node, kind, _clean(message)[:4000], attempts, "" if isinstance(error, BadWrite) else _trace(error))


def _trace(error: BaseException) -> str:
    ours = str(Path(__file__).resolve().parent.parent)
    every = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(ours)]
    # The user's own lines; those of the standard library and of installed packages only where there are no others.
    frames = [each for each in every if not each.filename.startswith(_NOT_THEIRS)] or every
    # Notes are part of it: one tells where a body failed that ran in another process.
    return _clean("".join([*traceback.format_list(frames[-8:]), *getattr(error, "__notes__", ())]))[-4000:]


def _clean(text: str) -> str:
    # A lone surrogate in a message would make the failure itself impossible to store.
    return text.encode("utf-8", "replace").decode()
