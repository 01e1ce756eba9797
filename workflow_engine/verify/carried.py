"""What typed JSON carries: `lost(annotation)` says why values of a type would not come back as they went."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, JsonValue, SecretBytes, SecretStr, TypeAdapter
from pydantic.functional_serializers import PlainSerializer, WrapSerializer
from typing_extensions import TypeAliasType, is_typeddict

from workflow_engine.verify.accepts import unknown

_PLAIN = frozenset(
    {
        *(str, int, float, bool, type(None), complex, decimal.Decimal, uuid.UUID),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
        *(pathlib.Path, pathlib.PurePath, pathlib.PurePosixPath, pathlib.PosixPath),
    }
)
_BYTES = (bytes, bytearray, memoryview)
_BARE = (list, dict, tuple, set, frozenset, abc.Sequence, abc.Mapping, abc.Collection, abc.Set)
_LAZY = (abc.Iterator, abc.AsyncIterator, abc.AsyncIterable, abc.Awaitable)
_DEEPEST = 32


def lost(annotation: Any, metadata: Sequence[Any] = ()) -> str | None:
    """Why typed JSON loses values of this type, in words that follow "and"; None if it carries them."""
    try:
        return _lost(annotation, metadata, frozenset(), 0)
    except (TypeError, AttributeError, NameError, RecursionError):
        return None  # not known to be lost; the value itself is checked when it is written


def _lost(annotation: Any, metadata: Sequence[Any], around: frozenset[Any], depth: int) -> str | None:
    own = any(isinstance(each, PlainSerializer | WrapSerializer) for each in metadata)
    if depth > _DEEPEST or annotation is JsonValue or own:
        return None
    if isinstance(annotation, TypeAliasType) or type(annotation).__name__ == "TypeAliasType":
        return _lost(annotation.__value__, (), around | {annotation}, depth + 1) if annotation not in around else None
    if annotation is None or (isinstance(annotation, type) and annotation in _PLAIN):
        return None
    if hasattr(annotation, "__metadata__"):
        return _lost(annotation.__origin__, annotation.__metadata__, around, depth + 1)
    if hasattr(annotation, "__supertype__"):
        return _lost(annotation.__supertype__, (), around, depth + 1)
    if unknown(annotation) or isinstance(annotation, TypeVar):
        return "JSON does not say what type an Any had"
    if isinstance(annotation, str | ForwardRef):
        return None
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _first(get_args(annotation), around, depth)
    if origin is Literal:
        return "JSON carries no bytes" if any(isinstance(each, bytes) for each in get_args(annotation)) else None
    return _lost_class(annotation, origin, around, depth)


def _lost_class(annotation: Any, origin: Any, around: frozenset[Any], depth: int) -> str | None:
    kind = origin or annotation
    if kind is abc.Callable or kind is type or not isinstance(kind, type):
        return "JSON carries no code"
    if issubclass(kind, _BYTES):
        return "JSON carries no bytes: use text, or base64"
    if issubclass(kind, SecretStr | SecretBytes):
        return "a secret is hidden when it is stored: keep it in a resource"
    if issubclass(kind, _LAZY) or kind in (abc.Iterable, abc.Generator):
        return "an iterator is gone once it was read: use a list"
    if kind in _BARE and not get_args(annotation):
        return f"{kind.__name__} without a parameter holds Any: write {kind.__name__}[...]"
    if origin is not None and kind not in around and (why := _first(get_args(annotation), around, depth)):
        return why
    if kind in around or issubclass(kind, enum.Enum) or origin in _BARE:
        return None
    return _lost_record(kind, around | {kind}, depth)


def _lost_record(kind: Any, around: frozenset[Any], depth: int) -> str | None:
    """A class with fields of its own, or one that only pydantic may know."""
    if issubclass(kind, BaseModel):
        return _lost_model(kind, around, depth)
    if dataclasses.is_dataclass(kind) or is_typeddict(kind) or hasattr(kind, "_fields"):
        hints = get_type_hints(kind, include_extras=True)
        names = [each.name for each in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(hints)
        return _named(((name, hints.get(name, Any), ()) for name in names), kind, around, depth)
    try:
        TypeAdapter(kind)
    except Exception:  # pydantic refuses it in one of several ways
        return f"JSON cannot say what a {kind.__name__} is: use a model or a dataclass"
    return None


def _lost_model(kind: type[BaseModel], around: frozenset[Any], depth: int) -> str | None:
    config, decorators = kind.model_config, kind.__pydantic_decorators__
    if decorators.model_serializers:
        return None  # it says itself how it is written
    by_name = config.get("populate_by_name") or config.get("validate_by_name") or config.get("serialize_by_alias")
    for name, info in kind.model_fields.items():
        if info.exclude:
            return f"{kind.__name__}.{name} is excluded when it is written"
        if (info.alias or info.validation_alias) and not by_name:
            return f"{kind.__name__}.{name} is written by its name and read by its alias: set validate_by_name=True"
    if kind.model_computed_fields and config.get("extra") == "forbid":
        return f"{kind.__name__} writes the computed {next(iter(kind.model_computed_fields))} and forbids it when read"
    own = {field for each in decorators.field_serializers.values() for field in each.info.fields}
    fields = ((name, info.annotation, info.metadata) for name, info in kind.model_fields.items() if name not in own)
    return _named(fields, kind, around, depth)


def _named(
    fields: Iterable[tuple[str, Any, Sequence[Any]]], kind: Any, around: frozenset[Any], depth: int
) -> str | None:
    for name, annotation, metadata in fields:
        if why := _lost(annotation, metadata, around, depth + 1):
            return f"in {kind.__name__}.{name} {why}"
    return None


def _first(annotations: Iterable[Any], around: frozenset[Any], depth: int) -> str | None:
    return next((why for each in annotations if each is not ... and (why := _lost(each, (), around, depth + 1))), None)
