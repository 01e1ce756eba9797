"""Commands to type: what the next step is on the command line, quoted for a shell, wherever it is shown."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_engine.record.inbox import QuestionRecord


def typed(*words: str, store: Path | None = None) -> str:
    """The command of these words; `store` is what `--store` named, if it did.

    >>> typed("answer", "k3", "retry", "hint=be brief")
    "workflow answer k3 retry 'hint=be brief'"
    """
    place = () if store is None else ("--store", str(store))
    return shlex.join(["workflow", *words, *place])


def answering(question: QuestionRecord, name: str | None = None, store: Path | None = None) -> str:
    """The command that answers a question, with a place for each field it must have; `name` is a shorter one for it."""
    words: list[str] = [name or question.id, *question.choices[:1]]
    if question.schema.get("type") == "object":
        required = question.schema.get("required", ())
        names = required if isinstance(required, list) else ()
        words += [f"{each}=..." for each in names if each != "choice" or not question.choices]
    elif not question.choices:
        words.append("...")
    return typed("answer", *words, store=store)
