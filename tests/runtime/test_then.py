"""What happens to a question that nobody answers, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import QuestionRecord
from workflow_engine.runtime.then import then_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def asked(due: datetime | None = NOON, default: Any = None) -> QuestionRecord:
    return QuestionRecord(QuestionId("r.q1"), RunId("r"), "ask", 1, "t", "m", {}, due=due, default=default)


def leading_to(target: str) -> dict[str, Any]:
    return {"shape": {"edges": [{"sources": [["ask", "expired"]], "targets": [target]}]}}


@pytest.mark.parametrize(
    ("question", "document", "words"),
    [
        (asked(due=None), leading_to("END"), None),
        (asked(default={"choice": "hold"}), {}, "hold holds"),
        (asked(default=3), {}, "its default holds"),
        (asked(), leading_to("escalate"), "it goes on at escalate"),
        (asked(), leading_to("FAIL: nobody answered"), "the run fails: nobody answered"),
        (asked(), leading_to("END"), "the run ends"),
        (asked(), {"shape": {"edges": "forged"}}, None),
    ],
)
def test_what_happens_when_it_is_due_is_told(question: QuestionRecord, document: Any, words: str | None) -> None:
    assert then_of(question, document) == words
