"""The report of a run at rest: how it ended, what it cost, who answered, what it asks, and what to type next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.exits import Exit, exit_of_run
from workflow_engine.cli.figures import ago, cost, duration, line, plain, room, tokens
from workflow_engine.cli.signs import sign
from workflow_engine.cli.typed import ways_on
from workflow_engine.cli.voice import BOLD, DIM, emit, emit_json, painted, point, say
from workflow_engine.record.waiting import Waiting, words_of

if TYPE_CHECKING:
    from workflow_engine.record.inbox import Standing
    from workflow_engine.record.run import Run
    from workflow_engine.runtime.view import RunView

_PLAYBOOK = "offline-playbook/"
_LONGEST = 24
_LAST_TRIED = 4


def report(view: RunView[Any], *, store: Path | None, as_json: bool, picture: Path | None = None) -> Exit:
    """Print how a run stands, and return the exit code that says the same. `picture` is one that was drawn already."""
    if as_json:
        emit_json(view.document())
    else:
        emit("")
        emit(summary(view))
        for text in (*failure_lines(view), *wait_lines(view), *question_lines(view)):
            emit(text)
    if picture is not None:
        say()
        say(f"  picture of the run: {picture}")
    point(*(way for way in ways_on(view, store) if picture is None or way[0] != "picture"))
    return exit_of_run(view)


def summary(view: RunView[Any]) -> str:
    """One line: status, run, time, tokens, cost, and which model answered."""
    word = status_word(view)
    mark, out, run = sign(word), sys.stdout, view.run
    parts = [
        painted(f"{mark.on(out)} {word}", mark.ansi, out),
        f"run {painted(run.id, BOLD, out)}",
        duration((run.updated - run.created).total_seconds()),
    ]
    if run.parent is not None:
        parts.append(f"forked from {run.parent[0]} at step {run.parent[1]}")
    if run.within is not None:
        visit = f" (visit {run.within.visit})" if run.within.visit > 1 else ""
        parts.append(f"does {line(run.within.what)}{visit} of run {run.within.run}")
    used = run.usage.input_tokens + run.usage.output_tokens
    if used:
        parts.append(f"{tokens(used)} tokens")
    if run.usage.cost:  # what cost nothing is not worth a word
        parts.append(cost(run.usage.cost))
    if run.answered_by:
        parts.append(f"answered by {answered_by(run)}")
    return "  ".join(parts)


def status_word(view: RunView[Any]) -> str:
    """The status, or interrupted where nobody drives a run that has begun."""
    return "interrupted" if view.interrupted and not view.letters else view.status


def answered_by(run: Run) -> str:
    """The models that really answered. A playbook says so: it is none, and claims nothing."""
    named = ", ".join(line(each, 80) for each in run.answered_by)
    return (
        f"{named} (no model was called)"
        if all(each.startswith((_PLAYBOOK, "replay/")) for each in run.answered_by)
        else named
    )


def failure_lines(view: RunView[Any]) -> list[str]:
    """Why a run failed: the step's message and the user's part of its trace."""
    failure = view.run.error
    if failure is None or view.run.status != "failed":
        return []
    if view.run.frontier.ended is not None:
        return [f"  it reached FAIL({failure.message!r})"]
    tried = f" after {failure.attempts} tries" if failure.attempts > 1 else ""
    lines = [f"  {failure.node} failed{tried}: {plain(failure.message)}"]
    if failure.trace:
        lines += [painted(f"  {each}", DIM, sys.stdout) for each in plain(failure.trace).rstrip().splitlines()[-12:]]
    return lines


def wait_lines(view: RunView[Any]) -> list[str]:
    """What a run waits for besides people: signals with what they carry, times, other runs."""
    lines: list[str] = []
    for each in view.run.waits if view.run.status in ("waiting", "running") else ():
        head = painted(f"{line(each.node)} waits", sign("waiting").ansi, sys.stdout)
        lines += ["", f"  {head} {line(words_of(each))}"]
        facts = _wait_facts(view, each)
        lines += [f"    {painted(name.ljust(8), DIM, sys.stdout)}  {text}" for name, text in facts]
    return lines


def _wait_facts(view: RunView[Any], waiting: Waiting) -> Iterator[tuple[str, str]]:
    if waiting.had:
        yield "came", line(", ".join(kept.name for kept in waiting.had))
    for name in waiting.missing if waiting.on == "signal" else ():
        form = ", ".join(f"{field} ({kind})" for field, kind in form_fields(view.expects.get(name, {})))
        if form:
            yield "carries", line(form if len(waiting.names) == 1 else f"{name}: {form}")
    if waiting.topic is not None:
        yield "topic", line(waiting.topic)
    if waiting.trouble:
        yield "refused", line(waiting.trouble)
    if waiting.until is not None and waiting.on != "time":
        yield "within", f"{ago(waiting.until)} ({waiting.until:%Y-%m-%d %H:%M} UTC)"
    elif waiting.until is not None:
        yield "over", ago(waiting.until)


def question_lines(view: RunView[Any], *, whole: bool = False, longest: int | None = _LONGEST) -> list[str]:
    """What is asked; `whole` with everything that was tried and all the evidence, `longest` lines of each piece."""
    lines: list[str] = []
    for each in view.open_questions:
        lines += ["", *question_block(each, whole=whole, longest=longest)]
    return lines


def question_block(standing: Standing, *, whole: bool = False, longest: int | None = _LONGEST) -> list[str]:
    """One question as lines."""
    asked, out = standing.question, sys.stdout
    amber = sign("waiting")
    lines = [f"  {painted(f'{line(asked.node)} asks', amber.ansi, out)}  {painted(asked.id, DIM, out)}"]
    lines += [f"  {each}" for each in plain(asked.message).splitlines()]

    def fact(name: str, text: str) -> None:
        lines.append(f"    {painted(name.ljust(8), DIM, out)}  {plain(text)}")

    left_out = 0 if whole else max(0, len(asked.tried) - _LAST_TRIED)
    for tried in asked.tried[left_out:]:
        fact("tried", line(f"{tried.node} (visit {tried.visit}): {tried.outcome}", room(out) - 14))
    if left_out:
        fact("", f"and {left_out} more before: workflow show {asked.run}")
    if asked.choices:
        fact("choices", ", ".join(asked.choices))
    for name, form in form_fields(asked.schema):
        fact("field", f"{name}: {form}")
    for name, text in people_lines(standing):
        fact(line(name, 20), line(text, room(out) - 14))
    if asked.due is not None:
        then = f", then {_short(asked.default)} holds" if asked.default is not None else ""
        fact("due", f"{ago(asked.due)} ({asked.due:%Y-%m-%d %H:%M} UTC){then}")
    if whole:
        for number, piece in enumerate(asked.evidence, 1):
            lines.append(f"    {painted(f'evidence {number}', DIM, out)}")
            told = plain(piece).splitlines()
            lines += [f"      {each}" for each in told[:longest]]
            if longest is not None and len(told) > longest:
                lines.append(f"      … {len(told) - longest} more lines: --full")
    elif asked.evidence:
        fact("evidence", f"{len(asked.evidence)} in: workflow show {asked.run}")
    return lines


def people_lines(standing: Standing) -> list[tuple[str, str]]:
    """Who may answer, who did so far, and when it is asked again."""
    from workflow_engine.record.people import askable

    asked, known = standing.question, standing.known
    lines: list[tuple[str, str]] = []
    if standing.to is not None:
        lines.append(("asked of", standing.to))
    if others := [each for each in askable(asked, None) if each != standing.to]:
        lines.append(("or of", ", ".join(others)))
    if asked.not_by:
        lines.append(("not by", ", ".join(asked.not_by)))
    lines += [("needs", f"{count} people for {word}") for word, count in asked.approvals.items()]
    for each in standing.approved:
        lines.append((each.choice, f"by {each.by}, {ago(each.at)}"))
    if known is not None and known.reminded:
        lines.append(("reminded", "once" if known.reminded == 1 else f"{known.reminded} times"))
    return lines


def _short(default: Any) -> str:
    found = default.get("choice", default) if isinstance(default, dict) else default
    return line(str(found), 40)


def form_fields(schema: Any) -> list[tuple[str, str]]:
    """The fields of a form beside its choice: name, and what it holds."""
    if schema.get("type") != "object":
        return []
    required, properties = schema.get("required", ()), schema.get("properties", {})
    # A schema that somebody forged may be none.
    if not isinstance(required, list | tuple) or not isinstance(properties, dict):
        return []
    found = []
    for name, each in properties.items():
        form = each if isinstance(each, dict) else {}
        if name == "choice" and "enum" in form:
            continue
        parts = form.get("anyOf")
        kinds = (
            [str(part.get("type", "…")) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        )
        told = line(str(form.get("type") or " | ".join(kinds) or "…"))
        found.append((name, told if name in required else f"{told}, may be left out"))
    return found
