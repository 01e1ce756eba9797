"""What a run loads: LangGraph takes a second, and only the executor that is named after it needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from workflow_engine import END, START, Engine, Question, State, function, human, workflow

class Said(State):
    word: str = ""
    ruling: int = 0

@function(writes="word")
async def speak() -> str:
    return "hello"

@human(writes="ruling")
def ask(word: str) -> Question[int]:
    return Question(word)

flow = workflow("flow", state=Said, edges=[START >> speak >> ask >> END])

async def main():
    async with Engine.open("runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow)
        await engine.answer(view.id, 3)
        view = await engine.resume(view.id, executor=sys.argv[1])
        assert view.status == "succeeded", view

asyncio.run(main())
print(sorted(name for name in ("langgraph", "langchain_core", "langsmith", "agents", "openai") if name in sys.modules))
"""


def loaded(tmp_path: Path, executor: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, executor], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_run_on_our_executor_never_imports_langgraph(tmp_path: Path) -> None:
    assert loaded(tmp_path, "native") == "[]"


def test_a_run_on_langgraph_does(tmp_path: Path) -> None:
    assert "'langgraph'" in loaded(tmp_path, "langgraph")
