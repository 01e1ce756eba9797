"""Inputs: `field=value` and `-i`, read through the state's types before anything begins, all mistakes at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_engine.cli.figures import line
from workflow_engine.errors import InputError
from workflow_engine.spec.state import Field
from workflow_engine.spec.workflow import Workflow
from workflow_engine.targets.place import near_names

_LARGEST = 4 * 2**20


@dataclass(frozen=True)
class Inputs:
    """The same inputs twice: `plain` as JSON has them, `typed` as the state's fields want them."""

    plain: Mapping[str, Any]
    typed: Mapping[str, Any]


def read_inputs(workflow: Workflow[Any], pairs: Sequence[str], documents: Sequence[str]) -> Inputs:
    """The inputs of a command line. Raises InputError naming every unknown, mistyped, doubled and missing field.

    A pair beats a document, a later document an earlier one.
    """
    given, problems = _read(workflow, pairs, documents)
    given_names = {*split_pairs(pairs), *_names(problems), *given.plain}
    problems += [
        f"{each.name}: missing ({type_name(each.type)})"
        for each in workflow.fields.values()
        if each.required and each.name not in given_names
    ]
    if problems:
        raise InputError(f"the inputs do not fit {workflow.name}\n  " + "\n  ".join(problems), _takes(workflow))
    return given


def read_given(workflow: Workflow[Any], pairs: Sequence[str], documents: Sequence[str]) -> Inputs:
    """Some of the inputs, where others come from elsewhere. Raises InputError as `read_inputs` does."""
    given, problems = _read(workflow, pairs, documents)
    if problems:
        raise InputError(f"the inputs do not fit {workflow.name}\n  " + "\n  ".join(problems), _takes(workflow))
    return given


def read_object(workflow: Workflow[Any], document: Mapping[str, Any], known: Inputs) -> tuple[Inputs, list[str]]:
    """The inputs of one JSON object, over what is known already, and everything that is wrong with them."""
    problems: list[str] = []
    plain, typed = dict(known.plain), dict(known.typed)
    for name, given in document.items():
        field = _field(workflow, name, problems)
        if field is not None:
            _take(field, given, plain, typed, problems)
    problems += [
        f"{each.name}: missing ({type_name(each.type)})"
        for each in workflow.fields.values()
        if each.required and each.name not in plain and each.name not in document
    ]
    return Inputs(plain, typed), problems


def read_edits(workflow: Workflow[Any], pairs: Sequence[str], documents: Sequence[str]) -> Inputs:
    """The edits of a command line: any fields of the state, read as inputs are. Raises InputError."""
    given, problems = _read(workflow, pairs, documents)
    if problems:
        fields = ", ".join(f"{each.name}: {type_name(each.type)}" for each in workflow.fields.values())
        what = f"the edits do not fit {workflow.name}\n  " + "\n  ".join(problems)
        raise InputError(what, f"its state has {fields}")
    return given


def _read(workflow: Workflow[Any], pairs: Sequence[str], documents: Sequence[str]) -> tuple[Inputs, list[str]]:
    problems: list[str] = []
    plain: dict[str, Any] = {}
    typed: dict[str, Any] = {}
    for name, given in _documents(documents).items():
        field = _field(workflow, name, problems)
        if field is not None:
            _take(field, given, plain, typed, problems)
    for name, text in split_pairs(pairs, next(iter(workflow.fields), "field")).items():
        field = _field(workflow, name, problems)
        if field is not None:
            _take_text(field, text, plain, typed, problems)
    return Inputs(plain, typed), problems


def split_pairs(pairs: Sequence[str], field: str = "field") -> dict[str, str]:
    """field=value words as a table. Raises InputError, with `field` as its example: no `=`, or a field given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"{line(pair, 60)!r} is no field=value", f"write it like {field}='some words'")
        if name in found:
            raise InputError(f"{name} is given twice", "give each field once")
        found[name] = text
    return found


def json_or_text(text: str) -> Any:
    """What a word means where no type says: JSON if it is some, else the text itself.

    >>> json_or_text("3"), json_or_text("three"), json_or_text('["a"]')
    (3, 'three', ['a'])
    """
    try:
        return strict_json(text)
    except ValueError:
        return text


def strict_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for what is none, NaN and bottomless nesting included."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def type_name(annotation: Any) -> str:
    """A field's type as its declaration has it.

    >>> type_name(str), type_name(list[int]), type_name(str | None)
    ('str', 'list[int]', 'str | None')
    """
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _documents(texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, document = read_document(text)
        if not isinstance(document, dict):
            raise InputError(
                f"{name} holds a JSON {_json_type(document)}, not an object", 'write {"field": value, ...}'
            )
        found.update(document)
    return found


def read_document(text: str) -> tuple[str, Any]:
    """Where a document was given, and what it says. Raises InputError."""
    name, content = _content(text)
    try:
        return name, strict_json(content.removeprefix("\ufeff"))
    except ValueError as error:
        raise InputError(f"{name} is no JSON: {error}", 'it holds one object, like {"request": "..."}') from None


def _content(text: str) -> tuple[str, str]:
    if text in ("-", "@-"):
        return "standard input", sys.stdin.read(_LARGEST)
    if text.startswith(("{", "[")):  # a list is no object, and is told so
        return "-i", text
    path = Path(text.removeprefix("@"))
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is larger than {_LARGEST >> 20} MB", "a state holds at most that much")
        return str(path), path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {why}", "give -i @file.json, or -i - for standard input") from None


def _field(workflow: Workflow[Any], name: str, problems: list[str]) -> Field | None:
    field = workflow.fields.get(name)
    if field is None:
        near = near_names(name, workflow.fields)
        problems.append(f"{line(name, 60)}: no such field" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    return field


def _take_text(field: Field, text: str, plain: dict[str, Any], typed: dict[str, Any], problems: list[str]) -> None:
    if text.encode("utf-8", "replace").decode() != text:
        problems.append(f"{field.name}: holds bytes that are no UTF-8")
        return
    if field.files and text.startswith("@"):
        _take_file(field, text[1:], plain, typed, problems)
        return
    try:
        value = strict_json(text)
    except ValueError:
        value = text
    # JSON, but not of this type: then it is the text itself, as in request=42 for a str. Where neither fits, what looks
    # like an object is told as one.
    if not _fits(field, value) and (not isinstance(value, dict | list) or _fits(field, text)):
        value = text
    if field.files and value == text and not _fits(field, value):
        problems.append(f"{field.name}: is a file, and is given like {field.name}=@{line(text, 60) or 'report.pdf'}")
        return
    _take(field, value, plain, typed, problems)


def _take_file(field: Field, path: str, plain: dict[str, Any], typed: dict[str, Any], problems: list[str]) -> None:
    """The file of a path; a list of the one, where the field wants a list."""
    from workflow_engine.errors import UsageError
    from workflow_engine.spec.file import File

    try:
        named = json.loads(File.of(Path(path)).model_dump_json())
    except UsageError as error:
        problems.append(f"{field.name}: {error.what}")
        return
    _take(field, named if _fits(field, named) or not _fits(field, [named]) else [named], plain, typed, problems)


def _fits(field: Field, value: Any) -> bool:
    from pydantic import ValidationError

    try:
        field.adapter.validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


def _take(field: Field, value: Any, plain: dict[str, Any], typed: dict[str, Any], problems: list[str]) -> None:
    from pydantic import ValidationError

    try:
        typed[field.name] = field.adapter.validate_json(json.dumps(value))
        plain[field.name] = value
    except ValidationError as error:
        plain.pop(field.name, None)
        details = error.errors(include_url=False, include_context=False, include_input=False)
        where = [".".join(map(str, (field.name, *each["loc"]))) for each in details]
        told = dict.fromkeys(f"{at}: {each['msg']}" for at, each in zip(where, details, strict=True))
        problems.extend(list(told)[:5])
    except RecursionError:
        problems.append(f"{field.name}: nested too deeply")


def _names(problems: Sequence[str]) -> set[str]:
    return {each.partition(":")[0].partition(".")[0] for each in problems}


def _takes(workflow: Workflow[Any]) -> str:
    required = [each for each in workflow.fields.values() if each.required]
    if not required:
        return f"{workflow.name} needs no input"
    told = f"{workflow.name} takes {', '.join(f'{each.name}: {type_name(each.type)}' for each in required)}"
    listed = next((each.name for each in required if _wants_json(each)), None)
    return (
        told if listed is None else f"{told}\nlists and objects are JSON in quotes: {listed}='[...]', or -i @file.json"
    )


def _wants_json(field: Field) -> bool:
    """Whether its value is written as JSON on a command line: a list or an object; files are given by their paths."""
    return not field.files and field.adapter.json_schema().get("type") in ("array", "object")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _json_type(value: Any) -> str:
    names = {str: "string", list: "list", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
