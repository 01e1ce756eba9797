"""A witness: a process of its own that counts who knocks at its door, whatever the engine believes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.processes import server


def _watch(told: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        told.send(door.getsockname()[1])
        seen: list[str] = []
        while True:
            knock, _ = door.accept()
            with knock:
                said = knock.makefile().readline().strip()
                if said == "count":
                    knock.sendall("\n".join(seen).encode())
                elif said == "end":
                    return
                else:
                    seen.append(said)
                    knock.sendall(b"seen")


def _say(port: int, words: str) -> str:
    with socket.create_connection(("127.0.0.1", port)) as knock:
        knock.sendall(words.encode() + b"\n")
        return knock.makefile().read()


class Witness:
    """What happened, as somebody outside saw it."""

    def __init__(self, port: int) -> None:
        self._port = port

    def happens(self, what: str) -> None:
        """The effect itself: seen once this returns."""
        _say(self._port, what)

    @property
    def seen(self) -> list[str]:
        return _say(self._port, "count").split("\n") if _say(self._port, "count") else []


@contextmanager
def witness() -> Iterator[Witness]:
    told, tells = server.Pipe(duplex=False)
    process = server.Process(target=_watch, args=(tells,))
    process.start()
    port = told.recv()
    try:
        yield Witness(port)
    finally:
        _say(port, "end")
        process.join(10)
