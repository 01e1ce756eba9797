"""The webhook: a signed POST of JSON, to one address that was set and to no other.

Redirects are not followed, wherever they lead; what is answered is not read, beyond its status.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow_engine.errors import UsageError
from workflow_engine.notify.channel import ALL, HIDDEN, Filter
from workflow_engine.notify.hiding import hide
from workflow_engine.notify.signing import key_of, sign
from workflow_engine.ports.channels import Message, Undelivered
from workflow_engine.ports.clock import Clock

if TYPE_CHECKING:
    import httpx2

PATIENCE = 10.0
"""Seconds until a receiver has answered, or the message is sent once more later."""
_GONE = 410
_LONGEST_WAIT = 24 * 3600.0


class Webhook:
    """A receiver of signed messages. `secret` is one, or several while it is changed: the first is the new one."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        secret: str | Sequence[str],
        filter: Filter = ALL,
        clock: Clock | None = None,
        patience: float = PATIENCE,
    ) -> None:
        import httpx2

        self.name = name
        self._keys = [key_of(each) for each in ([secret] if isinstance(secret, str) else secret)]
        if not self._keys:
            raise UsageError(f"webhook {name} has no secret, and nobody could tell its messages from forged ones", None)
        try:
            self._url = httpx2.URL(url)
        except (httpx2.InvalidURL, TypeError, ValueError):
            raise _no_url(name) from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise _no_url(name)
        hide(url)
        self._filter = filter
        self._clock = clock
        self._patience = patience
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Webhook({self.name!r}, {self.place})"

    @property
    def place(self) -> str:
        """Where it leads, without what may be a secret in it."""
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.scheme}://{self._url.host}{port}/{HIDDEN}"

    def wants(self, message: Message) -> bool:
        return self._filter.wants(message)

    async def send(self, message: Message) -> None:
        import httpx2

        body = body_of(message, self._filter)
        now = self._clock.now() if self._clock else _now()
        headers = {"content-type": "application/json", **sign(self._keys, message.id, now, body)}
        client = self._open()
        try:
            # The client's own patience begins anew with every byte that drips in.
            async with asyncio.timeout(self._patience):
                async with client.stream("POST", self._url, content=body, headers=headers) as answer:
                    self._judge(answer)
        except (TimeoutError, httpx2.TimeoutException):
            raise Undelivered(f"no answer within {self._patience:g} s") from None
        except httpx2.HTTPError as error:  # without its words: they may quote the address
            raise Undelivered(_why(error)) from None

    def _judge(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        if answer.is_redirect:
            raise Undelivered(f"answered {status}, and redirects are not followed")
        if status == _GONE:
            raise Undelivered(f"answered {status}: nobody is there any more", retryable=False)
        raise Undelivered(f"answered {status}", retry_after=_asked_for(answer.headers))

    def _open(self) -> httpx2.AsyncClient:
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(follow_redirects=False, timeout=self._patience)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def body_of(message: Message, filter: Filter = ALL) -> bytes:
    """The body of a message: `type`, `timestamp`, `data`."""
    data: dict[str, Any] = dict(message.data)
    if filter.content == "link":
        data = {name: value for name, value in data.items() if name in WHERE}
    document = {"type": message.happened, "timestamp": message.at.isoformat(), "data": data}
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"), default=str).encode()


WHERE = frozenset({"run", "workflow", "question", "node", "to", "candidates", "due", "link", "command"})
"""What is told where only that and where something happened is."""


def _no_url(name: str) -> UsageError:
    return UsageError(f"webhook {name} leads nowhere: its address is no http or https URL", "https://example.org/hook")


def _why(error: Exception) -> str:
    return type(error).__name__


def _asked_for(headers: Mapping[str, str]) -> float | None:
    given = headers.get("retry-after", "")
    return min(float(given), _LONGEST_WAIT) if given.isascii() and given.isdecimal() and len(given) < 10 else None


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
