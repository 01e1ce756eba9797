"""The kit's door: everything public by one import, and nothing heavy behind it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workflow_engine import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_everything_is_there_by_one_import(name: str) -> None:
    assert getattr(testing, name).__name__ == name


def test_what_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="FakeClok"):
        testing.FakeClok  # noqa: B018


def test_a_clock_loads_neither_pytest_nor_a_store() -> None:
    asked = (
        "import sys; from workflow_engine.testing import FakeClock, SeededMint, crash_after;"
        "print(*[name for name in ('pytest', 'langgraph', 'sqlite3', 'networkx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
