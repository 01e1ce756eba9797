"""A model outside the engine: a real loopback endpoint whose answers follow from what was said to it.

It stands in the test's own process, so that it outlives whoever asks it, and can kill them.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal, TypeAlias, cast

from workflow_engine.agents import wire
from workflow_engine.agents.evidence import ChatRequest, Evidence, ResponsesRequest
from workflow_engine.agents.rules import Reply

Thinks: TypeAlias = Callable[[Evidence], Reply]
TOKENS = (10, 5)
"""Of each answer: given and made."""


@dataclass(frozen=True)
class Asked:
    """One question: the life in which it came, and its idempotency key."""

    life: int
    key: str
    said: Evidence


@dataclass
class Kill:
    """Kill whoever asks for the `number`-th time in this life, before they are answered or once they have been."""

    number: int
    when: Literal["before", "after"]


class Mind:
    """Use as `with`. `life` counts the processes that were started; `asked` are all questions that came in."""

    def __init__(self, thinks: Thinks) -> None:
        self.thinks = thinks
        self.life = 0
        self.asked: list[Asked] = []
        self.kill: Kill | None = None
        self.pid: int | None = None
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
        self._server.daemon_threads = True
        cast("Any", self._server).mind = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Mind:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def begin_life(self, kill: Kill | None) -> None:
        self.life += 1
        self.kill, self.pid = kill, None

    def hear(self, key: str, said: Evidence) -> bool:
        """Whether to answer at all."""
        with self._lock:
            self.asked.append(Asked(self.life, key, said))
            return not self._dies("before")

    def answered(self) -> None:
        with self._lock:
            self._dies("after")

    def _dies(self, when: str) -> bool:
        number = sum(each.life == self.life for each in self.asked)
        if self.kill is None or (self.kill.number, self.kill.when) != (number, when) or self.pid is None:
            return False
        os.kill(self.pid, signal.SIGKILL)
        return True


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        mind: Mind = cast("Any", self.server).mind
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/pid":
            mind.pid = int(body)
            self._send(b"{}")
            return
        chat = self.path.endswith("/chat/completions")
        request = (ChatRequest if chat else ResponsesRequest).model_validate_json(body)
        said = request.evidence(None)
        if not mind.hear(self.headers.get("Idempotency-Key", ""), said):
            self.close_connection = True
            return
        whole = (wire.chat_completion if chat else wire.response)(mind.thinks(said), said, "mind-1")
        given, made = TOKENS
        names = ("prompt_tokens", "completion_tokens") if chat else ("input_tokens", "output_tokens")
        whole["usage"] |= {names[0]: given, names[1]: made, "total_tokens": given + made}
        if request.stream:
            self._stream(wire.chat_chunks(whole) if chat else wire.response_events(whole))
        else:
            self._send(json.dumps(whole).encode())
        mind.answered()

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: Any) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(event.encode())

    def log_message(self, format: str, *args: Any) -> None: ...
