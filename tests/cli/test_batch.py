"""`run --batch`: one run for each line of a file, told in order, gone on with after a kill, bad lines named first."""

from __future__ import annotations

import io
import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.flows import ASK, HEAD
from tests.cli.terminal import Cli, Spawn, Write

COUNTED = (
    HEAD
    + """
class Counted(State):
    n: int
    by: str = "-"
    twice: int = 0

@function(writes="twice")
async def count(n: int) -> int:
    await asyncio.sleep(0.002)
    file = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{n}\\n".encode())
    os.close(file)
    if n == 13 and not Path("mended").exists():
        raise RuntimeError("13 is no number")
    return n * 2

counted = workflow("counted", state=Counted, edges=[START >> count >> END])
"""
)


@pytest.fixture(autouse=True)
def counted(write: Write) -> None:
    write("counted.py", COUNTED)


def lines(*rows: Any) -> str:
    return "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in rows)


def results(text: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in text.splitlines()]


def log() -> Counter[str]:
    return Counter(Path("log.txt").read_text().split())


def test_each_line_is_a_run_and_is_told_in_order(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 3}, "", {"n": 1, "by": "Ana"}))
    typed = cli("run", "counted.py", "by=Ben", "--batch", "in.jsonl")
    assert typed.code == 0
    told = results(typed.out)
    assert [(each["line"], each["status"], each["state"]) for each in told] == [
        (1, "succeeded", {"n": 3, "by": "Ben", "twice": 6}),
        (3, "succeeded", {"n": 1, "by": "Ana", "twice": 2}),
    ]
    assert list(told[0]) == ["line", "run", "status", "reason", "error", "questions", "state"]
    assert typed.err.splitlines() == ["2 lines: 2 succeeded"]
    assert cli("show", told[0]["run"], "--json").json["workflow"] == "counted"


def test_results_go_to_a_file_that_each_start_writes_anew(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 3}, {"n": 1}))
    Path("out.jsonl").write_text("rubbish of a start that was killed")
    for said in ("2 lines: 2 succeeded", "2 of them had come to rest before"):
        typed = cli("run", "counted.py", "--batch", "in.jsonl", "--results", "out.jsonl")
        assert (typed.code, typed.out) == (0, "")
        assert [each["state"]["twice"] for each in results(Path("out.jsonl").read_text())] == [6, 2]
        assert said in typed.err
    assert log() == {"3": 1, "1": 1}


def test_the_input_is_not_written_over(cli: Cli, write: Write) -> None:
    file = write("in.jsonl", lines({"n": 3}))
    assert cli("run", "counted.py", "--batch", "in.jsonl", "--results", "in.jsonl").code == 2
    assert file.read_text() == lines({"n": 3})


def test_bad_lines_are_named_before_anything_runs(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 1}, "{", {"m": 1}, "[1]", {"n": "none"}, {}, '{"n": NaN}', {"n": 2}))
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert (typed.code, typed.out) == (2, "")
    for number, what in {2: "no JSON", 3: "no such field", 4: "no object", 5: "n:", 6: "missing", 7: "no JSON"}.items():
        assert any(each.strip().startswith(f"line {number}:") and what in each for each in typed.err.splitlines())
    assert "6 lines of 8 cannot run, and nothing was begun" in typed.err
    assert not Path("log.txt").exists()


def test_bad_lines_are_told_as_refused_where_they_are_skipped(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 1}, "{", {"m": 1}, {"n": 2}))
    typed = cli("run", "counted.py", "--batch", "in.jsonl", "--skip-bad")
    assert typed.code == 1
    told = results(typed.out)
    assert [each["status"] for each in told] == ["succeeded", "refused", "refused", "succeeded"]
    assert "no JSON" in told[1]["error"]["message"]
    assert "no such field" in told[2]["error"]["message"]
    assert told[1]["run"] is None


def test_what_is_wrong_with_a_line_is_told_by_its_own_place_in_it(cli: Cli, write: Write) -> None:
    write("in.jsonl", '{"n": 1}\n{"n":\n')
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert "line 2: it is no JSON (Expecting value, at character 6)" in typed.err
    typed = cli("run", "counted.py", "--batch", "none.jsonl")
    assert typed.err.splitlines()[1:] == ["  give --batch FILE.jsonl, or - for standard input"]


def test_many_bad_lines_are_counted(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines(*["?"] * 1000))
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert "and 990 more" in typed.err
    assert len(typed.err.splitlines()) < 20


def test_a_line_that_fails_stops_no_other_and_is_mended_by_the_next_start(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 12}, {"n": 13}, {"n": 14}))
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert typed.code == 1
    assert [each["status"] for each in results(typed.out)] == ["succeeded", "failed", "succeeded"]
    assert results(typed.out)[1]["error"] == {
        "kind": "error",
        "message": "RuntimeError: 13 is no number",
        "node": "count",
    }
    Path("mended").touch()
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert typed.code == 0
    assert results(typed.out)[1]["state"]["twice"] == 26
    assert log() == {"12": 1, "13": 2, "14": 1}


def test_lines_that_wait_are_told_with_their_questions(cli: Cli, write: Write) -> None:
    write("ask.py", ASK)
    write("in.jsonl", lines({"text": "a"}))
    typed = cli("run", "ask.py", "--batch", "in.jsonl")
    assert typed.code == 3
    [told] = results(typed.out)
    assert (told["status"], told["questions"]) == ("waiting", [f"{told['run']}.q1"])
    assert typed.err.splitlines()[-1].split() == ["answer", "workflow", "inbox"]


def test_of_a_changed_file_only_new_lines_run_and_another_id_begins_anew(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 1}, {"n": 2}))
    cli("run", "counted.py", "--batch", "in.jsonl")
    write("in.jsonl", lines({"n": 3}, {"n": 2}, {"n": 2}))
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert "1 of them had come to rest before" in typed.err
    assert log() == {"1": 1, "2": 2, "3": 1}
    cli("run", "counted.py", "--batch", "in.jsonl", "--batch-id", "again")
    assert log() == {"1": 1, "2": 4, "3": 2}


def test_a_batch_comes_through_a_pipe(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'\xef\xbb\xbf{"n": 5}\n{"n": 6}')))
        typed = cli("run", "counted.py", "--batch", "-")
        assert [each["state"]["twice"] for each in results(typed.out)] == [10, 12]
    assert log() == {"5": 1, "6": 1}


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--batch", "nowhere.jsonl"], "cannot be read"),
        (["--batch", "."], "cannot be read"),
        (["--batch", "in.jsonl", "--rate", "fast"], "no rate"),
        (["--batch", "in.jsonl", "--rate", "0/s"], "no rate"),
        (["--batch", "in.jsonl", "--json"], "--json"),
        (["--batch", "in.jsonl", "--results", "no/such/folder"], "cannot be written"),
        (["--batch", "in.jsonl", "m=1"], "no such field"),
        (["n=1", "--at-once", "3"], "--batch"),
        (["n=1", "--skip-bad"], "--batch"),
    ],
)
def test_what_makes_no_batch_is_refused(cli: Cli, write: Write, words: list[str], what: str) -> None:
    write("in.jsonl", lines({"n": 1}))
    typed = cli("run", "counted.py", *words)
    assert typed.code == 2
    assert what in typed.err
    assert not Path("log.txt").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk here")
def test_results_that_cannot_be_written_stop_the_batch_and_are_told(cli: Cli, write: Write) -> None:
    write("in.jsonl", lines({"n": 1}, {"n": 2}))
    typed = cli("run", "counted.py", "--batch", "in.jsonl", "--results", "/dev/full")
    assert typed.code == 2
    assert "/dev/full cannot be written" in typed.err
    assert cli("run", "counted.py", "--batch", "in.jsonl").code == 0


def test_an_empty_file_is_an_empty_batch(cli: Cli, write: Write) -> None:
    write("in.jsonl", "\n\n")
    typed = cli("run", "counted.py", "--batch", "in.jsonl")
    assert (typed.code, typed.out) == (0, "")
    assert "no line" in typed.err


def _until(number: int) -> None:
    until = time.monotonic() + 30
    while not Path("log.txt").exists() or log().total() < number:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_killed_in_the_middle_and_begun_again_each_line_is_done(cli: Cli, spawn: Spawn, write: Write) -> None:
    write("in.jsonl", lines(*({"n": n} for n in range(100, 400))))
    words = ("run", "counted.py", "--batch", "in.jsonl", "--at-once", "4", "--results", "out.jsonl")
    for done in (40, 120):
        child = spawn(*words)
        _until(done)
        child.kill()
        child.wait()
    typed = cli(*words)
    assert typed.code == 0
    assert [each["line"] for each in results(Path("out.jsonl").read_text())] == list(range(1, 301))
    times = log()
    assert set(times) == {str(n) for n in range(100, 400)}
    # Only what was under way at a kill may have run twice, at most four each time: committed lines never.
    assert sum(times.values()) <= 308
    assert len(cli("runs", "-n", "1000", "--json").json) == 300


def test_a_stopped_batch_says_what_is_left(cli: Cli, spawn: Spawn, write: Write) -> None:
    write("in.jsonl", lines(*({"n": n} for n in range(100, 400))))
    child = spawn("run", "counted.py", "--batch", "in.jsonl", "--at-once", "2", "--rate", "50/s")
    _until(5)
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "left; the same command goes on with the batch" in err
    done = [each for each in results(out) if each["status"] == "succeeded"]
    assert 3 <= len(done) < 300
    assert cli("run", "counted.py", "--batch", "in.jsonl").code == 0
    assert log() == {str(n): 1 for n in range(100, 400)}
