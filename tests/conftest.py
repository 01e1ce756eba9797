"""What holds for every test: no key and no setting of the machine reaches it, and a slow machine is no failure.

And what tests of several rooms are handed: a sandbox, and a working directory.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from workflow_engine.sandbox import Bubblewrap

# A test says itself which model, store and tracing it wants; a developer's shell must not.
for name in list(os.environ):
    if name.startswith(("OPENAI_", "WORKFLOW_", "LANGSMITH_", "LANGCHAIN_", "NO_COLOR", "FORCE_COLOR")):
        del os.environ[name]

# Two shared cores: how long one example takes says nothing about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


@pytest.fixture(scope="session")
def proven() -> str | None:
    """Why there is no sandbox on this machine; None where there is one."""
    from workflow_engine.sandbox import probe

    found = asyncio.run(probe())
    return None if found.isolated else found.why


@pytest.fixture
def sandbox(proven: str | None) -> Bubblewrap:
    from workflow_engine.sandbox import Bubblewrap

    if proven is not None:
        pytest.skip(f"no sandbox here: {proven}")
    return Bubblewrap()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Files of a working directory of its own, and what imports do to the interpreter undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)

    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    yield write
    ours = [name for name in set(sys.modules) - set(before) if _lies_in(tmp_path, name)]
    for name in ours:
        del sys.modules[name]


def _lies_in(folder: Path, name: str) -> bool:
    module = sys.modules[name]
    # A folder without __init__.py is a module too, which has no file; its path asks the one around it.
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(str(each).startswith(str(folder)) for each in places)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many processes were killed, and what else the crash tests have to tell."""
    reports = [each for sort in ("passed", "failed") for each in terminalreporter.stats.get(sort, ())]
    told = [fact for each in reports if each.when == "call" for fact in each.user_properties]
    kills = sum(value for name, value in told if name == "kills")
    for line in ([f"{kills} processes were killed"] if kills else []) + [
        line for name, line in told if name == "crash"
    ]:
        terminalreporter.write_line(f"crash: {line}")
