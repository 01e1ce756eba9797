"""Stopping: Ctrl-C or SIGTERM once finishes the steps under way, twice stops at once. Both leave a resumable run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from workflow_engine.cli.exits import Exit
from workflow_engine.cli.voice import AMBER, say

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds a second signal gives the engine to let go of its run."""
ECHO = 0.1
"""Seconds in which a second signal is the first one's echo: some parents signal the child and then its whole group."""


class Stopped(Exception):
    """The drive was cut off; what it was doing is due again."""


_leaving: list[threading.Timer] = []


async def until_stopped(work: Coroutine[Any, Any, T], drain: Callable[[], None], parting: Callable[[], None]) -> T:
    """Await `work`. SIGINT and SIGTERM drain; a second one cuts it off and raises Stopped; a third ends everything.

    If letting go takes longer than PATIENCE, `parting` is called and the process ends there and then.
    """
    task = asyncio.ensure_future(work)
    first: float | None = None
    cut = False

    def stop(again: str) -> None:
        nonlocal first, cut
        now = time.monotonic()
        if first is None:
            first = now
            say(f"stopping after the step under way; {again} stops at once", AMBER)
            drain()
        elif now - first < ECHO:
            return
        elif cut:
            _end_now(Exit.INTERRUPTED)
        else:
            cut = True
            _leave_after(PATIENCE, parting)
            task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop, "Ctrl-C again")
    loop.add_signal_handler(signal.SIGTERM, stop, "a second SIGTERM")
    try:
        return await task
    except asyncio.CancelledError:
        if not cut:
            raise
        raise Stopped from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run for a command."""
    try:
        return asyncio.run(work)
    finally:
        while _leaving:
            _leaving.pop().cancel()


def leave(code: int) -> None:
    """End the process, past bodies in threads that nobody waits for any more: they cannot be stopped any other way."""
    end = time.monotonic() + 0.3
    for each in threading.enumerate():
        if each is not threading.current_thread() and not each.daemon:
            each.join(max(0.0, end - time.monotonic()))
            if each.is_alive():
                _end_now(code)
    sys.exit(code)


def _leave_after(seconds: float, parting: Callable[[], None]) -> None:
    def leave() -> None:
        with suppress(Exception):
            parting()
        _end_now(Exit.INTERRUPTED)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    _leaving.append(timer)
    timer.start()


def _end_now(code: int) -> None:
    # The store needs no farewell: what was acknowledged is on disk, and the kernel lets go of the lock.
    with suppress(Exception):
        if sys.stdout.isatty():
            sys.stdout.write("\x1b[?25h")  # a live table hides the cursor
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
