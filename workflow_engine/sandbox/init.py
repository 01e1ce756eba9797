"""The first process of a sandbox, as bwrap tells of it: a handle to end all by, and the command's exit code.

bwrap exits with 1 for faults of its own and with 1 for a command that exits with 1. The difference stands in its JSON
status alone, where `exit-code` appears only for a command that really ran.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.sandbox.intake import Intake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STATUS_BYTES = 8192
KNOWN_SECONDS = 2.0
GONE_SECONDS = 10.0


class Init:
    """When the first process of a process namespace dies, the kernel ends every other in it, whatever they ignore."""

    def __init__(self) -> None:
        self._status = Intake(STATUS_BYTES)
        self._handle: int | None = None
        self._told = asyncio.create_task(self._listen())

    @property
    def fd(self) -> int:
        """What bwrap writes its status to."""
        return self._status.write_end

    @property
    def exit_code(self) -> int | None:
        found = re.search(rb'"exit-code":\s*(\d+)', self._status.data)
        return int(found[1]) if found else None

    async def _listen(self) -> None:
        await self._status.first
        found = re.search(rb'"child-pid":\s*(\d+)', self._status.data)
        if found:
            # A handle, not a number: it cannot come to mean another process. There is none if it has ended already, nor
            # on a kernel before 5.3, where bwrap's own death is what ends it.
            with contextlib.suppress(OSError):
                self._handle = os.pidfd_open(int(found[1]))

    async def known(self) -> None:
        # bwrap tells the number before it lets the process begin, so there is nothing to kill that is not known.
        await asyncio.wait({self._told}, timeout=KNOWN_SECONDS)

    def kill(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    async def gone(self) -> None:
        if self._handle is None:
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._handle, gone.set)
        try:
            await asyncio.wait_for(gone.wait(), GONE_SECONDS)
        except TimeoutError:
            raise errors.Infrastructure("the processes of a sandbox could not be ended") from None
        finally:
            loop.remove_reader(self._handle)

    async def told(self) -> None:
        """The status is complete: bwrap has ended."""
        self._status.handed_over()
        await asyncio.wait({self._status.closed}, timeout=KNOWN_SECONDS)

    def close(self) -> None:
        self._told.cancel()
        self._status.close()
        if self._handle is not None:
            os.close(self._handle)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Init]:
    init = Init()
    try:
        await init._status.open()
        yield init
    finally:
        init.close()
