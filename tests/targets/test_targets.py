"""Targets: what a person types becomes a workflow, or one clear sentence."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_engine.errors import TargetError
from workflow_engine.targets import BrokenFile, from_label, load

Write = Callable[[str, str], Path]

PLAIN = """
from workflow_engine.spec.edges import END, START
from workflow_engine.spec.decorators import function
from workflow_engine.spec.workflow import State, workflow

class Note(State):
    text: str

@function
def read(text: str) -> None: ...

NAME = workflow("NAME", state=Note, edges=[START >> read >> END])
"""


def plain(name: str) -> str:
    return PLAIN.replace("NAME", name)


@pytest.mark.parametrize(
    "text",
    [
        "graphs/ship.py",
        "graphs/ship.py:ship",
        "graphs.ship:ship",
        "graphs.ship",
        "graphs/ship",
        "ship",
        "./graphs/ship.py",
    ],
)
def test_every_form_of_a_target_finds_the_workflow(write: Write, text: str) -> None:
    write("graphs/ship.py", plain("ship"))
    loaded = load(text)
    assert loaded.workflow.name == "ship"
    assert loaded.label == "graphs/ship.py:ship"


def test_an_absolute_path_beneath_the_working_directory_is_a_target(write: Write) -> None:
    assert load(str(write("ship.py", plain("ship")))).label == "ship.py:ship"


def test_a_name_may_be_the_variable_or_the_workflow(write: Write) -> None:
    write("a.py", plain("ship").replace('workflow("ship"', 'workflow("delivery"'))
    assert load("a.py:ship").label == load("a.py:delivery").label == "a.py:ship"


def test_an_unknown_file_is_refused_with_near_names(write: Write) -> None:
    write("graphs/ship.py", plain("ship"))
    for typed in ("graphs/shpi.py", "shpi", "graphs.shpi:ship"):
        with pytest.raises(TargetError) as refused:
            load(typed)
        assert refused.value.cure == "did you mean graphs/ship.py?"


def test_an_unknown_file_with_nothing_near_lists_what_is_there(write: Write) -> None:
    write("graphs/ship.py", plain("ship"))
    with pytest.raises(TargetError, match="there is no zzz here") as refused:
        load("zzz")
    assert refused.value.cure == "there is: graphs/ship.py"


@pytest.mark.parametrize(
    "text", ["", ":ship", "graphs/ship.py:", "a.py:b c", "a\0b", "x" * 5000, ".", "..", "a//:b", "😀.py"]
)
def test_nonsense_is_refused_as_a_target(write: Write, text: str) -> None:
    with pytest.raises(TargetError):
        load(text)


def test_code_outside_is_not_imported(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("outside.py", "raise SystemExit('imported')")
    write("inside/link.py", "")
    (tmp_path / "inside/link.py").unlink()
    (tmp_path / "inside/link.py").symlink_to(tmp_path / "outside.py")
    monkeypatch.chdir(tmp_path / "inside")
    for typed in ("../outside.py", str(tmp_path / "outside.py"), "link.py"):
        with pytest.raises(TargetError, match="outside the working directory"):
            load(typed)


def test_the_users_own_exception_is_shown_without_our_frames(write: Write) -> None:
    write("broken.py", "def divide():\n    return 1 / 0\n\ndivide()\n")
    with pytest.raises(BrokenFile, match=r"broken.py does not import: ZeroDivisionError: division by zero") as refused:
        load("broken.py")
    trace = refused.value.trace
    assert "return 1 / 0" in trace
    assert "broken.py" in trace
    assert "workflow_engine" not in trace
    assert "importlib" not in trace


def test_a_cause_deep_in_a_sibling_is_shown_too(write: Write) -> None:
    write("sibling.py", "try:\n    {}['key']\nexcept KeyError as error:\n    raise RuntimeError('later') from error\n")
    write("first.py", "import sibling\n")
    with pytest.raises(BrokenFile) as refused:
        load("first.py")
    assert "KeyError: 'key'" in refused.value.trace
    assert "RuntimeError: later" in refused.value.trace
    assert "workflow_engine" not in refused.value.trace


def test_a_syntax_error_points_at_its_line(write: Write) -> None:
    write("broken.py", "def (:\n")
    with pytest.raises(BrokenFile, match="SyntaxError") as refused:
        load("broken.py")
    assert "line 1" in refused.value.trace


def test_a_file_that_exits_is_refused(write: Write) -> None:
    write("script.py", "import sys\nsys.exit(3)\n")
    with pytest.raises(BrokenFile, match=r"ends the program"):
        load("script.py")


def test_a_declaration_without_meaning_names_its_line(write: Write) -> None:
    text = plain("ship").replace("@function\n", "")
    line = text[: text.index("ship = workflow(")].count("\n") + 1
    write("ship.py", text)
    with pytest.raises(BrokenFile, match=rf"ship.py:{line}: 'read' is a plain function") as refused:
        load("ship.py")
    assert refused.value.trace == ""


def test_a_broken_file_can_be_mended_and_loaded_in_the_same_process(write: Write) -> None:
    write("sibling.py", "1 / 0\n")
    write("ship.py", "import sibling\n" + plain("ship"))
    with pytest.raises(BrokenFile):
        load("ship.py")
    write("sibling.py", "")
    assert load("ship.py").workflow.name == "ship"


def test_a_file_without_a_workflow_is_refused(write: Write) -> None:
    write("empty.py", "x = 1\n")
    with pytest.raises(TargetError, match=r"empty.py holds no workflow"):
        load("empty.py")
    with pytest.raises(TargetError, match=r"empty.py:x is of type int, not a workflow"):
        load("empty.py:x")


def test_two_workflows_are_refused_with_what_to_type(write: Write) -> None:
    write("two.py", plain("one") + plain("other").replace("Note", "Other"))
    with pytest.raises(TargetError, match=r"two.py holds 2 workflows") as refused:
        load("two.py")
    assert refused.value.cure == "name one: two.py:one, two.py:other"
    assert load("two.py:other").workflow.name == "other"
    with pytest.raises(TargetError, match="has no workflow 'othr'") as near:
        load("two.py:othr")
    assert near.value.cure == "did you mean two.py:other?"


def test_an_imported_workflow_does_not_count_beside_the_files_own(write: Write) -> None:
    write("graphs/one.py", plain("one"))
    write("graphs/other.py", "from one import one\n" + plain("other"))
    assert load("graphs/other.py").workflow.name == "other"


def test_siblings_and_relative_imports_work(write: Write) -> None:
    write("graphs/words.py", "WORD = 'x'\n")
    write(
        "graphs/ship.py", "import words\nfrom .words import WORD\nfrom graphs import words as again\n" + plain("ship")
    )
    assert load("graphs/ship.py").workflow.name == "ship"


def test_siblings_of_two_folders_with_one_name_are_not_confused(write: Write) -> None:
    for folder in ("a", "b"):
        write(f"{folder}/words.py", f"WORD = {folder!r}\n")
        write(f"{folder}/flow.py", "import words\n" + plain("flow").replace('workflow("flow"', "workflow(words.WORD"))
    assert [load(f"{folder}/flow.py").workflow.name for folder in "ab"] == ["a", "b"]


def test_a_file_named_like_an_installed_package_does_not_replace_it(write: Write) -> None:
    write("pydantic.py", plain("ship"))
    loaded = load("pydantic.py")
    import pydantic

    assert loaded.label == "pydantic.py:ship"
    assert hasattr(pydantic, "BaseModel")


@pytest.mark.parametrize("folder", ["pydantic", "my-graphs", "class", "json"])
def test_siblings_are_in_reach_whatever_the_folder_is_called(write: Write, folder: str) -> None:
    write(f"{folder}/words.py", "WORD = 'x'\n")
    write(f"{folder}/ship.py", "import words\nfrom .words import WORD\n" + plain("ship"))
    assert load(f"{folder}/ship.py").workflow.name == "ship"
    import json

    import pydantic

    assert hasattr(pydantic, "BaseModel")
    assert hasattr(json, "loads")


def test_what_the_engine_loads_later_is_not_the_users_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)  # rich has loaded it if a test before this one painted
    write("graphs/colorsys.py", "raise RuntimeError('the wrong file')\n")
    write("graphs/late.py", "WORD = 'late'\n")
    write("graphs/ship.py", plain("ship"))
    load("graphs/ship.py")
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    assert importlib.import_module("late").WORD == "late"  # a body may


def test_an_edited_file_is_new_code_only_where_asked(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write("words.py", "WORD = 'old'\n")
    write("ship.py", "import words\n" + plain("ship").replace('workflow("ship"', "workflow(words.WORD"))
    first = load("ship.py").workflow
    # Same length, same second: what a cache of byte code cannot see in the file itself.
    write("ship.py", "import words\n" + plain("SHIP").replace('workflow("SHIP"', "workflow(words.WORD"))
    assert load("ship.py").workflow is first
    assert load("ship.py", fresh=True).label == "ship.py:SHIP"


def test_printing_while_importing_leaves_stdout_to_data(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("ship.py", "print('hello')\n" + plain("ship"))
    load("ship.py")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")


def test_a_label_leads_back_to_the_workflow(write: Write) -> None:
    write("graphs/ship.py", plain("ship"))
    assert from_label("graphs/ship.py:ship", "ship").workflow.name == "ship"


@pytest.mark.parametrize(
    "label",
    [None, "/etc/passwd", "../ship.py:ship", "graphs/../../x.py", "gone.py:ship", "ship:ship", "ship.py:other", ""],
)
def test_a_label_that_leads_elsewhere_asks_for_a_target(write: Write, label: str | None) -> None:
    write("ship.py", plain("ship"))
    with pytest.raises(TargetError) as refused:
        from_label(label, "other", ask="type: workflow resume RUN TARGET")
    assert refused.value.cure is not None


def test_a_label_is_not_followed_out_of_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("ship.py", plain("ship"))
    monkeypatch.chdir(write("inside/empty.txt", "").parent)
    for label in ("../ship.py:ship", f"{tmp_path}/ship.py:ship", f"{tmp_path}/inside/../ship.py:ship"):
        with pytest.raises(TargetError, match="not beneath the working directory"):
            from_label(label, "ship")


def test_a_label_whose_file_holds_another_workflow_now_is_refused(write: Write) -> None:
    write("ship.py", plain("ship"))
    with pytest.raises(TargetError, match="is the workflow 'ship' now; the run is one of 'nightly'"):
        from_label("ship.py:ship", "nightly")
