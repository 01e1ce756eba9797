"""Where the site comes from, where it is staged, and where it is built."""

from __future__ import annotations

from pathlib import Path

HOUSE = Path(__file__).parents[2]
DOCS = HOUSE / "docs"
STAGE = HOUSE / ".cache" / "site"
"""Pages as the site's tool reads them; its own cache lies there too."""
PAGES = STAGE / "pages"
BUILT = HOUSE / "build" / "site"
