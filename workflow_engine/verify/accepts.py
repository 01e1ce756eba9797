"""`accepts(reader, writer)`: whether every value of one type may be handed to somebody who expects another.

This is a type checker's assignability, on the annotations as they are at run time, with one bias: it says no only where
it is certain. What it does not know (type variables, protocols, foreign generics) it lets pass; the value itself is
checked when it is written. Containers are covariant, because a reader is handed a copy of its own.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import inspect
import types
from collections.abc import Iterable
from datetime import date, datetime
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypeAliasType, is_typeddict

_DEEPEST = 24
_MARKS = ("Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
_NEVER = ("Never", "NoReturn")
_UNIONS = (Union, types.UnionType)
_TIMES: dict[Any, type] = {
    **dict.fromkeys((AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime), datetime),
    **dict.fromkeys((PastDate, FutureDate), date),
}
"""Names that pydantic has for classes of others; they are classes of their own at run time, and hold none."""
_PROMOTED: dict[type, tuple[type, ...]] = {float: (int,), complex: (int, float)}


def accepts(reader: Any, writer: Any) -> bool:
    """Whether a reader of one type may be handed anything a writer of the other writes; True where nobody knows."""
    try:
        return _accepts(reader, writer, 0)
    except (TypeError, AttributeError, RecursionError):  # the user's expressions: anything may stand in an annotation
        return True


def holds(annotation: Any, value: Any) -> bool:
    """Whether a value (a default) is of a type; True where nobody knows."""
    if value is None:
        return accepts(annotation, type(None))
    try:
        TypeAdapter(annotation, config=_config(annotation)).validate_python(value, strict=True)
    except ValidationError:
        return False
    except Exception:  # pydantic has no schema for this annotation
        return True
    return True


def stored(field: Any, writer: Any) -> Any:
    """The type a value has once it went through a field: a field of a class gives back that class, not a subclass."""
    members = members_of(writer)
    if len(members) != 1:
        return Union[tuple(stored(field, each) for each in members)]  # noqa: UP007 (made at run time)
    (writer,) = members
    if not (isinstance(writer, type) and (issubclass(writer, BaseModel) or dataclasses.is_dataclass(writer))):
        return writer
    held = [each for each in members_of(field) if accepts(each, writer)]
    return writer if writer in held or not held else held[0]


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, flattened; any other type alone."""
    plain = _plain(annotation)
    if get_origin(plain) in _UNIONS:
        return tuple(member for each in get_args(plain) for member in members_of(each))
    return (plain,)


def without_none(annotation: Any) -> Any:
    """The annotation without None: an agent that is asked must answer."""
    rest = tuple(each for each in members_of(annotation) if each is not type(None))
    return Union[rest] if rest else annotation  # noqa: UP007 (made at run time)


def never(annotation: Any) -> bool:
    """Whether an annotation says that nothing comes back."""
    return getattr(annotation, "_name", None) in _NEVER


def unknown(annotation: Any) -> bool:
    """Whether an annotation says nothing."""
    return annotation is Any or annotation is inspect.Parameter.empty or annotation is object


def _plain(annotation: Any) -> Any:
    """The annotation without what does not change its values: Annotated, NewType, aliases, Final and the like."""
    for _ in range(_DEEPEST):
        if annotation is None:
            return type(None)
        if isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, TypeAliasType) or type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif get_origin(annotation) is Annotated or getattr(get_origin(annotation), "_name", None) in _MARKS:
            annotation = get_args(annotation)[0]
        else:
            return annotation
    return Any


def _accepts(reader: Any, writer: Any, depth: int) -> bool:
    reader, writer = _plain(reader), _plain(writer)
    if depth > _DEEPEST or unknown(reader) or unknown(writer) or reader == writer:
        return True
    if any(isinstance(each, (str, ForwardRef, TypeVar)) for each in (reader, writer)):
        return True
    if never(writer):
        return True
    if get_origin(writer) in _UNIONS:
        return all(_accepts(reader, each, depth + 1) for each in get_args(writer))
    if (spelt := _spelt_out(writer)) and get_origin(_first_literal(reader)) is Literal:
        return all(_accepts_word(reader, word, depth) for word in spelt)
    if get_origin(writer) is Literal:
        return all(_accepts_word(reader, word, depth) for word in get_args(writer))
    if get_origin(reader) in _UNIONS:
        return any(_accepts(each, writer, depth + 1) for each in get_args(reader))
    if get_origin(reader) is Literal:
        return False
    return _accepts_class(reader, writer, depth)


def _first_literal(reader: Any) -> Any:
    return next((each for each in members_of(reader) if get_origin(each) is Literal), reader)


def _spelt_out(writer: Any) -> tuple[Any, ...]:
    """The values of a type that has only a few: bool, an enumeration, None."""
    if writer is type(None):
        return (None,)
    if writer is bool:
        return (True, False)
    if isinstance(writer, type) and issubclass(writer, enum.Enum):
        return tuple(writer)
    return ()


def _accepts_word(reader: Any, word: Any, depth: int) -> bool:
    for member in members_of(reader):
        if get_origin(member) is Literal:
            if any(type(each) is type(word) and each == word for each in get_args(member)):
                return True
        elif _accepts(member, type(word), depth + 1):
            return True
    return False


def _accepts_class(reader: Any, writer: Any, depth: int) -> bool:
    wide, narrow = get_origin(reader) or reader, get_origin(writer) or writer
    narrow = _TIMES.get(narrow, narrow)
    if is_typeddict(wide) or is_typeddict(narrow):
        return not (is_typeddict(wide) and isinstance(narrow, type) and not issubclass(narrow, abc.Mapping))
    if not isinstance(wide, type) or not isinstance(narrow, type) or getattr(wide, "_is_protocol", False):
        return True
    if wide in _PROMOTED and narrow in _PROMOTED[wide]:
        return True
    if getattr(wide, "__pydantic_generic_metadata__", {}).get("origin") is narrow:
        return True
    if not issubclass(narrow, wide):
        # A function that says Sequence may well return the list its reader wants.
        return inspect.isabstract(narrow) and narrow.__module__ == "collections.abc" and issubclass(wide, narrow)
    return _accepts_arguments(wide, get_args(reader), narrow, get_args(writer), depth)


def _accepts_arguments(wide: type, wants: tuple[Any, ...], narrow: type, has: tuple[Any, ...], depth: int) -> bool:
    if not wants or wide.__name__ == "Callable" or issubclass(wide, type):
        return True
    if issubclass(wide, tuple):
        return not issubclass(narrow, tuple) or not has or _accepts_tuple(wants, has, depth)
    if issubclass(narrow, (str, bytes)):
        return len(wants) != 1 or _accepts(wants[0], int if issubclass(narrow, bytes) else str, depth + 1)
    if not has:
        return True
    if issubclass(narrow, tuple):
        return len(wants) != 1 or all(_accepts(wants[0], each, depth + 1) for each in has if each is not ...)
    if issubclass(narrow, abc.Mapping) and len(wants) == 1:
        return _accepts(wants[0], has[0], depth + 1)
    # Another generic's parameters may mean anything: compare them only for the containers everybody knows.
    known = narrow.__module__ in ("builtins", "collections", "collections.abc")
    return not known or len(wants) != len(has) or _all(zip(wants, has, strict=True), depth)


def _accepts_tuple(wants: tuple[Any, ...], has: tuple[Any, ...], depth: int) -> bool:
    if wants[-1] is ...:
        return all(_accepts(wants[0], each, depth + 1) for each in has if each is not ...)
    if has[-1] is ...:
        return False
    return len(wants) == len(has) and _all(zip(wants, has, strict=True), depth)


def _all(pairs: Iterable[tuple[Any, Any]], depth: int) -> bool:
    return all(_accepts(want, have, depth + 1) for want, have in pairs)


def _config(annotation: Any) -> ConfigDict | None:
    owner = annotation if isinstance(annotation, type) else None
    own = owner is not None and (issubclass(owner, BaseModel) or dataclasses.is_dataclass(owner) or is_typeddict(owner))
    return None if own else ConfigDict(arbitrary_types_allowed=True)
