"""What happens to a question that nobody answers in time, in words, as its run's stored workflow tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.record.inbox import QuestionRecord
from workflow_engine.record.people import choice_in

_FAIL = "FAIL: "


def then_of(question: QuestionRecord, document: Mapping[str, Any]) -> str | None:
    """What holds once it is due; None where it never is, or where nothing is known of it."""
    if question.due is None:
        return None
    if question.default is not None:
        word = choice_in(question.default)
        return "its default holds" if word is None else f"{word} holds"
    try:
        edges = document["shape"]["edges"]
        ways = [each["targets"] for each in edges if [question.node, "expired"] in map(list, each["sources"])]
    except (LookupError, TypeError, ValueError):  # no engine wrote it: nothing can be told of it
        return None
    if not ways:
        return None
    target = ", ".join(str(each) for each in ways[0])
    if target == "END":
        return "the run ends"
    return f"the run fails: {target.removeprefix(_FAIL)}" if target.startswith(_FAIL) else f"it goes on at {target}"
