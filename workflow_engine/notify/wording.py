"""The wording of a message: made of what is known when it is sent, and None where nobody needs it any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from workflow_engine.errors import QuestionNotFound, RunNotFound
from workflow_engine.ports.channels import Message
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.commands import answering, typed
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Standing
from workflow_engine.record.notice import Notice
from workflow_engine.record.people import askable
from workflow_engine.record.run import Run

LONGEST, TITLE = 4000, 120
"""Letters of a text and of a title that are sent; the page has all of it."""


async def message_of(ledger: Ledger, notice: Notice, page_url: str | None) -> Message | None:
    """What is said of a notice. None: the question is answered or withdrawn, the failure is mended, the run is gone.

    Raises errors.StoreError.
    """
    try:
        run = (await ledger.read(notice.run)).run
        if notice.question is None:
            return _failure(notice, run, page_url) if _stands(run, notice) else None
        standing = await ledger.question(notice.question)
    except (RunNotFound, QuestionNotFound):
        return None
    wanted = "expired" if notice.happened == "question.expired" else "open"
    return _question(notice, run, standing, page_url) if standing.status == wanted else None


def _stands(run: Run, notice: Notice) -> bool:
    return run.status == "failed" and run.seq == notice.seq


def _failure(notice: Notice, run: Run, page_url: str | None) -> Message:
    error = run.error
    what = (error.message if error is not None else run.reason) or "it failed"
    node = None if error is None or error.kind == "declared" else error.node
    link = address(page_url, "runs", run.id)
    resumable = run.frontier.ended is None
    command = typed("resume", run.id) if resumable else typed("show", run.id)
    lines = [
        f"Run {run.id} of {run.workflow} failed" + (f" at {node}." if node else "."),
        _clean(what, LONGEST),
        *([link] if link else []),
        f"look:    {typed('show', run.id)}",
        *([f"mended?  {command}"] if resumable else []),
    ]
    return Message(
        notice.id,
        notice.happened,
        notice.at,
        run.id,
        run.workflow,
        _line(f"{run.workflow} failed: {what}"),
        "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:]),
        command,
        link,
        data={
            "run": run.id,
            "workflow": run.workflow,
            "node": node,
            "kind": None if error is None else error.kind,
            "message": _clean(what, LONGEST),
            "link": link,
            "command": command,
        },
    )


def _question(notice: Notice, run: Run, standing: Standing, page_url: str | None) -> Message:
    question = standing.question
    to = askable(question, standing.to)
    link = address(page_url, "inbox", question.id)
    command = answering(question)
    due = None if question.due is None else question.due.isoformat(timespec="seconds")
    expired = notice.happened == "question.expired"
    begins = {
        "question.asked": "asks",
        "question.reminded": "asks again",
        "question.reassigned": "asks",
        "question.expired": "was not answered in time",
    }[notice.happened]
    said = question.message or question.title
    about = said if question.title == question.node else question.title or said  # a node's name tells nobody anything
    whom = f" {' or '.join(to)}" if to and not expired else ""
    lines = [
        *([f"due:     {due}"] if due else []),
        *([f"choices: {', '.join(question.choices)}"] if question.choices and not expired else []),
        *([link] if link else []),
        f"look:    {typed('show', run.id)}" if expired else f"answer:  {command}",
    ]
    return Message(
        notice.id,
        notice.happened,
        notice.at,
        run.id,
        run.workflow,
        _line(f"{run.workflow} {begins}{whom}: {about}"),
        f"{_clean(said, LONGEST)}\n\n" + "\n".join(lines),
        typed("show", run.id) if expired else command,
        link,
        to,
        {
            "run": run.id,
            "workflow": run.workflow,
            "node": question.node,
            "question": question.id,
            "title": _clean(question.title, LONGEST),
            "message": _clean(question.message, LONGEST),
            "choices": list(question.choices),
            "to": standing.to,
            "candidates": list(question.candidates),
            "due": due,
            "link": link,
            "command": typed("show", run.id) if expired else command,
        },
    )


def test_message(id: str, at: datetime, page_url: str | None) -> Message:
    """What a channel is tried with."""
    link = page_url.rstrip("/") + "/" if page_url else None
    text = "This channel works: questions and failures of workflows will come this way."
    command = typed("inbox")
    data: dict[str, Any] = {"message": text, "link": link, "command": command}
    title = "workflow: a test"
    return Message(id, "test", at, RunId(""), "", title, text, command, link, (), data)


def address(page_url: str | None, kind: str, id: str) -> str | None:
    """Where the page shows it; None where nobody said where the page is."""
    return None if not page_url else f"{page_url.rstrip('/')}/#/{kind}/{quote(id, safe='')}"


def _line(text: str) -> str:
    """A text in one line, as long as a subject may be."""
    return " ".join(_clean(text, 10 * TITLE).split())[:TITLE]


def _clean(text: str, most: int) -> str:
    """A text without what a terminal or a mail header would obey, and not longer than this."""
    plain = "".join(each for each in text if each in "\n\t" or each.isprintable())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
