"""Lettering: the user's words made safe for a picture, and broken into lines that fit a card."""

from __future__ import annotations

import re
import unicodedata

# Shown where a character cannot be: XML forbids most control characters, a lone surrogate has no encoding, and an
# embedded change of direction would turn around the words that follow it.
UNSHOWABLE = "\ufffd"
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
_BREAK_BEHIND = re.compile(r"(?<=[\s_\-./:,])")


def plain(text: str) -> str:
    """`text` on one line, with every character that a picture cannot carry shown as such.

    >>> plain("a\\nb\\x00")
    'a b\ufffd'
    """
    spaced = " ".join(text.split())
    return "".join(
        UNSHOWABLE if unicodedata.category(each) in ("Cc", "Cs") or each in _TURNS else each for each in spaced
    )


def width(text: str) -> int:
    """How many columns `text` takes: wide characters of East Asia and emoji take two, combining ones none."""
    return sum(_columns(each) for each in text)


def fold(text: str, columns: int, most: int) -> tuple[str, ...]:
    """`plain(text)` in at most `most` lines of at most `columns`, broken between words where that is possible.

    What does not fit is cut, and the cut is shown.

    >>> fold("update_the_customer_record", 12, 3)
    ('update_the_', 'customer_', 'record')
    >>> fold("abcdefghij", 4, 2)
    ('abcd', 'efg…')
    """
    lines = [""]
    for word in _BREAK_BEHIND.split(plain(text)):
        if width(lines[-1]) + width(word.rstrip()) > columns and lines[-1]:
            lines.append("")
        for piece in _pieces(word, columns):
            if width(lines[-1]) + width(piece.rstrip()) > columns:
                lines.append("")
            lines[-1] += piece
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) <= most:
        return tuple(lines)
    last = lines[most - 1]
    while width(last) >= columns:
        last = last[:-1]
    return (*lines[: most - 1], last + "…")


def _pieces(word: str, columns: int) -> list[str]:
    pieces = [""]
    for each in word:
        if width(pieces[-1]) + _columns(each) > columns:
            pieces.append("")
        pieces[-1] += each
    return pieces


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
