"""The model of the bench: a loopback server in a process of its own, which answers chat completions at once.

`python -m bench.model CALLS` prints its port. A line on its standard input is answered with what it counted by then as
JSON; when the input ends, so does it. What it answers follows from the request alone, and is the same for everybody:
another use of the tool, until there are results of so many.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

TOOL = "read_page"
LAST = "I have read every page."


class Model:
    """Counts the requests it answered and the connections they came on."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.counts = {"requests": 0, "connections": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                content = json.dumps(self.answer(json.loads(await reader.readexactly(_length(head))))).encode()
                self.counts["requests"] += 1
                said = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
                writer.write(said.encode() + content)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        done = sum(each["role"] == "tool" for each in request["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": LAST}
        if done < self.calls:
            wanted = {"name": TOOL, "arguments": json.dumps({"number": done + 1})}
            calls = [{"id": f"call_{done + 1}", "type": "function", "function": wanted}]
            message |= {"content": None, "tool_calls": calls}
        return {
            "id": f"answer_{done + 1}",
            "object": "chat.completion",
            "created": 1,
            "model": "loopback",
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if done < self.calls else "stop"}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }


def _length(head: bytes) -> int:
    named = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next(int(value) for name, _, value in named if name == b"content-length")


async def main(calls: int) -> None:
    model = Model(calls)
    over = asyncio.Event()

    def told() -> None:
        if not os.read(0, 100):
            over.set()
        else:
            print(json.dumps(model.counts), flush=True)

    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    asyncio.get_running_loop().add_reader(0, told)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
