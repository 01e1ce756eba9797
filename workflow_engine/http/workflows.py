"""The routes of workflows: what is served, its picture, and the beginning of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import ValidationError

from workflow_engine.http.documents import NodeDocument, RunDocument, WorkflowDocument
from workflow_engine.http.orders import Inputs
from workflow_engine.http.problems import Refused, told
from workflow_engine.http.routes import desk_of, role, router
from workflow_engine.http.runs import run_document
from workflow_engine.http.sessions import Role
from workflow_engine.spec.state import Field
from workflow_engine.spec.workflow import Workflow

workflows = router()
Name = Annotated[str, Path(max_length=200)]


@workflows.get("/api/workflows", responses=told(), openapi_extra=role(Role.VIEWER))
async def listed(request: Request) -> list[WorkflowDocument]:
    """The workflows whose runs can be begun here."""
    desk = desk_of(request)
    return [workflow_document(each, drives=desk.drives) for each in desk.workflows.values()]


@workflows.post(
    "/api/workflows/{name}/runs",
    status_code=201,
    response_model=RunDocument,
    response_model_exclude_unset=True,
    responses=told(404, 409, 413, 415, 422, 503),
    openapi_extra=role(Role.OPERATOR),
)
async def begin(request: Request, name: Name, given: Inputs) -> dict[str, Any]:
    """Begin a run. It is on disk when this answers, and goes on in this process."""
    desk = desk_of(request)
    workflow = workflow_of(request, name)
    run = await desk.engine.start(workflow, typed(workflow, given.inputs), desk.labels.get(workflow.name))
    return run_document(await desk.engine.get(run))


def workflow_of(request: Request, name: str) -> Workflow[Any]:
    """The workflow of a name. Raises Refused (404)."""
    known = desk_of(request).workflows
    if name not in known:
        raise Refused(
            404, "no-workflow", f"no workflow {name[:60]!r} is served here", "serve its file: workflow serve FILE.py"
        )
    return known[name]


def workflow_document(workflow: Workflow[Any], *, drives: bool) -> WorkflowDocument:
    """A workflow as it is told."""
    about = " ".join((workflow.state.__doc__ or "").split()) if "__doc__" in vars(workflow.state) else ""
    fields = workflow.fields
    return WorkflowDocument(
        name=workflow.name,
        title=about,
        fields=list(fields),
        inputs=schema_of(fields),
        state=schema_of(fields, required=False),
        nodes=[
            NodeDocument(name=name, kind=node.kind, writes=list(node.writes)) for name, node in workflow.nodes.items()
        ],
        chat=workflow.chat is not None,
        drives=drives,
    )


def schema_of(fields: Mapping[str, Field], *, required: bool = True) -> dict[str, Any]:
    """The JSON Schema of an object of these fields."""
    properties: dict[str, Any] = {}
    lifted: dict[str, Any] = {}
    for name, field in fields.items():
        schema = dict(field.adapter.json_schema())
        lifted |= schema.pop("$defs", {})
        properties[name] = {"title": name, **schema, **_default(field)}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, field in fields.items() if required and field.required],
        "additionalProperties": False,
        **({"$defs": lifted} if lifted else {}),
    }


def _default(field: Field) -> dict[str, Any]:
    """What the field holds where nobody gives it anything, if JSON can say it."""
    if field.required:
        return {}
    try:
        return {"default": field.adapter.dump_python(field.default, mode="json", warnings=False)}
    except (ValueError, TypeError, RecursionError):
        return {}


def typed(workflow: Workflow[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """JSON as the state's fields want it; what does not fit is left as it is, for the engine to say so."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        field = workflow.fields.get(name)
        try:
            found[name] = value if field is None else field.adapter.validate_json(json.dumps(value))
        except (ValidationError, ValueError, RecursionError):
            found[name] = value
    return found


__all__ = ["workflow_document", "workflow_of", "workflows"]
