"""Subflows on the command line: what is shown of runs within, and what going on with one of them means."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from workflow_engine.cli.app import call

HOUSE = Path(__file__).parents[2]
DESKS = 'lines=[{"item": "desk", "count": 2, "cents": 40000}]'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKFLOW_STORE", str(tmp_path / "runs.sqlite"))
    (tmp_path / "graphs").mkdir()
    for name in ("order.py", "order.json"):
        shutil.copy(HOUSE / "graphs" / name, tmp_path / "graphs" / name)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = call(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def begun(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, _ = said(capsys, "run", "graphs/order.py", "-i", "@graphs/order.json", DESKS, "--json")
    assert code == 3
    shown: dict[str, Any] = json.loads(out)
    return shown


def test_a_question_within_is_shown_and_answered_at_the_run_around_it(capsys: pytest.CaptureFixture[str]) -> None:
    shown = begun(capsys)
    run = shown["run"]
    assert [each["question"] for each in shown["questions"]] == [f"{run}-pay-1.q1"]
    assert [each.get("run") for each in shown["steps"]] == [None, f"{run}-reserve-1", f"{run}-pay-1"]
    code, out, err = said(capsys, "answer", "@last", "take", "--by", "ana")
    assert (code, "pay/take" in out) == (0, True)
    assert f"run {run}-pay-1 does step pay of run {run}: run {run} goes on, and it with that" in err


def test_a_run_within_is_shown_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(capsys)["run"]
    code, out, _ = said(capsys, "show", f"{run}-pay-1")
    assert code == 0
    assert f"does step pay of run {run}" in out
    _, out, _ = said(capsys, "show", f"{run}-pay-1", "--json")
    assert json.loads(out)["within"] == {"run": run, "node": "pay", "visit": 1}
    _, out, _ = said(capsys, "show", run)
    assert f"run {run}-reserve-1" in out
    assert f"for run {run}-pay-1" in out


def test_the_page_of_a_step_leads_to_the_run_that_did_it(capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(capsys)["run"]
    _, out, err = said(capsys, "show", run, "reserve")
    assert f"  as run       {run}-reserve-1" in out
    assert f"  within  workflow show {run}-reserve-1" in err


def test_lists_hide_runs_within_unless_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(capsys)["run"]
    _, out, _ = said(capsys, "runs", "--json")
    assert [each["run"] for each in json.loads(out)] == [run]
    _, out, _ = said(capsys, "runs", "--children", "--json")
    assert [(each["run"], each.get("within")) for each in json.loads(out)] == [
        (f"{run}-pay-1", run),
        (f"{run}-reserve-1", run),
        (run, None),
    ]


def test_recover_goes_on_with_the_run_around_one_that_was_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(capsys)["run"]
    assert said(capsys, "cancel", f"{run}-pay-1", "--by", "ana")[0] == 0
    code, out, _ = said(capsys, "recover", "--json")
    assert code == 1
    [shown] = json.loads(out)
    assert (shown["run"], shown["reason"]) == (run, "called off, and made good")
    assert shown["state"]["why"] == f"pay: run {run}-pay-1 (paying) was cancelled by ana"


def test_a_file_with_a_workflow_and_its_subflows_means_the_outermost(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "check", "graphs/order.py")[1].startswith("✔ order is sound: 6 nodes")
    assert said(capsys, "check", "graphs/order.py:paying")[1].startswith("✔ paying is sound")


@pytest.mark.slow
def test_pictures_unfold_what_is_within(capsys: pytest.CaptureFixture[str]) -> None:
    begun(capsys)
    folded = said(capsys, "draw", "@last")[1]
    unfolded = said(capsys, "draw", "@last", "--unfold")[1]
    some = said(capsys, "draw", "graphs/order.py", "--fold", "pay")[1]
    assert "approve" not in folded
    assert "approve" in unfolded
    assert "approve" not in some
    assert "release" in some
