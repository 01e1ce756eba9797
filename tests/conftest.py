"""What holds for every test: no key and no setting of the machine reaches it, and a slow machine is no failure."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

# A test says itself which model, store and tracing it wants; a developer's shell must not.
for name in list(os.environ):
    if name.startswith(("OPENAI_", "WORKFLOW_", "LANGSMITH_", "LANGCHAIN_", "NO_COLOR", "FORCE_COLOR")):
        del os.environ[name]

# Two shared cores: how long one example takes says nothing about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many processes were killed, and what else the crash tests have to tell."""
    reports = [each for sort in ("passed", "failed") for each in terminalreporter.stats.get(sort, ())]
    told = [fact for each in reports if each.when == "call" for fact in each.user_properties]
    kills = sum(value for name, value in told if name == "kills")
    for line in ([f"{kills} processes were killed"] if kills else []) + [
        line for name, line in told if name == "crash"
    ]:
        terminalreporter.write_line(f"crash: {line}")
