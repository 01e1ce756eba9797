"""workflow check --against, resume --accept-changes: a file is changed while runs of it are under way."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.flows import HEAD
from tests.cli.terminal import Cli, Spawn, Write
from workflow_engine.errors import WorkflowError
from workflow_engine.targets import load

ORDER = (
    HEAD
    + """
from typing import Annotated
from workflow_engine import append, rename_node, rename_field, change_field, add_field, drop_field

class Order(State):
    item: str
    packed: int = 0
    log: Annotated[list[str], append] = []
    word: Literal["again", "done"] | None = None

@function(writes=("packed", "log"))
def pack(item: str, packed: int) -> tuple[int, list[str]]:
    return packed + 1, [f"packed {item}"]

@function(writes="log")
def label(item: str) -> list[str]:
    return [f"labelled {item}"]

@human(writes="word")
def approve(item: str, packed: int) -> Question[Literal["again", "done"]]:
    return Question(f"{item} was packed {packed} times. Good?")

@function(writes="log")
def send(item: str) -> list[str]:
    return ["sent"]

@function(writes="log")
def stop(item: str) -> list[str]:
    return ["stopped"]

order = workflow("order", state=Order, MIGRATIONS edges=[
    START >> (pack, label),
    (pack, label) >> approve,
    approve["again"] >> at_most(2, approve, then=stop),
    approve["done"] >> send >> END,
    stop >> END,
])
"""
)
FORK = (
    HEAD
    + """
from workflow_engine import rename_node

class Parcel(State):
    item: str
    label: str = ""
    word: Literal["yes", "no"] | None = None

@function(writes="label")
def tag(item: str) -> str:
    return f"to {item}"

@human(writes="word")
def approve(item: str) -> Question[str]:
    return Question(f"{item}?")

@function
def send(label: str) -> None: ...

parcel = workflow("parcel", state=Parcel, MIGRATIONS edges=[START >> (tag, approve), (tag, approve) >> send >> END])
""".replace('Literal["yes", "no"] | None', "str | None")
)


def version(text: str, *renames: tuple[str, str], declared: str = "") -> str:
    for old, new in renames:
        text = text.replace(old, new)
    return text.replace("MIGRATIONS ", f"migrations=[{declared}], " if declared else "")


@pytest.fixture
def write(write: Write) -> Write:
    """Files that are imported anew once they were changed, as in a process of their own."""

    def anew(path: str, text: str) -> Path:
        file = write(path, text)
        with suppress(WorkflowError):  # the command that follows tells what is wrong
            load(path, fresh=True)  # what a new process would do
        return file

    return anew


@pytest.fixture
def waiting(write: Write, cli: Cli) -> str:
    """A run that waits at `approve`, inside a loop whose count is 1."""
    write("order.py", version(ORDER))
    assert cli("run", "order.py", "item=tea").code == 3
    run = str(cli("runs", "--json").json[0]["run"])
    assert cli("answer", run, "again").code == 3
    return run


RENAMES = (("approve", "confirm"), ("pack(", "wrap("), ("(pack,", "(wrap,"), ("def pack", "def wrap"))


def test_a_run_at_a_renamed_node_is_refused_and_goes_on_after_the_declaration(
    waiting: str, write: Write, cli: Cli
) -> None:
    write("order.py", version(ORDER, *RENAMES))
    refused = cli("resume", waiting)
    assert refused.code == 5
    assert "W601" in refused.err
    assert 'migrations=[rename_node("approve", "confirm")]' in refused.err
    assert f"workflow fork {waiting} --at STEP" in refused.err
    assert cli("show", waiting, "--json").json["status"] == "waiting"

    told = 'rename_node("approve", "confirm"), rename_node("pack", "wrap")'
    write("order.py", version(ORDER, *RENAMES, declared=told))
    gone_on = cli("resume", waiting)
    assert gone_on.code == 3
    shown = cli("show", waiting)
    assert 'took up rename_node("approve", "confirm")' in shown.out
    assert "confirm asks" in shown.out
    assert "approve asks" not in shown.out
    # Two loops were allowed and one was taken: the second answer is the last that leads back.
    assert cli("answer", waiting, "again").code == 3
    assert cli("answer", waiting, "again").code == 0
    view = cli("show", waiting, "--json").json
    log, nodes = view["state"]["log"], [each["node"] for each in view["steps"]]
    assert sorted(log[:2]) == ["labelled tea", "packed tea"], "arms at once, in any order"
    assert log[2:] == ["stopped"]
    assert sorted(nodes[:2]) == ["label", "pack"]
    assert nodes[2:] == ["approve", "confirm", "confirm", "stop"]
    assert view["changes"][0]["migrations"] == ['rename_node("approve", "confirm")', 'rename_node("pack", "wrap")']
    assert cli("draw", waiting, "-o", "run.mmd").code == 0
    assert "no longer in the workflow" not in Path("run.mmd").read_text()
    assert cli("store", "check").code == 0


def test_a_run_in_the_middle_of_a_fork_goes_on_after_the_declaration(write: Write, cli: Cli) -> None:
    write("parcel.py", version(FORK))
    assert cli("run", "parcel.py", "item=tea").code == 3
    renames = (("tag", "stick"), ("approve", "confirm"), ("send", "ship"))
    write("parcel.py", version(FORK, *renames))
    refused = cli("resume", "@last")
    assert refused.code == 5
    assert "W601" in refused.err
    assert "W603" in refused.err
    told = 'rename_node("tag", "stick"), rename_node("approve", "confirm"), rename_node("send", "ship")'
    write("parcel.py", version(FORK, *renames, declared=told))
    assert cli("answer", "@last", "fine").code == 0
    view = cli("show", "@last", "--json").json
    assert [each["node"] for each in view["steps"]] == ["tag", "confirm", "ship"]


def test_a_run_can_be_forked_at_steps_before_and_after_its_migration(waiting: str, write: Write, cli: Cli) -> None:
    told = 'rename_node("approve", "confirm"), rename_node("pack", "wrap")'
    write("order.py", version(ORDER, *RENAMES, declared=told))
    assert cli("answer", waiting, "done").code == 0
    for at in ("1", "pack", "wrap", "2", "label", "approve", "3"):
        assert cli("fork", waiting, "--at", at).code == 3, at
        assert cli("show", "@last", "--json").json["state"]["log"] == ["packed tea", "labelled tea"]
    assert cli("fork", waiting, "--at", "confirm", "word=done").code == 0
    assert cli("show", waiting, "--diff", "3", "1").code == 0
    assert cli("replay", waiting).code == 0 if "replay" in cli("--help").out else True


def test_check_tells_which_runs_in_flight_a_version_can_carry(waiting: str, write: Write, cli: Cli) -> None:
    for item in "abc":
        cli("run", "order.py", f"item={item}")
    cli("answer", "@last", "done")  # this one is over
    same = cli("check", "order.py", "--against", "default")
    assert same.code == 0
    assert "3 runs of order in flight" in same.out
    assert "3 runs can go on" in same.out
    write("order.py", version(ORDER, *RENAMES))
    changed = cli("check", "order.py", "--against", "checkpoints/runs.sqlite", "--json")
    assert changed.code == 5
    told = changed.json["against"]
    assert (changed.json["ok"], told["runs"], told["refused"], told["fits"]) == (False, 3, 3, 0)
    assert [(each["code"], each["place"], len(each["runs"])) for each in told["groups"]] == [("W601", "approve", 3)]
    assert {"what": "node", "name": "approve", "how": "removed", "parts": [], "was": None} in told["versions"][0][
        "changed"
    ]
    assert told["declare"] == ['rename_node("approve", "confirm")']
    page = cli("check", "order.py", "--against", "default")
    assert (page.code, "3 runs cannot go on" in page.out) == (5, True)
    assert 'migrations=[rename_node("approve", "confirm")]' in page.err
    declared = 'rename_node("approve", "confirm"), rename_node("pack", "wrap")'
    write("order.py", version(ORDER, *RENAMES, declared=declared))
    carried = cli("check", "order.py", "--against", "default")
    assert (carried.code, "3 of them with declared migrations" in carried.out) == (0, True)
    before = cli("show", waiting, "--json").json
    assert before["steps"][-1]["node"] == "approve"  # nothing was written


def test_what_has_to_be_accepted_is_told_and_then_accepted(waiting: str, write: Write, cli: Cli) -> None:
    text = version(ORDER, ('Literal["again", "done"]', 'Literal["again", "done", "never"]'))
    write("order.py", text.replace("    stop >> END,", '    approve["never"] >> stop >> END,'))
    checked = cli("check", "order.py", "--against", "default", "--json")
    assert (checked.code, checked.json["against"]["accept"]) == (5, 1)
    assert cli("check", "order.py", "--against", "default", "--accept-changes").code == 0
    assert "1 run can go on once what follows is accepted" in cli("check", "order.py", "--against", "default").out
    refused = cli("resume", waiting)
    assert refused.code == 5
    assert "W611" in refused.err
    assert "--accept-changes" in refused.err
    assert cli("recover").code in (0, 5)
    assert cli("resume", waiting, "--accept-changes").code == 3
    assert cli("inbox", "--json").json[0]["choices"] == ["again", "done", "never"]
    assert cli("answer", waiting, "never").code == 0


def test_a_damaged_run_is_listed_and_the_others_are_judged(waiting: str, cli: Cli) -> None:
    cli("run", "order.py", "item=milk")
    with sqlite3.connect("checkpoints/runs.sqlite") as db:
        db.execute("UPDATE runs SET text = replace(text, 'running', 'runing') || ' ' WHERE id = ?", (waiting,))
    db.close()
    checked = cli("check", "order.py", "--against", "default", "--json")
    told = checked.json["against"]
    assert (checked.code, told["fits"], told["damaged"]) == (0, 1, 1)
    assert told["damage"][0]["run"] == waiting
    assert "1 run cannot be read" in cli("check", "order.py", "--against", "default").out


def test_a_store_that_is_not_there_and_a_flag_without_one_are_told(write: Write, cli: Cli) -> None:
    write("order.py", version(ORDER))
    assert cli("check", "order.py", "--against", "nowhere.sqlite").code == 8
    assert cli("check", "order.py", "--accept-changes").code == 2


def test_check_tells_fingerprints_of_the_workflow_and_of_each_node(waiting: str, write: Write, cli: Cli) -> None:
    first = cli("check", "order.py", "--json").json["fingerprint"]
    assert set(first["nodes"]) == {"pack", "label", "approve", "send", "stop"}
    assert cli("show", waiting, "--json").json["nodes"] == first["nodes"]
    write("order.py", version(ORDER, ('["sent"]', '["gone"]')))
    second = cli("check", "order.py", "--json").json["fingerprint"]
    assert (second["shape"], second["workflow"] == first["workflow"]) == (first["shape"], False)
    assert [name for name in first["nodes"] if first["nodes"][name] != second["nodes"][name]] == ["send"]


def test_laws_on_migrations_are_told_by_check(write: Write, cli: Cli) -> None:
    declared = ", ".join(  # noqa: FLY002 (a line each)
        [
            'rename_node("ask", "aprove")',
            'rename_node("send", "stop")',
            'rename_field("thing", "item")',
            'rename_field("good", "item")',
            'change_field("log", lambda held: held)',
            'change_field("log", lambda held: held + [])',
            'drop_field("word")',
        ]
    )
    write("order.py", version(ORDER, declared=declared))
    typed = cli("check", "order.py", "--json")
    assert typed.code == 5
    assert [(each["code"], each["place"]) for each in typed.json["findings"]] == [
        ("W621", "aprove"),
        ("W622", "item"),
        ("W623", "send"),
        ("W623", "word"),
        ("W624", "order"),
    ]
    assert "did you mean 'approve'" in typed.json["findings"][0]["cure"]
    write("order.py", version(ORDER, declared='"approve"'))
    assert "is no migration" in cli("check", "order.py").err


def test_of_two_processes_that_resume_at_once_one_migrates(waiting: str, write: Write, cli: Cli, spawn: Spawn) -> None:
    declared = 'rename_node("approve", "confirm"), rename_node("pack", "wrap")'
    write("order.py", version(ORDER, *RENAMES, declared=declared))
    racing = [spawn("resume", waiting) for _ in range(2)]
    codes = {each.wait(timeout=60) for each in racing}
    assert 3 in codes
    assert codes <= {3, 7}  # it waits again, or the other one had it
    view = cli("show", waiting, "--json").json
    assert len([each for each in view["changes"] if each["migrations"]]) == 1
    assert cli("store", "check").code == 0


def test_an_answer_whose_run_does_not_fit_is_kept(waiting: str, write: Write, cli: Cli) -> None:
    write("order.py", version(ORDER, *RENAMES))
    answered = cli("answer", waiting, "done")
    assert answered.code == 5
    assert "rename_node" in answered.err
    declared = 'rename_node("approve", "confirm"), rename_node("pack", "wrap")'
    write("order.py", version(ORDER, *RENAMES, declared=declared))
    assert cli("recover").code == 0
    assert cli("show", waiting, "--json").json["state"]["word"] == "done"
