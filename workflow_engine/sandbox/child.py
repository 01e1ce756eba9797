"""One child process behind the prelude: started, read, timed, and surely ended.

The invariant is that nothing outlives `supervise`: whether the command ended, ran out of time or the caller was
cancelled, every process beneath it is gone before control comes back, so that the workspace is at rest when it is read.
Hence the whole life of a child happens in a task of its own. Cancelling the caller does not cancel that task (a
cancelled start would leave half a sandbox behind); it asks it to stop, and waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from typing import IO, TYPE_CHECKING, Any, Protocol

from workflow_engine import errors
from workflow_engine.ports.sandbox import Completed, Limits
from workflow_engine.sandbox.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Setting up takes milliseconds. These bound a machine that hangs: a dead network drive, a process the kernel cannot
# kill.
STARTUP_SECONDS = 30.0
ENDING_SECONDS = 10.0
# A process that left its group may hold a pipe open for ever; only without a sandbox, where leaving is possible.
DRAIN_SECONDS = 1.0
REPORT_BYTES = 8192


@dataclass(frozen=True)
class Order:
    """What the prelude is told: see prelude.py."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    limits: Mapping[str, tuple[int, int]]
    cwd: str
    user: int | None = None
    shared: tuple[str, ...] = ()


class Beneath(Protocol):
    """The processes beneath the child that its process group does not reach."""

    async def known(self) -> None:
        """They can be killed from now on."""

    def kill(self) -> None: ...

    async def gone(self) -> None:
        """The last of them has ended."""


@dataclass(frozen=True)
class Launch:
    """A child to be. `command` puts whatever must stand around it before the prelude's own command line."""

    order: Order
    command: Callable[[Sequence[str]], Sequence[str]] = list
    pass_fds: tuple[int, ...] = ()
    beneath: Beneath | None = None


@dataclass(frozen=True)
class Ending:
    """What is known once nothing of the child is left. `code` is as the shell has it: 128 + n for signal n."""

    code: int
    report: str
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool


def sheet(text: str) -> IO[bytes]:
    """An unnamed file holding `text`, to be read by a child from its descriptor."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(text.encode())
    file.seek(0)
    return file


async def supervise(launch: Launch, limits: Limits) -> Ending:
    """Run the child to its end. Raises Infrastructure when it cannot be started or does not die."""
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    life = asyncio.create_task(_live(launch, limits, stop))
    try:
        return await asyncio.shield(life)
    except asyncio.CancelledError:
        if not stop.done():
            stop.set_result(None)
        # However often it is cancelled: leaving early would take away what the ending still needs, and that is bounded.
        while not life.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({life})
        if not life.cancelled():
            life.exception()  # seen: the cancellation is what the caller hears of
        raise


async def _live(launch: Launch, limits: Limits, stop: asyncio.Future[None]) -> Ending:
    now = asyncio.get_running_loop().time
    with contextlib.ExitStack() as held:
        order = held.enter_context(sheet(json.dumps(_as_json(launch.order))))
        stdout, stderr, report = Intake(limits.output_kb * 1024), Intake(limits.output_kb * 1024), Intake(REPORT_BYTES)
        intakes = (stdout, stderr, report)
        for intake in intakes:
            held.callback(intake.close)
            await intake.open()
        argv = launch.command(_prelude(order.fileno(), report.write_end))
        started = now()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout.write_end,
                stderr=stderr.write_end,
                pass_fds=(order.fileno(), report.write_end, *launch.pass_fds),
                env={},
                start_new_session=True,
            )
        except OSError as error:
            raise errors.Infrastructure(f"{argv[0]} could not be started: {error.strerror or error}") from error
        for intake in intakes:
            intake.handed_over()
        ended = asyncio.create_task(process.wait())
        seconds, timed_out = 0.0, False
        try:
            if not await _any_of(report.first, ended, stop, within=STARTUP_SECONDS):
                raise errors.Infrastructure(f"the sandbox was not ready within {STARTUP_SECONDS:.0f} s")
            if not ended.done() and not stop.done():
                started = now()
                timed_out = not await _any_of(ended, stop, within=limits.seconds)
            seconds = now() - started
        finally:
            await _end(process, ended, launch.beneath)
        await asyncio.wait({intake.closed for intake in intakes}, timeout=DRAIN_SECONDS)
        code = ended.result()
        return Ending(
            code=code if code >= 0 else 128 - code,
            report=report.data.decode("utf-8", "replace"),
            stdout=stdout.text(),
            stderr=stderr.text(),
            seconds=seconds,
            timed_out=timed_out,
        )


async def _any_of(*these: asyncio.Future[Any], within: float) -> bool:
    done, _ = await asyncio.wait(these, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int], beneath: Beneath | None) -> None:
    if beneath is not None and not ended.done():
        await beneath.known()
        beneath.kill()
    # Also after a natural end: what the command left running in its group ends with it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait({ended}, timeout=ENDING_SECONDS)
    if not ended.done():
        ended.cancel()
        raise errors.Infrastructure(f"process {process.pid} could not be killed", f"look at it: ps -p {process.pid}")
    if beneath is not None:
        await beneath.gone()


def completed(ending: Ending, order: Order, *, code: int, isolated: bool, own: Callable[[str], bool]) -> Completed:
    """What the port answers for a child that is gone.

    `own` says whether a program belongs to the workspace. If such a program cannot be started, the command has failed,
    as in a shell; if any other cannot, the surroundings lack it, and that is no verdict on the workspace.
    """
    if ending.report.startswith("F"):
        raise errors.Infrastructure(f"the limits could not be set: {ending.report[1:]}")
    _, unstartable, why = ending.report.partition("X")
    stderr, exit_code, stopped_by = ending.stderr, code, None
    if ending.timed_out:
        stopped_by = "wall time"
    elif unstartable:
        number, _, reason = why.partition(" ")
        if not own(order.argv[0]):
            raise errors.Infrastructure(
                f"{order.argv[0]!r} cannot be started in the sandbox: {reason}",
                "install it beneath the running Python, or make its folder visible with extra_readonly",
                retryable=False,
            )
        stderr += f"{order.argv[0]}: {reason}\n"
        exit_code = 127 if number == "2" else 126
    elif code == 128 + signal.SIGXCPU:
        stopped_by = "cpu time"
    elif code == 128 + signal.SIGXFSZ:
        stopped_by = "file size"
    return Completed(
        exit=None if stopped_by else exit_code,
        stdout=ending.stdout,
        stderr=stderr,
        seconds=ending.seconds,
        isolated=isolated,
        stopped_by=stopped_by,
    )


def _as_json(order: Order) -> dict[str, Any]:
    return {
        "argv": list(order.argv),
        "env": dict(order.env),
        "limits": dict(order.limits),
        "user": order.user,
        "cwd": order.cwd,
        "shared": list(order.shared),
    }


@cache
def _prelude_source() -> str:
    return (importlib.resources.files("workflow_engine.sandbox") / "prelude.py").read_text(encoding="utf-8")


def _prelude(order_fd: int, report_fd: int) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _prelude_source(), str(order_fd), str(report_fd)]
