"""workflow new: what it writes works as it stands, and nothing of anybody's is written over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.flows import ASK
from tests.cli.terminal import Cli, Write
from workflow_engine.cli.new import Template

FILES = {
    "hello": ["greet.py", "greet.playbook.toml", "test_greet.py", "workflow.toml"],
    "pipeline": ["greet.py", "test_greet.py", "workflow.toml"],
}


@pytest.fixture
def folder(write: Write) -> Path:
    return Path.cwd()


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("template", list(Template))
def test_a_template_is_sound_and_in_the_one_format(folder: Path, cli: Cli, template: Template) -> None:
    made = cli("new", "greet", "--template", template)
    assert (made.code, made.out.split(), listed(folder)) == (0, FILES[template], sorted(FILES[template]))
    assert cli("check", "greet.py").code == 0
    assert "{{" not in "".join(path.read_text() for path in folder.iterdir() if path.suffix == ".py")
    ruff = Path(sys.executable).with_name("ruff")
    for words in (["check", "--select", "E,F,I,B,UP,ARG"], ["format", "--check"]):
        done = subprocess.run([ruff, *words, "--isolated", "--line-length=120", "."], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_first_five_minutes(folder: Path, cli: Cli) -> None:
    assert cli("new", "hello").next == "workflow run hello.py --model offline"
    asked = cli("run", "hello.py", "--model", "offline")
    assert asked.code == 3
    assert "→ long" in asked.out
    assert "draft         visit 2" in asked.out
    assert "picture of the run: hello.png" in asked.err
    first = Path("hello.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert asked.next.startswith("workflow answer ")
    done = cli(*asked.next.split()[1:])
    assert (done.code, "succeeded" in done.out) == (0, True)
    assert "picture of the run: hello.png" in done.err
    assert Path("hello.png").read_bytes() != first


def test_a_wish_is_answered_by_the_playbook_too(folder: Path, cli: Cli) -> None:
    cli("new", "hello")
    Path("workflow.toml").unlink()
    cli("run", "hello.py", "--model", "offline", "name=Ben")
    again = cli("answer", "@last", "again", "wish=how are you")
    assert (again.code, "draft         visit 3" in again.out) == (3, True)
    assert cli("show", "@last", "--json").json["state"]["text"] == "Hello Ben, how are you!"
    assert not Path("hello.png").exists()


def test_the_tests_it_writes_pass(folder: Path, cli: Cli) -> None:
    cli("new", "hello")
    cli("new", "fruit", "--template", "pipeline")
    house = str(Path(__file__).parents[2])
    plain = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, "test_hello.py", "test_fruit.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": house},
        check=False,
    )
    assert "10 passed" in done.stdout, done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("there", FILES["hello"][:3])
def test_nothing_is_written_over(folder: Path, cli: Cli, there: str) -> None:
    Path(there).write_text("mine")
    refused = cli("new", "greet")
    assert (refused.code, listed(folder), Path(there).read_text()) == (2, [there], "mine")
    assert f"there is already: {there}" in refused.err
    assert "nothing is written over" in refused.err


def test_settings_that_are_there_stay_as_they_are(folder: Path, cli: Cli) -> None:
    Path("workflow.toml").write_text('store = "mine.sqlite"\n')
    made = cli("new", "greet")
    assert made.code == 0
    assert "workflow.toml is there already" in made.err
    assert Path("workflow.toml").read_text() == 'store = "mine.sqlite"\n'


def test_a_link_to_nowhere_is_not_followed(folder: Path, cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "owned.py"
    Path("greet.py").symlink_to(elsewhere)
    assert cli("new", "greet").code == 2
    assert not elsewhere.exists()


def test_somebody_who_was_faster_keeps_their_file(folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("test_greet.py").write_text("mine")
    monkeypatch.setattr(Path, "exists", lambda self: False)  # as it was a moment ago
    refused = cli("new", "greet")
    assert (refused.code, listed(folder)) == (2, ["test_greet.py"])
    assert Path("test_greet.py").read_text() == "mine"
    assert "there is already: test_greet.py" in refused.err


@pytest.mark.parametrize(
    ("name", "why", "cure"),
    [
        ("", "a letter first", "workflow new hello"),
        ("../greet", "a letter first", "workflow new greet"),
        ("My-Flow.py", "a letter first", "workflow new my_flow"),
        ("9lives", "a letter first", "workflow new lives"),
        ("grüße", "a letter first", "workflow new gr_e"),
        ("a" * 41, "at most 40", f"workflow new {'a' * 40}"),
        ("class", "a word of Python's own", "workflow new my_class"),
        ("json", "a module already (Python's own)", "workflow new my_json"),
        ("pytest", "a module already", "workflow new my_pytest"),
        ("workflow_engine", "a module already", "workflow new my_workflow_engine"),
        ("draft", "the template uses the name", "workflow new my_draft"),
        ("test_greet", "pytest would take", "workflow new hello"),
        ("greet\nrm", "a letter first", "workflow new greet_rm"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(folder: Path, cli: Cli, name: str, why: str, cure: str) -> None:
    refused = cli("new", name)
    assert (refused.code, listed(folder)) == (2, [])
    assert why in refused.err
    assert cure in refused.err


def test_a_folder_that_cannot_be_written_is_told_and_left_as_it_was(
    folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def full(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "test_greet.py":
            raise OSError(28, "No space left on device", str(self))
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    refused = cli("new", "greet")
    assert (refused.code, listed(folder)) == (2, [])
    assert "test_greet.py cannot be written: No space left on device" in refused.err


# ------------------------------------------------------------------------------------------------ the picture


def test_the_settings_say_where_each_run_is_drawn(folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("new", "fruit", "--template", "pipeline")
    monkeypatch.setenv("WORKFLOW_PICTURE", "drawn/{workflow}-{run}.mmd")
    run = cli("run", "fruit.py")
    (drawn,) = Path("drawn").iterdir()
    assert f"picture of the run: {drawn}" in run.err
    assert drawn.name.startswith("fruit-")
    assert cli("run", "fruit.py", "--picture", "named.mmd").code == 0
    assert Path("named.mmd").exists()
    assert cli("run", "fruit.py", "--json").json["status"] == "succeeded"  # a program looks at no picture
    assert len(list(Path("drawn").iterdir())) == 1


def test_a_run_that_goes_on_or_is_forked_is_drawn_anew(write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write("draft.py", ASK)
    monkeypatch.setenv("WORKFLOW_PICTURE", "{run}.mmd")
    cli("run", "draft.py", "text=x")
    (drawn,) = Path.cwd().glob("*.mmd")
    drawn.unlink()
    assert cli("resume", "@last").code == 3  # nobody answered
    assert drawn.exists()
    assert cli("fork", "@last", "text=y").code == 3
    assert len(list(Path.cwd().glob("*.mmd"))) == 2
    monkeypatch.setenv("WORKFLOW_PICTURE", "draft.jpeg")
    told = cli("answer", "@last", "retry")  # the answer counts, whatever is wrong with the picture
    assert "no picture: draft.jpeg has no suffix of a picture" in told.err


def test_a_picture_nobody_can_draw_is_told_before_the_run(
    folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("new", "fruit", "--template", "pipeline")
    monkeypatch.setenv("WORKFLOW_PICTURE", "fruit.jpeg")
    refused = cli("run", "fruit.py")
    assert refused.code == 2
    assert "fruit.jpeg has no suffix of a picture" in refused.err
    assert not Path("checkpoints").exists()


def test_where_there_is_no_pytest_its_installation_is_told(
    folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_engine.cli.new.find_spec", lambda name: None)
    assert "pip install pytest && pytest test_hello.py" in cli("new", "hello").err
