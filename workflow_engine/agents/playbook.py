"""The playbook: a TOML file beside a workflow, whose rules answer in a model's place on real evidence."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workflow_engine import errors
from workflow_engine.agents.evidence import Evidence
from workflow_engine.agents.models import SUFFIX
from workflow_engine.agents.rules import Called, Calling, Reply, Rule, When

# A playbook holds whole patches, so it may be long; this is far beyond what a person writes.
_LARGEST = 4 * 2**20


@dataclass(frozen=True)
class Unmatched:
    """No rule holds: the request's gist, and what each rule for its node was missing."""

    gist: str


class Playbook(BaseModel):
    """A playbook as read: the values of inputs it knows, and its rules; the first that holds answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    rule: tuple[Rule, ...] = Field(min_length=1)

    def answer(self, evidence: Evidence) -> Reply | Unmatched:
        missing: list[str] = []
        for number, rule in enumerate(self.rule, start=1):
            held = rule.when.hold(evidence)
            if not isinstance(held, str):
                reply = rule.reply(held)
                unknown = sorted({call.tool for call in reply.calls} - set(evidence.offered))
                if unknown:
                    offered = ", ".join(evidence.offered) or "none"
                    return Unmatched(
                        f"{_title(number, rule)} calls {', '.join(unknown)}, but the request offers {offered}"
                    )
                return reply
            if rule.when.concerns(evidence.node):
                missing.append(f"{_title(number, rule)}: {held}")
        return Unmatched(_gist(evidence, missing))


def playbook_beside(source: Path) -> Path:
    """Where the playbook of a workflow file stands: graphs/ship.py has graphs/ship.playbook.toml."""
    return source.with_name(source.stem + SUFFIX)


def read_playbook(path: Path) -> Playbook:
    """The playbook at this path; raises UsageError naming file, rule and key."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise errors.UsageError(
            f"the playbook {path} cannot be read: {error.strerror or error}",
            "write one with: workflow model stub TARGET",
        ) from None
    return parse_playbook(content, path)


def parse_playbook(content: bytes, path: Path) -> Playbook:
    """The playbook these bytes hold; `path` is only for the error."""
    if len(content) > _LARGEST:
        raise errors.UsageError(
            f"{path} is larger than {_LARGEST >> 20} MB", "split the workflow, or shorten the answers"
        )
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise errors.UsageError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise errors.UsageError(
            f"{path} is not TOML: {error}", "mend the file; it is re-read at the next call"
        ) from None
    except RecursionError:
        raise errors.UsageError(f"{path} is nested too deep", "flatten the file") from None
    try:
        return Playbook.model_validate(table)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        # A list whose members failed is also reported as too short: that one says nothing.
        real = [detail for detail in details if detail["type"] != "too_short"] or details
        lines = [_finding(detail, table) for detail in real]
        shown = "\n".join(f"  {line}" for line in lines[:8])
        more = f"\n  and {len(lines) - 8} more" if len(lines) > 8 else ""
        raise errors.UsageError(
            f"{path} is not a playbook\n{shown}{more}",
            "a rule is [[rule]] with conditions when.… and one of text, json and calls",
        ) from None


def refuse_unknown(playbook: Playbook | Path, inputs: Mapping[str, Any]) -> None:
    """Raise UsageError if an input has a value the playbook does not know, with the list of those it does."""
    book = read_playbook(playbook) if isinstance(playbook, Path) else playbook
    for name, known in book.inputs.items():
        if name not in inputs or inputs[name] in known:
            continue
        given = inputs[name]
        texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in known]
        near = difflib.get_close_matches(str(given), texts, n=1)
        shown = str(given) if len(str(given)) <= 200 else str(given)[:200] + "…"
        listed = "\n".join(f"  {text}" for text in texts)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise errors.UsageError(
            f"the playbook does not know {name} {shown!r}; it knows\n{listed}",
            f"{guess}a real model answers anything: set OPENAI_API_KEY or OPENAI_BASE_URL, and OPENAI_MODEL",
        )


def _title(number: int, rule: Rule) -> str:
    return f"rule {number} {rule.name!r}" if rule.name else f"rule {number}"


def _gist(evidence: Evidence, missing: list[str]) -> str:
    lines = [f"node: {evidence.node or 'not named'}", f"prompt: {_short(evidence.prompt)}"]
    if evidence.calls:
        lines.append(
            "called: " + ", ".join(_short(_call(call.tool, call.arguments), 80) for call in evidence.calls[-6:])
        )
    if evidence.results:
        lines.append(f"last tool result: {_short(evidence.results[-1])}")
    lines += missing[:8] or ["no rule is for this node"]
    if len(missing) > 8:
        lines.append(f"and {len(missing) - 8} more rules")
    return "\n".join(lines)


def _call(tool: str, arguments: Mapping[str, Any]) -> str:
    return f"{tool}({', '.join(str(value) for value in arguments.values())})"


def _short(text: str, most: int = 300) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


_PLAIN = {
    "missing": "missing",
    "model_type": "should be a table",
    "dict_type": "should be a table",
    "tuple_type": "should be a list",
    "too_short": "there is none",
    "string_type": "should be a string",
}
_KEYS: dict[str, type[BaseModel]] = {
    "when": When,
    "calls": Calling,
    "called": Called,
    "not_called": Called,
    "rule": Rule,
}


def _finding(detail: Any, table: Mapping[str, Any]) -> str:
    """One complaint of pydantic in the words of the file: `rule 3 'second patch': when.prompt: not a …`."""
    place = list(detail["loc"])
    title = ""
    if len(place) > 1 and place[0] == "rule" and isinstance(place[1], int):
        rule = table["rule"][place[1]]
        name = rule.get("name") if isinstance(rule, dict) else None
        title = f"rule {place[1] + 1} {name!r}: " if isinstance(name, str) else f"rule {place[1] + 1}: "
        place = place[2:]
    message = _PLAIN.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        owner = next((_KEYS[part] for part in reversed(place[:-1]) if part in _KEYS), Rule if title else Playbook)
        known = [field.alias or key for key, field in owner.model_fields.items()]
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        message = "unknown key" + (f", did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}")
    where = ".".join(str(part) for part in place)
    return f"{title}{where}: {message}" if where else f"{title}{message}"
