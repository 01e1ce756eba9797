"""The registration: which values a notebook shows how, by the names of their classes, so that nothing is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from workflow_engine.errors import WorkflowError

Bundle = dict[str, Any]

# Where a class lives, and which function of `bundles` shows it.
SHOWN = {
    ("workflow_engine.spec.workflow", "Workflow"): "of_workflow",
    ("workflow_engine.runtime.view", "RunView"): "of_run",
    ("workflow_engine.record.inbox", "Standing"): "of_question",
    ("workflow_engine.verify.finding", "Finding"): "of_finding",
    ("workflow_engine.ports.ledger", "Listed"): "of_listed",
}


def register(ipython: Any = None) -> bool:
    """Show our values in this notebook (or IPython) from now on. False where there is none."""
    ipython = ipython or running()
    if ipython is None:
        return False
    formatter = ipython.display_formatter.mimebundle_formatter
    plain = ipython.display_formatter.formatters["text/plain"]
    for (module, name), function in SHOWN.items():
        formatter.for_type_by_name(module, name, _later(function))
        plain.for_type_by_name(module, name, _print)  # or those of a list would be printed field by field
    for kind in (list, tuple):  # what `inbox`, `runs` and `verify` give
        try:
            formatter.lookup_by_type(kind)
        except KeyError:  # nobody else shows them
            formatter.for_type(kind, _listed)
    WorkflowError._render_traceback_ = _told  # type: ignore[attr-defined]
    return True


def running() -> Any:
    """The IPython this runs in, if any. Imports nothing."""
    there = sys.modules.get("IPython")
    find = getattr(there, "get_ipython", None)
    return None if find is None else find()


def load_ipython_extension(ipython: Any) -> None:
    """What `%load_ext workflow_engine.notebook` calls."""
    register(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """What `%unload_ext workflow_engine.notebook` calls: our values look as Python shows them again."""
    formatter = ipython.display_formatter.mimebundle_formatter
    plain = ipython.display_formatter.formatters["text/plain"]
    for module, name in SHOWN:
        formatter.pop(f"{module}.{name}", None)
        plain.pop(f"{module}.{name}", None)
    for kind in (list, tuple):
        if formatter.type_printers.get(kind) is _listed:
            formatter.pop(kind)
    if "_render_traceback_" in vars(WorkflowError):
        del WorkflowError._render_traceback_  # type: ignore[attr-defined]


def _later(function: str) -> Callable[[Any], Bundle]:
    def show(value: Any) -> Bundle:
        from workflow_engine.notebook import bundles

        bundle: Bundle = getattr(bundles, function)(value)
        return bundle

    return show


def _print(value: Any, printer: Any, cycle: bool) -> None:  # noqa: ARG001 (IPython's signature)
    from workflow_engine.notebook.bundles import text_of

    printer.text(text_of(value))


def _listed(values: Any) -> Bundle | None:
    """A list of ours, and of nothing else; None leaves every other to whoever shows it."""
    first = type(values[0]) if values else None
    if first is None or (first.__module__, first.__qualname__) not in SHOWN:
        return None
    if any(type(each) is not first for each in values):
        return None
    from workflow_engine.notebook import bundles

    return bundles.of_list(values)


def _told(error: WorkflowError) -> list[str]:
    """What is wrong and the cure, as on the command line: where in the engine it was noticed helps nobody."""
    trace = getattr(error, "trace", "")
    return [*([trace.rstrip()] if trace else []), f"{type(error).__name__}: {error}"]
