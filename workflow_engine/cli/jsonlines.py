"""A file of JSON lines, looked over before any of it is used: each line by its number, and what is wrong with it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from workflow_engine.cli.choosing import refuse_unknown_inputs
from workflow_engine.cli.inputs import Inputs, read_object, strict_json
from workflow_engine.errors import InputError, UsageError
from workflow_engine.targets import Loaded

if TYPE_CHECKING:
    from workflow_engine.agents import ModelChoice

LONGEST = 4 * 2**20
"""Bytes of one line, at most."""


_GIVEN = "give --batch FILE.jsonl, or - for standard input"


@dataclass(frozen=True)
class Lines:
    """The file as it was found when it was looked over: how many lines it has, and what is wrong with the bad ones."""

    text: BinaryIO
    count: int
    wrong: Mapping[int, str]


@contextlib.contextmanager
def opened(source: Path | None) -> Iterator[BinaryIO]:
    """The input, to be read more than once: what comes through a pipe is laid by."""
    if source is None or not source.is_file():
        with tempfile.TemporaryFile() as kept:
            try:
                with contextlib.ExitStack() as closing:
                    given = sys.stdin.buffer if source is None else closing.enter_context(source.open("rb"))
                    shutil.copyfileobj(given, kept)
            except OSError as error:
                raise InputError(f"{source or 'standard input'} cannot be read: {error.strerror}", _GIVEN) from None
            yield kept
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}", _GIVEN) from None
    with file:
        yield file


def documents(lines: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Each line that is not blank, by its number: its object, or what is wrong with it."""
    lines.seek(0)
    number = 0
    while raw := lines.readline(LONGEST + 1):
        number += 1
        if len(raw) > LONGEST:
            while raw and not raw.endswith(b"\n"):
                raw = lines.readline(LONGEST)
            yield number, f"it is longer than {LONGEST >> 20} MB"
            continue
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw.strip():
            continue
        try:
            document = strict_json(raw.decode().rstrip())
        except UnicodeDecodeError:
            yield number, "it is not UTF-8 text"
        except ValueError as error:
            yield number, f"it is no JSON ({_why(error)})"
        else:
            if isinstance(document, dict):
                yield number, document
            else:
                yield number, 'it is no object: write {"field": value, ...}'


def _why(error: ValueError) -> str:
    """What is wrong, and at which character of its line; there is no other line."""
    return f"{error.msg}, at character {error.colno}" if isinstance(error, JSONDecodeError) else str(error)


def looked_over(loaded: Loaded, known: Inputs, choice: ModelChoice | None, text: BinaryIO) -> Lines:
    """Every line held against the workflow's inputs; `known` are those that hold for all lines."""
    wrong: dict[int, str] = {}
    count = 0
    for number, document in documents(text):
        count += 1
        problems = [document] if isinstance(document, str) else _problems(loaded, document, known, choice)
        if problems:
            wrong[number] = "; ".join(problems)
    return Lines(text, count, wrong)


def _problems(loaded: Loaded, document: Mapping[str, Any], known: Inputs, choice: ModelChoice | None) -> list[str]:
    given, problems = read_object(loaded.workflow, document, known)
    if not problems:
        try:
            refuse_unknown_inputs(choice, given.plain)
        except UsageError as error:
            problems.append(error.what)
    return problems


def digest(lines: BinaryIO) -> str:
    made = sha256()
    lines.seek(0)
    while piece := lines.read(2**20):
        made.update(piece)
    return made.hexdigest()
