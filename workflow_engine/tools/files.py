"""File tools: list, read, search and, where allowed, write text files within one folder, and nowhere else.

Paths are walked by descriptors (sandbox/files.py): no `..`, no absolute path and no link leads out, whoever changes the
folder meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workflow_engine.errors import DeclarationError
from workflow_engine.sandbox.files import matching, read, texts, unpack
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Approval, Tool
from workflow_engine.tools.refused import Refused, told

MOST_LISTED = 1000
MOST_FOUND = 200
MOST_SEARCHED = 64 * 2**20
"""Characters that one search looks at."""
LONGEST_LINE = 300


@dataclass(frozen=True)
class Folder:
    """The files beneath `root`, as a model may see and change them."""

    root: Path
    most_kb: int
    dotfiles: bool

    def list_files(self, pattern: str = "**/*") -> str:
        """List the files that match a pattern, with their size in bytes. In a pattern * matches within one name and
        ** any number of folders, as in "src/**/*.py"; paths are relative, with / between names."""
        found: list[str] = []
        with told():
            for entry in matching(self._there(), _short(pattern)):
                if not self._shown(entry.path):
                    continue
                if len(found) == MOST_LISTED:
                    found.append(f"(more than {MOST_LISTED} files match: ask for fewer)")
                    break
                found.append(f"{entry.path}  {entry.status.st_size}")
        return "\n".join(found) or "(no file matches)"

    def read_file(self, path: str, from_line: int = 1, lines: int = 2000) -> str:
        """Read a text file, or `lines` lines of it from `from_line` on (the first is 1)."""
        with told():
            text = read(self._there(), self._allowed(path), most_kb=self.most_kb)
        whole = text.splitlines(keepends=True)
        first = max(1, from_line) - 1
        part = whole[first : first + max(1, lines)]
        if len(part) == len(whole):
            return text
        last = first + len(part)
        return f"(lines {first + 1} to {last} of {len(whole)})\n{''.join(part)}"

    def search_files(self, text: str, pattern: str = "**/*") -> str:
        """Find the lines that hold a text, whatever its case, in the files that match a pattern (see list_files)."""
        if not text.strip():
            raise Refused("say what to look for")
        wanted, found, left = text.casefold(), list[str](), MOST_SEARCHED
        with told():
            for path, content in texts(self._there(), _short(pattern), most_kb=self.most_kb):
                if not self._shown(path):
                    continue
                for number, line in enumerate(content.splitlines(), 1):
                    if wanted in line.casefold():
                        found.append(f"{path}:{number}: {line[:LONGEST_LINE]}")
                    if len(found) > MOST_FOUND:
                        return "\n".join([*found[:MOST_FOUND], f"(more than {MOST_FOUND} lines: look for less)"])
                left -= len(content)
                if left < 0:
                    found.append("(there is more than one search looks at: give a narrower pattern)")
                    break
        return "\n".join(found) or "(found nowhere)"

    def write_file(self, path: str, text: str) -> str:
        """Write a text file, over what stands there; its folders are made."""
        with told():
            unpack({self._allowed(path): text}, self._there(), total_kb=self.most_kb)
        return f"wrote {path}"

    def written(self, path: str, text: str) -> str | None:
        """Whether the file holds just this text: the probe of a writing whose end is not known."""
        try:
            there = read(self._there(), self._allowed(path), most_kb=self.most_kb)
        except Exception:  # whatever is wrong, it is not there
            return None
        return f"wrote {path}" if there == text else None

    def _there(self) -> Path:
        if not self.root.is_dir():
            raise Refused(f"the folder {self.root.name!r} is not there")
        return self.root

    def _shown(self, path: str) -> bool:
        return self.dotfiles or not any(name.startswith(".") for name in path.split("/"))

    def _allowed(self, path: str) -> str:
        # After the sandbox's own look at the path, this would be too late: a name that is hidden is not even probed.
        if not self._shown(path) and not any(name in ("", ".", "..") for name in path.split("/")):
            raise Refused(f"{path!r} is hidden: names that begin with a dot are not for this tool")
        return path


@dataclass(frozen=True)
class Workspace:
    """The same in the workspace of the step at hand: no effect, for the workspace is rebuilt when a step goes on."""

    most_kb: int
    dotfiles: bool

    def list_files(self, step: Step, pattern: str = "**/*") -> str:
        return self._of(step).list_files(pattern)

    def read_file(self, step: Step, path: str, from_line: int = 1, lines: int = 2000) -> str:
        return self._of(step).read_file(path, from_line, lines)

    def search_files(self, step: Step, text: str, pattern: str = "**/*") -> str:
        return self._of(step).search_files(text, pattern)

    def write_file(self, step: Step, path: str, text: str) -> str:
        return self._of(step).write_file(path, text)

    def _of(self, step: Step) -> Folder:
        return Folder(step.workspace, self.most_kb, self.dotfiles)


def file_tools(
    root: str | Path | None = None,
    *,
    write: bool = False,
    approval: Approval = "never",
    dotfiles: Literal["hidden", "shown"] = "hidden",
    most_kb: int = 1024,
    prefix: str = "",
) -> tuple[Tool[..., Any], ...]:
    """Tools list_files, read_file, search_files and, given `write`, write_file, for `tools=[*file_tools("docs")]`.

    They see `root`, from the folder the process works in, or without one the workspace of their own step, which is
    rebuilt after a crash. Only UTF-8 text of at most `most_kb` KB is read or written; links are never followed, and
    names that begin with a dot are hidden unless `dotfiles="shown"`. Writing beneath a root is an effect, which
    `approval` may put before a person; one whose end is not known is looked up in the file. Raises DeclarationError.
    """
    if dotfiles not in ("hidden", "shown"):
        raise DeclarationError(f"file_tools: dotfiles={dotfiles!r}", "it is hidden or shown")
    if not most_kb > 0:
        raise DeclarationError(f"file_tools: most_kb={most_kb!r} leaves nothing to read", "give a number above 0")
    shown = dotfiles == "shown"
    place: Folder | Workspace
    if root is None:
        place, where = Workspace(most_kb, shown), "your workspace"
    else:
        place, where = Folder(Path(root), most_kb, shown), f"the folder {str(root)!r}"

    def made(body: Callable[..., str], says: Callable[..., Any], **policy: Any) -> Tool[..., Any]:
        text = " ".join((says.__doc__ or "").split())
        about = f"{text} Only in {where}; text of at most {most_kb} KB."
        return Tool(f"{prefix}{says.__name__}", body, description=about, **policy)

    tools = [
        made(place.list_files, Folder.list_files),
        made(place.read_file, Folder.read_file),
        made(place.search_files, Folder.search_files),
    ]
    if write:
        effect: dict[str, Any] = {"effect": True, "in_doubt": place.written} if isinstance(place, Folder) else {}
        tools.append(made(place.write_file, Folder.write_file, risk="write", approval=approval, **effect))
    elif approval != "never":
        raise DeclarationError("file_tools: approval= without write=True", "reading needs nobody's word")
    return tuple(tools)


def _short(pattern: str) -> str:
    if len(pattern) > 1000 or pattern.count("**") > 8:
        raise Refused("the pattern is too long")
    return pattern
