"""An engine killed in the middle of a tool of an MCP server: what the server did once is not done twice, and told."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from tests.processes import ended
from tests.tools import odd_server
from tests.tools.serving import Serving
from workflow_engine import END, START, Engine, State, Workflow, agent, workflow
from workflow_engine.agents import Asking, Said, Use, function_runner
from workflow_engine.tools import mcp_server

POST, READ = "post hello", "read 7"


@dataclass(frozen=True)
class Case:
    """How the server is reached, what is in doubt, and whether the engine dies before it happens or after."""

    transport: Literal["stdio", "sse", "http"]
    sort: Literal["read", "ask", "probe", "rerun"]
    when: Literal["before", "after"]

    def __str__(self) -> str:
        return f"{self.transport}-{self.sort}-{self.when}"


EVERY = [
    cast("Any", Case)(*each)
    for each in product(("stdio", "sse", "http"), ("read", "ask", "probe", "rerun"), ("before", "after"))
]
FEW = {
    "stdio-ask-before",
    "stdio-ask-after",
    "stdio-probe-after",
    "stdio-rerun-after",
    "sse-ask-after",
    "http-read-after",
}


class Work(State):
    done: str = ""


def world(folder: Path) -> list[str]:
    """What the server did."""
    return [line for line in (folder / "asked.txt").read_text().splitlines() if line != "started"]


def flow(folder: Path, case: Case, url: str) -> Workflow[Any]:
    def posted(text: str) -> str | None:
        return f"posted {text}" if f"post {text}" in world(folder) else None

    how: dict[str, Any] = {"url": url, "transport": case.transport}
    if case.transport == "stdio":
        command = [sys.executable, str(Path(odd_server.__file__))]
        how = {"command": command, "env": {"ODD_FOLDER": str(folder)}}
    in_doubt: Any = {"post": posted if case.sort == "probe" else "rerun" if case.sort == "rerun" else "ask"}
    allow = ["read_note", "post"]
    box = mcp_server("odd", allow=allow, reads=["read_note"], approval="never", in_doubt=in_doubt, **how)

    @agent(writes="done", instructions="Work.", tools=[box])
    def work() -> str:
        return "go"

    return workflow("work", state=Work, edges=[START >> work >> END])


def go_on(folder: Path, case: Case, url: str, dies: bool) -> None:
    """Begin the run or take it up, and answer what is asked as somebody who looked at the world."""

    def model(asking: Asking) -> Said:
        if asking.results:
            return Said(asking.results[-1])
        reads = case.sort == "read"
        return Said(uses=(Use("read_note", '{"number": 7}', "1") if reads else Use("post", '{"text": "hello"}', "1"),))

    async def drive() -> None:
        work = flow(folder, case, url)
        store = folder / "runs.sqlite"
        async with Engine.connect(store, workflows=[work], agents=function_runner(model)) as engine:
            if dies:
                (folder / f"kill-{case.when}").write_text(str(os.getpid()))
                await engine.run(work, {})
            [view] = await engine.recover()
            asked = await engine.inbox()
            for standing in asked:
                there = POST in world(folder)
                answer = {"choice": "accept", "value": "posted hello"} if there else "rerun"
                await engine.answer(standing.question.id, answer, by="anna")
                view = await engine.resume(view.id)
        (folder / "ended").write_text(f"{view.status} {view.state.done} {len(asked)}")

    asyncio.run(drive())


def killed(folder: Path, case: Case, *, anew: bool = False) -> None:
    """Kill the engine in the middle, and see how the next one ends; `anew`, with another server there."""
    served = nullcontext() if case.transport == "stdio" else Serving(case.transport, folder)
    with served as serving:
        url = "" if serving is None else serving.url
        if serving is not None:
            serving.start()
        assert ended(go_on, folder, case, url, True) == -9
        happened = case.when == "after"
        assert world(folder) == ([READ if case.sort == "read" else POST] if happened else [])
        if serving is not None and anew:
            serving.lives[-1].kill()
            serving.lives[-1].join()
            serving.start()
        assert ended(go_on, folder, case, url, False) == 0
    asked = 1 if case.sort == "ask" else 0
    text = "note 7" if case.sort == "read" else "posted hello"
    assert (folder / "ended").read_text() == f"succeeded {text} {asked}"
    twice = happened and case.sort in ("read", "rerun")
    assert world(folder) == [READ if case.sort == "read" else POST] * (2 if twice else 1)
    if case.transport == "stdio" and case.sort == "rerun":
        assert len(set((folder / "keys.txt").read_text().split())) == 1


@pytest.mark.parametrize("case", [each for each in EVERY if str(each) in FEW], ids=str)
def test_an_engine_killed_in_a_servers_tool_goes_on_as_its_declaration_says(tmp_path: Path, case: Case) -> None:
    killed(tmp_path, case)


@pytest.mark.crash
@pytest.mark.parametrize("anew", [False, True], ids=["same", "anew"])
@pytest.mark.parametrize("case", EVERY, ids=str)
def test_an_engine_killed_in_any_tool_of_any_server_goes_on(tmp_path: Path, case: Case, anew: bool) -> None:
    killed(tmp_path, case, anew=anew)
