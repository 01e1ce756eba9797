"""What stands in the site's navigation: docs/zensical.toml, and nothing else, says which page is where."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from docs.site.places import DOCS

CONFIG = DOCS / "zensical.toml"


def navigation() -> list[Any]:
    """The navigation as it is written: a list of titles and what stands under each."""
    settings: dict[str, Any] = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    nav: list[Any] = settings["project"]["nav"]
    return nav


def listed(nav: Any = None) -> Iterator[str]:
    """Every page of the navigation, as a path beneath docs/, in its order."""
    match navigation() if nav is None else nav:
        case str() as page:
            yield page
        case list() as parts:
            for part in parts:
                yield from listed(part)
        case dict() as titled:
            for part in titled.values():
                yield from listed(part)
        case other:
            raise TypeError(f"a navigation holds no {type(other).__name__}")


def written() -> list[str]:
    """Every page that is written by hand, and docs/architecture.md, as a path beneath docs/."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
