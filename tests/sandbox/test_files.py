"""Files into a workspace and out of it, when whoever filled it means harm."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_engine import errors
from workflow_engine.sandbox import FileRefused, collect, unpack
from workflow_engine.sandbox.patterns import matches


def test_what_is_unpacked_is_collected(workspace: Path) -> None:
    files = {"z.txt": "", "a/b/c.py": "x = 'ü'\r\n", "a/b.md": "# b"}
    unpack(files, workspace)
    assert list(collect(workspace, ["**/*"]).items()) == sorted(files.items())
    assert collect(workspace, ["a/*"]) == {"a/b.md": "# b"}
    assert collect(workspace, ["**/*.py", "z*"]) == {"a/b/c.py": "x = 'ü'\r\n", "z.txt": ""}
    assert collect(workspace, ["nothing/*"]) == {}


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../../x", "/etc/x", "", ".", "..", "a//b", "a/", "./a", "a/./b", "a\\..\\b", "a\0b", "a\nb",
        "\ud800", "x" * 256, "/".join("x" * 100),
    ],
)  # fmt: skip
def test_a_path_that_leads_out_is_refused_before_anything_is_written(workspace: Path, path: str) -> None:
    with pytest.raises(FileRefused):
        unpack({"first.txt": "", path: ""}, workspace)
    assert os.listdir(workspace) == []


def test_a_refusal_says_what_and_how_to_mend_it(workspace: Path) -> None:
    with pytest.raises(FileRefused, match=r"'\.\./x' is not a path within the workspace") as caught:
        unpack({"../x": ""}, workspace)
    assert (caught.value.kind, caught.value.retryable) == ("validation", False)
    assert caught.value.cure


def test_unpacking_never_writes_through_a_link(workspace: Path) -> None:
    outside = workspace.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    (workspace / "folder").symlink_to(outside)
    (workspace / "file").symlink_to(outside / "file")
    for path in ("folder/file", "folder/new", "file"):
        with pytest.raises(FileRefused):
            unpack({path: "overwritten"}, workspace)
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"file": "untouched"}


def test_unpacking_over_a_file_with_two_names_leaves_the_other_one(workspace: Path) -> None:
    outside = workspace.parent / "outside"
    outside.write_text("untouched")
    os.link(outside, workspace / "file")
    unpack({"file": "new"}, workspace)
    assert (outside.read_text(), (workspace / "file").read_text()) == ("untouched", "new")


def test_unpacking_onto_a_folder_or_beneath_a_file_is_refused(workspace: Path) -> None:
    unpack({"a/b": "", "c": ""}, workspace)
    for path in ("a", "c/d"):
        with pytest.raises(FileRefused):
            unpack({path: ""}, workspace)
    with pytest.raises(FileRefused, match="a file and a folder"):
        unpack({"x": "", "x/y": ""}, workspace)


def test_collecting_refuses_a_link(workspace: Path) -> None:
    secret = workspace.parent / "secret.txt"
    secret.write_text("the secret")
    (workspace / "notes.txt").symlink_to(secret)
    with pytest.raises(FileRefused, match=r"'notes\.txt' is a symbolic link"):
        collect(workspace, ["*.txt"])
    assert collect(workspace, ["*.py"]) == {}


def test_collecting_refuses_a_linked_folder_on_its_way_and_never_enters_one(workspace: Path) -> None:
    outside = workspace.parent / "outside"
    unpack({"file.py": "the secret"}, _made(outside))
    (workspace / "src").symlink_to(outside)
    with pytest.raises(FileRefused, match="'src' is a symbolic link"):
        collect(workspace, ["src/**/*.py"])
    assert collect(workspace, ["**/*.py"]) == {}


def test_collecting_refuses_pipes_and_sockets_without_waiting_for_them(workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    with pytest.raises(FileRefused, match="'pipe' is a device"):
        collect(workspace, ["p*"])
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(workspace)  # a socket's path has room for only 107 characters
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        with pytest.raises(FileRefused, match="'socket' is a device"):
            collect(workspace, ["s*"])


def test_collecting_refuses_what_is_no_text_and_what_is_too_much(workspace: Path) -> None:
    (workspace / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FileRefused, match="not UTF-8"):
        collect(workspace, ["binary"])
    (workspace / "big").write_text("x" * 3000)
    assert len(collect(workspace, ["big"], total_kb=3)["big"]) == 3000
    with pytest.raises(FileRefused, match="more than 2 KB"):
        collect(workspace, ["big"], total_kb=2)
    with pytest.raises(FileRefused, match="more than 1 files"):
        collect(workspace, ["b*"], most_files=1)
    (workspace / os.fsdecode(b"odd\xff.txt")).write_text("")
    with pytest.raises(FileRefused, match="not UTF-8"):
        collect(workspace, ["*.txt"])


def test_unpacking_too_much_is_refused(workspace: Path) -> None:
    with pytest.raises(FileRefused, match="more than 2 KB"):
        unpack({"a": "x" * 3000}, workspace, total_kb=2)
    with pytest.raises(FileRefused, match="2 files are more than 1"):
        unpack({"a": "", "b": ""}, workspace, most_files=1)
    with pytest.raises(FileRefused, match="not UTF-8"):
        unpack({"a": "\ud800"}, workspace)
    assert os.listdir(workspace) == []


def test_folders_nested_without_end_are_refused_not_followed(workspace: Path) -> None:
    folder = os.open(workspace, os.O_RDONLY)
    for _ in range(1500):  # far deeper than Python could recurse
        os.mkdir("d", dir_fd=folder)
        deeper = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(folder)
    with pytest.raises(FileRefused, match="nested deeper"):
        collect(workspace, ["**/*.py"])
    assert collect(workspace, ["*.py"]) == {}
    _remove_deep(workspace / "d")


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "a//b", ""])
def test_a_pattern_that_leads_out_is_wrong_usage(workspace: Path, pattern: str) -> None:
    with pytest.raises(errors.UsageError, match="pattern"):
        collect(workspace, [pattern])


def test_a_workspace_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="cannot be read"):
        collect(tmp_path / "missing", ["*"])


@given(st.lists(st.sampled_from("ab"), max_size=6), st.lists(st.sampled_from(["a", "*", "**"]), min_size=1, max_size=5))
def test_patterns_match_as_their_definition_says(parts: list[str], pattern: list[str]) -> None:
    def by_definition(parts: list[str], pattern: list[str]) -> bool:
        if not pattern:
            return not parts
        if pattern[0] == "**":
            return by_definition(parts, pattern[1:]) or (bool(parts) and by_definition(parts[1:], pattern))
        return bool(parts) and pattern[0] in ("*", parts[0]) and by_definition(parts[1:], pattern[1:])

    assert matches(tuple(parts), tuple(pattern)) == by_definition(parts, pattern)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _remove_deep(folder: Path) -> None:
    """rmtree recurses; this lifts each folder out of the next until none is left."""
    while any(folder.iterdir()):
        (folder / "d").rename(folder.parent / "lifted")
        folder.rmdir()
        (folder.parent / "lifted").rename(folder)
    folder.rmdir()
