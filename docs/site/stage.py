"""The staged site: the pages of docs/ as the site's tool reads them, beside what is generated at build time."""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from docs.site import commands, pictures, reference
from docs.site.navigation import CONFIG
from docs.site.places import DOCS, HOUSE, PAGES, STAGE

_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s]+)\)")
_NAMED_FENCE = re.compile(r"^```(\w+) (\S+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_BARS = re.compile(r"`[^`\n]*\\\|[^`\n]*`")  # a bar in the code of a table; the site's tool wants it bare
_LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".md": "markdown", ".sql": "sql"}


def stage() -> int:
    """Write all that the site is built from beneath .cache/site; the number of pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir(parents=True)
    shutil.copy(CONFIG, STAGE / CONFIG.name)
    shutil.copytree(DOCS / "style", PAGES / "style")
    drawn = pictures.draw(PAGES)
    shown = _Shown(drawn)
    for page in sorted(DOCS.rglob("*.md")):
        shown.page(page, page.relative_to(DOCS).as_posix())
    for name, text in {**reference.pages(), **commands.pages()}.items():
        _write(PAGES / name, text)
    return len(list(PAGES.rglob("*.md")))


def restaged(text: str, source: Path) -> str:
    """A page as it is staged; what it links to is staged with it."""
    return _Shown(set()).text(text, source, source.relative_to(DOCS).as_posix())


class _Shown:
    """Pages on their way to the stage: their links are led to places within the site."""

    def __init__(self, drawn: set[str]) -> None:
        self._drawn = drawn
        self._done: set[Path] = set()

    def page(self, source: Path, name: str) -> None:
        """Stage one page under `name`, and whatever it links to outside of docs/."""
        _write(PAGES / name, self.text(source.read_text(encoding="utf-8"), source, name))

    def text(self, text: str, source: Path, name: str) -> str:
        """A page's text with its links led into the site, and its named blocks titled."""
        parts: list[str] = []
        end = 0
        for fence in _FENCED.finditer(text):
            parts += [self._prose(text[end : fence.start()], source, name), fence[0]]
            end = fence.end()
        parts.append(self._prose(text[end:], source, name))
        return _NAMED_FENCE.sub(_titled, "".join(parts))

    def _prose(self, text: str, source: Path, name: str) -> str:
        bare = _BARS.sub(lambda code: code[0].replace("\\|", "|"), text)
        return _LINK.sub(lambda link: self._link(link, source, name), bare)

    def _link(self, link: re.Match[str], source: Path, name: str) -> str:
        words, address = link[1], link[2]
        if re.match(r"[a-z]+:", address):
            return link[0]
        path, mark, anchor = address.partition("#")
        if not path:
            return link[0]
        target = (source.parent / path).resolve()
        if words.startswith("!"):
            return self._picture(words, target, name)
        led = posixpath.relpath(self._place(target), posixpath.dirname(name) or ".")
        return f"{words}({led}{mark}{anchor})"

    def _picture(self, words: str, target: Path, name: str) -> str:
        """A picture, which was drawn anew for a light and for a dark page where it is one of the engine's."""
        folder = posixpath.dirname(name) or "."
        if target.name not in self._drawn:
            place = target.relative_to(DOCS).as_posix() if target.is_relative_to(DOCS) else f"pictures/{target.name}"
            _copy(target, PAGES / place)
            return f"{words}({posixpath.relpath(place, folder)})"
        light, dark = (posixpath.relpath(f"pictures/{each}", folder) for each in pictures.both(target.name))
        return f"{words}({light}#only-light){words}({dark}#only-dark)"

    def _place(self, target: Path) -> str:
        """Where in the site a file stands; one from outside of docs/ is shown on a page of its own."""
        if target.is_relative_to(DOCS):
            return target.relative_to(DOCS).as_posix()
        path = target.relative_to(HOUSE).as_posix()
        place = f"source/{path if target.suffix == '.md' else f'{path}.md'}"
        if target not in self._done:
            self._done.add(target)
            if target.suffix == ".md":
                self.page(target, place)
            else:
                _write(PAGES / place, _listing(target, path) if target.is_dir() else _code(target, path))
        return place


def _titled(fence: re.Match[str]) -> str:
    """A block with its file's name above it. Code of others, which no test can run, is `text` on the page."""
    language = "python" if fence[2].endswith(".py") else fence[1]
    return f'```{language} title="{fence[2]}"'


def _code(file: Path, path: str) -> str:
    language = _LANGUAGES.get(file.suffix, "text")
    return f"# {path}\n\n````{language}\n{file.read_text(encoding='utf-8').rstrip()}\n````\n"


def _listing(folder: Path, path: str) -> str:
    names = sorted(each.name for each in folder.iterdir() if each.suffix == ".py")
    return f"# {path}\n\n" + "".join(f"- `{path}/{name}`\n" for name in names)


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, place)
