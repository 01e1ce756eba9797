"""What a cell shows of each kind of value: a bundle of HTML, SVG, Mermaid and text, of which a notebook takes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_engine.draw import Diagram, diagram_of, diagram_of_run
from workflow_engine.notebook.pictures import Bundle, bundle_of, drawn
from workflow_engine.notebook.tables import answering, question, table
from workflow_engine.ports.ledger import Listed
from workflow_engine.record.inbox import Standing
from workflow_engine.runtime.view import RunView
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import Finding

_CELL = "ipykernel_"
"""Where a cell pretends to stand: a file that is not there."""


def of_workflow(workflow: Workflow[Any]) -> Bundle:
    """What may happen: drawn whether it is sound or not."""
    diagram = diagram_of(workflow)
    return bundle_of(diagram, drawn(diagram), repr(workflow))


def of_run(view: RunView[Any], workflow: Workflow[Any] | None = None) -> Bundle:
    """A run on its workflow, with what it asks. Without the workflow its steps are a table."""
    workflow = workflow or view.workflow
    asked = "".join(map(question, view.open_questions))
    if workflow is None or workflow.shape != view.run.shape:
        return {"text/plain": summary(view), "text/html": f"{_steps(view)}{asked}"}
    diagram = run_diagram(workflow, view)
    return bundle_of(diagram, drawn(diagram), summary(view), asked)


def run_diagram(workflow: Workflow[Any], view: RunView[Any]) -> Diagram:
    """The picture of a run at this moment."""
    return diagram_of_run(workflow, view.run, view.history, interrupted=view.interrupted)


def summary(view: RunView[Any]) -> str:
    """A run in a line of text, its failure in another, and the line that answers each of its questions."""
    steps = sum(each.step is not None for each in view.history.steps)
    reason = f" ({view.reason})" if view.reason else ""
    told = [f"run {view.id} of {view.run.workflow}: {view.status}{reason} after {steps} step{'s'[: steps != 1]}"]
    if view.error is not None and view.run.frontier.ended is None:
        told.append(f"{view.error.node} failed: {view.error.message}")
    for each in view.open_questions:
        told += [f"{each.question.node} asks: {each.question.message}", answering(each.question)]
    return "\n".join(told)


def text_of(value: Any) -> str:
    """Any of our values where there is only text."""
    match value:
        case RunView():
            return summary(value)
        case Listed():
            return "  ".join(_row(value))
        case Standing(question=asked):
            return f"{asked.node} of run {asked.run} asks: {asked.message}\n{answering(asked)}"
        case Finding():
            return str(value).strip()
        case _:
            return repr(value)


def of_question(standing: Standing) -> Bundle:
    """One question of the inbox."""
    return {"text/plain": text_of(standing), "text/html": question(standing)}


def of_finding(finding: Finding) -> Bundle:
    """One finding."""
    return of_list((finding,))


def of_listed(listed: Listed) -> Bundle:
    """One run of a list."""
    return of_list((listed,))


def of_list(values: Sequence[Any]) -> Bundle:
    """A list of values of one of our kinds: a table, a gallery, or one question under the other."""
    first = values[0]
    text = "\n".join(map(text_of, values))
    if isinstance(first, Finding):
        where = ["" if each.where is None or _CELL in each.where else each.where for each in values]
        heads = ("law", "place", "what is wrong", "cure", *(("where",) if any(where) else ()))
        rows = [
            (each.code, each.place, each.what, each.cure, place)[: len(heads)]
            for each, place in zip(values, where, strict=True)
        ]
        return {"text/plain": text, "text/html": table(heads, rows)}
    if isinstance(first, Listed):
        listed = [_row(each) for each in values]
        return {"text/plain": text, "text/html": table(("run", "workflow", "status", "steps", "changed"), listed)}
    shown = [of_question(each) if isinstance(first, Standing) else _of_one(each) for each in values]
    return {"text/plain": text, "text/html": "".join(each.get("text/html", "") for each in shown)}


def _of_one(value: Any) -> Bundle:
    return of_workflow(value) if isinstance(value, Workflow) else of_run(value)


def _row(listed: Listed) -> tuple[str, ...]:
    status = f"{listed.status} ({listed.reason})" if listed.reason else listed.status
    return listed.run, listed.workflow, status, str(listed.steps), f"{listed.updated:%Y-%m-%d %H:%M:%S} UTC"


def _steps(view: RunView[Any]) -> str:
    rows = [
        ("" if each.step is None else str(each.step), each.node, str(each.visit), each.status, each.words)
        for each in view.history.steps
    ]
    return f"<div>{table((), [[summary(view)]])}{table(('step', 'node', 'visit', 'status', 'last word'), rows)}</div>"
