"""What the built site would fetch from elsewhere: nothing, and every file of it is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

READ = (".html", ".css", ".js", ".xml", ".json", ".svg")
# The theme's script knows where optional parts (diagrams, a code editor, a repository's stars) could be loaded from.
# None is used here; what they would ask is led nowhere, so that no later page asks them by accident.
_LOADED = re.compile(r"https://(?:unpkg\.com|cdn\.jsdelivr\.net|api\.github\.com|gitlab\.com/api)[^\s\"'`)]*")
# What a browser fetches without being asked: scripts, styles, pictures, fonts, frames. A link one follows is none.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*?\s(?:src|href|data|srcset)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|url\(\s*["']?((?:https?:)?//[^"')\s]+)"""
    r"""|@import\s+["']((?:https?:)?//[^"']+)""",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
# Names of XML dialects and a line of credit look like addresses and are asked by nobody.
_NAMES = ("http://www.w3.org", "https://www.w3.org", "http://www.sitemaps.org", "https://fontawesome.com")


def quieten(site: Path) -> None:
    """Take from the theme's scripts the addresses of what they could load."""
    for script in site.rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        quiet = _LOADED.sub("about:blank", text)
        if quiet != text:
            script.write_text(quiet, encoding="utf-8")


def foreign_hosts(site: Path) -> list[str]:
    """Each file with an address that a browser would fetch, or that one of its scripts knows; sorted."""
    return sorted(
        f"{path.relative_to(site)}: {address}"
        for path in site.rglob("*")
        if path.suffix in READ
        for address in set(_addresses(path))
    )


def _addresses(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".js":
        yield from (found for found in _ADDRESS.findall(text) if found not in _NAMES)
    for match in _FETCHED.finditer(text):
        yield next(group for group in match.groups() if group)
