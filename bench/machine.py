"""The machine that was measured on, and the versions."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite", "pydantic", "aiosqlite", "openai", "openai-agents")


def described(place: Path) -> dict[str, str]:
    """What a figure depends on; `place` is where the stores lie."""
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": f"{os.cpu_count()} × {_cpu()}",
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": _disk(place),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "commit": _commit(place),
        "load": f"{os.getloadavg()[0]:.1f} when it began",
        **{each: _version(each) for each in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _disk(place: Path) -> str:
    """The device and filesystem beneath a path."""
    try:
        mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return "unknown"
    beneath = [each for each in mounts if place.resolve().is_relative_to(each[1])]
    device, _, kind = max(beneath, key=lambda each: len(each[1]), default=["?", "", "?"])
    return f"{kind} on {device}"


def _commit(place: Path) -> str:
    git = ["git", "-C", str(place)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    edits = subprocess.run(
        [*git, "status", "--porcelain", "--", ":/workflow_engine"], capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + (" and edits" if edits.stdout.strip() else "")
