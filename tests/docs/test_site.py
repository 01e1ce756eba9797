"""The site of docs/: every page stands in it, every public name in its reference, nothing from elsewhere."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_group

from docs.site import commands, reference
from docs.site.hosts import foreign_hosts, quieten
from docs.site.navigation import listed, written
from docs.site.pictures import TYPED
from docs.site.places import DOCS, HOUSE
from docs.site.stage import restaged
from tests.docs.pages import PAGES, Page
from workflow_engine.cli.app import app

PACKAGE = HOUSE / "workflow_engine"
# Rooms whose names are for the house: what a user imports stands in one of the reference's.
INNER = {"cli", "settings", "targets"}


def test_every_page_stands_in_the_navigation_once() -> None:
    made = [*reference.pages(), *commands.pages()]
    assert sorted(listed()) == sorted([*written(), *made])  # else: put the page into docs/zensical.toml


def test_every_exported_name_is_in_the_reference() -> None:
    told = {
        (room, name) for each in reference.chapters().values() for room, names in each.names.items() for name in names
    }
    rooms = {"workflow_engine", *(f"workflow_engine.{room}" for room in _rooms_that_export())}
    missing = [
        (room, name)
        for room in rooms
        for name in reference.exported(room)
        if not {(room, name), (reference.ENGINE, name)} & told
    ]
    assert not missing  # else: name it in docs/site/reference.py, or its room in INNER


def _rooms_that_export() -> list[str]:
    """The rooms whose own module has an `__all__`: what it lists is meant for others."""
    found = []
    for place in PACKAGE.iterdir():
        module = place / "__init__.py" if place.is_dir() else place
        if module.suffix == ".py" and module.is_file() and place.stem not in {"__init__", *INNER}:
            names = [
                each.targets[0] for each in ast.parse(module.read_text("utf-8")).body if isinstance(each, ast.Assign)
            ]
            if any(isinstance(name, ast.Name) and name.id == "__all__" for name in names):
                found.append(place.stem)
    return found


@pytest.mark.parametrize("page", reference.chapters())
def test_every_name_of_the_reference_says_what_it_is(page: str) -> None:
    chapter = reference.chapters()[page]
    assert [f"{room}.{name}" for room, names in chapter.names.items() for name in names if not _told(room, name)] == []


def _told(room: str, name: str) -> bool:
    return reference.is_alias(room, name) or bool((getattr(import_module(room), name).__doc__ or "").strip())


def test_every_command_and_every_option_is_in_the_reference() -> None:
    page = commands.pages()["reference/command-line.md"]
    group = get_group(app)
    assert {name for name in group.commands if f"\n## workflow {name}" not in page} == set()
    assert "`--picture FILE`" in page
    assert "`TARGET " in page


def test_a_page_is_staged_with_its_links_led_into_the_site() -> None:
    text = "[ship](../graphs/ship.py) `a\\|b` [w](workers.md#batches)\n\n```python x.py\n[not](../graphs/a.py)\n```\n"
    assert restaged(text, DOCS / "running.md") == (
        "[ship](source/graphs/ship.py.md) `a|b` [w](workers.md#batches)\n\n"
        '```python title="x.py"\n[not](../graphs/a.py)\n```\n'
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example.com/a.js"></script>'),
        ("a.html", "<link rel=stylesheet href=//fonts.example.com/a.css>"),
        ("a.html", '<img alt="x" src="http://example.com/a.png">'),
        ("a.css", "@font-face { src: url(https://example.com/a.woff2) }"),
        ("a.js", 'fetch("https://api.example.com/stars")'),
    ],
)
def test_what_would_be_fetched_from_another_host_is_found(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(foreign_hosts(tmp_path)) == 1


def test_a_link_that_a_reader_may_follow_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="https://example.com/">read</a> <svg xmlns="http://www.w3.org/2000/svg">')
    (tmp_path / "theme.js").write_text('load("https://unpkg.com/mermaid@12/dist/mermaid.min.js")')
    quieten(tmp_path)
    assert foreign_hosts(tmp_path) == []


def test_every_picture_of_the_pages_is_drawn_or_committed() -> None:
    shown = {link for name in PAGES for link in Page(name).links if link.endswith(".png")}
    drawn = {name for name, _, _ in TYPED}
    assert {Path(link).name for link in shown} >= drawn
    assert not re.findall(r"https?://\S+\.(?:png|svg)", " ".join(shown))
