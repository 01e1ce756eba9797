"""workflow inbox and answer: questions in one process, answers in another, one accepted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.flows import ASK, HEAD, SLOW
from tests.cli.terminal import Cli, Spawn, Write

QUESTION = {"question", "run", "node", "title", "choices", "schema", "due"}

FORMS = (
    HEAD
    + """
class Address(BaseModel):
    street: str
    number: int

class Forms(State):
    address: Address | None = None
    age: int = 0
    word: str = ""

@human(writes="address")
def where() -> Question[Address]:
    return Question("Where?")

@human(writes="age")
def old() -> Question[int]:
    return Question("How old?")

@human(writes="word")
def say() -> Question[str]:
    return Question("A word?")

forms = workflow("forms", state=Forms, edges=[START >> where >> old >> say >> END])
"""
)

TWO = (
    HEAD
    + """
class Two(State):
    left: Literal["yes", "no"] | None = None
    right: Literal["yes", "no"] | None = None

@human(writes="left")
def legal() -> Question[Literal["yes", "no"]]:
    return Question("Legal?")

@human(writes="right")
def safe() -> Question[Literal["yes", "no"]]:
    return Question("Safe?")

@function
def join(left: str | None, right: str | None) -> None: ...

two = workflow("two", state=Two, edges=[START >> (legal, safe) >> join >> END])
"""
)


@pytest.fixture
def run(write: Write, cli: Cli) -> str:
    """A run of `draft` that waits for a ruling."""
    write("draft.py", ASK)
    return str(cli("run", "draft.py", "text=x", "--json").json["run"])


def test_the_inbox_shows_what_a_program_needs_to_answer(run: str, cli: Cli) -> None:
    typed = cli("inbox", "--json")
    assert typed.code == 0
    (question,) = typed.json
    assert set(question) >= QUESTION
    assert (question["run"], question["node"], question["choices"]) == (run, "review", ["retry", "abandon"])
    assert question["schema"]["properties"]["hint"]["type"] == "string"
    assert question["due"] is not None
    assert question["evidence"] == ["line 1", "line 2"]
    assert typed.next == f"workflow answer {question['question']} retry"
    assert "retry, abandon" in cli("inbox").out
    assert [each["run"] for each in cli("inbox", run[:8], "--json").json] == [run]


def test_an_empty_inbox_says_so(run: str, cli: Cli) -> None:
    cli("answer", run, "retry")
    typed = cli("inbox")
    assert typed.code == 0
    assert typed.out == ""
    assert "nobody is asked anything" in typed.err
    assert cli("inbox", "--json").json == []


def test_an_answer_goes_on_with_the_run_here(run: str, cli: Cli) -> None:
    typed = cli("answer", run, "retry", "hint=be brief", "--by", "ana", "--json")
    assert typed.code == 0
    assert typed.json["status"] == "succeeded"
    assert typed.json["state"]["ruling"] == {"choice": "retry", "hint": "be brief"}
    assert "ana" in cli("show", run, "review").out


def test_an_answered_question_is_shown_with_its_answer_and_without_its_form(run: str, cli: Cli) -> None:
    assert "choices   retry, abandon" in cli("show", run, "review").out
    cli("answer", run, "retry", "hint=be brief", "--by", "ana")
    page = cli("show", run, "review").out
    assert "review asked" in page
    assert "retry, hint be brief by ana through cli" in page
    assert "choices" not in page
    assert "line 2" not in page
    assert "line 2" in cli("show", run, "review", "--full").out


def test_a_hint_that_looks_like_a_number_stays_a_hint(run: str, cli: Cli) -> None:
    assert cli("answer", run, "retry", "hint=42", "--json").json["state"]["ruling"]["hint"] == "42"


def test_a_question_is_named_by_its_id_or_by_its_run(run: str, cli: Cli) -> None:
    assert cli("answer", f"{run[:7]}.q1", "retry").code == 0


def test_a_whole_answer_may_be_json(run: str, cli: Cli) -> None:
    typed = cli("answer", "@last", "--json-value", json.dumps({"choice": "retry", "hint": "x"}), "--json")
    assert typed.json["state"]["ruling"]["hint"] == "x"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rety"], "did you mean retry?"),
        (["maybe"], "choose retry or abandon"),
        ([], "wants a choice: retry, abandon"),
        (["retry", "hnt=x"], "did you mean hint?"),
        (["retry", "abandon"], "'abandon' is no FIELD=VALUE"),
        (["retry", "hint=a", "hint=b"], "given twice"),
        (["--json-value", "{"], "--json-value is no JSON"),
        (["retry", "--json-value", "{}"], "not both"),
        (["--json-value", '{"choice": "never"}'], "never"),
        (["--json-value", '{"choice": "retry", "hint": 5}'], "hint"),
        (["--json-value", "NaN"], "NaN is no JSON number"),
    ],
)
def test_an_answer_that_does_not_fit_exits_2_and_leaves_the_run_waiting(
    run: str, cli: Cli, words: list[str], told: str
) -> None:
    typed = cli("answer", run, *words)
    assert typed.code == 2
    assert told in typed.err
    assert "Traceback" not in typed.err
    assert len(cli("inbox", "--json").json) == 1


def test_the_second_answer_exits_7(run: str, cli: Cli) -> None:
    question = cli("inbox", "--json").json[0]["question"]
    assert cli("answer", question, "retry").code == 0
    typed = cli("answer", question, "abandon")
    assert typed.code == 7
    assert cli("answer", question, "nonsense").code == 7
    assert "answered by" in typed.err


def test_answering_a_run_that_does_not_wait_exits_2(run: str, cli: Cli) -> None:
    cli("answer", run, "retry")
    typed = cli("answer", run, "retry")
    assert typed.code == 2
    assert "asks nothing: its status is succeeded" in typed.err
    never = cli("answer", f"{run}.q9", "retry")
    assert never.code == 2
    assert "never asked" in never.err


def test_an_answer_is_recorded_though_the_code_is_gone(run: str, cli: Cli, write: Write) -> None:
    Path("draft.py").unlink()
    typed = cli("answer", run, "retry", "--json")
    assert typed.code == 0
    assert typed.json["status"] == "queued"
    assert "answered by" in typed.err
    assert f"workflow resume {run} TARGET" in typed.err
    assert cli("inbox", "--json").json == []
    again = cli("answer", run, "abandon")
    assert again.code == 7
    listed = cli("runs", "--json").json[0]
    assert listed["status"] == "queued"
    write("moved/draft.py", ASK)
    gone_on = cli("resume", run, "moved/draft.py", "--json")
    assert gone_on.code == 0
    assert gone_on.json["state"]["ruling"]["choice"] == "retry"


def test_forms_of_every_shape_can_be_typed(write: Write, cli: Cli) -> None:
    write("forms.py", FORMS)
    run = cli("run", "forms.py", "--json").json["run"]
    assert "street=..." in cli("inbox").next
    assert "missing" in cli("answer", run, "street=High").err or cli("inbox", "--json").json
    assert cli("answer", run, "street=High", "number=3").code == 3
    assert cli("answer", run, "many").code == 2
    assert cli("answer", run, "41").code == 3
    typed = cli("answer", run, "7", "--json")
    assert typed.json["state"] == {"address": {"street": "High", "number": 3}, "age": 41, "word": "7"}


def test_a_run_that_asks_twice_wants_the_questions_id(write: Write, cli: Cli) -> None:
    write("two.py", TWO)
    begun = cli("run", "two.py", "--json").json
    run = begun["run"]
    asked = {each["node"]: each["question"] for each in begun["questions"]}  # who is asked first is left open
    typed = cli("answer", run, "yes")
    assert typed.code == 2
    assert f"workflow answer {run}.q1 yes" in typed.err
    assert f"workflow answer {run}.q2 yes" in typed.err
    assert cli("answer", asked["safe"], "no").code == 3
    assert cli("answer", run, "yes", "--json").json["state"] == {"left": "yes", "right": "no"}


def test_an_answer_to_a_run_somebody_drives_is_left_to_them(write: Write, cli: Cli, spawn: Spawn) -> None:
    asks = SLOW.replace(
        "class Slow(State):", 'class Slow(State):\n    word: Literal["yes", "no"] | None = None'
    ).replace(
        "slow = workflow",
        '@human(writes="word")\ndef ask() -> Question[Literal["yes", "no"]]:\n    return Question("Go?")\n\n'
        "@function\ndef join(a: int, word: str | None) -> None: ...\n\nslow = workflow",
    )
    write("slow.py", asks.replace("START >> first >> second >> END", "START >> (first >> second, ask) >> join >> END"))
    owner = spawn("run", "slow.py", "--json")
    assert owner.stderr is not None
    for line in owner.stderr:
        if "ask" in line:
            break
    typed = cli("answer", "@last", "yes")
    assert typed.code == 0
    assert "the process that drives the run takes it up" in typed.err
    assert typed.next.startswith("workflow watch ")
    Path("go").touch()
    out, _ = owner.communicate(timeout=20)
    assert owner.returncode == 0
    assert json.loads(out)["state"]["word"] == "yes"
