"""The strict serializer: LangGraph's msgpack format, read without ever importing what a file names.

What it writes, LangGraph's own `JsonPlusSerializer` can read, but for tuples, which it would turn into lists and which
this one keeps. What it reads is built by a closed list of types: those that LangGraph holds to be safe, and those the
program itself named. Where LangGraph returns raw data for a type it may not or cannot build, this one raises: changed
data must not be taken for the data.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any, cast

import ormsgpack
from langgraph.checkpoint.serde import _msgpack, jsonplus
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Send
from pydantic import BaseModel

from workflow_engine.errors import StoreError

Name = tuple[str, ...]

_TUPLE = ("builtins", "tuple")
_OPTIONS = jsonplus._option | ormsgpack.OPT_PASSTHROUGH_TUPLE
_DATETIME = ("datetime", "datetime", "fromisoformat")


class TypeRefused(StoreError):
    """A stored value is of a type that this program did not name."""


class StrictSerializer(JsonPlusSerializer):
    """Carries JSON, bytes, tuples, sets, dates, messages and LangGraph's own types, and instances of `types`."""

    def __init__(self, types: Iterable[type | Name] = ()) -> None:
        given = list(types)
        super().__init__(allowed_msgpack_modules=[*given, _TUPLE])
        # A class that was handed in is used as it is; only those LangGraph names by text are looked up.
        self._classes: dict[Name, type] = {
            (each.__module__, each.__name__): each for each in given if isinstance(each, type)
        }
        self._unpack_ext_hook = self._built
        self._custom_unpack_ext_hook = True

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[Name | type]) -> StrictSerializer:
        """As LangGraph asks for when it knows a graph's types (LANGGRAPH_STRICT_MSGPACK)."""
        names = cast("Collection[Name]", self._allowed_msgpack_modules)
        return StrictSerializer([*self._classes.values(), *names, *extra_allowlist])

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The kind and the bytes of a value. Raises what msgpack raises for one that it cannot carry."""
        if obj is None:
            return "null", b""
        if type(obj) is bytes:
            return "bytes", obj
        if type(obj) is bytearray:
            return "bytearray", bytes(obj)
        return "msgpack", packed(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value. Raises TypeRefused, ValueError."""
        kind, raw = data
        match kind:
            case "null":
                return None
            case "bytes":
                return raw
            case "bytearray":
                return bytearray(raw)
            case "msgpack":
                return self._unpacked(raw)
            case _:
                raise ValueError(f"a value of kind {kind!r}, which is not read")

    def _unpacked(self, raw: bytes) -> Any:
        # ormsgpack reports only that its hook failed; what failed is kept here, for one call at a time.
        refused: list[Exception] = []

        def hook(code: int, data: bytes) -> Any:
            try:
                return self._built(code, data)
            except Exception as error:
                refused.append(error)
                raise

        try:
            return ormsgpack.unpackb(raw, ext_hook=hook, option=ormsgpack.OPT_NON_STR_KEYS)
        except Exception as error:
            cause = refused[0] if refused else error
            if isinstance(cause, TypeRefused):
                raise cause from None
            raise ValueError(f"a value that cannot be built again ({type(cause).__name__}: {cause})") from cause

    def _built(self, code: int, data: bytes) -> Any:
        """The object of a msgpack extension."""
        inner = self._unpacked(data)
        match code:
            case jsonplus.EXT_DELTA_SNAPSHOT:
                return _DeltaSnapshot(inner)
            case jsonplus.EXT_CONSTRUCTOR_SINGLE_ARG:
                module, name, argument = inner
                return self._found(module, name)(argument)
            case jsonplus.EXT_CONSTRUCTOR_POS_ARGS:
                module, name, arguments = inner
                if (module, name) == ("langgraph.types", "Send"):
                    return jsonplus._send_from_args(arguments)
                return self._found(module, name)(*arguments)
            case jsonplus.EXT_CONSTRUCTOR_KW_ARGS:
                module, name, arguments = inner
                return self._found(module, name)(**arguments)
            case jsonplus.EXT_METHOD_SINGLE_ARG:
                module, name, argument, method = inner
                if (module, name, method) != _DATETIME:
                    raise TypeRefused(f"a stored value wants {module}.{name}.{method} to be called", "do not trust it")
                return self._found(module, name).fromisoformat(argument)
            case jsonplus.EXT_PYDANTIC_V1:
                module, name, held = inner
                return self._found(module, name)(**held)
            case jsonplus.EXT_PYDANTIC_V2:
                module, name, held, _ = inner
                return _model(self._found(module, name), held)
            case jsonplus.EXT_NUMPY_ARRAY:
                return _array(*inner)
            case _:
                raise ValueError(f"msgpack extension {code}, which nothing of LangGraph's writes")

    def _found(self, module: Any, name: Any) -> Any:
        """The class of a name, if it may be built."""
        key = (module, name)
        if key in self._classes:
            return self._classes[key]
        if key in _msgpack.SAFE_MSGPACK_TYPES or key in cast("Collection[Name]", self._allowed_msgpack_modules):
            return getattr(import_module(module), name)
        raise refusal(f"{module}.{name}", str(name))


def refusal(full: str, name: str) -> TypeRefused:
    """The error for a type that was not named."""
    return TypeRefused(f"a value of type {full} is not read: it was not named", f"open_saver(..., types=[{name}])")


def packed(value: Any) -> bytes:
    """A value as msgpack."""
    return ormsgpack.packb(value, default=_extension, option=_OPTIONS)


def _extension(value: Any) -> Any:
    """What msgpack has no type for. LangGraph's own conversion would pack what is inside without keeping tuples."""
    kind = type(value)
    if kind is tuple:
        return _single(_TUPLE, list(value))
    if isinstance(value, _DeltaSnapshot):
        return ormsgpack.Ext(jsonplus.EXT_DELTA_SNAPSHOT, packed(value.value))
    name = (kind.__module__, kind.__name__)
    if isinstance(value, set | frozenset | deque):
        return _single(name, list(value))
    if isinstance(value, Send):
        arguments = [value.node, value.arg] if value.timeout is None else [value.node, value.arg, value.timeout]
        return ormsgpack.Ext(jsonplus.EXT_CONSTRUCTOR_POS_ARGS, packed([*name, arguments]))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        named = cast("Any", value)._asdict()
        return ormsgpack.Ext(jsonplus.EXT_CONSTRUCTOR_KW_ARGS, packed([*name, named]))
    if is_dataclass(value) and not isinstance(value, type | Enum) and not hasattr(value, "model_dump"):
        held = {each.name: getattr(value, each.name) for each in fields(value)}
        return ormsgpack.Ext(jsonplus.EXT_CONSTRUCTOR_KW_ARGS, packed([*name, held]))
    return jsonplus._msgpack_default(value)


def _single(name: Name, argument: Any) -> Any:
    return ormsgpack.Ext(jsonplus.EXT_CONSTRUCTOR_SINGLE_ARG, packed([*name, argument]))


def _model(model: Any, held: Any) -> Any:
    if getattr(model, "__pydantic_custom_init__", False) or not issubclass(model, BaseModel):
        return model(**held)
    return model.model_validate(held, by_alias=False, by_name=True)


def _array(dtype: str, shape: list[int], order: Any, data: bytes) -> Any:
    np = import_module("numpy")
    return np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape, order=order)


# ------------------------------------------------------------------------------------------------ the same again


def same(value: Any, again: Any, depth: int = 0) -> bool:
    """Whether a value came back as it was: equal, or alike in all its parts where it has no equality of its own."""
    try:
        if (value == again) is True:
            return True
    except Exception:  # numpy's arrays and others compare to something that is no truth value
        pass
    if type(value) is not type(again) or depth > 200:
        return False
    if isinstance(value, float):
        return math.isnan(value) and math.isnan(again)
    if isinstance(value, list | tuple):
        return len(value) == len(again) and all(same(a, b, depth + 1) for a, b in zip(value, again, strict=True))
    if isinstance(value, dict):
        return value.keys() == again.keys() and all(same(each, again[key], depth + 1) for key, each in value.items())
    # NaN within an object, an array, a class without equality: alike if both are written alike.
    try:
        return (_alike(type(value)) or hasattr(value, "dtype")) and packed(value) == packed(again)
    except Exception:
        return False


def _alike(kind: type) -> bool:
    equality: Callable[..., Any] = kind.__eq__
    return equality is object.__eq__ or issubclass(kind, BaseModel)
