"""What implement can reach: the package's own folder, and nothing a test or the build depends on."""

from __future__ import annotations

import os
from typing import Any

import pytest

from graphs.ship import (
    Analysis,
    Design,
    Patch,
    Report,
    Ruling,
    collect_patch,
    implement,
    list_files,
    read_file,
    write_file,
)
from workflow_engine import Step, StepError


@pytest.fixture
def step(make_step: Any) -> Step:
    step: Step = make_step("implement")
    (step.workspace / "adder").mkdir()
    return step


def test_a_file_that_was_written_is_listed_read_and_collected(step: Step) -> None:
    assert list_files(step) == "no files yet"
    assert write_file("adder/__init__.py", "one = 1\n", step) == "wrote adder/__init__.py"
    assert write_file("adder/deep/er.py", "two = 2\n", step) == "wrote adder/deep/er.py"
    assert list_files(step) == "adder/__init__.py\nadder/deep/er.py"
    assert read_file("adder/__init__.py", step) == "one = 1\n"
    assert collect_patch("done", step) == Patch(
        files={"adder/__init__.py": "one = 1\n", "adder/deep/er.py": "two = 2\n"}, summary="done"
    )


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_adder.py",
        "conftest.py",
        "pytest.ini",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
        "sitecustomize.py",
        "pytest.py",
        "adder.py",
        "adder",
        "src/adder/__init__.py",
        "other/__init__.py",
        "",
    ],
)
def test_what_lies_outside_the_package_cannot_be_written(step: Step, path: str) -> None:
    answer = write_file(path, "", step)
    assert answer.startswith("error: ")
    assert "write beneath adder/" in answer
    assert list_files(step) == "no files yet"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside.py", "adder/../../outside.py", "adder/./x.py", "adder//x.py"]
)
def test_a_path_that_leads_out_is_refused(step: Step, path: str) -> None:
    assert write_file(path, "", step).startswith("error: ")
    assert read_file(path, step).startswith("error: ")
    assert [entry.name for entry in step.workspace.iterdir()] == ["adder"]
    assert not (step.workspace.parent / "outside.py").exists()


def test_a_link_is_neither_followed_nor_read(step: Step) -> None:
    outside = step.workspace.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret")
    os.symlink(outside, step.workspace / "adder" / "link")
    os.symlink(outside / "secret.py", step.workspace / "adder" / "secret.py")
    assert write_file("adder/link/new.py", "", step).startswith("error: ")
    assert write_file("adder/secret.py", "", step).startswith("error: ")
    assert read_file("adder/link/secret.py", step).startswith("error: ")
    assert read_file("adder/secret.py", step).startswith("error: ")
    assert (outside / "secret.py").read_text() == "secret"
    assert not (outside / "new.py").exists()


def test_text_that_no_file_can_hold_is_refused(step: Step) -> None:
    assert write_file("adder/x.py", "\ud800", step).startswith("error: ")


def test_a_visit_that_wrote_nothing_has_no_patch(step: Step) -> None:
    with pytest.raises(StepError, match="without writing a file"):
        collect_patch("done", step)


def test_implement_finds_the_files_of_its_last_visit(make_step: Any, analysis: Any, design: Any, patch: Patch) -> None:
    step = make_step("implement", visit=2)
    implement("Add.", analysis, design, patch, None, None, step)
    assert read_file("adder/__init__.py", step) == patch.files["adder/__init__.py"]
    write_file("adder/more.py", "", step)
    assert list(collect_patch("done", step).files) == ["adder/__init__.py", "adder/more.py"]


def test_implement_is_told_what_failed_and_what_a_person_said(
    make_step: Any, analysis: Analysis, design: Design, patch: Patch
) -> None:
    first = implement("Add.", analysis, design, None, None, None, make_step())
    assert "Request:\nAdd." in first
    assert "add adds two numbers." in first
    assert "adder/__init__.py: add(a: int, b: int) -> int" in first
    assert "Tests:" not in first
    assert "Hint:" not in first
    report = Report(green=False, passed=1, failed=1, failures=["x"], log="E assert 3 == 2", sandbox="s", isolated=True)
    ruling = Ruling(choice="retry", hint="carry the one")
    second = implement("Add.", analysis, design, patch, report, ruling, make_step())
    assert "Tests:\n1 of 2 tests failed\nE assert 3 == 2" in second
    assert "Hint:\ncarry the one" in second
    assert design.tests[0].text not in second


@pytest.mark.parametrize("package", ["json", "pytest", "class", "Adder", "../up", "a", "a-b", "_x", "x" * 41])
def test_a_package_may_not_stand_in_front_of_another(package: str) -> None:
    with pytest.raises(ValueError, match="package"):
        Analysis(package=package, requirements=[])


@pytest.mark.parametrize("name", ["conftest.py", "../test_x.py", "test_x.txt", "sub/test_x.py", "test_x.py\n"])
def test_a_design_may_bring_tests_only(design: Design, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Design.model_validate({"modules": [], "tests": [{"name": name, "text": ""}]})
