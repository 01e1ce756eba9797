"""Proving a workflow before it runs: five laws of the workflow, and one of a run under a changed one."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.ceilings import Ceiling, ceiling
from workflow_engine.verify.change import fits
from workflow_engine.verify.finding import Finding, broken
from workflow_engine.verify.laws import verify


class _Room(ModuleType):
    """Importing a module binds its name in its package, so `from workflow_engine import verify` finds this room and not
    the function in it. Called, the room does what the function does."""

    def __call__(self, workflow: Workflow[Any]) -> tuple[Finding, ...]:
        return verify(workflow)


sys.modules[__name__].__class__ = _Room

__all__ = ["Ceiling", "Finding", "broken", "ceiling", "fits", "verify"]
