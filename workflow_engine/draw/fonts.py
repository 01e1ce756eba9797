"""Fonts: what the package brings, which characters that covers, and how Graphviz is told to use it.

A slim machine has no fonts and would draw boxes; a rich one has others, and text measured with one font and drawn with
another runs out of its card. So Graphviz sees the shipped fonts only, whatever the machine has: the same picture
everywhere. The machine's own fonts are added when a text needs characters the shipped ones lack.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_right
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

SHIPPED = Path(__file__).parent / "fonts"

# Hinted advances are rounded to whole pixels of an imagined screen: words would be measured up to a tenth wrong.
_UNHINTED = (
    '<match target="font"><edit name="hinting" mode="assign"><bool>false</bool></edit>'
    '<edit name="hintstyle" mode="assign"><const>hintnone</const></edit></match>'
)

# Where fonts lie on machines that have no fontconfig of their own to say so.
_ELSEWHERE = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts", "WINDOWSFONTDIR")

# Selectors, joiners and spaces draw nothing themselves; any font will do for them.
_DRAWS_NOTHING = frozenset("\u200b\u200c\u200d\u2060\ufe0e\ufe0f ")


def environment(folder: Path, *, machine: bool = False) -> dict[str, str]:
    """The environment of a drawing process: this one's, with fontconfig pointed at the shipped fonts.

    `folder` takes fontconfig's files and lives as long as that process. `machine` adds the fonts of this machine.
    """
    fonts = folder / "fonts"
    fonts.mkdir()
    # fontconfig leaves a file in each folder it reads, so it is not shown the package's own.
    for font in sorted(SHIPPED.glob("*.ttf")):
        try:
            (fonts / font.name).symlink_to(font)
        except OSError:
            shutil.copyfile(font, fonts / font.name)
    lines = [_UNHINTED, f"<dir>{escape(str(fonts))}</dir>", f"<cachedir>{escape(str(folder / 'cache'))}</cachedir>"]
    if machine:
        own = os.environ.get("FONTCONFIG_FILE") or "/etc/fonts/fonts.conf"
        lines.append(f'<include ignore_missing="yes">{escape(own)}</include>')
        lines += [f"<dir>{each}</dir>" for each in _ELSEWHERE]
    written = folder / "fonts.conf"
    written.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">\n'
        + "\n".join(["<fontconfig>", *lines, "</fontconfig>", ""]),
        encoding="utf-8",
    )
    ours = {key: value for key, value in os.environ.items() if key not in ("FONTCONFIG_PATH", "FONTCONFIG_SYSROOT")}
    # Pango asks the platform's own font system on macOS and Windows unless told otherwise.
    return ours | {"FONTCONFIG_FILE": str(written), "PANGOCAIRO_BACKEND": "fc"}


def uncovered(text: str) -> str:
    """The characters of `text` that no shipped font draws, each once, in order.

    >>> uncovered("Prüfung: проверка ✔")
    ''
    """
    starts, ends = _coverage()
    return "".join(
        each
        for each in sorted(set(text) - _DRAWS_NOTHING)
        if (at := bisect_right(starts, ord(each)) - 1) < 0 or ord(each) > ends[at]
    )


def undrawable(characters: str, *, seconds: float = 20) -> str | None:
    """Those of `characters` that no font of this machine draws either; None where that cannot be found out."""
    if not characters:
        return ""
    with tempfile.TemporaryDirectory(prefix="workflow-fonts-") as folder:
        try:
            asked = subprocess.run(
                [sys.executable, "-P", str(Path(__file__).with_name("glyphs.py"))],
                input=characters.encode("utf-8", "replace"),
                env=environment(Path(folder), machine=True),
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return None if asked.returncode else asked.stdout.decode("utf-8", "replace")


@cache
def _coverage() -> tuple[list[int], list[int]]:
    """First and last characters of the covered ranges. A test compares the file with the fonts."""
    ranges = [line.split("-") for line in (SHIPPED / "coverage.txt").read_text(encoding="ascii").split()]
    return [int(first, 16) for first, _ in ranges], [int(last, 16) for _, last in ranges]
