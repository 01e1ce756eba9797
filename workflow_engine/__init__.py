"""A graph-based workflow engine: typed state graphs, proved before they run and durable while they do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from workflow_engine.systems import refuse_others

refuse_others()  # before anything is imported that another system lacks

from workflow_engine.errors import Failure, InvalidWorkflow, StepError, WorkflowError
from workflow_engine.ports.sandbox import Completed, Limits, Sandbox
from workflow_engine.record.people import Principal
from workflow_engine.spec.breaker import Breaker
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.chat import Chat
from workflow_engine.spec.decorators import agent, function, human, route
from workflow_engine.spec.document import from_document, to_document
from workflow_engine.spec.each import Result, each
from workflow_engine.spec.edges import END, FAIL, START, Edge, at_most, leaving
from workflow_engine.spec.file import File
from workflow_engine.spec.guardrail import Guardrail, guardrail
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.migrations import (
    add_field,
    change_field,
    drop_field,
    rename_field,
    rename_node,
    rename_outcome,
)
from workflow_engine.spec.policies import Retry
from workflow_engine.spec.question import Question
from workflow_engine.spec.specialist import Specialist, specialist
from workflow_engine.spec.state import Reducer, State, append, total, union
from workflow_engine.spec.step import Step
from workflow_engine.spec.subflow import subflow
from workflow_engine.spec.tool import Tool, tool
from workflow_engine.spec.waits import all_of, any_of, signal, wait
from workflow_engine.spec.workflow import Workflow, workflow

if TYPE_CHECKING:
    from workflow_engine.engine import Engine, run_sync
    from workflow_engine.langgraph.export import to_langgraph
    from workflow_engine.langgraph.node import langgraph_node
    from workflow_engine.runtime.view import RunView
    from workflow_engine.saver import open_saver
    from workflow_engine.store import Store
    from workflow_engine.verify import ceiling, verify

# Loaded when first asked for, so that declaring a workflow costs no more than pydantic does.
_LATER = {
    "Engine": "workflow_engine.engine",
    "run_sync": "workflow_engine.engine",
    "RunView": "workflow_engine.runtime.view",
    "open_saver": "workflow_engine.saver",
    "Store": "workflow_engine.store",
    "verify": "workflow_engine.verify",
    "ceiling": "workflow_engine.verify",
    "langgraph_node": "workflow_engine.langgraph.node",
    "to_langgraph": "workflow_engine.langgraph.export",
}


if "IPython" in sys.modules:  # in a notebook, workflows and runs are shown as pictures
    from workflow_engine.notebook.registering import register

    register()


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "END",
    "FAIL",
    "START",
    "Breaker",
    "Budget",
    "Chat",
    "Completed",
    "Edge",
    "Engine",
    "Failure",
    "File",
    "Guardrail",
    "InvalidWorkflow",
    "Limits",
    "Principal",
    "Question",
    "Reducer",
    "Result",
    "Retry",
    "RunLimits",
    "RunView",
    "Sandbox",
    "Specialist",
    "State",
    "Step",
    "StepError",
    "Store",
    "Tool",
    "Workflow",
    "WorkflowError",
    "add_field",
    "agent",
    "all_of",
    "any_of",
    "append",
    "at_most",
    "ceiling",
    "change_field",
    "drop_field",
    "each",
    "from_document",
    "function",
    "guardrail",
    "human",
    "langgraph_node",
    "leaving",
    "open_saver",
    "rename_field",
    "rename_node",
    "rename_outcome",
    "route",
    "run_sync",
    "signal",
    "specialist",
    "subflow",
    "to_document",
    "to_langgraph",
    "tool",
    "total",
    "union",
    "verify",
    "wait",
    "workflow",
]
