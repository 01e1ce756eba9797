"""The command `check`: every law a workflow breaks, and the most steps it can take between two answers."""

from __future__ import annotations

import sys

import typer

from workflow_engine.cli.options import Json, Target


def check(target: Target, json: Json = False) -> None:
    """Prove a workflow sound before it runs."""
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.figures import several
    from workflow_engine.cli.proving import finding_lines
    from workflow_engine.cli.signs import sign
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, painted, point, say
    from workflow_engine.targets import load
    from workflow_engine.verify import ceiling, verify

    loaded = load(target)
    workflow = loaded.workflow
    told = verify(workflow)
    findings = [each for each in told if each.severity == "finding"]
    most = None if findings else ceiling(workflow)
    if json:
        emit_json(
            {
                "ok": not findings,
                "ceiling": None if most is None else most.steps,
                "findings": [
                    {
                        "code": each.code,
                        "place": each.place,
                        "what": each.what,
                        "cure": each.cure,
                        "where": each.where,
                        "severity": each.severity,
                    }
                    for each in told
                ],
            }
        )
    else:
        for text in finding_lines(told, sys.stdout):
            emit(text)
        if not findings:
            ok = sign("succeeded")
            bound = "" if most is None else f", at most {several(most.steps, 'step')} between two answers"
            nodes = several(len(workflow.nodes), "node")
            emit(f"{painted(ok.on(sys.stdout), ok.ansi, sys.stdout)} {workflow.name} is sound: {nodes}{bound}")
    if findings:
        say(f"{workflow.name} breaks {several(len(findings), 'law')}; it does not run like this")
        raise typer.Exit(Exit.UNSOUND)
    inputs = [f"{field.name}=..." for field in workflow.fields.values() if field.required]
    point(
        ("draw", typed("draw", loaded.label, "-o", f"{workflow.name}.svg")),
        ("run", typed("run", loaded.label, *inputs)),
    )
