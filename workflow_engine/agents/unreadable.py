"""The error of an answer that was kept and makes no sense any more, whichever runner kept it."""

from __future__ import annotations

from workflow_engine.errors import AgentFailed


def unreadable(error: Exception) -> AgentFailed:
    """The error to raise for what reading it raised."""
    return AgentFailed(
        f"an answer that was kept cannot be read any more: {type(error).__name__}",
        "fork the run before this step: workflow fork",
        retryable=False,
    )


__all__ = ["unreadable"]
