"""workflow replay: every state of a run shown again, and a recorded run held against a file that changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.flows import HEAD, LOOP
from tests.cli.terminal import Cli, Write
from workflow_engine.errors import WorkflowError
from workflow_engine.targets import load

Change = Callable[..., None]

SHOP = (
    HEAD
    + """
class Order(State):
    item: str
    price: int = 0
    label: str = ""
    sent: str = ""

@function(writes="price")
def look_up(item: str) -> int:
    with open("log.txt", "a") as log:
        log.write("look_up\\n")
    print("looking it up")
    return len(item)

@route
def dear(price: int) -> Literal["dear", "cheap"]:
    return "dear" if price > 5 else "cheap"

@function(writes="label")
def tag(item: str, price: int) -> str:
    return f"{item} for {price}"

@function(writes="sent", effect=True)
def send(label: str) -> str:
    with open("log.txt", "a") as log:
        log.write("send\\n")
    return f"sent: {label}"

order = workflow("order", state=Order, edges=[
    START >> look_up >> dear,
    dear["cheap"] >> tag >> send >> END,
    dear["dear"] >> FAIL("too dear"),
])
"""
)


@pytest.fixture
def change(write: Write) -> Change:
    """Edit a file and import it anew, as a process of its own would."""

    def change(path: str, *edits: tuple[str, str]) -> None:
        text = Path(path).read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        write(path, text)
        with suppress(WorkflowError):
            load(path, fresh=True)

    return change


@pytest.fixture
def ordered(write: Write, cli: Cli) -> str:
    """A run that looked up a price, made a tag and sent it."""
    write("order.py", SHOP)
    assert cli("run", "order.py", "item=tea").code == 0
    Path("log.txt").unlink()
    return str(cli("runs", "--json").json[0]["run"])


def test_a_replay_shows_each_state_without_the_code(ordered: str, cli: Cli) -> None:
    Path("order.py").unlink()
    typed = cli("replay", ordered)
    assert typed.code == 0
    lines = typed.out.splitlines()
    assert [each.split()[2] for each in lines if each[:4].strip().isdigit()] == ["START", "look_up", "tag", "send"]
    assert "~ price  0 → 3" in typed.out or "+ price  3" in typed.out
    assert "dear: cheap" in typed.out
    assert "ended at END" in typed.out
    assert not Path("log.txt").exists()


def test_a_replay_as_json_has_the_state_and_the_place_after_each_step(ordered: str, cli: Cli) -> None:
    told = cli("replay", ordered, "--json").json
    assert (told["run"], told["workflow"]) == (ordered, "order")
    assert [(each["step"], each["event"], each["due"]) for each in told["steps"]] == [
        (0, "begun", ["look_up"]),
        (1, "finished", ["tag"]),
        (2, "finished", ["send"]),
        (3, "finished", []),
    ]
    assert told["steps"][1]["state"] == {"item": "tea", "price": 3}
    assert told["steps"][1]["routes"] == [["dear", "cheap"]]
    assert told["steps"][2]["changes"] == [
        {"field": "label", "path": ["label"], "change": "added", "before": None, "after": "tea for 3"}
    ]
    lines = [json.loads(each) for each in cli("replay", ordered, "--jsonl").out.splitlines()]
    assert lines == told["steps"]


def test_one_step_of_a_replay_can_be_named(ordered: str, cli: Cli) -> None:
    for name in ("2", "tag", "tag:1"):
        told = cli("replay", ordered, name, "--json").json
        assert [each["node"] for each in told["steps"]] == ["tag"]
    assert "tea for 3" in cli("replay", ordered, "tag").out
    assert cli("replay", ordered, "START", "--json").json["steps"][0]["step"] == 0
    assert cli("replay", ordered, "nowhere").code == 2
    assert cli("replay", "nobody").code == 2


def test_a_run_held_against_its_own_code_comes_to_the_same_and_nothing_is_sent(ordered: str, cli: Cli) -> None:
    before = cli("show", ordered, "--json").json
    typed = cli("replay", ordered, "--against", "order.py")
    assert typed.code == 0
    assert "nothing differs: 2 steps ran anew, 1 as recorded" in typed.out
    assert "looking it up" not in typed.out  # what a body prints is no data
    assert Path("log.txt").read_text() == "look_up\n"
    assert cli("show", ordered, "--json").json == before
    assert typed.next == "workflow check order.py:order --against default"


def test_the_first_difference_is_told_with_exit_1(ordered: str, cli: Cli, change: Change) -> None:
    change("order.py", ('f"{item} for {price}"', 'f"{item}: {price}"'))
    typed = cli("replay", ordered, "--against", "order.py")
    assert typed.code == 1
    assert "the first difference is at step 2 (tag, visit 1)" in typed.out
    assert '~ label  "tea for 3" → "tea: 3"' in typed.out
    told = cli("replay", ordered, "--against", "order.py", "--json")
    found = told.json["difference"]
    assert (told.code, told.json["same"], found["step"], found["node"], found["kind"]) == (1, False, 2, "tag", "value")
    assert found["changes"][0]["after"] == "tea: 3"
    assert cli("replay", ordered, "--against", "order.py", "--only-routes").code == 0
    change("order.py", ("price > 5", "price > 2"))
    told = cli("replay", ordered, "--against", "order.py", "--json")
    assert (told.json["difference"]["kind"], told.json["difference"]["now"]) == ("route", "dear")
    assert "send" not in Path("log.txt").read_text()


def test_a_fork_is_replayed_with_its_parents_steps(write: Write, cli: Cli) -> None:
    write("loop.py", LOOP)
    assert cli("run", "loop.py").code == 3
    assert cli("fork", "@last", "--at", "2", "text=x").code == 3
    told = cli("replay", "@last", "--json").json
    assert [(each["step"], each["event"]) for each in told["steps"]][:5] == [
        (0, "begun"),
        (1, "finished"),
        (2, "finished"),
        (2, "forked"),
        (3, "finished"),
    ]
    assert [each["state"].get("text") for each in told["steps"]][:5] == [None, "ab", "abab", "x", "xab"]
    assert cli("replay", "@last", "--against", "loop.py").code == 0
    assert "forked from run" in cli("replay", "@last").out


def test_what_makes_no_sense_is_told(ordered: str, write: Write, cli: Cli) -> None:
    write("loop.py", LOOP)
    other = cli("replay", ordered, "--against", "loop.py")
    assert (other.code, "is the workflow 'loop'" in other.err) == (2, True)
    assert cli("replay", ordered, "--only-routes").code == 2
    assert cli("replay", ordered, "2", "--against", "order.py").code == 2
    assert cli("replay", ordered, "--against", "nowhere.py").code == 2
    assert cli("replay", ordered, "--store", "nowhere.sqlite").code == 8
