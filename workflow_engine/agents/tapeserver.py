"""The servers of a tape, on a free loopback port: one plays it, the other asks a real endpoint and records."""

from __future__ import annotations

import json
from threading import Lock, Thread
from typing import Any

import httpx2

from workflow_engine.agents import wire
from workflow_engine.agents.models import Endpoint, Replay, Wire
from workflow_engine.agents.server import Door, Http
from workflow_engine.agents.tape import Tape

_WIRES: dict[str, Wire] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}


class TapeServer:
    """Answers from a tape until closed. What is not on it is refused with what differs."""

    def __init__(self, tape: Tape, door: type[Door] | None = None) -> None:
        self.tape, self.lock = tape, Lock()
        self._http = Http(self, door or _Playing)
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), name="tape", daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class RecordingServer(TapeServer):
    """Asks an endpoint whatever it is asked, and keeps every answer on a tape. Refusals are handed on, not kept."""

    def __init__(self, tape: Tape, endpoint: Endpoint, limit: float = 600) -> None:
        self.endpoint = endpoint
        key = endpoint.api_key.get_secret_value() if endpoint.api_key else ""
        self.secrets = (key,) if key else ()
        self.client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=limit, follow_redirects=False
        )
        super().__init__(tape, _Recording)

    def close(self) -> None:
        super().close()
        self.client.close()


class _Playing(Door):
    def do_GET(self) -> None:  # noqa: N802 (the library's name)
        self.send(404, wire.failure(f"there is no {self.path} here", "not_found"))

    def do_POST(self) -> None:  # noqa: N802
        spoken = _WIRES.get(self.path.partition("?")[0])
        if spoken is None:
            return self.do_GET()
        content = self.body()
        if content is None:
            return
        try:
            request = json.loads(content)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return self.send(400, wire.failure("this is no request", "bad_request"))
        self.take(spoken, request)

    def take(self, spoken: Wire, request: dict[str, Any]) -> None:
        owner: TapeServer = self._owner
        with owner.lock:
            answer = owner.tape.answer(spoken, request)
        if isinstance(answer, str):
            return self.send(422, wire.failure(f"{owner.tape.path.name} has no answer: {answer}", "not_recorded"))
        # Whoever reads the record shall see that nobody was asked.
        self.give(spoken, request, {**answer, "model": f"{Replay.prefix}{answer.get('model') or 'unnamed'}"})

    def give(self, spoken: Wire, request: dict[str, Any], answer: dict[str, Any]) -> None:
        if not request.get("stream"):
            return self.send(200, answer)
        self.stream(wire.chat_chunks(answer) if spoken == "chat" else wire.response_events(answer))


class _Recording(_Playing):
    def take(self, spoken: Wire, request: dict[str, Any]) -> None:
        owner: RecordingServer = self._owner
        # Asked for the whole of it, so that the tape holds what can be played either way.
        asked = {name: value for name, value in request.items() if name not in ("stream", "stream_options")}
        path = "chat/completions" if spoken == "chat" else "responses"
        try:
            told = owner.client.post(f"{owner.endpoint.base_url}/{path}", json=asked)
            answer = told.json()
        except (httpx2.HTTPError, ValueError) as error:
            return self.send(502, wire.failure(f"{owner.endpoint.base_url}: {type(error).__name__}", "not_reached"))
        if told.status_code != 200 or not isinstance(answer, dict):
            return self.send(told.status_code if told.status_code != 200 else 502, answer)
        with owner.lock:
            owner.tape.add(spoken, asked, answer, owner.secrets)
        self.give(spoken, request, answer)
