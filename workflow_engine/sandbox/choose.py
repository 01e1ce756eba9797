"""The choice of a sandbox: the best this machine has, or a clear refusal."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Literal, NamedTuple

from workflow_engine import errors
from workflow_engine.sandbox.bubblewrap import Bubblewrap
from workflow_engine.sandbox.plain import PlainSubprocess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from workflow_engine.ports.sandbox import Sandbox


class Probe(NamedTuple):
    """Whether commands can be isolated here, and by what or why not: one line for `doctor`."""

    isolated: bool
    why: str


_proven: dict[str, Probe] = {}


async def probe() -> Probe:
    """Start bwrap once and see. What worked is remembered; what did not is tried again: it may have been mended."""
    program = shutil.which("bwrap")
    if program in _proven:
        return _proven[program]
    found = await _look(Bubblewrap(program=program))
    if found.isolated and program is not None:
        _proven[program] = found
    return found


@contextlib.asynccontextmanager
async def open_sandbox(
    *,
    unsandboxed: Literal["allowed", "refused"] = "refused",
    extra_readonly: Sequence[str | Path] = (),
    program: str | Path | None = None,
) -> AsyncIterator[Sandbox]:
    """Bubblewrap where it works. Where not, the plain subprocess if that is allowed, else UsageError."""
    sandbox = Bubblewrap(program=program, extra_readonly=extra_readonly)
    found = await _look(sandbox)
    if found.isolated:
        yield sandbox
    elif unsandboxed == "allowed":
        yield PlainSubprocess()
    else:
        raise errors.UsageError(
            f"code nobody vouches for would run unsandboxed: {found.why}",
            "install bubblewrap and let it use user namespaces, or say --allow-unsandboxed",
        )


async def _look(sandbox: Bubblewrap) -> Probe:
    try:
        footing = await sandbox.settle()
    except errors.Infrastructure as error:
        return Probe(False, error.what)
    return Probe(
        True, f"bubblewrap, in {footing.name}" if "namespace" in footing.name else f"bubblewrap, {footing.name}"
    )
