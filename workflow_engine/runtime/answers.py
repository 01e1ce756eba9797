"""Answers: checked against the question's own JSON Schema before they are recorded, so a wrong one changes nothing."""

from __future__ import annotations

from typing import Any

from workflow_engine.errors import AlreadyAnswered, AnswerRejected, Conflict
from workflow_engine.record.inbox import QuestionRecord, Standing


def fitting(standing: Standing, value: Any) -> Any:
    """The answer as it will be recorded: a bare choice becomes {"choice": ...} where the schema wants an object.

    Raises errors.AlreadyAnswered, errors.Conflict for a question nothing waits for, errors.AnswerRejected with every
    way in which the value does not fit.
    """
    question = standing.question
    if standing.answer is not None or standing.status == "answered":
        by = f" by {standing.answer.by}" if standing.answer else ""
        raise AlreadyAnswered(f"question {question.id} was answered{by}", f"workflow show {question.run}")
    if standing.status != "open":
        raise Conflict(
            f"question {question.id} is {standing.status}; nothing waits for an answer", f"workflow show {question.run}"
        )
    if isinstance(value, str) and value in question.choices and question.schema.get("type") == "object":
        value = {"choice": value}
    problems = list(_problems(question, value))
    if problems:
        raise AnswerRejected(
            f"the answer does not fit question {question.id}:\n    " + "\n    ".join(problems),
            f"choose one of {', '.join(question.choices)}"
            if question.choices
            else "see its schema: workflow inbox --json",
        )
    return value


def _problems(question: QuestionRecord, value: Any) -> list[str]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(dict(question.schema))
    return [
        f"{'.'.join(map(str, error.absolute_path)) or 'answer'}: {error.message[:300]}"
        for error in sorted(validator.iter_errors(value), key=lambda each: list(map(str, each.absolute_path)))
    ]
