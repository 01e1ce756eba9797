"""The plain subprocess: the sandbox port without a sandbox, which says so.

It bounds what a mistake may do, not what malice may: the command has a clean environment, an empty home, rlimits and a
wall time, but it sees the host's files and network with the rights of the engine. A process that leaves its process
group outlives it. The limit on tasks counts all of the user's, so it is approximate, and as root it does not hold at
all.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.ports.sandbox import Completed, Limits
from workflow_engine.sandbox.child import Launch, completed, supervise
from workflow_engine.sandbox.limits import refuse_nonsense, rlimits, tasks_of
from workflow_engine.sandbox.order import order_for, writable_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PlainSubprocess:
    """For code somebody vouches for, or where no sandbox is to be had and a person allowed it."""

    name: str = "unsandboxed"
    isolated: bool = False

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        workspace = writable_folder(workspace)
        refuse_nonsense(limits)
        with tempfile.TemporaryDirectory(prefix="home-", ignore_cleanup_errors=True) as home:
            bounds = rlimits(limits, other_tasks=tasks_of(os.getuid()))
            order = order_for(argv, env=env, home=home, limits=bounds, cwd=str(workspace))
            ending = await supervise(Launch(order), limits)

        def own(program: str) -> bool:
            return "/" in program and Path(os.path.normpath(workspace / program)).is_relative_to(workspace)

        if not ending.report:
            raise errors.Infrastructure(f"the command was not started: {ending.stderr.strip() or ending.code}")
        return completed(ending, order, code=ending.code, isolated=False, own=own)
