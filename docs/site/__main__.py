"""The command `python -m docs.site`: stage the pages, build them strictly, and let nothing lead to another host."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docs.site.hosts import foreign_hosts, quieten
from docs.site.places import BUILT, HOUSE, STAGE
from docs.site.reference import chapters
from docs.site.stage import stage


def main() -> int:
    """Build the site; 0, or 1 where a link leads nowhere or something would be fetched from another host."""
    pages = stage()
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run([zensical, "build", "--strict"], cwd=STAGE, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stderr.partition("Traceback")[0], end="", file=sys.stderr)  # its refusal ends in a trace of its own
    if done.returncode:
        print("the site was not built: see above, every line names a page of docs/ and its line", file=sys.stderr)
        return 1
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.copytree(STAGE / "html", BUILT)
    quieten(BUILT)
    if missing := _not_shown():
        print("the reference shows nothing of:", *missing, sep="\n  ", file=sys.stderr)
        return 1
    if lost := foreign_hosts(BUILT):
        print("the site would fetch from other hosts:", *lost, sep="\n  ", file=sys.stderr)
        return 1
    print(f"built: {BUILT.relative_to(HOUSE)}/index.html, {pages} pages", file=sys.stderr)
    return 0


def _not_shown() -> list[str]:
    """Public names whose page has no heading for them: a docstring that is not there, a name that was not found."""
    shown = {page: (BUILT / f"reference/{page}.html").read_text(encoding="utf-8") for page in chapters()}
    return [
        f"{room}.{name}"
        for page, chapter in chapters().items()
        for room, names in chapter.names.items()
        for name in names
        if f'id="{room}.{name}"' not in shown[page]
    ]


if __name__ == "__main__":
    sys.exit(main())
