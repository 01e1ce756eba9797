"""File tools: what they show and change, and that nothing leads them out of their folder."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import END, START, State, Step, Tool, agent, verify, workflow
from workflow_engine.errors import DeclarationError
from workflow_engine.tools import Refused, file_tools

Use = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("the key")
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("one\nTwo\nthree\n")
    (folder / "sub" / "b.py").write_text("two = 2\n")
    (folder / ".env").write_text("TOKEN=two")
    return folder


def tools(root: Path | None, **given: Any) -> dict[str, Tool[..., Any]]:
    return {each.name: each for each in file_tools(root, **given)}


def test_files_are_listed_read_and_searched(folder: Path) -> None:
    made = tools(folder)
    assert list(made) == ["list_files", "read_file", "search_files"]
    assert made["list_files"]() == "a.md  14\nsub/b.py  8"
    assert made["list_files"]("**/*.py") == "sub/b.py  8"
    assert made["read_file"]("a.md") == "one\nTwo\nthree\n"
    assert made["read_file"]("a.md", 2, 1) == "(lines 2 to 2 of 3)\nTwo\n"
    assert made["search_files"]("TWO") == "a.md:2: Two\nsub/b.py:1: two = 2"


def test_writing_is_an_effect_that_can_be_looked_up(folder: Path) -> None:
    write = tools(folder, write=True)["write_file"]
    assert (write.effect, write.risk, write.approval) == (True, "write", "never")
    assert write("new/c.txt", "hello") == "wrote new/c.txt"
    assert (folder / "new" / "c.txt").read_text() == "hello"
    assert callable(write.in_doubt)
    assert write.in_doubt("new/c.txt", "hello") == "wrote new/c.txt"
    assert write.in_doubt("new/c.txt", "hell") is None
    assert write.in_doubt("../secret.txt", "the key") is None


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "/etc/passwd", "sub/../../secret.txt", "", ".", "a.md/", "a\0b", "\ud800", "x" * 300,
     ".env", "sub/.git/config", "link", "out/secret.txt", "nothing.md", "sub", "a.md/b"],
)  # fmt: skip
def test_no_path_leads_out(folder: Path, path: str) -> None:
    (folder / "link").symlink_to(folder.parent / "secret.txt")
    (folder / "out").symlink_to(folder.parent)
    made = tools(folder, write=True)
    with pytest.raises(Refused):
        made["read_file"](path)
    if path != "nothing.md":
        with pytest.raises(Refused):
            made["write_file"](path, "overwritten")
    assert (folder.parent / "secret.txt").read_text() == "the key"
    assert (folder / ".env").read_text() == "TOKEN=two"
    assert "key" not in made["search_files"]("the")


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "", "**/../*", "*" * 2000, "/".join(["**"] * 50)])
def test_no_pattern_leads_out(folder: Path, pattern: str) -> None:
    for name in ("list_files", "search_files"):
        with pytest.raises(Refused):
            tools(folder)[name](**({"text": "x"} if name == "search_files" else {}), pattern=pattern)


def test_a_device_a_pipe_and_what_is_no_text_are_refused_and_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "image.png").write_bytes(b"\x89PNG\xff")
    for path in ("pipe", "image.png"):
        with pytest.raises(Refused, match=r"not a file|not UTF-8"):
            tools(folder)["read_file"](path)
    assert tools(folder)["search_files"]("three") == "a.md:3: three"


def test_what_is_huge_is_refused_or_cut(folder: Path) -> None:
    (folder / "big.txt").write_text("x" * 3000)
    made = tools(folder, write=True, most_kb=2)
    with pytest.raises(Refused, match="more than 2 KB"):
        made["read_file"]("big.txt")
    with pytest.raises(Refused, match="more than 2 KB"):
        made["write_file"]("more.txt", "x" * 3000)
    for number in range(1100):
        (folder / f"{number:04}.txt").write_text("many\n")
    assert made["list_files"]().endswith("(more than 1000 files match: ask for fewer)")
    assert made["search_files"]("MANY").endswith("(more than 200 lines: look for less)")


def test_a_folder_swapped_for_a_link_meanwhile_is_not_followed(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "b.py").write_text("stolen")
    over = threading.Event()

    def placed(act: Callable[[], object]) -> None:
        while True:
            with suppress(OSError):
                act()
                return
            shutil.rmtree(folder / "sub", ignore_errors=True)  # a write in between made it anew

    def swap() -> None:
        while not over.is_set():
            (folder / "sub").rename(folder / "kept")
            placed(lambda: (folder / "sub").symlink_to(outside))
            (folder / "sub").unlink()
            placed(lambda: (folder / "kept").rename(folder / "sub"))

    thread = threading.Thread(target=swap)
    thread.start()
    made, seen, refused = tools(folder, write=True), set[str](), 0
    try:
        for _ in range(300):
            try:
                seen.add(made["read_file"]("sub/b.py"))
                made["write_file"]("sub/b.py", "two = 2\n")
            except Refused:
                refused += 1
    finally:
        over.set()
        thread.join()
    assert seen <= {"two = 2\n"}
    assert (outside / "b.py").read_text() == "stolen"


def test_in_a_workspace_writing_is_no_effect(tmp_path: Path) -> None:
    made = tools(None, write=True)
    step = Step(workspace_at=lambda: tmp_path)
    made["write_file"](step, "a.txt", "hello")
    assert made["read_file"](step, "a.txt") == "hello"
    assert not made["write_file"].effect


def test_they_are_sound_tools_of_an_agent(folder: Path) -> None:
    class Work(State):
        done: str = ""

    @agent(writes="done", instructions="Work.", tools=[*file_tools(folder), *file_tools(write=True, prefix="own_")])
    def work() -> str:
        return "go"

    assert verify(workflow("work", state=Work, edges=[START >> work >> END])) == ()


@pytest.mark.parametrize("given", [{"dotfiles": "yes"}, {"most_kb": 0}, {"approval": "always"}])
def test_a_declaration_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        file_tools("docs", **given)


def test_a_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'nowhere' is not there"):
        tools(tmp_path / "nowhere")["list_files"]()
