"""The JSON Schema of a question, which a stranger may have written: nothing is fetched, nothing hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

from workflow_engine.errors import AnswerRejected

REFERENCES = 2_000
"""How often a schema may refer to its parts for one answer: few references can stand for very many."""


@dataclass
class _Bounds:
    """What is left of one answer's references, and whether its schema has names by patterns anywhere."""

    references: int
    patterns: bool


_BOUNDS: ContextVar[_Bounds] = ContextVar("_BOUNDS")


def problems(schema: Mapping[str, Any], value: Any, place: str, whole: str = "answer") -> list[str]:
    """Every way in which a value does not fit; `whole` is what it is called where all of it is wrong.

    Raises AnswerRejected for a schema that nothing can be held against.
    """
    from referencing import Registry

    registry: Any = Registry()
    token = _BOUNDS.set(_Bounds(REFERENCES, "patternProperties" in str(schema)))
    try:
        # With a registry of its own, a reference to elsewhere is an error: else it would be fetched.
        found = sorted(_validator()(dict(schema), registry=registry).iter_errors(value), key=_place)
        return [f"{'.'.join(_place(error)) or whole}: {error.message[:300]}" for error in found]
    except Exception as error:  # a schema that is none may break the validator in any way
        gist = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise AnswerRejected(
            f"no answer can be held against the schema of {place}: {gist}",
            "cancel its run; or mend the type its node asks for, and fork it at an earlier step: workflow fork",
        ) from error
    finally:
        _BOUNDS.reset(token)


def _place(error: Any) -> list[str]:
    return list(map(str, error.absolute_path))


@cache
def _validator() -> Any:
    # Imported when somebody answers: it takes as long as all the rest.
    from jsonschema import Draft202012Validator, validators

    known: Mapping[str, Any] = Draft202012Validator.VALIDATORS
    extend: Any = validators.extend
    return extend(
        Draft202012Validator,
        {
            "$ref": _counted(known["$ref"]),
            "$dynamicRef": _counted(known["$dynamicRef"]),
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional(known["additionalProperties"]),
            "unevaluatedProperties": _unevaluated(known["unevaluatedProperties"]),
        },
    )


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    def follow(*given: Any) -> Iterator[Any]:
        bounds = _BOUNDS.get()
        bounds.references -= 1
        if bounds.references < 0:
            raise ValueError("it refers to its parts without end")
        yield from check(*given) or ()

    return follow


@lru_cache(maxsize=64)
def _expression(pattern: str) -> SchemaValidator | None:
    """A pattern as pydantic matches it, in time that grows with the text; None for one that can only be backtracked.

    Such a one is not held against an answer here: the type that it comes from is, where the answer is taken up.
    """
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True))
    except SchemaError:
        return None


def _fits(pattern: str, text: str) -> bool:
    expression = _expression(pattern)
    return expression is None or expression.isinstance_python(text)


def _pattern(validator: Any, pattern: Any, value: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if validator.is_type(value, "string") and not _fits(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, _schema: Any) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    for pattern, inner in patterns.items():
        for name in value:
            if _expression(pattern) is not None and _fits(pattern, name):
                yield from validator.descend(value[name], inner, path=name, schema_path=pattern)


def _additional(check: Callable[..., Any]) -> Callable[..., Any]:
    """What has a name by a pattern is not additional; the rest is judged as if there were no patterns."""

    def additional(validator: Any, inner: Any, value: Any, schema: Any) -> Iterator[Any]:
        patterns = schema.get("patternProperties", {})
        if patterns and validator.is_type(value, "object"):
            value = {name: each for name, each in value.items() if not any(_fits(one, name) for one in patterns)}
            schema = {name: each for name, each in schema.items() if name != "patternProperties"}
        yield from check(validator, inner, value, schema) or ()

    return additional


def _unevaluated(check: Callable[..., Any]) -> Callable[..., Any]:
    def unevaluated(validator: Any, inner: Any, value: Any, schema: Any) -> Iterator[Any]:
        if _BOUNDS.get().patterns:
            raise ValueError("unevaluatedProperties beside patternProperties are not supported")
        yield from check(validator, inner, value, schema) or ()

    return unevaluated
