"""A terminal that types a page's commands: `workflow` in this process, with the little shell that pages use around it.

Starting a process costs seconds of imports, so `VAR=x workflow ... > file 2> file | cat; echo "exit $?"` is done here.
What dies on purpose is written with `||`, and everything else that is no `workflow` is a real shell's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workflow_engine.cli.app import call
from workflow_engine.targets import load

_ECHO = '; echo "exit $?"'
_ASSIGNED = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
_READ = re.compile(r"([A-Z_]+)=\$\(cat ([\w.-]+)\)")


@dataclass
class Line:
    """One `workflow` command and what stands around it."""

    arguments: list[str]
    surroundings: dict[str, str] = field(default_factory=dict)
    out: str | None = None
    err: str | None = None
    tells: bool = False
    """Whether `echo "exit $?"` follows."""


class Terminal:
    """A terminal in one folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._read: dict[str, bytes] = {}

    def type(self, command: str) -> tuple[int, str]:
        """The exit code and what both streams show, as in a terminal that is no terminal."""
        line = read(command, self._home)
        if line is None:
            return _shell(command, self._home)
        self._forget_edited()
        return _here(line, self._home)

    def _forget_edited(self) -> None:
        """Import anew what was edited since it was imported: each command of a real session is a process of its own."""
        places = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
        for file in self._home.glob("*.py"):
            text = file.read_bytes()
            if str(file) in places and self._read.get(file.name, text) != text:
                load(file.name, fresh=True)
            self._read[file.name] = text


def read(command: str, home: Path) -> Line | None:
    """The command as this process can do it, or None where it takes a real shell."""
    told = command.endswith(_ECHO)
    rest = command.removesuffix(_ECHO).removesuffix(" | cat")
    surroundings: dict[str, str] = {}
    while (file := _READ.match(rest)) is not None:
        surroundings[file[1]] = (home / file[2]).read_text(encoding="utf-8").strip()
        rest = rest[file.end() :].lstrip()
    lexer = shlex.shlex(rest, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = list(lexer)
    while words and (assigned := _ASSIGNED.fullmatch(words[0])) is not None:
        surroundings[assigned[1]] = assigned[2]
        del words[0]
    if not words or words[0] != "workflow":
        return None
    # What a shell would put in the words' place: nothing of that is done here.
    if re.search(r"[`*]|\$\(|\$\w", re.sub(r"'[^']*'", "", rest)):
        return None
    line = Line([], surroundings, tells=told)
    return line if _directed(line, words[1:]) else None


def _directed(line: Line, words: list[str]) -> bool:
    """Take the words and where the streams go; False for what only a shell can do."""
    while words:
        word = words.pop(0)
        if word == ">" and words:
            stream = "err" if line.arguments and line.arguments[-1] == "2" else "out"
            if stream == "err":
                line.arguments.pop()
            setattr(line, stream, words.pop(0))
        elif word and set(word) <= set("|&;<>"):
            return False
        else:
            line.arguments.append(word)
    return True


def _here(line: Line, home: Path) -> tuple[int, str]:
    bytes_ = io.BytesIO()
    shown = io.TextIOWrapper(bytes_, encoding="utf-8", write_through=True)  # a command may write bytes
    with contextlib.ExitStack() as stack:
        stack.enter_context(_surrounded(line.surroundings))
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context(_stream(line.out, shown, home))))
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context(_stream(line.err, shown, home))))
        code = call(line.arguments)
    if line.tells:
        print(f"exit {code}", file=shown)
    return (0 if line.tells else code), bytes_.getvalue().decode()


@contextlib.contextmanager
def _surrounded(variables: dict[str, str]) -> Iterator[None]:
    """What a process of its own would begin with: its variables, and no logging that anybody set up."""
    before = {name: os.environ.get(name) for name in variables}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    os.environ.update(variables)
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _stream(name: str | None, shown: io.TextIOWrapper, home: Path) -> Iterator[io.TextIOWrapper]:
    if name is None:
        yield shown
    else:
        with (home / name).open("w", encoding="utf-8") as file:
            yield file


def _shell(command: str, home: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=home,
        # `workflow` is the one under test; a page's own tests need none of the plugins that lie about here.
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_asyncio.plugin",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout
