"""The pages say what is so: examples run and print what stands there, sessions are real, links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import itertools
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.site.navigation import listed
from tests.docs.pages import HOUSE, PAGES, Block, Page
from tests.docs.terminal import Terminal
from workflow_engine.cli.app import app

# What is made when the site is built.
GENERATED = {page for page in listed() if page.startswith("reference/")}
HELLO = (HOUSE / "graphs" / "hello.py").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a copy of graphs/; what its modules did to the interpreter is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    shutil.copytree(HOUSE / "graphs", tmp_path / "graphs", ignore=shutil.ignore_patterns("__pycache__"))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def pages_with(language: str) -> list[str]:
    return [name for name in PAGES if Page(name).of(language)]


# ------------------------------------------------------------------------------------------------ python


@pytest.mark.parametrize("name", pages_with("python"))
def test_every_python_block_runs_and_prints_what_stands_there(name: str, folder: Path) -> None:
    known: dict[str, Any] = {"__name__": Path(name).stem}
    if name == "README.md":
        exec("\n".join(map(ast.unparse, _imports(HELLO))), known)
    for block in Page(name).blocks:
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        if block.language != "python":
            continue
        assert _run(block, name, known) == _expected(block), f"{name}:{block.line}"


def _run(block: Block, page: str, known: dict[str, Any]) -> list[str]:
    """What the block prints. It may use what blocks above it made, and may `await`."""
    # Empty lines before it make a traceback name the page's own line.
    text = "\n" * (block.line - 1) + block.text
    code = compile(text, f"<{page}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, known))
        else:
            exec(code, known)
    return [line.rstrip() for line in said.getvalue().splitlines() if line.strip()]


def _expected(block: Block) -> list[str]:
    """The text below the block; without one, the comment behind each print."""
    if block.below is not None:
        return [line.rstrip() for line in block.below.splitlines() if line.strip()]
    return re.findall(r"^\s*print\(.*\)  # (.+)$", block.text, re.MULTILINE)


def test_the_readme_shows_hello_as_it_is() -> None:
    shown = ast.parse(Page("README.md").of("python")[0].text).body
    real = [each for each in ast.parse(HELLO).body[1:] if not isinstance(each, ast.Import | ast.ImportFrom)]
    assert list(map(ast.unparse, shown)) == list(map(ast.unparse, real))


def _imports(source: str) -> list[ast.stmt]:
    return [each for each in ast.parse(source).body if isinstance(each, ast.Import | ast.ImportFrom)]


# ------------------------------------------------------------------------------------------------ terminal


@pytest.mark.slow
@pytest.mark.parametrize("name", pages_with("console"))
def test_every_session_is_what_a_terminal_shows(name: str, folder: Path) -> None:
    terminal, last = Terminal(folder), 0
    for part in Page(name).session:
        if isinstance(part, Block):
            (folder / str(part.file)).write_text(part.text, encoding="utf-8")
            continue
        code, output = (last, f"{last}\n") if part.command == "echo $?" else terminal.type(part.command)
        assert _alike(part.output, output), f"{name}:{part.line}: $ {part.command}\n{output}"
        last = code


@pytest.mark.slow
def test_the_commands_of_the_readme_end_as_it_says(folder: Path) -> None:
    terminal = Terminal(folder)
    lines = [line for line in Page("README.md").indented if line.startswith("workflow ")]
    assert len(lines) > 5
    for line in lines:
        command, _, remark = line.partition(" # ")
        said = re.search(r"exit (\d+)", remark)
        code, output = terminal.type(command.strip())
        assert code == (int(said[1]) if said else 0), f"{line}\n{output}"


def _alike(expected: str, real: str) -> bool:
    """Whether the texts differ only in what differs every time. A line of `...` stands for any lines."""
    wanted = [_plain(line) for line in expected.splitlines() if line.strip()]
    lines = [_plain(line) for line in real.splitlines() if line.strip()]
    if "..." not in wanted:
        wanted, lines = _at_once(wanted), _at_once(lines)
    found = "".join(f"{line}\n" for line in lines)
    pattern = "".join("(?:.*\n)*" if line == "..." else f"{re.escape(line)}\n" for line in wanted)
    return re.fullmatch(pattern, found) is not None


def _at_once(lines: list[str]) -> list[str]:
    """The same, with the lines of what goes on at once in one order: who is first differs every time."""
    sorted_: list[str] = []
    for under_way, group in itertools.groupby(lines, key=lambda line: line[:1] in "✔✖‖"):
        some = list(group)
        sorted_ += sorted(some) if under_way else some
    return sorted_


_CHANGING = (
    (r"^.*\bKilled\b.*$", "Killed"),  # each shell says it in words of its own
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00| UTC|Z)?", "WHEN"),
    (r"\b(in )?\d+(\.\d+)? (ms|s|m|h|d)( \d+ (s|m|h))?( ago)?(?= |$|\))", "TIME"),
    (r"(?<=[ ,])now(?= |$)", "TIME"),
    (r"\b[0-9a-f]{16}(-[0-9a-f]{8})?\b", "HASH"),
    (r"\b[0-9a-hjkmnp-tv-z]{12}([0-9a-hjkmnp-tv-z]{4})?\b", "RUN"),
    (r'"seconds": [\d.]+', '"seconds": N'),
    (r"\b\d+(\.\d+)? (B|KB|MB|GB)\b", "SIZE"),
    (r"[ \t]+", " "),
)


def _plain(line: str) -> str:
    for pattern, word in _CHANGING:
        line = re.sub(pattern, word, line)
    return line.strip()


# ------------------------------------------------------------------------------------------------ links


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = Page(name)
    lost = [link for link in page.links if not _leads(page, link)]
    assert not lost


def _leads(page: Page, link: str) -> bool:
    if link.startswith(("http://", "https://")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    if target.is_relative_to(HOUSE / "docs") and target.relative_to(HOUSE / "docs").as_posix() in GENERATED:
        return True  # its anchors are looked at where the site is built
    if not target.exists() or HOUSE not in (target, *target.parents):
        return False
    if not anchor:
        return True
    return target.suffix != ".md" or anchor in Page(target.relative_to(HOUSE).as_posix()).anchors


@pytest.mark.parametrize("name", PAGES)
def test_no_block_has_a_language_that_nobody_checks(name: str) -> None:
    known = {"python", "text", "console", "toml", "json", "sql", "mermaid"}
    assert {block.language for block in Page(name).blocks} <= known


@pytest.mark.parametrize("name", [name for name in PAGES if "/coming/" in name])
def test_code_of_other_engines_is_python(name: str) -> None:
    for block in Page(name).of("text"):
        if block.file is not None:
            compile(block.text, f"{name}:{block.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    "name", [each.relative_to(HOUSE / "docs").as_posix() for each in (HOUSE / "docs").rglob("*.png")]
)
def test_pictures_are_small(name: str) -> None:
    assert (HOUSE / "docs" / name).stat().st_size < 250_000


# ------------------------------------------------------------------------------------------------ laws


def test_the_page_of_the_laws_knows_every_code() -> None:
    rooms = [HOUSE / "workflow_engine" / room for room in ("verify", "runtime")]  # W6 needs what a store knows of a run
    source = "".join(path.read_text(encoding="utf-8") for room in rooms for path in room.glob("*.py"))
    page = Page("docs/laws.md")
    told = re.findall(r"^(?:### |\| )(W\d{3})\b", "\n".join(page.lines), re.MULTILINE)
    assert told == sorted(set(re.findall(r'"(W\d{3})"', source)))


def test_each_law_shows_the_code_it_tells_of() -> None:
    parts = re.split(r"^### ", "\n".join(Page("docs/laws.md").lines), flags=re.MULTILINE)[1:]
    # W190 is for mistakes nobody has made yet.
    assert [part[:4] for part in parts if f"  {part[:4]}  " not in part] == ["W190"]


def test_the_table_of_commands_has_every_command_and_no_other() -> None:
    table = (
        Page("docs/running.md").path.read_text(encoding="utf-8").partition("| command | does |")[2].partition("\n\n")[0]
    )
    told = {name for each in re.findall(r"^\| `workflow ([a-z|\\]+)", table, re.M) for name in each.split("\\|")}
    assert told == {each.name for each in app.registered_commands} | {each.name for each in app.registered_groups}
