"""workflow store: what its commands print, where, and how they exit."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.flows import ASK, FLAKY, GREET
from tests.cli.terminal import Cli, Write
from tests.cli.test_light import loaded
from tests.stores.keeping import KEPT

STORE = Path("checkpoints/runs.sqlite")


@pytest.fixture
def run(write: Write, cli: Cli) -> str:
    """A store with a run that waits for an answer and one that succeeded; the id of the second."""
    write("draft.py", ASK)
    write("greet.py", GREET)
    assert cli("run", "draft.py", "text=x").code == 3
    typed = cli("run", "greet.py", "name=Ada", "--json")
    assert typed.code == 0
    found: str = typed.json["run"]
    return found


def beneath(statement: str) -> None:
    with closing(sqlite3.connect(STORE, isolation_level=None)) as db:
        db.execute(statement)


def hurt(run: str) -> None:
    beneath(f"UPDATE journal SET text = 'x' WHERE seq = 2 AND run = (SELECT key FROM runs WHERE id = '{run}')")


def test_a_whole_store_says_so_and_exits_0(run: str, cli: Cli) -> None:
    typed = cli("store", "check")
    assert (typed.code, typed.out.startswith("✔ whole  checkpoints/runs.sqlite: 2 runs, ")) == (0, True)
    assert typed.next == "workflow store backup runs.backup.sqlite"
    document = cli("store", "check", "--json").json
    assert (document["ok"], document["runs"], document["damaged"], document["schema"]) == (True, 2, [], 2)
    assert set(document) == {
        "ok", "store", "schema", "bytes", "runs", "events", "versions", "questions", "letters", "series", "damaged",
        "notes",
    }  # fmt: skip


def test_a_damaged_run_is_named_with_its_cure_and_the_exit_is_8(run: str, cli: Cli) -> None:
    hurt(run)
    typed = cli("store", "check")
    assert typed.code == 8
    assert f"⚠ run {run} is damaged: event 2 does not fit its seal" in typed.out
    assert "✖ damaged (1 run)  checkpoints/runs.sqlite: 2 runs" in typed.out
    assert typed.next == "workflow store prune --status damaged --dry-run"
    (harm,) = cli("store", "check", "--json").json["damaged"]
    assert (harm["run"], set(harm)) == (run, {"run", "what", "cure"})


def test_what_is_no_store_exits_8(write: Write, cli: Cli) -> None:
    write("text", "hello " * 1000)
    for words in (("check",), ("prune", "--keep", "1"), ("migrate",), ("backup", "copy"), ("export", "x")):
        typed = cli("store", *words, "--store", "text")
        assert (typed.code, typed.out) == (8, "")
        assert "not a SQLite database" in typed.err
        assert "no store at" in cli("store", *words, "--store", "nowhere").err


def test_a_backup_is_told_and_looked_at_next(run: str, cli: Cli) -> None:
    typed = cli("store", "backup", "copy.sqlite")
    assert (typed.code, typed.out.startswith("backed up: copy.sqlite: 2 runs, ")) == (0, True)
    assert typed.next == "workflow runs --store copy.sqlite"
    assert run in cli("runs", "--store", "copy.sqlite").out
    again = cli("store", "backup", "copy.sqlite")
    assert (again.code, again.out) == (2, "")
    assert "there already" in again.err


def test_a_backup_of_a_damaged_store_is_kept_and_exits_8(run: str, cli: Cli) -> None:
    hurt(run)
    typed = cli("store", "backup", "copy.sqlite")
    assert typed.code == 8
    assert "as damaged as the store itself" in typed.err
    assert Path("copy.sqlite").exists()


def test_migrating_tells_from_where_to_where(write: Write, cli: Cli) -> None:
    Path("old.sqlite").write_bytes((KEPT / "schema1.sqlite").read_bytes())
    typed = cli("store", "migrate", "--store", "old.sqlite")
    assert (typed.code, typed.out) == (
        0,
        "migrated: old.sqlite from schema 1 to 2\nas it was before: old.schema1.sqlite\n",
    )
    assert "nothing to do" in cli("store", "migrate", "--store", "old.sqlite").out
    assert cli("store", "check", "--store", "old.schema1.sqlite").code == 0
    document = cli("store", "migrate", "--store", "old.schema1.sqlite", "--no-backup", "--json").json
    assert document == {"store": "old.schema1.sqlite", "before": 1, "after": 2, "backup": None}


def test_pruning_tells_what_went_and_first_what_would(run: str, cli: Cli) -> None:
    tried = cli("store", "prune", "--keep", "0", "--dry-run")
    assert tried.code == 0
    assert run in tried.out
    assert "1 run would go; nothing was changed" in tried.err
    assert tried.next == "workflow store prune --keep 0"
    assert cli("show", run).code == 0
    done = cli("store", "prune", "--keep", "0", "--json")
    assert [each["run"] for each in done.json["runs"]] == [run]
    assert "1 run pruned" in done.err
    assert cli("show", run).code == 2
    assert len(cli("runs", "--json").json) == 1
    assert "no run is due" in cli("store", "prune", "--keep", "0").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing says which runs may go"),
        (("--older-than", "soon"), "'soon' is no age"),
        (("--older-than", "999999999w"), "longer ago than anything"),
        (("--keep", "-1"), "--keep"),
        (("--keep", "1", "--status", "running"), "--status"),
        (("--keep", "1", "--status", "damaged", "--status", "failed"), "pruned alone"),
    ],
)
def test_a_rule_that_makes_no_sense_is_wrong_usage(run: str, cli: Cli, words: tuple[str, ...], said: str) -> None:
    typed = cli("store", "prune", *words)
    assert (typed.code, typed.out) == (2, "")
    assert said in typed.err
    assert cli("show", run).code == 0


def test_a_failed_run_that_can_be_resumed_is_not_pruned(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    assert cli("run", "job.py").code == 1
    typed = cli("store", "prune", "--keep", "0", "--status", "failed")
    assert (typed.code, typed.out) == (0, "")
    assert len(cli("runs", "--json").json) == 1


def test_a_damaged_run_is_replaced_from_a_backup(run: str, cli: Cli) -> None:
    assert cli("store", "backup", "copy.sqlite").code == 0
    before = cli("show", run, "--json").json
    hurt(run)
    assert cli("store", "prune", "--status", "damaged").code == 0
    assert cli("store", "export", run, "-o", "run.json", "--store", "copy.sqlite").code == 0
    typed = cli("store", "import", "run.json")
    assert (typed.code, typed.out, typed.next) == (0, f"imported: run {run}\n", f"workflow show {run}")
    assert cli("show", run, "--json").json == before
    assert cli("store", "check").code == 0


def test_an_exported_file_is_for_its_owner_only_and_writes_over_nothing(run: str, cli: Cli) -> None:
    typed = cli("store", "export", "@last", "-o", "run.json")
    assert (typed.code, typed.out) == (0, "")
    assert typed.next == "workflow store import run.json --store OTHER.sqlite"
    assert stat.S_IMODE(Path("run.json").stat().st_mode) == 0o600
    assert json.loads(Path("run.json").read_text())["run"]["id"] == run
    again = cli("store", "export", "@last", "-o", "run.json")
    assert (again.code, "there already" in again.err) == (2, True)
    assert cli("store", "export", "@last", "-o", "nowhere/run.json").code == 2
    assert cli("store", "export", "nobody").code == 2


def test_an_import_of_what_is_there_is_a_conflict_and_of_anything_else_wrong_usage(
    run: str, cli: Cli, write: Write
) -> None:
    assert cli("store", "export", "@last", "-o", "run.json").code == 0
    typed = cli("store", "import", "run.json")
    assert (typed.code, "in this store already" in typed.err) == (7, True)
    write("other.json", "{}")
    Path("bytes").write_bytes(b"\xff\xfe")
    for name, said in (("other.json", "no exported run"), ("bytes", "UTF-8"), ("nowhere", "cannot be read")):
        typed = cli("store", "import", name)
        assert (typed.code, typed.out) == (2, "")
        assert said in typed.err


@pytest.mark.slow
def test_a_run_goes_through_a_pipe_whatever_the_terminal_can_show(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    assert cli("run", "greet.py", "name=Zoë 🙂").code == 0
    house = str(Path(__file__).parents[2])
    workflow = f"{sys.executable} -m workflow_engine.cli"
    done = subprocess.run(
        ["sh", "-c", f"{workflow} store export @last | {workflow} store import - --store other.sqlite"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": house, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stdout.startswith("imported: run ")) == (0, True), done.stderr
    assert cli("show", "@last", "--json", "--store", "other.sqlite").json["state"]["name"] == "Zoë 🙂"


@pytest.mark.parametrize("words", [["store", "--help"], ["store", "check"], ["store", "prune", "--keep", "9"]])
def test_house_keeping_loads_nothing_heavy(run: str, words: list[str]) -> None:
    assert loaded(*words) == []
