"""The pictures of the pages, drawn by the engine at build time by commands a reader could type, light and dark."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from docs.site.places import DOCS, HOUSE
from workflow_engine.cli.app import call

# What is typed before a picture is drawn, and what is drawn. A run's pictures come after its run.
TYPED: tuple[tuple[str, str, str], ...] = (
    ("ship.png", "", "draw graphs/ship.py"),
    ("run.png", "run graphs/ship.py --model offline --allow-unsandboxed -i @graphs/ship.json", "draw @last"),
    ("timeline.png", "", "draw @last --timeline"),
    ("content.png", "run graphs/content.py", "draw @last"),
    ("research.png", "run graphs/research.py request='what do bees do?'", "draw @last"),
    ("unfolded.png", "", "draw graphs/research.py --unfold"),
    ("contract.png", "", "draw contract.py"),
    ("release.png", "", "draw graphs/release.py"),
    ("claims.png", "", "draw graphs/claims.py --unfold"),
    ("order.png", "", "draw graphs/order.py --fold pay --fold undo"),
    ("desk.png", "", "draw graphs/desk.py"),
    ("tutorial.png", "run notes.py version=2.0 --model offline", "draw @last"),
)


SHOWN = ("leaving.md", "tutorial.md")
"""Pages whose files are drawn."""
_FILE = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def both(name: str) -> tuple[str, str]:
    """The names of a picture for a light page and for a dark one."""
    stem = Path(name).stem
    return f"{stem}.light.png", f"{stem}.dark.png"


def draw(stage: Path) -> set[str]:
    """Draw every picture into `stage`/pictures; the names of those that were drawn.

    The committed picture stands where a workflow cannot run on this machine, and that is said.
    """
    folder = stage / "pictures"
    folder.mkdir()
    drawn: set[str] = set()
    with _elsewhere():
        for name, first, last in TYPED:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                begun = call(shlex.split(first)) if first else 0
                codes = [
                    call([*shlex.split(last), "-o", str(folder / shade), *dark])
                    for shade, dark in zip(both(name), ([], ["--dark"]), strict=True)
                    if begun in (0, 3)
                ]
            if codes == [0, 0]:
                drawn.add(name)
            else:
                print(f"{name} is as it was committed: {said.getvalue().strip()}", file=sys.stderr)
    return drawn


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """A folder of its own with a copy of graphs/ and the files that pages show, left when all is drawn."""
    before, path = Path.cwd(), list(sys.path)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(HOUSE / "graphs", Path(folder) / "graphs", ignore=shutil.ignore_patterns("__pycache__"))
        for page in SHOWN:
            for name, text in _FILE.findall((DOCS / page).read_text(encoding="utf-8")):
                (Path(folder) / name).write_text(text, encoding="utf-8")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            sys.path[:] = path
