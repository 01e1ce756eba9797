"""Capture: what a body prints and logs is heard by the attempt it belongs to, and still goes where it went before.

Whose words they are is told by a context variable, which asyncio tasks and `anyio.to_thread` take along. A thread that
a body starts by itself has none: what it prints goes to the terminal alone. So nothing can be taken for another run's.

The streams are replaced and `logging` is listened to only while somebody is heard. `Logger.callHandlers` is where every
record passes that its logger's level lets through, whatever handlers there are; a handler of ours on the root logger
would miss loggers that do not propagate, and would silence the one `logging` falls back on.
"""

from __future__ import annotations

import codecs
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from traceback import format_exception
from typing import Any, Protocol

from workflow_engine.record.logs import Source


class Ear(Protocol):
    """Hears what one attempt says. Called from any thread, and must not raise."""

    def hear(self, source: Source, text: str, level: str = "", logger: str = "") -> None:
        """Take note of a text: whole for a record, as it comes for a stream."""
        ...


_EAR: ContextVar[Ear | None] = ContextVar("EAR", default=None)
_lock = threading.Lock()
_heard = 0
_plain_call = logging.Logger.callHandlers


def ear() -> Ear | None:
    """Who hears what is said here."""
    return _EAR.get()


def listen(to: Ear | None) -> Token[Ear | None]:
    """Let an ear hear what is said from here on, until `unlisten` in the same context; None lets nobody."""
    global _heard, _plain_call
    with _lock:
        _heard += 1
        # A body may have left a stream of its own behind, or one of ours: looked at each time.
        if type(sys.stdout) is not Tee:
            sys.stdout = Tee(sys.stdout, "stdout")
        if type(sys.stderr) is not Tee:
            sys.stderr = Tee(sys.stderr, "stderr")
        if _heard == 1 and logging.Logger.callHandlers is not _call_handlers:
            _plain_call = logging.Logger.callHandlers  # somebody else may listen there as well
            logging.Logger.callHandlers = _call_handlers  # type: ignore[method-assign,assignment]
    return _EAR.set(to)


def unlisten(token: Token[Ear | None]) -> None:
    """Hear no more; the last one puts everything back."""
    global _heard
    _EAR.reset(token)
    with _lock:
        _heard -= 1
        if _heard:
            return
        if type(sys.stdout) is Tee:
            sys.stdout = sys.stdout.beneath
        if type(sys.stderr) is Tee:
            sys.stderr = sys.stderr.beneath
        if logging.Logger.callHandlers is _call_handlers:
            logging.Logger.callHandlers = _plain_call  # type: ignore[method-assign]


@contextmanager
def unheard() -> Iterator[None]:
    """What is said within is heard by nobody."""
    token = _EAR.set(None)
    try:
        yield
    finally:
        _EAR.reset(token)


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    hears = _EAR.get()
    if hears is None:
        _plain_call(logger, record)
        return
    hears.hear("log", text_of(record), record.levelname.lower(), record.name)
    # A handler may write to a stream that is heard too: the record would be heard twice.
    with unheard():
        _plain_call(logger, record)


def text_of(record: logging.LogRecord) -> str:
    """A record's message, and the trace of its exception beneath."""
    try:
        text = record.getMessage()
    except Exception:  # arguments that do not fit are told on stderr by `logging` itself
        text = f"{record.msg!r} % {record.args!r}"
    if record.exc_info and record.exc_info[0] is not None:
        try:
            text += "\n" + "".join(format_exception(*record.exc_info)).rstrip()
        except Exception:  # __str__ is the user's code
            text += f"\n{record.exc_info[0].__name__}"
    return text


class Tee:
    """A text stream whose words are heard on their way into the one beneath, which all else is asked of."""

    def __init__(self, beneath: Any, source: Source) -> None:
        self.beneath = beneath
        self._source: Source = source

    def write(self, text: str) -> int:
        """Heard first: a terminal that is gone is no reason to lose it."""
        hears = _EAR.get()
        if hears is not None and isinstance(text, str):
            hears.hear(self._source, text)
        return len(text) if self.beneath is None else self.beneath.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for each in lines:
            self.write(each)

    def flush(self) -> None:
        if self.beneath is not None:
            self.beneath.flush()

    @property
    def buffer(self) -> Any:
        """The stream of bytes beneath, heard as UTF-8."""
        return ByteTee(self.beneath.buffer, self._source)

    def __iter__(self) -> Any:
        return iter(self.beneath)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


class ByteTee:
    """The same for a stream of bytes."""

    def __init__(self, beneath: Any, source: Source) -> None:
        self._beneath = beneath
        self._source: Source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> Any:
        hears = _EAR.get()
        if hears is not None:
            hears.hear(self._source, self._decoder.decode(bytes(data)))
        return self._beneath.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)
