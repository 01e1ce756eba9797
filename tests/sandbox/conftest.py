"""A real sandbox for every test that needs one, and a way to see what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from workflow_engine.sandbox import Bubblewrap
from workflow_engine.sandbox.footing import CLOSED_NAMESPACE, NAMESPACE, OWN_USER, Footing


@pytest.fixture(params=[OWN_USER, CLOSED_NAMESPACE, NAMESPACE], ids=lambda footing: footing.name)
def footed(request: pytest.FixtureRequest, proven: str | None) -> Bubblewrap:
    """The same sandbox on each footing this machine has."""
    footing: Footing = request.param
    if proven is not None:
        pytest.skip(f"no sandbox here: {proven}")
    if footing.lends and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return Bubblewrap(footing=footing)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def marker() -> str:
    """A word for a command line by which its process can be found."""
    return f"marker-{uuid.uuid4().hex}"


@pytest.fixture
def alive() -> Callable[[str], list[int]]:
    def find(marker: str) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marker.encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                    found.append(int(folder.name))
        return found

    return find


@pytest.fixture
def signalled(workspace: Path) -> Iterator[Callable[[], Awaitable[None]]]:
    """Waits until the command has said `echo > ready`: no test guesses how long a start takes."""
    os.mkfifo(workspace / "ready")
    os.chmod(workspace / "ready", 0o666)
    pipe = os.open(workspace / "ready", os.O_RDWR | os.O_NONBLOCK)

    async def wait() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe, told.set)
        try:
            await asyncio.wait_for(told.wait(), 20)
        finally:
            loop.remove_reader(pipe)

    yield wait
    os.close(pipe)
