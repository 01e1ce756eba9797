"""Fresh processes in milliseconds: a server that has imported everything once, has no thread and no loop, and forks.

A child shares nothing with the test but its arguments, and dies alone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

PATIENCE = 120
"""Seconds after which a child counts as hanging."""

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(
    [
        "tests.crash.delivery",
        "tests.notify.lives",
        "workflow_engine.agents.conversation",
        "workflow_engine.agents.mcpshelf",
        "workflow_engine.langgraph.executor",
    ]
)


def started(work: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """A process that does the work."""
    process = server.Process(target=work, args=arguments)
    process.start()
    return process


def ended(work: Callable[..., Any], *arguments: Any, within: float = PATIENCE) -> int:
    """Do the work in a process of its own; how that ended: 0, 1 for an error, -9 for a kill."""
    return waited(started(work, *arguments), within)


def waited(process: ForkServerProcess, within: float = PATIENCE) -> int:
    """How a process ends. One that hangs is killed, and TimeoutError raised."""
    process.join(within)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
        raise TimeoutError(f"process {process.pid} did not end within {within} s")
    process.close()
    return code


def thaw(process: ForkServerProcess) -> None:
    """Let a stopped process go on."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)


def freeze(process: ForkServerProcess) -> None:
    """Stop a process where it stands; it keeps what it holds."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
