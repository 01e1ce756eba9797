"""What `workflow logs` shows: by step and try, as it goes on, of the dead, and never a cursor moved."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.flows import HEAD, SLOW
from tests.cli.terminal import Cli, Spawn, Write
from workflow_engine.cli.exits import Exit

TALK = (
    HEAD
    + """
import logging, sys
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)

class Talk(State):
    count: int = 0
    checked: int = 0

@function(writes="count", retry=Retry(2))
async def prepare(count: int, step: Step) -> int:
    print(f"count is {count}")
    if count == 0 and step.attempt == 1:
        raise ValueError("not yet")
    log.info("prepared")
    return count + 1

@function(writes="checked")
def check(count: int, step: Step) -> int:
    print("looks odd \\x1b[2J\\x07\\rred", file=sys.stderr)
    log.error("it is odd\\nin two lines")
    step.progress("half way")
    return count

@route
def enough(count: int) -> Literal["yes", "no"]:
    return "yes" if count > 1 else "no"

talk = workflow("talk", state=Talk, edges=[
    START >> prepare >> check >> enough, enough["yes"] >> END, enough["no"] >> at_most(2, prepare, then=FAIL("no")),
])
"""
)
TIME = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  "


def bare(out: str) -> list[str]:
    """Lines without their times, with single spaces."""
    return [re.sub(r" +", " ", re.sub(TIME, "", line)).rstrip() for line in out.splitlines()]


@pytest.fixture
def talked(cli: Cli, write: Write) -> None:
    write("talk.py", TALK)
    assert cli("run", "talk.py").code == Exit.DONE


def test_every_line_tells_when_which_node_and_how_loud(cli: Cli, talked: None) -> None:
    shown = cli("logs", "@last")
    assert shown.code == Exit.DONE
    assert all(re.match(TIME, line) or line.startswith("    ") for line in shown.out.splitlines())
    assert bare(shown.out) == [
        "prepare out count is 0",
        "prepare try 2 out count is 0",
        "prepare try 2 info prepared",
        "check err red",
        "check error it is odd",
        " in two lines",
        "check says half way",
        "prepare visit 2 out count is 1",
        "prepare visit 2 info prepared",
        "check visit 2 err red",
        "check visit 2 error it is odd",
        " in two lines",
        "check visit 2 says half way",
    ]
    assert shown.next.startswith("workflow show ")


def test_a_step_a_node_a_visit_a_try_and_a_level_can_be_asked_for(cli: Cli, talked: None) -> None:
    assert bare(cli("logs", "@last", "3").out) == ["prepare visit 2 out count is 1", "prepare visit 2 info prepared"]
    assert cli("logs", "@last", "prepare:2").out == cli("logs", "@last", "3").out
    assert len(bare(cli("logs", "@last", "prepare").out)) == 5
    assert bare(cli("logs", "@last", "prepare", "--attempt", "2").out)[0] == "prepare try 2 out count is 0"
    assert bare(cli("logs", "@last", "1", "--level", "warning").out) == []
    assert bare(cli("logs", "@last", "2", "--level", "error").out) == ["check error it is odd", " in two lines"]
    assert bare(cli("logs", "@last", "2", "--level", "warning").out)[0] == "check err red"
    nothing = cli("logs", "@last", "1", "--attempt", "7")
    assert (nothing.code, nothing.out) == (Exit.DONE, "")
    assert "nothing was said" in nothing.err


def test_a_step_there_is_not_is_told_with_those_there_are(cli: Cli, talked: None) -> None:
    for name in ("nobody", "9", "prepare:x", "nobody:1"):
        wrong = cli("logs", "@last", name)
        assert wrong.code == Exit.USAGE
        assert "its nodes so far: prepare, check" in wrong.err


def test_json_has_every_line_with_its_step(cli: Cli, talked: None) -> None:
    whole = cli("logs", "@last", "check", "--json").json
    assert [(each["step"], each["visit"], each["attempt"], each["line"]) for each in whole] == [
        (2, 1, 1, 1), (2, 1, 1, 2), (2, 1, 1, 3), (4, 2, 1, 1), (4, 2, 1, 2), (4, 2, 1, 3),
    ]  # fmt: skip
    assert whole[1] == {
        "run": whole[0]["run"], "step": 2, "node": "check", "visit": 1, "attempt": 1, "line": 2, "at": whole[1]["at"],
        "source": "log", "level": "error", "logger": "talk", "text": "it is odd\nin two lines",
    }  # fmt: skip
    lines = [json.loads(each) for each in cli("logs", "@last", "check", "--jsonl").out.splitlines()]
    assert lines == whole
    assert cli("logs", "@last", "--json", "-f").code == Exit.USAGE


def test_hostile_text_moves_no_cursor(cli: Cli, write: Write) -> None:
    write("talk.py", TALK.replace("\\x1b[2J\\x07\\rred", "\\x1b[2J\\x07\\x9b1A\\u202e\\udc80"))
    cli("run", "talk.py")
    shown = cli("logs", "@last", "2").out.splitlines()[0]
    assert shown.endswith("looks odd �[2J��1A�\\udc80")


def test_where_lines_are_missing_it_says_so(cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_LIMIT_LOG", "1000")
    write("talk.py", TALK.replace('print(f"count is {count}")', 'print(*range(1000), sep="\\n")'))
    cli("run", "talk.py")
    shown = cli("logs", "@last", "3").out.splitlines()
    [gap] = [line for line in shown if "cut ..." in line]
    numbers = [int(line.split()[-1]) for line in shown[:-1] if "cut" not in line]
    cut = 1000 - len(numbers)
    assert f"... {cut} lines cut ..." in gap
    assert (numbers[0], numbers[-1]) == (0, 999)
    assert {"cut": cut}.items() <= cli("logs", "@last", "3", "--json").json[shown.index(gap)].items()


def test_a_damaged_part_is_told_and_the_rest_is_shown(cli: Cli, talked: None) -> None:
    with closing(sqlite3.connect("checkpoints/runs.sqlite")) as db, db:
        db.execute("UPDATE logs SET text = replace(text, 'count is 1', 'count is 7') WHERE text LIKE '%count is 1%'")
    shown = cli("logs", "@last")
    assert shown.out.count("a part of this log is damaged") == 1
    assert "count is 7" not in shown.out
    assert "count is 0" in shown.out
    checked = cli("store", "check")
    assert checked.code == Exit.STORE
    assert "a part of what run" in checked.out + checked.err


def test_what_the_dead_said_is_there_and_needs_no_code(cli: Cli, write: Write, spawn: Spawn) -> None:
    write("slow.py", SLOW)
    process = spawn("run", "slow.py")
    assert process.stderr is not None
    assert process.stderr.readline() == "begun\n"
    following = spawn("logs", "@last", "-f", "--jsonl")
    assert following.stdout is not None
    first = json.loads(following.stdout.readline())
    assert (first["text"], first["node"], first["step"]) == ("begun", "first", None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert following.wait(20) == Exit.DONE
    Path("slow.py").unlink()
    assert bare(cli("logs", "@last").out) == ["first out begun"]
    write("slow.py", SLOW)
    write("go", "")
    assert cli("resume", "@last").code == Exit.DONE
    assert bare(cli("logs", "@last", "first").out) == ["first out begun", "first out begun"]


def test_a_followed_run_is_told_to_its_end(cli: Cli, write: Write, spawn: Spawn) -> None:
    write("slow.py", SLOW.replace('log.write("second\\n")', 'log.write("second\\n")\n    print("at the end")'))
    process = spawn("run", "slow.py", "--json")
    assert process.stderr is not None
    while "begun" not in process.stderr.readline():
        pass
    following = spawn("logs", "@last", "--follow", "--jsonl")
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["text"] == "begun"
    write("go", "")
    rest = [json.loads(line) for line in following.stdout]
    assert [(each["node"], each["text"]) for each in rest] == [("second", "at the end")]
    assert following.wait(20) == Exit.DONE
    out, _ = process.communicate(timeout=20)
    assert json.loads(out)["status"] == "succeeded"  # what bodies print never mixes with the document


def test_info_is_kept_and_the_terminal_shows_no_more_than_before(cli: Cli, write: Write, spawn: Spawn) -> None:
    write("talk.py", TALK.replace("log.setLevel(logging.INFO)", ""))
    process = spawn("run", "talk.py")
    out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.DONE
    assert "prepared" not in out + err
    assert "it is odd" in err
    assert any(line.endswith("prepared") for line in cli("logs", "@last").out.splitlines())


def test_a_reader_that_has_seen_enough_is_no_mistake(spawn: Spawn, cli: Cli, talked: None) -> None:
    process = spawn("logs", "@last", "--jsonl")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == Exit.DONE
    assert process.stderr is not None
    assert "mistake" not in process.stderr.read()


def test_what_runs_within_said_is_told_under_the_node_they_lie_in(cli: Cli, write: Write) -> None:
    write(
        "nested.py",
        HEAD
        + """
from workflow_engine import subflow

class Inner(State):
    n: int
    m: int = 0

@function(writes="m")
def charge(n: int) -> int:
    print(f"charging {n}")
    if not Path("mended").exists():
        raise ValueError("no")
    return n + 1

inner = workflow("inner", state=Inner, edges=[START >> charge >> END])

class Outer(State):
    n: int = 1
    paid: int = 0

@function(writes="n")
def count(n: int) -> int:
    print("counting")
    return n + 1

bill = subflow(inner, name="bill", reads={"n": "n"}, writes={"paid": "m"})
outer = workflow("outer", state=Outer, edges=[START >> count >> bill >> END])
""",
    )
    assert cli("run", "nested.py:outer").code == Exit.FAILED
    run = cli("runs", "--json").json[0]["run"]
    assert bare(cli("logs", run).out) == ["count out counting", "bill/charge out charging 2"]
    write("mended", "")
    assert cli("resume", run).code == Exit.DONE
    assert bare(cli("logs", run, "bill").out) == ["bill/charge out charging 2"] * 2
    assert bare(cli("logs", run, "count").out) == ["count out counting"]
    told = cli("logs", run, "--json").json
    assert (told[1]["within"], told[1]["node"], told[1]["text"]) == (["bill"], "charge", "charging 2")
    assert told[1]["run"] != told[0]["run"]
