"""The command `check`: every law a workflow breaks, its longest way between two answers, and how it fits its runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflow_engine.cli.flight import Flight
    from workflow_engine.spec.workflow import Workflow
    from workflow_engine.verify import Ceiling, Finding


def check(
    target: Target,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="STORE",
            help="hold it against the runs in flight there: a path, or 'default' for WORKFLOW_STORE",
        ),
    ] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="with --against: count what has to be accepted as accepted")
    ] = False,
    json: Json = False,
) -> None:
    """Prove a workflow sound before it runs.

    With --against, tell which runs in flight it can carry.
    """
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.figures import several
    from workflow_engine.cli.flight import flown
    from workflow_engine.cli.proving import finding_lines
    from workflow_engine.cli.signs import sign
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, painted, point, say
    from workflow_engine.errors import UsageError
    from workflow_engine.targets import load
    from workflow_engine.verify import ceiling, verify

    if accept_changes and against is None:
        raise UsageError("--accept-changes concerns runs", "name their store: --against STORE")
    loaded = load(target)
    workflow = loaded.workflow
    told = verify(workflow)
    findings = [each for each in told if each.severity == "finding"]
    most = None if findings else ceiling(workflow)
    flight = None
    if against is not None and not findings:
        flight = run_loop(flown(against, workflow, accepted=accept_changes))
    if json:
        emit_json(_document(workflow, told, most, flight))
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
    if flight is not None:
        _fly(flight, against or "", loaded.label, as_json=json)
        return
    inputs = [f"{field.name}=..." for field in workflow.fields.values() if field.required]
    point(
        ("draw", typed("draw", loaded.label, "-o", f"{workflow.name}.svg")),
        ("run", typed("run", loaded.label, *inputs)),
    )


def _document(
    workflow: Workflow[Any], told: Sequence[Finding], most: Ceiling | None, flight: Flight | None
) -> dict[str, Any]:
    from workflow_engine.cli.flight import flight_document
    from workflow_engine.spec.comparison import fingerprints
    from workflow_engine.spec.document import document_of

    findings = [each for each in told if each.severity == "finding"]
    return {
        "ok": not findings and (flight is None or flight.ok),
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
        # A workflow that breaks laws may have parts of which no document can be made.
        "fingerprint": None
        if findings
        else {
            "workflow": workflow.fingerprint,
            "shape": workflow.shape,
            "nodes": fingerprints(document_of(workflow)),
        },
        **({} if flight is None else {"against": flight_document(flight)}),
    }


def _fly(flight: Flight, against: str, label: str, *, as_json: bool) -> None:
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.flight import declaration, flight_lines, where
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, point, say

    if not as_json:
        for text in flight_lines(flight):
            emit(text)
    store = where(against)
    refused, accept = flight.of("refused"), flight.of("accept")
    if refused:
        if line := declaration(flight):
            say(line)
        point(
            ("look", typed("show", refused[0].run, store=store)),
            ("or fork", typed("fork", refused[0].run, label, "--at", "STEP", store=store)),
        )
    elif accept:
        point(("accept", typed("resume", accept[0].run, label, "--accept-changes", store=store)))
    else:
        point(("go on", typed("recover", label, store=store)))
    if not flight.ok:
        raise typer.Exit(Exit.UNSOUND)
