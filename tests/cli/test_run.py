"""workflow run, show and runs: the fixed JSON shapes, the exit codes, and which words go where."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.flows import ASK, FLAKY, GREET, HEAD, LOOP
from tests.cli.terminal import Cli, Write
from workflow_engine.cli.following import Lines
from workflow_engine.errors import Failure
from workflow_engine.ports.listener import Began
from workflow_engine.record.events import StepFailed
from workflow_engine.record.ids import RunId

RUN = {
    "schema", "run", "workflow", "fingerprint", "status", "reason", "error", "state", "questions", "waits", "steps",
    "usage", "answered_by",
}  # fmt: skip
STEP = {"step", "node", "kind", "visit", "attempts", "status", "started", "seconds", "error"}
LISTED = {"run", "workflow", "status", "reason", "created", "updated", "steps"}


AGENT = (
    HEAD
    + """
class Poem(State):
    subject: str
    text: str | None = None

@agent(writes="text", instructions="Write a poem.")
def poet(subject: str) -> str:
    return f"about {subject}"

poem = workflow("poem", state=Poem, edges=[START >> poet >> END])
"""
)


def test_a_run_that_is_done_exits_0(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    typed = cli("run", "greet.py", "name=Ada", "times=2", "--json")
    assert typed.code == 0
    run = typed.json
    assert set(run) == RUN
    assert (run["schema"], run["workflow"], run["status"], run["error"]) == (1, "greeting", "succeeded", None)
    assert run["state"] == {"name": "Ada", "times": 2, "said": "hello Ada hello Ada"}
    assert run["questions"] == run["waits"] == run["answered_by"] == []
    (step,) = run["steps"]
    assert set(step) == STEP
    assert (step["step"], step["node"], step["kind"], step["visit"], step["status"]) == (
        1,
        "greet",
        "function",
        1,
        "finished",
    )
    assert datetime.fromisoformat(step["started"]).tzinfo is not None
    assert typed.next == f"workflow draw {run['run']} -o run.png"


def test_a_run_without_json_prints_its_steps_and_its_end(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    typed = cli("run", "greet.py", "name=Ada")
    assert "✔  greet" in typed.out
    assert "✔ succeeded  run " in typed.out
    assert "\x1b" not in typed.out + typed.err
    assert typed.next.startswith("workflow draw ")


def test_a_failed_run_exits_1_with_the_users_trace_and_the_way_on(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    typed = cli("run", "job.py")
    assert typed.code == 1
    assert "work failed: RuntimeError: the disk is on fire" in typed.out
    assert 'raise RuntimeError("the disk is on fire")' in typed.out
    assert "workflow_engine" not in typed.out
    assert typed.next.startswith("workflow resume ")
    run = cli("show", "@last", "--json").json
    assert run["error"]["kind"] == "error"
    assert run["error"]["step"] == 2
    assert run["steps"][-1]["error"] == "RuntimeError: the disk is on fire"


def test_a_waiting_run_exits_3_and_offers_the_answer(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    typed = cli("run", "draft.py", "text=x", "--json")
    assert typed.code == 3
    run = typed.json
    assert (run["status"], run["reason"]) == ("waiting", "person")
    assert [each["choices"] for each in run["questions"]] == [["retry", "abandon"]]
    assert typed.next == f"workflow answer {run['run']} retry"


def test_a_run_that_reaches_fail_exits_1_and_says_why(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    cli("run", "draft.py", "text=x")
    typed = cli("answer", "@last", "abandon")
    assert typed.code == 1
    assert "it reached FAIL('abandoned')" in typed.out
    assert "resume" not in typed.next


def test_a_workflow_with_findings_is_refused_with_all_of_them(write: Write, cli: Cli) -> None:
    write("bad.py", GREET.replace("greet >> END]", "greet]"))
    typed = cli("run", "bad.py", "name=Ada")
    assert typed.code == 5
    assert "greeting breaks 1 law" in typed.err
    assert "W1" in typed.err
    assert "Traceback" not in typed.err
    assert not Path("checkpoints").exists()


def test_agents_without_a_model_exit_2_with_both_cures(write: Write, cli: Cli) -> None:
    write("poem.py", AGENT)
    typed = cli("run", "poem.py", "subject=sea")
    assert typed.code == 2
    assert "OPENAI_API_KEY" in typed.err
    assert "--model offline" in typed.err
    assert not Path("checkpoints").exists()


def test_a_missing_playbook_is_named_with_its_cure(write: Write, cli: Cli) -> None:
    write("poem.py", AGENT)
    typed = cli("run", "poem.py", "subject=sea", "--model", "offline")
    assert typed.code == 2
    assert "workflow model stub" in typed.err


def test_a_stub_is_written_once_and_runs(write: Write, cli: Cli) -> None:
    write("poem.py", AGENT)
    typed = cli("model", "stub", "poem.py")
    assert typed.code == 0
    assert Path("poem.playbook.toml").is_file()
    assert typed.next == "workflow run poem.py:poem subject=... --model offline"
    assert cli("model", "stub", "poem.py").code == 2
    ran = cli("run", "poem.py", "subject=sea", "--model", "offline", "--json")
    assert ran.code == 0
    assert ran.json["answered_by"] == ["offline-playbook/poem"]
    assert ran.json["usage"]["cost"] == 0.0
    shown = cli("show", "@last")
    assert "answered by offline-playbook/poem (no model was called)" in shown.out
    assert "$" not in shown.out


def test_an_input_the_playbook_does_not_know_is_refused_before_the_first_step(write: Write, cli: Cli) -> None:
    write("poem.py", AGENT)
    write("poem.playbook.toml", '[inputs]\nsubject = ["sea"]\n\n[[rule]]\nwhen.node = "poet"\ntext = "blue"\n')
    typed = cli("run", "poem.py", "subject=seas", "--model", "offline")
    assert typed.code == 2
    assert "did you mean 'sea'?" in typed.err
    assert not Path("checkpoints").exists()
    assert cli("run", "poem.py", "subject=sea", "--model", "offline").code == 0


def test_a_stub_of_a_workflow_without_agents_is_refused(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    typed = cli("model", "stub", "greet.py")
    assert typed.code == 2
    assert "has no agents" in typed.err


def test_the_store_is_named_in_every_command_that_is_offered(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    typed = cli("run", "draft.py", "text=x", "--store", "my runs.sqlite")
    assert typed.next.endswith("--store 'my runs.sqlite'")
    assert cli("runs", "--store", "my runs.sqlite", "--json").json[0]["status"] == "waiting"


def test_the_store_comes_from_the_environment_where_none_is_given(
    write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("greet.py", GREET)
    monkeypatch.setenv("WORKFLOW_STORE", "elsewhere.sqlite")
    assert cli("run", "greet.py", "name=Ada").code == 0
    assert Path("elsewhere.sqlite").is_file()
    assert "--store" not in cli("runs").next


def test_what_bodies_print_leaves_stdout_to_data(write: Write, cli: Cli) -> None:
    write("greet.py", GREET.replace("    return", "    print('chatter')\n    return"))
    typed = cli("run", "greet.py", "name=Ada", "--json")
    assert typed.json["status"] == "succeeded"
    assert "chatter" in typed.err


def test_both_executors_end_alike(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    ours, theirs = (
        cli("run", "greet.py", "name=Ada", "--executor", each, "--json").json for each in ("native", "langgraph")
    )
    assert ours["state"] == theirs["state"]
    assert ours["status"] == theirs["status"] == "succeeded"


def test_runs_are_listed_newest_first_and_filtered(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    write("draft.py", ASK)
    first = cli("run", "greet.py", "name=Ada", "--json").json["run"]
    second = cli("run", "draft.py", "text=x", "--json").json["run"]
    listed = cli("runs", "--json").json
    assert [each["run"] for each in listed] == [second, first]
    assert all(set(each) == LISTED for each in listed)
    assert listed[1]["steps"] == 1
    assert [each["run"] for each in cli("runs", "--status", "waiting", "--json").json] == [second]
    assert [each["run"] for each in cli("runs", "--workflow", "greeting", "--json").json] == [first]
    assert [each["run"] for each in cli("runs", "--before", second, "--json").json] == [first]
    plain = cli("runs", "-n", "1")
    assert second in plain.out
    assert first not in plain.out
    assert f"workflow runs --before {second}" in plain.err


def test_runs_of_a_store_without_any_say_so(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    cli("run", "greet.py", "name=Ada")
    typed = cli("runs", "--status", "failed")
    assert typed.code == 0
    assert typed.out == ""
    assert "no run is like that" in typed.err


def test_show_tells_steps_state_and_questions(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    long = "word " * 100
    run = cli("run", "draft.py", f"text={long}", "--json").json["run"]
    typed = cli("show", run[:6])
    assert typed.code == 0
    assert "✔  write" in typed.out
    assert "‖  review" in typed.out
    assert "evidence 2" in typed.out
    assert "line 2" in typed.out
    assert "hint: string, may be left out" in typed.out
    (text,) = [each for each in typed.out.splitlines() if each.startswith("  text ")]
    assert text.endswith("…")
    assert len(text) < 200
    assert long.strip() in cli("show", run, "--full").out
    assert "draft.py:draft" in typed.out


def test_a_step_is_shown_by_number_by_node_and_by_visit(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    cli("run", "job.py")
    for name in ("2", "work", "work:1"):
        step = cli("show", "@last", name, "--json").json
        assert (step["step"], step["node"], step["status"]) == (2, "work", "failed")
        assert "the disk is on fire" in step["trace"]
    assert cli("show", "@last", "prepare", "--json").json["writes"] == ["count"]
    page = cli("show", "@last", "prepare")
    assert "wrote" in page.out
    assert "count  1" in page.out
    unknown = cli("show", "@last", "deploy")
    assert unknown.code == 2
    assert "prepare, work" in unknown.err


def test_each_visit_to_a_node_shows_what_it_wrote(write: Write, cli: Cli) -> None:
    write("loop.py", LOOP)
    cli("run", "loop.py")
    for visit, text in ((1, "ab"), (2, "abab"), (6, "ab" * 6)):
        page = cli("show", "@last", f"grow:{visit}").out
        assert f"  text  {text}\n" in page
        assert ("text was written again by grow, visit 6" in page) == (visit < 6)
        assert cli("show", "@last", str(visit), "--json").json["wrote"] == {"text": text}


def test_what_was_tried_is_not_left_out_in_silence(write: Write, cli: Cli) -> None:
    write("loop.py", LOOP)
    said = cli("run", "loop.py").out
    run = cli("show", "@last", "--json").json["run"]
    assert said.count("tried") == 4
    assert f"and 2 more before: workflow show {run}" in said
    whole = cli("show", run).out
    assert whole.count("  tried  ") == 6
    assert "more before" not in whole


def test_nothing_a_store_holds_moves_the_cursor(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    cli("run", "draft.py", "text=\x1b[2Jgone\x07")
    for typed in (cli("show", "@last"), cli("inbox"), cli("show", "@last", "write")):
        assert typed.code == 0
        assert "\x1b" not in typed.out
        assert "\x07" not in typed.out


def test_colours_are_only_for_those_who_want_them(write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write("greet.py", GREET)
    cli("run", "greet.py", "name=Ada")
    assert "\x1b" not in cli("runs").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in cli("runs").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in cli("runs").out


def test_a_reader_that_went_away_does_not_end_the_run(write: Write, cli: Cli) -> None:
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written, "w") as stream:
        lines = Lines(stream)
        now = datetime.now().astimezone()
        lines.hear(RunId("r"), Began("a", "function", 1, 1))
        lines.hear(RunId("r"), StepFailed(now, "a", "function", 1, 1, now, 0.1, Failure("a", "error", "x")))
        assert lines.board.rows["a"].standing == "failed"
        os.dup2(os.open(os.devnull, os.O_WRONLY), written)  # so that closing can flush


def test_runs_are_searched_and_the_next_page_is_one_of_the_same_list(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    first, second = (str(cli("run", "greet.py", "name=Ada", "--json").json["run"]) for _ in range(2))
    listed = cli("runs", "--search", "REE", "-n", "1")
    assert second in listed.out
    assert f"workflow runs --search REE --before {second}" in listed.err
    assert [each["run"] for each in cli("runs", "--search", first[2:], "--json").json] == [first]
    assert "no run is like that" in cli("runs", "--search", "nobody").err
