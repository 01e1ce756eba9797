"""The examination behind `workflow doctor`: each part of the machine tried, not asked."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workflow_engine.cli.signs import Sign
from workflow_engine.cli.signs import sign as sign_of
from workflow_engine.errors import WorkflowError
from workflow_engine.settings import read_settings

Verdict = Literal["good", "note", "bad"]
_NOTE = Sign("•", "*", "yellow", "33")
PACKAGES = ("langgraph", "openai", "openai-agents", "pydantic", "networkx", "aiosqlite", "pygraphviz", "typer", "rich")


@dataclass(frozen=True)
class Found:
    """One thing looked at: good, worth a note, or in the way of every run."""

    what: str
    is_: str
    verdict: Verdict = "good"
    cure: str | None = None

    @property
    def sign(self) -> Sign:
        return {"good": sign_of("succeeded"), "note": _NOTE, "bad": sign_of("failed")}[self.verdict]

    def document(self) -> dict[str, Any]:
        return {"what": self.what, "is": self.is_, "verdict": self.verdict, "cure": self.cure}


async def examine(store: Path | None) -> list[Found]:
    """Everything there is to tell, whatever of it fails."""
    return [
        _python(),
        *_packages(),
        await _store(store),
        _sqlite(),
        await _sandbox(),
        _drawing(),
        _fonts(),
        _model(),
    ]


def _python() -> Found:
    return Found("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> list[Found]:
    from importlib.metadata import PackageNotFoundError, version

    there, missing = [], []
    for name in PACKAGES:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    found = [Found("packages", ", ".join(there))]
    if missing:
        found.append(Found("packages", f"missing: {', '.join(missing)}", "bad", f"pip install {' '.join(missing)}"))
    return found


async def _store(argument: Path | None) -> Found:
    from workflow_engine.cli.opening import codec_of
    from workflow_engine.engine import Engine

    path = read_settings(store=argument).store
    if not path.exists():
        folder = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
        if folder.is_dir() and os.access(folder, os.W_OK):
            return Found("store", f"{path}: not there yet; the first run makes it")
        return Found("store", f"{path} cannot be made: {folder} is not writable", "bad", "name another with --store")
    try:
        async with Engine.connect(path, create=False, codec=codec_of(read_settings())) as engine:
            listed = await engine.runs(limit=1000)
            asked = await engine.inbox()
    except WorkflowError as error:
        return Found("store", f"{path}: {error.what}", "bad", error.cure)
    hurt = sum(each.status == "damaged" for each in listed)
    count = "1,000 runs or more" if len(listed) == 1000 else f"{len(listed)} runs"
    text = f"{path}: {count}, {len(asked)} questions wait, {path.stat().st_size / 2**20:.1f} MB"
    if hurt:
        return Found("store", f"{text}, {hurt} damaged", "note", "workflow runs lists them; nothing of them is loaded")
    return Found("store", text)


def _sqlite() -> Found:
    from workflow_engine.stores.sqlite.library import known_against, version

    against = known_against()
    return Found(
        "sqlite", version() if against is None else f"{version()} {against}", "good" if against is None else "note"
    )


async def _sandbox() -> Found:
    from workflow_engine.sandbox import probe

    found = await probe()
    if found.isolated:
        return Found("sandbox", found.why)
    return Found(
        "sandbox",
        f"none: {found.why}",
        "note",
        "the playbook's code runs unsandboxed; a live model's is refused unless you say --allow-unsandboxed",
    )


def _drawing() -> Found:
    """A picture is really drawn: an engine that is installed may still not work."""
    from workflow_engine.draw import Card, Diagram, Header, picture

    def draw() -> Found:
        made = picture(Diagram(Header("doctor"), (Card("a", "a", "function"),)), "png")
        if made.engine is None:
            return Found("pictures", "; ".join(made.notes), "note", "pip install pygraphviz, or draw Mermaid (.mmd)")
        return Found("pictures", f"drawn by {made.engine}")

    return _tried("pictures", draw)


def _fonts() -> Found:
    from workflow_engine.draw.fonts import undrawable

    def look() -> Found:
        missing = undrawable("界한")
        if missing is None:
            return Found("fonts", "the package's own; whether others are here cannot be told", "note")
        if missing:
            return Found(
                "fonts",
                "the package's own (Latin, Greek, Cyrillic)",
                "good",
                "for CJK in pictures: install fonts-noto-cjk",
            )
        return Found("fonts", "the package's own, and the machine's for other scripts")

    return _tried("fonts", look)


def _model() -> Found:
    from workflow_engine.agents import choose_model

    settings = read_settings()
    key = "no key" if settings.api_key is None else masked(settings.api_key.get_secret_value())
    try:
        choice = choose_model(None, settings.environ(), None, settings.named())
    except WorkflowError as error:
        return Found("model", f"{error.what} ({key})", "note", error.cure)
    return Found("model", f"{choice} ({key})")


def masked(key: str) -> str:
    """That a key is there, and nothing else of it but its last letters where it is long.

    >>> masked("sk-" + "0123456789abcdefghij"), masked("short")
    ('key …ghij', 'a key')
    """
    return f"key …{key[-4:]}" if len(key) >= 20 else "a key"


def _tried(what: str, look: Callable[[], Found]) -> Found:
    try:
        return look()
    except WorkflowError as error:
        return Found(what, error.what, "note", error.cure)
    except Exception as error:  # the doctor tells what is broken, and goes on to the next
        return Found(what, f"{type(error).__name__}: {error}", "note")
