"""A run as one page of JSON: its form, and the digest that tells whether it came through whole.

Every event, version and letter stands on a line of its own, so that a page can be read, searched and compared. Values
are plain JSON, whatever a store does to its texts. Equal runs give equal pages, to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from workflow_engine.errors import InputError

FORMAT, SCHEMA = "workflow-run", 1
OPTIONAL = ("logs", "graphs", "files", "within")
"""Lists that a page leaves out where they are empty, and that earlier versions did not know."""
LISTS = ("journal", "versions", "letters", *OPTIONAL)
PARTS = ("format", "schema", "run", "epoch", "document", *LISTS, "digest")
_CURE = "give the file as workflow store export wrote it"


def written(parts: Mapping[str, Any]) -> str:
    """The page of these parts, which lack the format and the digest."""
    whole = {"format": FORMAT, "schema": SCHEMA, **parts}
    whole = {name: whole[name] for name in PARTS[:-1] if name not in OPTIONAL or whole.get(name)}
    lines = [f'"{name}": {_listed(each) if name in LISTS else compact(each)}' for name, each in whole.items()]
    lines.append(f'"digest": "{digest(whole)}"')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(text: str) -> dict[str, Any]:
    """The parts of a page. Raises InputError for what is none, and for one that did not come through whole."""
    try:
        parts = json.loads(text, parse_constant=_no_json)
        # What cannot be written as UTF-8 cannot be kept.
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError("the document is no Unicode text", _CURE) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"the document is no JSON: {str(error).splitlines()[0][:160]}", _CURE) from error
    if not isinstance(parts, dict) or parts.get("format") != FORMAT:
        raise InputError(f"the document is no exported run (its format is not {FORMAT!r})", _CURE)
    if type(parts.get("schema")) is not int or parts["schema"] > SCHEMA or parts["schema"] < 1:
        raise InputError(
            f"the document has the schema {parts.get('schema')!r}, and this version knows {SCHEMA}", "update the engine"
        )
    for name in OPTIONAL:
        parts.setdefault(name, [])
    wrong = sorted(set(parts) ^ set(PARTS))
    if wrong:
        raise InputError(f"the document {'has an unknown' if wrong[0] in parts else 'lacks its'} {wrong[0]!r}", _CURE)
    for name in LISTS:
        if not isinstance(parts[name], list) or not all(isinstance(each, dict) for each in parts[name]):
            raise InputError(f"the document's {name!r} is no list of objects", _CURE)
    try:
        whole = parts["digest"] == digest(parts)
    except UnicodeEncodeError as error:
        raise InputError("the document holds text that is no Unicode (a lone surrogate)", _CURE) from error
    if not whole:
        raise InputError("the document was changed or cut: it does not fit its digest", _CURE)
    return parts


def digest(parts: Mapping[str, Any]) -> str:
    """SHA-256 over the parts as compact JSON in UTF-8, in their order, without the digest."""
    told = {name: parts[name] for name in PARTS[:-1] if name not in OPTIONAL or parts.get(name)}
    return sha256(compact(told).encode()).hexdigest()


def compact(value: Any) -> str:
    """A value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _listed(items: Sequence[Any]) -> str:
    return "[\n" + ",\n".join(compact(each) for each in items) + "\n]" if items else "[]"


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
