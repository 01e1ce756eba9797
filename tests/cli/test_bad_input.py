"""Bad input: each gets one clear message and its exit code, and nothing is lost. No traceback of ours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.flows import ASK, GREET, HEAD
from tests.cli.terminal import Cli, Typed, Write

RUNS = "checkpoints/runs.sqlite"


def refused(typed: Typed, code: int, *told: str) -> None:
    """One message with a cure, the right code, no data and no trace of ours."""
    assert typed.code == code, typed.err
    for each in told:
        assert each in typed.err
    assert typed.out == ""
    assert "workflow_engine/" not in typed.err
    assert "mistake of its own" not in typed.err


@pytest.fixture
def kept(write: Write, cli: Cli) -> str:
    """A store with one run in it."""
    write("greet.py", GREET)
    return str(cli("run", "greet.py", "name=Ada", "--json").json["run"])


def test_an_unknown_target(write: Write, cli: Cli) -> None:
    write("graphs/greet.py", GREET)
    refused(
        cli("run", "graphs/gret.py", "name=x"), 2, "there is no graphs/gret.py here", "did you mean graphs/greet.py?"
    )
    refused(cli("check", "../elsewhere.py"), 2, "there is no ../elsewhere.py here")


def test_a_file_that_does_not_import_shows_the_users_own_error(write: Write, cli: Cli) -> None:
    write("broken.py", "def oops():\n    return undefined_name\n\noops()\n")
    for command in ("run", "check", "draw"):
        refused(cli(command, "broken.py"), 2, "NameError", "return undefined_name", "broken.py does not import")


def test_two_workflows_in_one_file(write: Write, cli: Cli) -> None:
    write("two.py", GREET + 'other = workflow("other", state=Greeting, edges=[START >> greet >> END])\n')
    refused(cli("run", "two.py", "name=x"), 2, "holds 2 workflows", "two.py:greeting, two.py:other")
    assert cli("run", "two.py:other", "name=x").code == 0


def test_missing_mistyped_and_unknown_fields_together(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    typed = cli("run", "greet.py", "times=often", "nmae=Ada")
    refused(typed, 2, "nmae: no such field; did you mean name?", "times: Input should be", "name: missing (str)")
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("5", "said"),
        ('"\\ud800"', "said"),
        ('b"x"', "said"),
    ],
)
def test_a_body_that_raises_or_writes_the_wrong_thing(write: Write, cli: Cli, value: str, told: str) -> None:
    write("greet.py", GREET.replace('return " ".join([f"hello {name}"] * times)', f"return {value}"))
    typed = cli("run", "greet.py", "name=Ada")
    assert typed.code == 1
    assert told in typed.out
    assert "workflow_engine/" not in typed.out + typed.err
    shown = cli("show", "@last", "--json").json
    assert shown["state"]["name"] == "Ada"


@pytest.mark.parametrize("value", ['float("nan")', "2**70", "deep"])
def test_a_value_json_cannot_carry(write: Write, cli: Cli, value: str) -> None:
    text = (
        HEAD
        + f"""
from typing import Union
deep: list = []
for _ in range(5000):
    deep = [deep]

class Odd(State):
    number: float = 0.0
    whole: int = 0
    nested: "list[object]" = []

@function(writes={'"nested"' if value == "deep" else '"whole"' if "**" in value else '"number"'})
def make(number: float) -> {"list[object]" if value == "deep" else "int" if "**" in value else "float"}:
    return {value}

odd = workflow("odd", state=Odd, edges=[START >> make >> END])
"""
    )
    write("odd.py", text)
    typed = cli("run", "odd.py", "number=1")
    assert typed.code in (1, 5), typed.err  # 5 where the type itself is a finding
    assert "workflow_engine/" not in typed.out + typed.err


def test_a_file_that_is_no_store(kept: str, cli: Cli, write: Write) -> None:
    notes = write("notes.txt", "my notes\n" * 200)
    before = notes.read_bytes()
    for words in (("runs",), ("show", "@last"), ("inbox",), ("run", "greet.py", "name=x"), ("cancel", "@last")):
        refused(cli(*words, "--store", "notes.txt"), 8, "notes.txt")
    assert notes.read_bytes() == before
    with closing(sqlite3.connect("other.sqlite")) as db:
        db.execute("CREATE TABLE mine (x)")
        db.commit()
    refused(cli("runs", "--store", "other.sqlite"), 8, "not a store of runs")
    refused(cli("runs", "--store", "."), 8, "is a directory")


def test_a_store_that_is_not_there(kept: str, cli: Cli) -> None:
    refused(cli("runs", "--store", "gone.sqlite"), 8, "there is no store at ", "gone.sqlite")
    assert not Path("gone.sqlite").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_store_that_cannot_be_read(kept: str, cli: Cli) -> None:
    Path(RUNS).chmod(0)
    refused(cli("runs"), 8, "cannot be read")
    refused(cli("runs", "--store", RUNS), 8, "cannot be read")


def test_a_store_of_a_newer_version(kept: str, cli: Cli) -> None:
    with closing(sqlite3.connect(RUNS)) as db:
        db.execute("PRAGMA user_version = 999")
    for words in (("runs",), ("show", kept), ("recover",), ("resume", kept), ("run", "greet.py", "name=x")):
        refused(cli(*words), 8, "later version", "update the engine")


def test_a_damaged_run_is_reported_and_the_others_are_not_hurt(kept: str, cli: Cli) -> None:
    other = cli("run", "greet.py", "name=Bob", "--json").json["run"]
    with closing(sqlite3.connect(RUNS)) as db:
        db.execute("UPDATE journal SET text = replace(text, 'greet', 'greed') WHERE run = 1 AND seq = 3")
        db.execute("UPDATE runs SET text = replace(text, 'succeeded', 'cancelled') WHERE id = ?", (kept,))
        db.commit()
    refused(cli("show", kept), 8, kept)
    assert {each["run"]: each["status"] for each in cli("runs", "--json").json} == {
        kept: "damaged",
        other: "succeeded",
    }
    assert "⚠" in cli("runs").out
    assert cli("show", other).code == 0


def test_unknown_and_ambiguous_runs(kept: str, cli: Cli) -> None:
    for command in ("show", "resume", "cancel", "watch", "answer", "draw", "inbox"):
        refused(cli(command, "zzzzzz" if kept[0] != "z" else "000000"), 2, "no run begins with")
    with closing(sqlite3.connect(RUNS)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    for _ in range(40):  # base 32: two of 41 begin alike
        cli("run", "greet.py", "name=x")
    ids = [each["run"] for each in cli("runs", "-n", "100", "--json").json]
    first = next(each[0] for each in ids if sum(other[0] == each[0] for other in ids) > 1)
    refused(cli("show", first), 2, "is the beginning of several runs")


def test_a_prefix_that_is_none(write: Write, cli: Cli, kept: str) -> None:
    for prefix in ("", "%", "_" * 12, "x" * 5000, "' OR 1=1 --"):
        refused(cli("show", prefix), 2, "no run")


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["run"],
        ["run", "greet.py", "--nonsense"],
        ["run", "greet.py", "name=x", "--executor", "magic"],
        ["runs", "--status", "happy"],
        ["runs", "-n", "0"],
        ["model"],
        ["draw", "greet.py", "-o", "picture.gif"],
        ["run", "greet.py", "name=x", "--picture", "picture"],
        ["run", "greet.py", "-i", "@gone.json"],
    ],
)
def test_wrong_usage(write: Write, cli: Cli, words: list[str]) -> None:
    write("greet.py", GREET)
    typed = cli(*words)
    refused(typed, 2)
    assert typed.err.strip()
    assert not Path("checkpoints").exists()


def test_a_near_command_is_offered(write: Write, cli: Cli) -> None:
    assert "chek" in cli("chek", "x").err
    assert "check" in cli("chek", "x").err


def test_an_environment_that_makes_no_sense(write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write("poem.py", ASK)
    monkeypatch.setenv("WORKFLOW_STORE", "/dev/null/runs.sqlite")
    assert cli("run", "poem.py", "text=x").code == 8


def test_our_own_mistake_is_told_without_a_trace_unless_asked(
    write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("planted")

    monkeypatch.setattr("workflow_engine.targets.load", broken)
    typed = cli("check", "greet.py")
    assert typed.code == 70
    assert "mistake of its own: RuntimeError: planted" in typed.err
    assert "Traceback" not in typed.err
    monkeypatch.setenv("WORKFLOW_TRACE", "1")
    assert "Traceback" in cli("check", "greet.py").err


def test_a_word_that_is_none_of_an_options_is_refused_in_our_words(kept: str, cli: Cli) -> None:
    refused(cli("runs", "--status", "done"), 2, "'--status': 'done' is not one of 'queued', 'running'")
    assert "Value error" not in cli("runs", "--status", "done").err


def test_a_card_that_a_picture_does_not_have_is_wrong_usage(kept: str, cli: Cli) -> None:
    refused(cli("draw", "@last", "--focus", "gret"), 2, "no card of the picture is named 'gret'", "did you mean greet?")


def test_no_file_is_offered_that_would_then_be_refused(
    write: Write, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "within").mkdir()
    (tmp_path / "outside.py").write_text("")
    monkeypatch.chdir(tmp_path / "within")
    told = cli("check", "../outsid.py")
    refused(told, 2, "there is no ../outsid.py here")
    assert "outside.py" not in told.err


def test_inputs_that_are_no_object_or_no_pair_are_told_in_the_words_of_this_workflow(kept: str, cli: Cli) -> None:
    refused(cli("run", "greet.py", "Ada"), 2, "'Ada' is no field=value", "write it like name='some words'")
    refused(cli("run", "greet.py", "-i", "[]"), 2, "-i holds a JSON list, not an object")
