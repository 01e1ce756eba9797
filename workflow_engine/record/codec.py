"""Typed JSON: values cross into the store through their declared type, or not at all.

An adapter's validator and serializer are asked themselves: its own methods for it take longer than most values do.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workflow_engine.errors import BadWrite

DEPTH = 200
INTEGER = 2**63
_LONG = re.compile(r"\d{19}")
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def encode(adapter: TypeAdapter[Any], value: Any, place: str) -> str:
    """The JSON text of a value of the adapter's type; `decode` gives the same value back.

    Raises BadWrite, naming `place`, for a value of another type and for one that JSON would change: NaN, a lone
    surrogate, an integer beyond 64 bits, nesting deeper than 200, a subclass of its declared type.
    """
    try:
        valid = adapter.validator.validate_python(value, strict=True)
    except ValidationError as error:
        raise BadWrite(f"{place}: {_first(error)}", "return a value of the field's declared type") from error
    except RecursionError as error:
        raise BadWrite(f"{place}: nested too deeply, or into itself", f"nest at most {DEPTH} deep") from error
    try:
        text = adapter.serializer.to_json(valid, warnings="error").decode()
    except (ValueError, RecursionError, TypeError) as error:
        raise BadWrite(f"{place}: typed JSON cannot carry it ({_gist(error)})", _CURE) from error
    _check_plain(text, place)
    try:
        again = adapter.validator.validate_json(text)
        same = bool(again == valid)
    except (ValueError, RecursionError) as error:
        raise BadWrite(f"{place}: {_changed(adapter, valid, _gist(error))}", _CURE) from error
    if not same:
        raise BadWrite(f"{place}: {_changed(adapter, valid)}{_difference(valid, again)}", _CURE)
    return text


def decode(adapter: TypeAdapter[Any], text: str) -> Any:
    """A fresh value from its JSON text. Raises pydantic.ValidationError if the text does not fit the type."""
    return adapter.validator.validate_json(text)


_CURE = "use plain numbers (no NaN), text, lists, dicts, dates and models of them"


def _check_plain(text: str, place: str) -> None:
    brackets = text.count("[") + text.count("{")
    # Most texts are settled here, without a parse: too few brackets to be deep, no run of digits that is long.
    if brackets <= DEPTH and _LONG.search(text) is None:
        return
    try:
        json.loads(text, parse_int=_within_64_bits)
    except (ValueError, RecursionError) as error:
        raise BadWrite(f"{place}: {_gist(error)}", _CURE) from error
    if brackets > DEPTH and (deep := _depth(text)) > DEPTH:
        raise BadWrite(f"{place}: nested {deep} deep", f"nest at most {DEPTH} deep")


def _changed(adapter: TypeAdapter[Any], valid: Any, why: str = "") -> str:
    """What typed JSON would do to the value. The usual cause is named: JSON makes null of it without a word."""
    try:
        json.dumps(adapter.dump_python(valid, mode="json"), allow_nan=False)
    except ValueError:
        return "it holds NaN or infinity, and JSON has neither"
    except (TypeError, RecursionError):
        pass
    return f"typed JSON would change it{f' ({why})' if why else ''}"


def _difference(value: Any, again: Any) -> str:
    """Where a value and what is read back begin to differ; nothing where both look the same."""
    try:
        was, now = repr(value), repr(again)
    except Exception:  # __repr__ is the user's code
        return ""
    at = next((index for index, (old, new) in enumerate(zip(was, now, strict=False)) if old != new), None)
    if at is None:
        return ""
    start = max(0, at - 40)
    return f": {'…' * (start > 0)}{was[start : at + 40]} would be read back as {now[start : at + 40]}"


def _depth(text: str) -> int:
    depth = deepest = 0
    for mark in _MARKS.findall(text):
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def _within_64_bits(digits: str) -> int:
    if len(digits) > 20 or not -INTEGER <= int(digits) < INTEGER:
        shown = digits if len(digits) <= 24 else f"{digits[:20]}… ({len(digits.lstrip('-'))} digits)"
        raise ValueError(f"the integer {shown} does not fit 64 bits")
    return int(digits)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    parts = [str(part) for part in first["loc"]]
    # The place of a nesting without end is a page of zeros.
    where = ".".join(parts if len(parts) <= 12 else [*parts[:6], "…", parts[-1]])
    more = error.error_count() - 1
    # What was given is told by its type alone: a value may be long, or a secret.
    given = f", not a {type(first['input']).__name__}" if first["type"].endswith("_type") else ""
    return f"{where + ': ' if where else ''}{first['msg']}{given}{f' (and {more} more)' if more else ''}"


def _gist(error: BaseException) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__
