"""A bounded stream: what a server answers, read no further than its limit, and then refused by an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2


class Bounded(httpx2.AsyncByteStream):
    """The bytes of `stream` as they come; above `most` of them, `refusal` makes the error."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int, refusal: Callable[[], Exception]) -> None:
        self._stream, self._most, self._refusal = stream, most, refusal

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._most:
                raise self._refusal()
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


__all__ = ["Bounded"]
