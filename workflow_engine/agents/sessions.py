"""Sessions on those of the SDK: in a SQLite file, or by URL in SQLAlchemy or Redis, encrypted or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from workflow_engine.errors import Infrastructure, UsageError, WorkflowError
from workflow_engine.ports.sessions import Message, Sessions

_SQLITE = "sqlite:///"
_FOR_EVER = 100 * 366 * 24 * 3600
_TURN = "_turn"


def open_sessions(
    url: str = "sqlite:///checkpoints/sessions.sqlite", *, key: SecretStr | None = None
) -> Callable[[], AbstractAsyncContextManager[Sessions]]:
    """What opens sessions at a URL, for `workflow(..., resources={Sessions: open_sessions(...)})`.

    `sqlite:///PATH` is a file. `redis://...` needs the package redis, any other URL is SQLAlchemy's (async), and needs
    that and a driver; `key` encrypts what is said, and needs cryptography. Where one is missing, or nobody answers at
    the URL, a step fails with errors.UsageError or errors.Infrastructure.
    """

    @asynccontextmanager
    async def opening() -> AsyncIterator[Sessions]:
        kept = _Kept(url, key)
        try:
            yield kept
        finally:
            await kept.close()

    return opening


class _Kept:
    """Implements ports.sessions.Sessions. One conversation is read and added to by one at a time."""

    def __init__(self, url: str, key: SecretStr | None) -> None:
        self._url, self._key = url, key
        self._open: dict[str, Any] = {}
        self._busy: dict[str, asyncio.Lock] = {}

    async def read(self, key: str, turn: str) -> Sequence[Message]:
        with self._reached():
            items = await self._items(await self._session(key))
        return [{"role": each["role"], "content": each["content"]} for each in items if each.get(_TURN) != turn]

    async def keep(self, key: str, turn: str, said: Sequence[Message]) -> None:
        async with self._busy.setdefault(key, asyncio.Lock()):
            with self._reached():
                await self._keep(key, turn, said)

    async def _keep(self, key: str, turn: str, said: Sequence[Message]) -> None:
        session = await self._session(key)
        if not any(each.get(_TURN) == turn for each in await self._items(session)):
            await session.add_items([{**each, _TURN: turn} for each in said])

    async def _items(self, session: Any) -> list[Any]:
        """What was said. The SDK leaves out silently what another key encrypted."""
        items: list[Any] = await session.get_items()
        kept = items if self._key is None else await session.underlying_session.get_items()
        if len(items) != len(kept) or any("role" not in each for each in items):
            raise Infrastructure(
                "what was said in these sessions was encrypted, and not under the key that was given",
                "give that key: open_sessions(url, key=...)",
                retryable=False,
            )
        return items

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except WorkflowError:
            raise
        except Exception as error:
            # Of its words only the first line: further ones of a database quote what was to be stored.
            said = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
        else:
            return
        raise Infrastructure(f"the sessions at {self._url.partition(':')[0]} cannot be reached: {said}") from None

    async def close(self) -> None:
        sessions, self._open = self._open, {}
        for each in sessions.values():
            inner = getattr(each, "underlying_session", each)
            ended = inner.close() if hasattr(inner, "close") else None
            if ended is not None:
                await ended
            if hasattr(inner, "engine"):  # SQLAlchemy's, with its connections
                await inner.engine.dispose()

    async def _session(self, key: str) -> Any:
        if key not in self._open:
            await asyncio.to_thread(import_module, "agents")
            try:
                made = self._made(key)
            except ImportError as error:
                raise UsageError(
                    f"sessions at {self._url.partition(':')[0]} need a package that is not installed: {error.name}",
                    "pip install 'workflow-proof[sessions]', and a driver for the database, such as asyncpg",
                ) from None
            self._open[key] = made
        return self._open[key]

    def _made(self, key: str) -> Any:
        if self._url.startswith(_SQLITE):
            from agents import SQLiteSession

            path = Path(self._url.removeprefix(_SQLITE))
            path.parent.mkdir(parents=True, exist_ok=True)
            made: Any = SQLiteSession(key, path)
        elif self._url.startswith(("redis://", "rediss://")):
            from agents.extensions.memory.redis_session import RedisSession

            made = RedisSession.from_url(key, url=self._url)
        else:
            from agents.extensions.memory.sqlalchemy_session import SQLAlchemySession

            made = SQLAlchemySession.from_url(key, url=self._url, create_tables=True)
        if self._key is None:
            return made
        from agents.extensions.memory.encrypt_session import EncryptedSession

        return EncryptedSession(key, made, self._key.get_secret_value(), ttl=_FOR_EVER)
