"""Build a web site: every page on its own, several at once; pages that are broken stop none of the others.

Each file is one item of `render`. What became of it is collected, so that the site can be published without the broken
pages, if there are few of them, and a person is asked if there are more.
"""

from __future__ import annotations

import hashlib
import html
import os
import shutil
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from string import Template
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Question,
    Result,
    Retry,
    State,
    Step,
    StepError,
    each,
    function,
    human,
    route,
    workflow,
)

FENCE = "+++\n"
MARKDOWN = MarkdownIt("commonmark").enable("table")
PAGE = Template("<!doctype html>\n<meta charset=utf-8>\n<title>$title</title>\n<h1>$title</h1>\n$body")


class Page(BaseModel):
    name: str
    title: str
    html: str


class Site(BaseModel):
    folder: str
    pages: list[str]
    left_out: list[str]


class Build(State):
    source: str = "graphs/content"
    sites: str = "sites"
    tolerated: int = Field(default=2, ge=0)
    files: list[str] = Field(default_factory=list)
    pages: list[Result[Page]] = Field(default_factory=list)
    answer: Literal["publish", "stop"] | None = None
    site: Site | None = None


@function(writes="files")
def gather(source: str, step: Step) -> list[str]:
    files = sorted(each.name for each in Path(source).glob("*.md"))
    if not files:
        raise StepError(f"there are no .md files in {source}", "name a folder that has some: source=...")
    step.progress(f"{len(files)} files in {source}")
    return files


@each("files", writes="pages", at_once=4, on_error="collect", retry=Retry(3, on=OSError))
def render(name: str, source: str, files: list[str]) -> Page:
    head, text = _parts((Path(source) / name).read_text(encoding="utf-8"))
    title = head.get("title")
    if not isinstance(title, str):
        raise StepError(f"{name} has no title", 'begin it with a line title = "..." between two lines +++')
    tokens = MARKDOWN.parse(text)
    for link in _links(tokens):
        target = str(link.attrGet("href"))
        if target.endswith(".md"):
            if target not in files:
                raise StepError(f"{name} links to {target}, which is not there", "write it, or mend the link")
            link.attrSet("href", target.removesuffix(".md") + ".html")
    body = MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})
    return Page(name=name, title=title, html=PAGE.substitute(title=html.escape(title), body=body))


def _parts(text: str) -> tuple[dict[str, object], str]:
    """What stands between the first two lines of +++, as TOML, and the Markdown after them."""
    if not text.startswith(FENCE):
        return {}, text
    head, _, rest = text.removeprefix(FENCE).partition(FENCE)
    try:
        return tomllib.loads(head), rest
    except tomllib.TOMLDecodeError as error:
        raise StepError(f"its head is no TOML: {error}", retryable=False) from error


def _links(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from (child for child in token.children or () if child.type == "link_open")


@route
def verdict(pages: list[Result[Page]], tolerated: int) -> Literal["good", "doubtful", "empty"]:
    broken = sum(not page.ok for page in pages)
    if broken == len(pages):
        return "empty"
    return "good" if broken <= tolerated else "doubtful"


@human(writes="answer", within=timedelta(days=2))
def ask(files: list[str], pages: list[Result[Page]]) -> Question[Literal["publish", "stop"]]:
    problems = _problems(files, pages)
    return Question(f"{len(problems)} of {len(pages)} pages are broken. Publish the others?", evidence=problems)


def _problems(files: list[str], pages: list[Result[Page]]) -> list[str]:
    return [f"{name}: {page.failure.message}" for name, page in zip(files, pages, strict=True) if page.failure]


def published(pages: list[Result[Page]], files: list[str], sites: str) -> Site | None:
    """The probe: the site, if it stands there whole."""
    site = _site(pages, files, sites)
    return site if Path(site.folder).is_dir() else None


@function(writes="site", effect=True, in_doubt=published)
def publish(pages: list[Result[Page]], files: list[str], sites: str, step: Step) -> Site:
    """The folder is named after what is in it, and appears by one rename: whoever looks sees it whole or not at all."""
    site = _site(pages, files, sites)
    if not Path(site.folder).is_dir():
        fresh = Path(f"{site.folder}.fresh")
        shutil.rmtree(fresh, ignore_errors=True)  # a step that was killed may have left one
        fresh.mkdir(parents=True)
        for page in _good(pages):
            (fresh / page.name).with_suffix(".html").write_text(page.html, encoding="utf-8")
        os.rename(fresh, site.folder)
    left_out = f", without {', '.join(site.left_out)}" if site.left_out else ""
    step.progress(f"{len(site.pages)} pages in {site.folder}{left_out}")
    return site


def _good(pages: list[Result[Page]]) -> list[Page]:
    return [page.value for page in pages if page.value is not None]


def _site(pages: list[Result[Page]], files: list[str], sites: str) -> Site:
    good = _good(pages)
    digest = hashlib.sha256("".join(page.name + page.html for page in good).encode()).hexdigest()[:12]
    left_out = [name for name, page in zip(files, pages, strict=True) if not page.ok]
    return Site(folder=str(Path(sites) / digest), pages=[page.name for page in good], left_out=left_out)


content = workflow(
    "content",
    state=Build,
    edges=[
        START >> gather >> render >> verdict,
        verdict["good"] >> publish >> END,
        verdict["doubtful"] >> ask,
        verdict["empty"] >> FAIL("no page can be rendered"),
        ask["publish"] >> publish,
        ask["stop"] >> FAIL("stopped by a person"),
        ask.expired >> FAIL("nobody answered"),
    ],
)
