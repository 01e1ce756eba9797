"""The playbook's server: speaks the OpenAI wire format on a free loopback port, from a thread of its own.

It is a real endpoint, so an offline run takes the same road as a live one: client, wire, parsing, errors. The standard
library's server is enough for one process on 127.0.0.1, starts in a millisecond and installs nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError

from workflow_engine import errors
from workflow_engine.agents import wire
from workflow_engine.agents.evidence import ChatRequest, ResponsesRequest
from workflow_engine.agents.models import Offline
from workflow_engine.agents.playbook import Playbook, Unmatched, parse_playbook, read_playbook

NODE_HEADER = "X-Workflow-Node"
_LARGEST_REQUEST = 32 * 2**20


class PlaybookServer:
    """Serves one playbook until closed. The file is read at every request, so that an edit answers the next one."""

    def __init__(self, choice: Offline) -> None:
        self.choice = choice
        self._read: tuple[bytes, Playbook] | None = None
        self._http = Http(self)
        # A short poll makes closing quick; the thread is idle in between.
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), name="playbook", daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def playbook(self) -> Playbook:
        """The playbook as the file stands now. Comparing bytes sees every edit, which a time stamp does not."""
        path = self.choice.playbook
        try:
            content = path.read_bytes()
        except OSError:
            return read_playbook(path)
        if self._read is None or self._read[0] != content:
            self._read = (content, parse_playbook(content, path))
        return self._read[1]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Http(ThreadingTCPServer):
    """Listens on a free port of this machine, and hands each connection to a door."""

    # Not http.server's own server class: that one asks the resolver for this machine's name when it binds.
    daemon_threads = True
    # A kept-alive connection ends with its client; closing the server must not wait for it.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: Any, door: type[Door] | None = None) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), door or Door)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away is its own business; anything else is a fault of ours and is shown.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Door(BaseHTTPRequestHandler):
    """One connection: parse, ask the playbook, answer."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; with Nagle's algorithm the second would wait for the first one's acknowledgement.
    disable_nagle_algorithm = True

    @property
    def _owner(self) -> Any:
        assert isinstance(self.server, Http)
        return self.server.owner

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/v1/models":
            self.send(200, wire.models(self._owner.choice.model))
        else:
            self.send(404, wire.failure(f"there is no {self.path} here", "not_found"))

    def do_POST(self) -> None:
        body = self.body()
        if body is None:
            return
        node = unquote(self.headers[NODE_HEADER]) if NODE_HEADER in self.headers else None
        request: ChatRequest | ResponsesRequest
        try:
            match self.path.partition("?")[0]:
                case "/v1/chat/completions":
                    request = ChatRequest.model_validate_json(body)
                case "/v1/responses":
                    request = ResponsesRequest.model_validate_json(body)
                case _:
                    return self.send(404, wire.failure(f"there is no {self.path} here", "not_found"))
        except ValidationError as error:
            return self.send(400, wire.failure(f"this is no request: {error.errors()[0]['msg']}", "bad_request"))
        self._answer(request, node)

    def _answer(self, request: ChatRequest | ResponsesRequest, node: str | None) -> None:
        choice = self._owner.choice
        try:
            playbook = self._owner.playbook()
        except errors.UsageError as error:
            return self.send(422, wire.failure(str(error), "playbook_broken"))
        evidence = request.evidence(node)
        reply = playbook.answer(evidence)
        if isinstance(reply, Unmatched):
            message = f"no rule of {choice.playbook.name} answers this request\n{reply.gist}"
            return self.send(422, wire.failure(message, "no_rule"))
        if isinstance(request, ChatRequest):
            whole = wire.chat_completion(reply, evidence, choice.model)
            stream = wire.chat_chunks(whole)
        else:
            whole = wire.response(reply, evidence, choice.model)
            stream = wire.response_events(whole)
        if request.stream:
            self.stream(stream)
        else:
            self.send(200, whole)

    def body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            self.send(411, wire.failure("a request says its Content-Length", "bad_request"))
            return None
        if int(length) > _LARGEST_REQUEST:
            self.close_connection = True
            self.send(413, wire.failure(f"a request has at most {_LARGEST_REQUEST >> 20} MB", "bad_request"))
            return None
        return self.rfile.read(int(length))

    def send(self, status: int, body: Any) -> None:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, events: Iterable[str]) -> None:
        # Without a length the end of the connection is the end of the stream.
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(event.encode("utf-8", "replace"))

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are told by the run, not by lines on stderr."""
