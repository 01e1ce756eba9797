"""What is shown while a run goes: the board, the table on a terminal, the lines where output is piped."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.flows import FLAKY, HEAD
from tests.cli.terminal import Write
from workflow_engine.cli.board import Board
from workflow_engine.cli.figures import width
from workflow_engine.cli.following import Lines, Table
from workflow_engine.cli.table import board_lines
from workflow_engine.errors import Failure
from workflow_engine.ports.ledger import Recorded
from workflow_engine.ports.listener import Began, Heard, Said
from workflow_engine.record import events as e
from workflow_engine.record.frontier import Move
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import QuestionRecord
from workflow_engine.record.usage import Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId("k3q7")


def finished(node: str, visit: int = 1, **more: Any) -> e.StepFinished:
    given = {"kind": "function", "attempts": 1, "seconds": 2.0, **more}
    return e.StepFinished(NOW, node, visit=visit, started=NOW, writes=(), move=Move(node), **given)


def failed(node: str, message: str) -> e.StepFailed:
    return e.StepFailed(NOW, node, "function", 1, 1, NOW, 2.0, Failure(node, "error", message))


def asked(node: str) -> e.QuestionAsked:
    question = QuestionRecord(
        QuestionId(f"{RUN}.q1"), RUN, node, 1, node, "Shall we?\nReally?", {}, ("yes",), asked=NOW
    )
    return e.QuestionAsked(NOW, question)


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def board(clock: Seconds) -> Board:
    return Board([("fetch", "function"), ("write", "agent"), ("review", "human")], clock=clock)


def test_a_row_ticks_while_its_step_is_under_way_and_adds_up_over_visits(board: Board, clock: Seconds) -> None:
    row = board.row("fetch")
    assert row.elapsed(clock()) is None
    board.hear(Began("fetch", "function", 1, 1))
    clock.now += 3
    assert (row.standing, row.elapsed(clock())) == ("running", 3.0)
    board.hear(finished("fetch"))
    assert (row.standing, row.elapsed(clock())) == ("done", 2.0)
    board.hear(Began("fetch", "function", 2, 1))
    clock.now += 1
    assert (row.visit, row.elapsed(clock())) == (2, 3.0)
    board.hear(finished("fetch", 2))
    assert (row.standing, row.elapsed(clock()), row.took) == ("looping", 4.0, 2.0)


def test_a_try_that_failed_is_told_and_counted(board: Board) -> None:
    board.hear(Began("fetch", "function", 1, 1))
    board.hear(e.AttemptFailed(NOW, "fetch", 1, 1, Failure("fetch", "error", "no route"), 0.5))
    assert (board.row("fetch").standing, board.row("fetch").words) == ("retrying", "no route; again in 0.5 s")
    board.hear(Began("fetch", "function", 1, 2))
    board.hear(Said("fetch", 1, "half way"))
    row = board.row("fetch")
    assert (row.standing, row.attempt, row.words) == ("running", 2, "half way")


def test_an_agents_words_and_tools_are_shown_as_they_come(board: Board) -> None:
    def hear(**piece: Any) -> str:
        board.hear(Heard("write", 1, piece))
        return board.row("write").words

    board.hear(Began("write", "agent", 1, 1))
    assert hear(item="tool_call", tool="read", arguments={"path": "a.txt"}) == "uses read path=a.txt"
    assert hear(item="tool_result", tool="read", text="x" * 9000) == "uses read path=a.txt"
    assert hear(item="delta", of="message", text="Ten \x1b[31mlines") == "Ten \ufffd[31mlines"
    long = hear(item="delta", of="message", text=" and more" * 1000 + " at the end")
    assert long.startswith("…")
    assert long.endswith("at the end")
    assert len(long) <= 60
    assert hear(item="broken_off") == ""
    assert hear(item="delta", of="message", text="Anew") == "Anew"
    assert hear(item="handoff", agent="write", to="editor") == "hands over to editor"
    board.hear(finished("write", kind="agent", words="ten lines"))
    assert board.row("write").words == "ten lines"


def test_only_a_live_table_has_models_stream() -> None:
    assert Table.deltas
    assert not getattr(Lines, "deltas", False)


def test_tokens_and_known_costs_add_up(board: Board) -> None:
    board.hear(finished("write", kind="agent", usage=Usage(1, 1000, 200, 0.02), words="ten lines"))
    board.hear(finished("write", 2, kind="agent", usage=Usage(2, 500, 100, 0.01)))
    assert board.row("write").usage == Usage(3, 1500, 300, 0.03)
    (line,) = [each for each in board_lines(board, io.StringIO(), 100) if "write" in each]
    assert "1.8k" in line
    assert "$0.03" in line


def test_outcomes_stand_behind_the_last_word(board: Board) -> None:
    board.hear(finished("fetch", words="2 failed", routes=(("verdict", "failed"),)))
    assert board.row("fetch").words == "2 failed → failed"
    board.hear(finished("review", kind="human", outcome="retry", words="retry (by ana)"))
    assert board.row("review").words == "retry (by ana)"


def test_a_question_a_failure_and_an_interruption_have_their_own_signs(board: Board) -> None:
    board.hear(asked("review"))
    board.hear(failed("fetch", "out of paper"))
    board.hear(Began("write", "agent", 1, 1))
    board.rest()
    lines = board_lines(board, io.StringIO(), 100)
    assert any(each.startswith("‖  review") and each.endswith("Shall we? Really?") for each in lines)
    assert any(each.startswith("✖  fetch") and each.endswith("out of paper") for each in lines)
    assert any(each.startswith("↯  write") for each in lines)


def test_what_befalls_a_node_that_waits_is_told_with_its_visit_though_nobody_here_heard_it_begin(board: Board) -> None:
    board.hear(e.QuestionReminded(NOW, QuestionId(f"{RUN}.q1"), "review", 2, "ana"))
    board.hear(e.SignalReceived(NOW, "payment", "s1", "the bank", node="paid", visit=3))
    for node, visit, words in (("review", 2, "asked again of ana"), ("paid", 3, "signal payment came (by the bank)")):
        row = board.row(node)
        assert (row.standing, row.visit, row.words) == ("waiting", visit, words)
    board.hear(asked("review"))
    board.hear(e.QuestionReminded(NOW, QuestionId(f"{RUN}.q1"), "review", 1, "ana"))
    assert (board.row("review").kind, board.row("review").standing) == ("human", "waiting")


def test_what_happened_before_is_recalled_without_a_clock(board: Board, clock: Seconds) -> None:
    for event in (finished("fetch"), asked("review")):
        board.hear(event, past=True)
    clock.now += 1000
    assert board.row("fetch").elapsed(clock()) == 2.0
    assert board.row("review").elapsed(clock()) is None


@pytest.mark.parametrize("room", [40, 60, 100])
def test_no_line_of_the_table_is_wider_than_the_terminal(board: Board, room: int) -> None:
    board.hear(finished("fetch", words="a very long last word " * 20))
    board.hear(finished("日本語のノードの名前はとても長い", words="長い言葉" * 40))
    for each in board_lines(board, io.StringIO(), room):
        assert width(each) <= max(room, 66)  # names and times are kept, and ten columns of the last word
    if room == 100:
        assert all(width(each) <= room for each in board_lines(board, io.StringIO(), room))


def test_a_stream_without_the_letters_gets_ascii(board: Board) -> None:
    board.hear(finished("fetch"))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    "\n".join(board_lines(board, stream, 80)[1:3]).encode("ascii")


def test_lines_of_several_runs_name_them() -> None:
    out = io.StringIO()
    lines = Lines(out, several_runs=True)
    lines.hear(RunId("one"), finished("fetch"))
    lines.hear(RunId("two"), finished("fetch"))
    assert [each.split()[0] for each in out.getvalue().splitlines()] == ["one", "two"]


def test_a_recalled_journal_is_not_told_again() -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.recall([Recorded(1, finished("fetch"))])
    assert out.getvalue() == ""
    lines.hear(RUN, finished("fetch", 2))
    assert out.getvalue().startswith("↻  fetch         visit 2     2.0 s")


LOUD = (
    HEAD
    + """
class Loud(State):
    a: int = 0

@function(writes="a", retry=Retry(2, first=timedelta(0)))
async def shout(a: int, step: Step) -> int:
    print("a body prints")
    step.progress("shouting")
    if step.attempt == 1:
        raise ConnectionError("nobody hears")
    return 1

@function
def rest(a: int) -> None: ...

loud = workflow("loud", state=Loud, edges=[START >> shout >> rest >> END])
"""
)


def terminal(*words: str, **environ: str) -> tuple[int, str]:
    """Type a command line into a terminal of 24 rows and 80 columns; what it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow_engine.cli", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TERM": "xterm-256color",
            "COLUMNS": "80",
            "LINES": "24",
            **environ,
        },
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    return process.wait(), said.decode()


def test_a_terminal_shows_a_live_table_and_gets_its_cursor_back(write: Write) -> None:
    write("loud.py", LOUD)
    code, said = terminal("run", "loud.py")
    assert code == 0
    assert "\x1b[?25l" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said[said.rindex("last word") :])
    assert re.search(r"✔  shout\s+1 try 2", last)
    assert re.search(r"✔  rest\s+1 ", last)
    assert "a body prints" in said
    assert last.index("succeeded") < last.index("picture")


def test_no_color_is_honoured_on_a_terminal(write: Write) -> None:
    write("job.py", FLAKY)
    code, said = terminal("run", "job.py", NO_COLOR="1")
    assert code == 1
    assert re.findall(r"\x1b\[[0-9;]*m", said.replace("\x1b[0m", "")) == []


def test_a_dumb_terminal_gets_lines(write: Write) -> None:
    write("loud.py", LOUD)
    code, said = terminal("run", "loud.py", TERM="dumb")
    assert code == 0
    assert "\x1b" not in said
    assert "last word" not in said
    assert "✔  shout" in said


def test_a_step_that_began_before_the_clock_was_set_back_never_counts_down(board: Board, clock: Seconds) -> None:
    board.hear(Began("fetch", "function", 1, 1))
    clock.now -= timedelta(hours=1).total_seconds()
    assert board.row("fetch").elapsed(clock()) == 0.0
