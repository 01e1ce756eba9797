"""Tables and questions as HTML: every word escaped, no colour but the page's own, so that light and dark both do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow_engine.record.inbox import QuestionRecord, Standing

_LEFT = "text-align:left"
_RULED = "border-left:4px solid #b45309;padding-left:12px;margin:8px 0"
_LONGEST = 4000


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of plain text under their heads."""
    head = "".join(f'<th scope="col" style="{_LEFT}">{escape(each)}</th>' for each in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_LEFT}">{lines(each)}</td>' for each in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def lines(text: str) -> str:
    """Text with its line breaks; a very long one is cut."""
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … {len(text) - _LONGEST} more characters"
    return escape(shown).replace("\n", "<br>")


def question(standing: Standing) -> str:
    """One question: what is asked, what was tried, the evidence, and the line that answers it."""
    asked = standing.question
    parts = [f"<b>{lines(asked.title or asked.node)}</b>", f"<div>{lines(asked.message)}</div>"]
    if asked.tried:
        told = "".join(f"<li>{lines(f'{each.node} (visit {each.visit}): {each.outcome}')}</li>" for each in asked.tried)
        parts.append(f'<div>tried</div><ul style="margin:0">{told}</ul>')
    parts += [f"<details open><summary>evidence</summary><pre>{lines(each)}</pre></details>" for each in asked.evidence]
    facts = [("choices", ", ".join(asked.choices)), ("asked of", standing.to or "")]
    if asked.due is not None:
        facts.append(("due", f"{asked.due:%Y-%m-%d %H:%M} UTC"))
    parts += [f"<div>{name}: {lines(text)}</div>" for name, text in facts if text]
    if standing.answer is not None:
        parts.append(f"<div>answered by {lines(standing.answer.by)}: {lines(repr(standing.answer.value))}</div>")
    elif standing.status == "open":
        parts.append(f"<pre>{escape(answering(asked))}</pre>")
    else:
        parts.append(f"<div>{standing.status}</div>")
    return f'<div style="{_RULED}">{"".join(parts)}</div>'


def answering(asked: QuestionRecord) -> str:
    """The line of a cell that answers a question, with a place for each field it must have."""
    value: Any = asked.choices[0] if asked.choices else ...
    if asked.schema.get("type") == "object":
        required = asked.schema.get("required", ())
        fields = [str(name) for name in required if name != "choice"] if isinstance(required, list | tuple) else []
        chosen = {"choice": asked.choices[0]} if asked.choices else {}
        value = {**chosen, **dict.fromkeys(fields, ...)}
    shown = repr(value).replace("Ellipsis", "...")
    return f'await engine.answer("{asked.id}", {shown}, by="...")'
