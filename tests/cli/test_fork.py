"""workflow fork, and show --diff: a run is gone on with from an earlier step, and steps are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.flows import ASK, GREET, LOOP
from tests.cli.terminal import Cli, Write


@pytest.fixture
def looped(write: Write, cli: Cli) -> str:
    """A run that has grown its text six times and asks."""
    write("loop.py", LOOP)
    assert cli("run", "loop.py").code == 3
    return str(cli("runs", "--json").json[0]["run"])


def test_a_fork_goes_on_from_the_step_and_says_whence(looped: str, cli: Cli) -> None:
    typed = cli("fork", looped[:6], "--at", "2", "text=x")
    assert typed.code == 3
    assert f"forked from {looped} at step 2" in typed.out
    assert next(each for each in typed.out.splitlines() if "grow" in each).split()[:4] == ["↻", "grow", "visit", "3"]
    fork = cli("show", "@last", "--json").json
    assert (fork["parent"], fork["state"]["text"]) == ({"run": looped, "step": 2}, "xabababab")
    assert [each["step"] for each in fork["steps"]] == [1, 2, 3, 4, 5, 6, None]
    assert f"forked from {looped} at step 2" in cli("show", "@last").out
    assert f"{looped} at step 2" in cli("runs").out
    assert cli("show", looped, "--json").json["state"]["text"] == "ab" * 6


def test_a_fork_as_json_names_its_parent(looped: str, cli: Cli) -> None:
    typed = cli("fork", looped, "--at", "grow:6", "text=", "--json")
    assert (typed.code, typed.json["parent"]) == (3, {"run": looped, "step": 6})
    assert typed.json["state"]["text"] == ""
    listed = cli("runs", "--json").json
    assert [each.get("parent") for each in listed] == [{"run": looped, "step": 6}, None]


def test_start_is_step_0(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    cli("run", "greet.py", "name=Ada")
    assert cli("fork", "@last", "--at", "0", "name=Ben", "--json").json["state"]["said"] == "hello Ben"
    assert cli("fork", "@last", "--at", "START", "-i", '{"times": 2}', "--json").json["state"]["said"] == (
        "hello Ben hello Ben"
    )


def test_edits_that_do_not_fit_are_told_at_once(looped: str, cli: Cli) -> None:
    typed = cli("fork", looped, "--at", "1", "txt=3", "ruling=drop")
    assert typed.code == 2
    assert "txt: no such field; did you mean text?" in typed.err
    assert "ruling: Input should be 'keep'" in typed.err
    assert "missing" not in typed.err
    assert len(cli("runs", "--json").json) == 1


def test_a_step_that_is_not_there_is_refused(looped: str, cli: Cli) -> None:
    assert cli("fork", looped, "--at", "7").code == 2
    typed = cli("fork", looped, "--at", "review")
    assert (typed.code, "review is not over yet" in typed.err) == (2, True)
    assert cli("fork", "nobody").code == 2


def test_the_code_may_be_named(looped: str, write: Write, cli: Cli) -> None:
    Path("loop.py").rename("moved.py")
    typed = cli("fork", looped, "--at", "5")
    assert typed.code == 2
    assert f"workflow fork {looped} TARGET" in typed.err
    assert cli("fork", looped, "moved.py", "--at", "5", "text=z").code == 3
    assert cli("show", "@last", "--json").json["state"]["text"] == "zab"
    assert cli("fork", "@last", "--at", "5").code == 3  # it remembers where its own code was


def test_a_run_that_reached_its_end_by_an_answer_is_answered_otherwise(write: Write, cli: Cli) -> None:
    write("ask.py", ASK)
    cli("run", "ask.py", "text=a")
    assert cli("answer", "@last", "abandon").code == 1
    typed = cli("fork", "@last", 'ruling={"choice": "retry"}', "--picture", "run.svg")
    assert typed.code == 0
    assert Path("run.svg").stat().st_size > 1000


# ------------------------------------------------------------------------------------------------ differences


def test_a_step_is_compared_with_the_one_before(looped: str, cli: Cli) -> None:
    typed = cli("show", looped, "2", "--diff")
    assert typed.code == 0
    assert f"step 2 (grow:2) of run {looped}, against step 1 (grow:1)" in typed.out
    assert '~ text  "ab" → "abab"' in typed.out
    assert typed.next == f"workflow fork {looped} --at 2 FIELD=VALUE"
    assert '+ text  "ab"' in cli("show", looped, "1", "--diff").out
    assert cli("show", looped, "--diff").out.startswith("step 6")
    assert cli("show", looped, "0", "--diff").code == 2


def test_two_steps_are_compared_in_one_run_and_in_two(looped: str, cli: Cli) -> None:
    assert '"ab" → "abababab"' in cli("show", looped, "grow:4", "1", "--diff").out
    assert "nothing differs" in cli("show", looped, "3", "3", "--diff").out
    cli("fork", looped, "--at", "2", "text=x")
    typed = cli("show", "@last", "3", f"{looped}:grow:3", "--diff")
    assert '"ababab" → "xab"' in typed.out
    assert f"against step 3 (grow:3) of run {looped}" in typed.out


def test_a_difference_as_json(looped: str, cli: Cli) -> None:
    assert cli("show", looped, "2", "0", "--diff", "--json").json == {
        "run": looped,
        "step": 2,
        "other": {"run": looped, "step": 0},
        "changes": [{"field": "text", "path": ["text"], "change": "added", "before": None, "after": "abab"}],
    }


def test_a_second_step_needs_diff(looped: str, cli: Cli) -> None:
    typed = cli("show", looped, "2", "1")
    assert (typed.code, "add --diff" in typed.err) == (2, True)


def test_a_step_of_the_parent_is_shown_in_the_fork(write: Write, cli: Cli) -> None:
    write("ask.py", ASK)
    cli("run", "ask.py", "text=a")
    cli("answer", "@last", "retry", "hint=b", "--by", "ana")
    cli("fork", "@last", "--at", "3")
    shown = cli("show", "@last", "review").out
    assert "by ana through cli" in shown
    assert json.loads(cli("show", "@last", "1", "--json").out)["wrote"] == {"done": "a"}
