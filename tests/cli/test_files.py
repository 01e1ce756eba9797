"""Files on the command line: given with @, listed, and written out whole or not at all."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.flows import HEAD
from tests.cli.terminal import Cli, Spawn, Write
from workflow_engine.cli.exits import Exit

PAPERS = (
    HEAD
    + """
from workflow_engine import File

class Report(BaseModel):
    file: File
    pages: int

class Papers(State):
    given: File
    more: list[File] = []
    archive: File | None = None
    report: Report | None = None

@function(writes=("archive", "report"))
def pack(given: File, more: list[File]) -> tuple[File, Report]:
    whole = File.of(b"".join(each.read_bytes() for each in (given, *more)), name="whole.bin")
    return whole, Report(file=File.of(b"report"), pages=1)

@function
def look(archive: File) -> None:
    archive.read_bytes()

papers = workflow("papers", state=Papers, edges=[START >> pack >> look >> END])
"""
)
BYTES = bytes(range(256)) * 3


@pytest.fixture
def packed(cli: Cli, write: Write) -> None:
    write("papers.py", PAPERS)
    Path("one.bin").write_bytes(BYTES)
    Path("two.txt").write_bytes(b"two")
    assert cli("run", "papers.py", "given=@one.bin", "more=@two.txt").code == Exit.DONE
    Path("one.bin").unlink()


def content(run: dict[str, object]) -> Path:
    (found,) = Path("checkpoints/runs.sqlite.files").glob(f"??/{str(run['sha256'])[2:]}")
    return found


def test_files_are_given_listed_and_written_out(cli: Cli, packed: None, spawn: Spawn) -> None:
    shown = cli("file", "@last")
    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        ["given", "one.bin"],
        ["more.0", "two.txt"],
        ["archive", "whole.bin"],
        ["report.file", "file"],
    ]
    assert shown.next.endswith("given -o one.bin")
    assert cli("file", "@last", "archive", "-o", "out.bin").code == Exit.DONE
    assert Path("out.bin").read_bytes() == BYTES + b"two"
    Path("folder").mkdir()
    cli("file", "@last", "more", "-o", "folder")
    assert Path("folder/two.txt").read_bytes() == b"two"
    cli("file", "@last", "report", "-o", "report.bin")
    assert Path("report.bin").read_bytes() == b"report"
    process = spawn("file", "@last", "report.file")
    assert process.communicate(timeout=20)[0] == "report"


def test_the_state_as_json_has_the_descriptor(cli: Cli, packed: None) -> None:
    state = cli("show", "@last", "--json").json["state"]
    assert state["given"] == {
        "sha256": state["given"]["sha256"], "size": 768, "name": "one.bin", "media_type": "application/octet-stream",
    }  # fmt: skip
    assert cli("file", "@last", "given", "--json").json == {"field": "given", **state["given"]}
    assert [each["field"] for each in cli("file", "@last", "--json").json][-1] == "report.file"
    assert cli("file", "@last", "--at", "0", "--json").json[-1]["field"] == "more.0"
    assert (
        json.dumps(state["archive"]) in cli("show", "@last").out.replace("\n", "")
        or "whole.bin" in cli("show", "@last", "--full").out
    )


def test_a_descriptor_of_a_content_that_is_there_can_be_given(cli: Cli, packed: None) -> None:
    given = cli("file", "@last", "archive", "--json").json
    given.pop("field")
    assert cli("run", "papers.py", f"given={json.dumps(given)}").code == Exit.DONE
    cli("file", "@last", "given", "-o", "again.bin")
    assert Path("again.bin").read_bytes() == BYTES + b"two"
    wrong = cli("run", "papers.py", f"given={json.dumps({**given, 'sha256': 'a' * 64})}")
    assert wrong.code == Exit.USAGE
    assert "nowhere to be found" in wrong.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["given=@nowhere.pdf"], "nowhere.pdf cannot be read: No such file"),
        (["given=@."], "cannot be read"),
        (["given=report.pdf"], "is a file, and is given like given=@report.pdf"),
        (['given={"sha256": "../../etc/passwd", "size": 1}'], "given.sha256"),
        (["given=@papers.py", "report=@papers.py"], "report"),
    ],
)
def test_what_is_no_file_is_told_before_anything_begins(cli: Cli, write: Write, words: list[str], said: str) -> None:
    write("papers.py", PAPERS)
    wrong = cli("run", "papers.py", *words)
    assert (wrong.code, said in wrong.err) == (Exit.USAGE, True), wrong.err
    assert not Path("checkpoints").exists()


def test_a_file_there_is_not_is_told_with_those_there_are(cli: Cli, packed: None) -> None:
    for field in ("nothing", "more.7", "arch"):
        wrong = cli("file", "@last", field, "-o", "x")
        assert wrong.code == Exit.USAGE
        assert "it has: given, more.0, archive, report.file" in wrong.err
    Path("x").write_text("mine")
    assert cli("file", "@last", "given", "-o", "x").code == Exit.USAGE
    assert Path("x").read_text() == "mine"


def test_a_damaged_content_is_not_written_out(cli: Cli, packed: None) -> None:
    given = cli("file", "@last", "given", "--json").json
    content(given).write_bytes(b"x" + BYTES[1:])
    wrong = cli("file", "@last", "given", "-o", "x")
    assert wrong.code == Exit.STORE
    assert "is damaged" in wrong.err
    assert not Path("x").exists()
    checked = cli("store", "check")
    assert checked.code == Exit.STORE
    assert "names a file that is harmed" in checked.out + checked.err


def test_a_process_killed_after_making_a_file_makes_it_again(cli: Cli, write: Write, spawn: Spawn) -> None:
    write("papers.py", PAPERS.replace("    return whole, Report", """
    print("made", flush=True)
    while not Path("go").exists():
        import time
        time.sleep(0.01)
    return whole, Report"""))  # fmt: skip
    Path("one.bin").write_bytes(BYTES)
    process = spawn("run", "papers.py", "given=@one.bin")
    assert process.stderr is not None
    assert process.stderr.readline() == "made\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "1 file belongs to no run" not in cli("store", "check").out  # it is the input's content, made once more
    Path("one.bin").unlink()
    Path("go").touch()
    assert cli("resume", "@last").code == Exit.DONE
    assert cli("store", "check").code == Exit.DONE
    cli("file", "@last", "archive", "-o", "out.bin")
    assert Path("out.bin").read_bytes() == BYTES
