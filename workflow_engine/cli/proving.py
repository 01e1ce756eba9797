"""Proving from the command line: findings as people read them, and the refusal of a workflow that has any."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from workflow_engine.cli.figures import plain
from workflow_engine.cli.voice import AMBER, DIM, RED, painted, say
from workflow_engine.errors import InvalidWorkflow

if TYPE_CHECKING:
    from workflow_engine.spec.workflow import Workflow
    from workflow_engine.verify import Finding


def prove(workflow: Workflow[Any]) -> None:
    """Tell the warnings, and raise InvalidWorkflow where there are findings."""
    from workflow_engine.verify import verify

    told = verify(workflow)
    warnings = [each for each in told if each.severity == "warning"]
    for text in finding_lines(warnings, sys.stderr):
        say(text)
    findings = [each for each in told if each.severity == "finding"]
    if findings:
        raise InvalidWorkflow(workflow.name, findings)


def finding_lines(findings: Sequence[Finding], out: TextIO) -> list[str]:
    """Two lines each: what is wrong and where, then the cure."""
    if not findings:
        return []
    places = max(len(each.place) for each in findings)
    lines = []
    for each in findings:
        code = painted(each.code, RED if each.severity == "finding" else AMBER, out)
        where = f"  {painted(each.where, DIM, out)}" if each.where else ""
        lines.append(f"  {code}  {each.place.ljust(places)}  {plain(each.what)}{where}")
        lines.append(f"        {' ' * places}{plain(each.cure)}")
    return lines
