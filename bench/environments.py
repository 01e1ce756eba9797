"""The peers' environments: each in a venv of its own beneath .cache, with the versions that peers.txt pins."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PINS = Path(__file__).with_name("peers.txt")
PACKAGES = {"burr": ("apache-burr", "aiosqlite"), "dbos": ("dbos",), "plot": ("matplotlib",)}
SECONDS = 300


class Environments:
    """Gives each home its interpreter, making the environment when it is first asked for."""

    def __init__(self, cache: Path, tell: Callable[[str], None]) -> None:
        self._cache = cache
        self._tell = tell
        self._found: dict[str, Path | str] = {"ours": Path(sys.executable)}

    def __call__(self, home: str) -> Path | str:
        """The interpreter, or in words why there is none."""
        if home not in self._found:
            self._found[home] = self._made(home)
        return self._found[home]

    def _made(self, home: str) -> Path | str:
        digest = hashlib.blake2b(PINS.read_bytes() + sys.version.encode(), digest_size=4).hexdigest()
        place = self._cache / f"{home}-{digest}"
        python = place / "bin" / "python"
        ready = place / ".ready"
        if ready.exists():
            return python
        self._tell(f"installing {', '.join(PACKAGES[home])} beside us, in {place.name}")
        make = [sys.executable, "-m", "venv", "--clear", str(place)]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        for order in (make, [*pip, "--constraint", str(PINS), *PACKAGES[home]]):
            try:
                done = subprocess.run(order, capture_output=True, text=True, timeout=SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return f"not installed: pip was not done in {SECONDS} s"
            if done.returncode:
                last = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
                return f"not installed: {last[-1][:200]}"
        ready.touch()
        return python


def pinned(package: str) -> str:
    """The version that is pinned."""
    pins = dict(line.split("==") for line in PINS.read_text("utf-8").split())
    return pins.get(package, "?")
