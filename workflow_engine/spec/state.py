"""The state of a workflow: a pydantic model whose field types are the contract between nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter


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
        )
    return found


def _adapter(annotation: Any, metadata: tuple[Any, ...]) -> TypeAdapter[Any]:
    # Constraints such as Field(gt=0) live in the metadata and are part of the contract.
    constrained: Any = Annotated[(annotation, *metadata)] if metadata else annotation  # pyright: ignore[reportInvalidTypeForm]
    return TypeAdapter(constrained)
