"""The state of a workflow: a pydantic model whose field types are the contract between nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter

from workflow_engine.spec.file import File


class State(BaseModel):
    """Subclass it and declare fields. A field without a default is an input of the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Reducer:
    """How a write joins what the field already holds: `Annotated[list[str], append]`.

    `merge(old, new)` must be pure. An `appends` reducer is stored as what was added: a growing list costs its growth.
    """

    name: str
    merge: Callable[[Any, Any], Any]
    appends: bool = False


append = Reducer("append", lambda old, new: [*old, *new], appends=True)
union = Reducer("union", lambda old, new: {**old, **new})
total = Reducer("total", lambda old, new: old + new)


def required(annotation: Any) -> Any:
    """The annotation without None: an agent that is asked must answer, a signal must carry what it is to carry."""
    if get_origin(annotation) in (Union, UnionType):
        rest = tuple(each for each in get_args(annotation) if each is not type(None))
        return Union[rest]  # noqa: UP007 (made at run time)
    return annotation


@dataclass(frozen=True)
class Field:
    """One field of a state: its type, its default and its reducer."""

    name: str
    type: Any
    required: bool
    reducer: Reducer | None
    adapter: TypeAdapter[Any]
    make_default: Callable[[], Any]
    files: bool = False
    """Whether it may name files."""

    @property
    def default(self) -> Any:
        """A fresh default; None for an input."""
        return None if self.required else self.make_default()


def fields_of(state: type[BaseModel]) -> Mapping[str, Field]:
    """The fields of a state by name."""
    found: dict[str, Field] = {}
    for name, info in state.model_fields.items():
        reducer = next((each for each in info.metadata if isinstance(each, Reducer)), None)
        found[name] = Field(
            name=name,
            type=info.annotation,
            required=info.is_required(),
            reducer=reducer,
            adapter=_adapter(info.annotation, tuple(each for each in info.metadata if not isinstance(each, Reducer))),
            make_default=partial(info.get_default, call_default_factory=True, validated_data={}),
            files=names_files(info.annotation),
        )
    return found


def names_files(annotation: Any, _seen: set[Any] | None = None) -> bool:
    """Whether a value of this type may hold a `File`, however deep.

    >>> names_files(dict[str, list[File] | None]), names_files(dict[str, int])
    (True, False)
    """
    if isinstance(annotation, type) and File in annotation.__mro__:
        return True
    # One set for all ways through it: types that name each other are met by as many ways as there are paths.
    seen = set() if _seen is None else _seen
    try:
        if annotation in seen:
            return False
        seen.add(annotation)
    except TypeError:  # what cannot be hashed, as in Literal, is no type
        return False
    within = [*get_args(annotation), *_parts_of(annotation)]
    return any(names_files(each, seen) for each in within)


def _parts_of(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [info.annotation for info in annotation.model_fields.values()]
    if value := getattr(annotation, "__value__", None):  # what `type X = ...` declares
        return [value]
    if isinstance(annotation, type) and getattr(annotation, "__annotations__", None):
        try:
            return list(get_type_hints(annotation).values())
        except Exception:  # names that mean nothing here
            return []
    return []


def _adapter(annotation: Any, metadata: tuple[Any, ...]) -> TypeAdapter[Any]:
    # Constraints such as Field(gt=0) live in the metadata and are part of the contract.
    constrained: Any = Annotated[(annotation, *metadata)] if metadata else annotation  # pyright: ignore[reportInvalidTypeForm]
    return TypeAdapter(constrained)
