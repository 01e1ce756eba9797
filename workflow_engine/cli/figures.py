"""Figures: times, counts and texts as a terminal shows them."""

from __future__ import annotations

import json
import math
import re
import shutil
import unicodedata
from datetime import UTC, datetime
from typing import Any, TextIO

# Everything a terminal would act on instead of showing it, save the line break: a store's text must not move a cursor.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NOTHING = "–"


def plain(text: str) -> str:
    r"""The text without control characters; lone surrogates become a question mark.

    >>> plain("red \x1b[31mor\x07 not")
    'red �[31mor� not'
    """
    clean = text.encode("utf-8", "replace").decode()
    return _CONTROL.sub(lambda found: "    " if found[0] == "\t" else "\N{REPLACEMENT CHARACTER}", clean)


def line(text: str, most: int = 200) -> str:
    """The text as one line of at most `most` characters.

    >>> line("first\\n  second", 9)
    'first se…'
    """
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def duration(seconds: float | None) -> str:
    """A time that passed, in at most two units.

    >>> [duration(each) for each in (None, 0.0042, 0.34, 9.96, 18.4, 401, 7260, 200_000)]
    ['–', '4 ms', '0.3 s', '10 s', '18 s', '6 m 41 s', '2 h 1 m', '2 d 7 h']
    """
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller} {small}"
    return f"{whole} s"


def tokens(count: int | None) -> str:
    """A count of tokens.

    >>> [tokens(each) for each in (None, 0, 87, 4_100, 31_200, 2_000_000)]
    ['–', '–', '87', '4.1k', '31.2k', '2.0M']
    """
    if not count:
        return NOTHING
    count = min(count, 10**15)  # what nobody can have used may be too large for a fraction
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def cost(dollars: float | None) -> str:
    """US dollars; what is unknown is not 0.

    >>> [cost(each) for each in (None, 0.0, 0.0004, 0.334, 12)]
    ['–', '$0.00', '<$0.01', '$0.33', '$12.00']
    """
    if dollars is None:
        return NOTHING
    return "<$0.01" if 0 < dollars < 0.005 else f"${dollars:.2f}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, or how soon.

    >>> now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> ago(datetime(2026, 1, 1, 11, 59, 58, tzinfo=UTC), now), ago(datetime(2026, 1, 3, 12, tzinfo=UTC), now)
    ('2 s ago', 'in 2 d 0 h')
    """
    passed = round(((now or datetime.now(UTC)) - moment).total_seconds())
    if not passed:
        return "now"
    long = f"{abs(passed)} s" if abs(passed) < 10 else duration(abs(passed))
    return f"{long} ago" if passed > 0 else f"in {long}"


def value(thing: Any, most: int = 100) -> str:
    """A JSON value in one short line.

    >>> value({"a": [1, 2], "b": "x" * 20}, 16)
    '{"a": [1, 2], "…'
    """
    return line(thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False), most)


def width(text: str) -> int:
    """How many columns a text takes: wide letters two, marks that stand on the letter before none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def cut(text: str, most: int) -> str:
    """The text in at most so many columns.

    >>> cut("abcdef", 6), cut("abcdef", 4), cut("日本語", 4)
    ('abcdef', 'abc…', '日…')
    """
    if width(text) <= most:
        return text
    while text and width(text) >= most:
        text = text[:-1]
    return text.rstrip() + "…"


def room(stream: TextIO) -> int:
    """Columns of the terminal behind a stream; plenty where there is none."""
    if not stream.isatty():
        return 200
    return max(40, shutil.get_terminal_size().columns)


def size(count: int) -> str:
    """Bytes.

    >>> [size(each) for each in (512, 147_456, 5 * 2**20, 3 * 2**30)]
    ['512 B', '144 KB', '5.0 MB', '3.0 GB']
    """
    if count < 2**10:
        return f"{count} B"
    if count < 2**20:
        return f"{count / 2**10:.0f} KB"
    return f"{count / 2**20:.1f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def several(count: int, what: str) -> str:
    """
    >>> several(1, "node"), several(2, "node")
    ('1 node', '2 nodes')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
