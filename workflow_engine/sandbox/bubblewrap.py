"""Bubblewrap: a command in namespaces of its own, with no network, no host files and no secrets in reach.

What the command sees: the system's programs and libraries and the running Python, read-only; its workspace at
WORKSPACE, writable, as its working folder; an empty /tmp, /dev/shm and /proc of its own; loopback to itself; an
environment of seven harmless variables. Everything else of the host does not exist for it: no home, no host's network,
no other process.

What bounds it, and how far: wall time for the whole tree; CPU time, address space and size of a file for each process
(the kernel's rlimits know no sums, so the tree as a whole may use `processes` times as much memory); tasks, that is
processes and threads together, for the tree; /tmp and /dev/shm to `memory_mb` each, given bwrap 0.7. Nothing bounds how
many files are put on the workspace's disk within the time allowed. The kernel itself is the wall: who needs a stronger
one than namespaces takes a virtual machine.

Running as root the command becomes a user that exists nowhere else, and the workspace is lent to it (lend.py). Where
root cannot do that, it falls back to a user namespace and the limit on tasks is not enforced (footing.py says why).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.ports.sandbox import Completed, Limits
from workflow_engine.sandbox.child import Ending, Launch, Order, completed, sheet, supervise
from workflow_engine.sandbox.footing import INSIDE_USER, Footing, footings
from workflow_engine.sandbox.init import listening
from workflow_engine.sandbox.lend import lent, stranger
from workflow_engine.sandbox.limits import MEGABYTE, refuse_nonsense, rlimits, tasks_of
from workflow_engine.sandbox.order import order_for, writable_folder
from workflow_engine.sandbox.surroundings import readonly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORKSPACE = "/sandbox"
INSTALL = "install bubblewrap (the package and its program bwrap; any Linux distribution has it)"
ALLOW = "allow user namespaces to bwrap (sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile for it)"
PROBE = Limits(seconds=20, cpu_seconds=20, memory_mb=4096, file_mb=1, processes=16, output_kb=8)


class Bubblewrap:
    """The sandbox port, kept by the `bwrap` program. Commands name files relative to the workspace."""

    name: str = "bubblewrap"
    isolated: bool = True

    def __init__(
        self,
        *,
        program: str | Path | None = None,
        extra_readonly: Sequence[str | Path] = (),
        footing: Footing | None = None,
    ) -> None:
        """`program` is bwrap's path, else it is looked up. The folders of `extra_readonly` show at their own place.
        `footing` is the only one to take, else the best that works."""
        self._program = str(program) if program is not None else shutil.which("bwrap")
        self._view = readonly(_visible(Path(folder)) for folder in extra_readonly)
        self._only = footing
        self._settled: tuple[Footing, frozenset[str]] | None = None

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
        footing, options = await self._settle()
        return await self._run(footing, options, argv, workspace, limits, env)

    async def settle(self) -> Footing:
        """How this machine lets a sandbox stand, found out by starting one. Raises Infrastructure if it does not."""
        return (await self._settle())[0]

    async def _settle(self) -> tuple[Footing, frozenset[str]]:
        if self._settled is not None:
            return self._settled
        if sys.platform != "linux":
            raise errors.Infrastructure("there is no sandbox on this system: bubblewrap needs Linux", retryable=False)
        if self._program is None:
            raise errors.Infrastructure("bwrap was not found on the PATH", INSTALL, retryable=False)
        options = await self._options(self._program)
        refused: list[str] = []
        possible = footings(root=os.geteuid() == 0, options=options, release=os.uname().release)
        for footing in possible if self._only is None else (self._only,):
            with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
                # The interpreter itself: a footing that cannot read it is of no use.
                try:
                    done = await self._run(
                        footing, options, [sys.executable, "-c", ""], Path(folder).resolve(), PROBE, None
                    )
                except errors.Infrastructure as error:
                    refused.append(f"{footing.name}: {error.what}")
                    continue
            if done.ok:
                self._settled = footing, options
                return self._settled
            refused.append(f"{footing.name}: Python did not start in it: {_last_line(done.stderr)}")
        raise errors.Infrastructure(f"bwrap is installed but cannot be used here ({'; '.join(refused)})", ALLOW)

    async def _options(self, program: str) -> frozenset[str]:
        """The options this bwrap knows: distributions in use carry 0.4 to 0.11."""
        try:
            asked = await asyncio.create_subprocess_exec(
                program,
                "--help",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={},
            )
        except OSError as error:
            raise errors.Infrastructure(f"{program} could not be started: {error.strerror}", INSTALL) from error
        try:
            text, _ = await asyncio.wait_for(asked.communicate(), timeout=10)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                asked.kill()
            raise
        return frozenset(word for word in text.decode("utf-8", "replace").split() if word.startswith("--"))

    async def _run(
        self,
        footing: Footing,
        options: frozenset[str],
        argv: Sequence[str],
        workspace: Path,
        limits: Limits,
        env: Mapping[str, str] | None,
    ) -> Completed:
        user = stranger(workspace) if footing.lends else None
        if footing.lends and user is None:
            raise errors.Infrastructure("no user number is free for it in this user namespace", retryable=False)
        # The init bwrap puts in front of the command is counted too, unless it is another user's.
        others = 0 if footing.lends else 1 if footing.counts_apart else tasks_of(os.getuid()) + 2
        order = order_for(
            argv,
            env=env,
            home="/tmp",
            limits=rlimits(limits, other_tasks=others),
            cwd=WORKSPACE,
            user=user,
            shared=("/tmp", "/dev/shm"),
        )
        with contextlib.ExitStack() as held:
            if user is not None:
                try:
                    held.enter_context(lent(workspace, user))
                except OSError as error:
                    raise errors.Infrastructure(f"the workspace could not be lent to user {user}: {error}") from error
            return await self._started(footing, options, order, workspace, limits)

    async def _started(
        self, footing: Footing, options: frozenset[str], order: Order, workspace: Path, limits: Limits
    ) -> Completed:
        with contextlib.ExitStack() as held:
            etc = {
                path: held.enter_context(sheet(text)).fileno() for path, text in _etc(order.user or INSIDE_USER).items()
            }
            async with listening() as init:
                flags = [
                    *footing.flags,
                    *self._mounts(options, etc, workspace, limits),
                    *("--hostname", "sandbox", "--chdir", "/", "--die-with-parent", "--new-session"),
                    *(("--clearenv",) if "--clearenv" in options else ()),
                    *("--json-status-fd", str(init.fd), "--"),
                ]
                launch = Launch(
                    order,
                    command=lambda prelude: [self._program or "bwrap", *flags, *prelude],
                    pass_fds=(init.fd, *etc.values()),
                    beneath=init,
                )
                ending = await supervise(launch, limits)
                await init.told()
                return completed(
                    ending, order, code=_exit_code(ending, init.exit_code), isolated=True, own=_in_workspace
                )

    def _mounts(self, options: frozenset[str], etc: Mapping[str, int], workspace: Path, limits: Limits) -> list[str]:
        size = ["--size", str(limits.memory_mb * MEGABYTE)] if "--size" in options else []
        mounts = ["--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/dev/shm", *size, "--tmpfs", "/tmp"]
        for path, link in self._view.items():
            mounts += _folders_to(path)
            mounts += ["--ro-bind", path, path] if link is None else ["--symlink", link, path]
        mounts += _folders_to("/etc/passwd")
        for path, fd in etc.items():
            mounts += [*(("--perms", "0444") if "--perms" in options else ()), "--ro-bind-data", str(fd), path]
        mounts += ["--bind", str(workspace), WORKSPACE]
        # Last, when every mount point is made. The root and /dev are memory, and no limit would count it. /proc holds
        # the kernel's own switches (/proc/sys/kernel/core_pattern names a program that runs as the host's root),
        # writable by uid 0 even without a capability; bwrap covers only some of them, so none of /proc may be writable.
        return [*mounts, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]


def _etc(user: int) -> dict[str, str]:
    """The few files without which programs do not know who they are and that localhost is here."""
    return {
        "/etc/passwd": f"sandbox:x:{user}:{user}:sandbox:/tmp:/bin/sh\n",
        "/etc/group": f"sandbox:x:{user}:\n",
        "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def _folders_to(path: str) -> list[str]:
    """The way to a mount point, made by name: some bwraps make it passable for their own user only."""
    return [word for folder in reversed(Path(path).parents) if folder != Path("/") for word in ("--dir", str(folder))]


def _visible(folder: Path) -> Path:
    folder = folder.absolute()
    if not folder.exists():
        raise errors.UsageError(f"extra_readonly names {folder}, which does not exist")
    if folder.is_relative_to(WORKSPACE) or Path(WORKSPACE).is_relative_to(folder):
        raise errors.UsageError(f"extra_readonly names {folder}, where the sandbox itself stands")
    return folder


def _in_workspace(program: str) -> bool:
    return "/" in program and (not program.startswith("/") or Path(os.path.normpath(program)).is_relative_to(WORKSPACE))


def _exit_code(ending: Ending, told: int | None) -> int:
    """The command's own exit code; raises Infrastructure if it has none, as bwrap failed or was killed."""
    if not ending.report:
        reason = _last_line(ending.stderr) or f"it ended with {ending.code} before the command began"
        raise errors.Infrastructure(f"bwrap did not start the command: {reason}")
    if told is None and not ending.timed_out:
        raise errors.Infrastructure(
            f"the sandbox was killed from outside while the command ran (it ended with {ending.code})"
        )
    return ending.code if told is None else told


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
