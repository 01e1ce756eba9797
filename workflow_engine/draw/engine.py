"""The drawing engine: DOT in, pictures out, by Graphviz in a child process with a time limit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from workflow_engine.draw.fonts import environment
from workflow_engine.errors import DrawingError

EngineName: TypeAlias = Literal["pygraphviz", "dot"]
Layout: TypeAlias = Literal["dot", "nop2"]

NOT_INSTALLED = 3
_CHILD = Path(__file__).with_name("child.py")

# What Graphviz says only to stderr while it exits with 0: a broken label among it, which would be drawn as nothing.
_COMPLAINT = re.compile(r"^\W*(error|warning):?\s", re.IGNORECASE)
TOO_LARGE = "too large for one image at full size, so it was scaled down; an SVG shows every detail"
# The last is said of a line in a crowded graph, which is drawn all the same.
_HARMLESS = re.compile(
    r"scaling by|no hard-coded metrics|using fallback|may take a long time|unable to reclaim box space", re.IGNORECASE
)


@dataclass(frozen=True)
class Drawn:
    """The files an engine made, by format, with what it did not take well but drew all the same."""

    engine: EngineName
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotDrawn:
    """Why no engine drew: one reason an engine, and notes as of a drawing."""

    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def draw(
    dot: str,
    formats: Sequence[str],
    *,
    dpi: int = 0,
    machine_fonts: bool = False,
    layout: Layout = "dot",
    seconds: float = 60,
) -> Drawn | NotDrawn:
    """Lay `dot` out and give it in each of Graphviz's `formats`: by pygraphviz, else by a `dot` on the PATH.

    `dpi` 0 leaves the resolution to the format; the layout nop2 leaves everything where the text says it is. Raises
    DrawingError where Graphviz took offence at the text.
    """
    reasons: list[str] = []
    with tempfile.TemporaryDirectory(prefix="workflow-draw-") as folder:
        surroundings = environment(Path(folder), machine=machine_fonts)
        for engine, command in _commands(Path(folder), formats, dpi, layout):
            try:
                ended = subprocess.run(
                    command, input=dot.encode(), env=surroundings, capture_output=True, timeout=seconds, check=False
                )
            except subprocess.TimeoutExpired:
                reasons.append(f"{engine} took longer than {seconds:g} s")
                break  # the next engine lays out by the same code
            except OSError as error:
                reasons.append(f"{engine} does not start: {error}")
                continue
            said = ended.stderr.decode("utf-8", "replace")
            if ended.returncode == NOT_INSTALLED and engine == "pygraphviz":
                reasons.append(said.strip() or "pygraphviz is not installed")
                continue
            if ended.returncode < 0:
                reasons.append(f"{engine} was ended by signal {-ended.returncode}")
                continue
            _raise_complaints(said)
            made = {each: Path(folder) / each for each in formats}
            if ended.returncode or not all(path.is_file() for path in made.values()):
                reasons.append(f"{engine} exits with {ended.returncode}: {_last_line(said)}")
                continue
            notes = [TOO_LARGE] if "scaling by" in said.lower() else []
            return Drawn(engine, {each: path.read_bytes() for each, path in made.items()}, (*reasons, *notes))
    return NotDrawn(tuple(reasons))


def _commands(folder: Path, formats: Sequence[str], dpi: int, layout: Layout) -> Iterator[tuple[EngineName, list[str]]]:
    if sys.executable:
        yield "pygraphviz", [sys.executable, "-P", str(_CHILD), str(folder), str(dpi), layout, *formats]
    if system := shutil.which("dot"):
        outputs = [part for each in formats for part in (f"-T{each}", "-o", str(folder / each))]
        yield "dot", [system, f"-K{layout}", *([f"-Gdpi={dpi}"] if dpi else []), *outputs]


def _raise_complaints(said: str) -> None:
    complaints = [line.strip() for line in said.splitlines() if _COMPLAINT.match(line) and not _HARMLESS.search(line)]
    if complaints:
        raise DrawingError(
            f"Graphviz took offence at the drawing: {'; '.join(complaints[:3])}",
            "Mermaid text still works: take the format mermaid",
        )


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Fontconfig")]
    return lines[-1].strip() if lines else "it said nothing"
