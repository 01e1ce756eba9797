"""How a channel's value is written, so that it comes back as it is: what would not is refused."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from workflow_engine.errors import StoreError
from workflow_engine.langgraph.serializer import StrictSerializer, TypeRefused, same


class ValueRefused(StoreError):
    """A channel holds what would not come back as it is: it was not stored."""


_CARRIED = "keep JSON, bytes, dates, messages, dataclasses and pydantic models in the state, and name your types"


class Encoding:
    """Writes values of one channel; with the strict serializer, it refuses those that would not come back."""

    def __init__(self, serde: SerializerProtocol, thread: str, channel: str, *, lossy: bool = False) -> None:
        self._serde, self._thread, self._channel = serde, thread, channel
        self._strict = isinstance(serde, StrictSerializer) and not lossy

    def __call__(self, value: Any) -> tuple[str, bytes]:
        where = f"channel {self._channel!r} of thread {self._thread!r}"
        try:
            kind, data = self._serde.dumps_typed(value)
        except Exception as error:
            raise ValueRefused(f"{where} has a value that cannot be stored: {error}", _CARRIED) from error
        if self._strict:
            try:
                again = self._serde.loads_typed((kind, data))
            except TypeRefused as error:
                raise ValueRefused(f"{where} has {error.what}", error.cure) from error
            except Exception as error:
                raise ValueRefused(f"{where} has {error}", _CARRIED) from error
            if not same(value, again):
                raise ValueRefused(f"{where} has a value that would come back changed: {_brief(again)}", _CARRIED)
        return kind, data


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


__all__ = ["Encoding", "ValueRefused"]
