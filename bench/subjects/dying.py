"""Owners to be killed: for each line on stdin a process that begins a run and never gets out of its first step.

They are forked from one process that has imported everything and opened nothing, so that a hundred take seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace

from bench.order import Order
from bench.subjects.ours import inputs, loop_of, opened


def main() -> None:
    order = replace(Order.of(sys.argv[1]), phase="die")
    # The kernel buries them, so that nobody is left waiting for a parent.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin.buffer.readline():
        if os.fork() == 0:
            with suppress(BaseException):
                asyncio.run(_own(order))
            os._exit(1)


async def _own(order: Order) -> None:
    flow = loop_of(order, lambda: None)
    async with opened(order, order.store, flow) as (engine, _):
        await engine.run(flow, inputs(order))


if __name__ == "__main__":
    main()
