"""Commands that must appear at once load nothing heavy, and a run on our executor never loads LangGraph."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.flows import ASK
from tests.cli.terminal import Cli, Write

HEAVY = (
    "langgraph",
    "langchain_core",
    "agents",
    "openai",
    "networkx",
    "graphviz",
    "pygraphviz",
    "rich.table",
    "rich.live",
)
LOOK = """
import sys
from workflow_engine.cli.app import call
call(sys.argv[1:])
print(*[name for name in {!r} if name in sys.modules], file=sys.stderr)
"""


def loaded(*words: str, names: tuple[str, ...] = HEAVY) -> list[str]:
    house = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(names), *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": house},
    )
    return done.stderr.splitlines()[-1].split()


@pytest.fixture
def waiting(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    assert cli("run", "draft.py", "text=x").code == 3


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["runs"], ["inbox"], ["inbox", "--json"], ["show", "@last"], ["frobnicate"]],
)
def test_help_and_lists_load_nothing_heavy(waiting: None, words: list[str]) -> None:
    assert loaded(*words) == []


def test_a_run_on_our_executor_loads_neither_langgraph_nor_models(waiting: None) -> None:
    assert loaded("run", "draft.py", "text=y", names=("langgraph", "langchain_core", "agents", "openai")) == []


def test_answering_loads_neither_langgraph_nor_models(waiting: None) -> None:
    assert loaded("answer", "@last", "retry", names=("langgraph", "langchain_core", "agents", "openai")) == []


@pytest.mark.parametrize("group", [(), ("schedule",), ("store",), ("people",), ("model",), ("notify",)])
def test_the_list_of_commands_tells_of_each_in_a_whole_sentence(cli: Cli, group: tuple[str, ...]) -> None:
    listed = cli(*group, "--help").out.partition("Commands:")[2].partition("Exit codes:")[0]
    told = [each for each in listed.splitlines() if each.strip()]
    assert told
    assert [each for each in told if not each.endswith(".")] + [each for each in told if each.endswith("...")] == []


def test_the_usage_has_each_argument_in_one_pair_of_brackets(cli: Cli) -> None:
    for command in (
        "run",
        "start",
        "fork",
        "answer",
        "signal",
        "publish",
        "show",
        "file",
        "inbox",
        "recover",
        "worker",
        "serve",
        "mcp",
    ):
        usage = " ".join(cli(command, "--help").out.partition("\n\n")[0].split())
        assert "[[" not in usage, usage
        assert "......" not in usage, usage


def test_the_version_is_told(cli: Cli) -> None:
    told = cli("--version")
    assert (told.code, told.err) == (0, "")
    assert re.fullmatch(r"workflow \d+\.\d+\S* on Python 3\.\d+\.\d+\n", told.out)
    assert cli("-V").out == told.out
