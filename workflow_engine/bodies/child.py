"""Bodies that run in a process of their own, so that a time limit can really stop them. Values cross as typed JSON."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_process
from pydantic import TypeAdapter

from workflow_engine.errors import StepError
from workflow_engine.spec.nodes import Function, Node


async def call_in_child(node: Function[Any, Any], given: Mapping[str, Any]) -> Any:
    """The body's value; the child is killed on cancellation. Raises what the body raised, as a StepError."""
    types = {each.name: each.type for each in node.signature.parameters}
    texts = {name: TypeAdapter(types[name]).dump_json(value).decode() for name, value in given.items()}
    body = inspect.unwrap(node.body)
    place = (body.__module__, inspect.getsourcefile(body) or "", body.__qualname__)
    ok, text = await anyio.to_process.run_sync(_in_child, place, texts, cancellable=True)
    if not ok:
        raise StepError(text)
    return TypeAdapter(node.signature.returns).validate_json(text)


def _in_child(place: tuple[str, str, str], texts: Mapping[str, str]) -> tuple[bool, str]:
    try:
        node = _found(*place)
        types = {each.name: each.type for each in node.signature.parameters}
        value = node.body(**{name: TypeAdapter(types[name]).validate_json(text) for name, text in texts.items()})
        return True, TypeAdapter(node.signature.returns).dump_json(value).decode()
    except Exception as error:  # it crosses a process border as text
        return False, f"{type(error).__name__}: {error}"


def _found(module_name: str, file: str, qualname: str) -> Node:
    module = sys.modules.get(module_name)
    if module is None or not hasattr(module, qualname.split(".")[0]):
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            found = importlib.util.spec_from_file_location(module_name, file)
            if found is None or found.loader is None:
                raise
            module = importlib.util.module_from_spec(found)
            sys.modules[module_name] = module
            sys.path.insert(0, str(Path(file).parent))
            found.loader.exec_module(module)
    body: Any = module
    for part in qualname.split("."):
        body = getattr(body, part)
    return body if isinstance(body, Node) else Node(qualname, body)
