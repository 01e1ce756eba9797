"""The odd server over the network, in processes of its own, at one address for all its lives."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

from tests.processes import started
from tests.tools import odd_server


@dataclass
class Serving:
    """Use as `with`; it listens once `start` returned."""

    transport: Literal["sse", "http", "json"]
    folder: Path
    port: int = 0
    lives: list[ForkServerProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{'sse' if self.transport == 'sse' else 'mcp'}"

    def __enter__(self) -> Serving:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        for life in self.lives:
            life.kill()
            life.join()

    def start(self) -> ForkServerProcess:
        self.lives.append(started(odd_server.serve, self.transport, self.port, self.folder))
        for _ in range(3000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self.lives[-1]
            time.sleep(0.01)
        raise AssertionError("it does not listen")
