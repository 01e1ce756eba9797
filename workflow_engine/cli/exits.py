"""Exit codes: what a script may rely on, and the one table from errors and runs to them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, assert_never

from workflow_engine import errors

if TYPE_CHECKING:
    from workflow_engine.record.run import Run
    from workflow_engine.runtime.view import RunView


class Exit(IntEnum):
    """What `workflow --help` prints; 70 is what sysexits.h calls an internal software error."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    WAITING = 3
    CANCELLED = 4
    UNSOUND = 5
    SPENT = 6
    CONFLICT = 7
    STORE = 8
    BUG = 70
    INTERRUPTED = 130


MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "the run failed",
    Exit.USAGE: "wrong usage",
    Exit.WAITING: "the run waits: for a person, a signal or a time",
    Exit.CANCELLED: "the run was cancelled",
    Exit.UNSOUND: "the workflow breaks a law, or changed and no longer fits its run",
    Exit.SPENT: "budget or deadline spent",
    Exit.CONFLICT: "conflict: owned elsewhere, already answered, already ended",
    Exit.STORE: "the store cannot be used, or is damaged",
    Exit.BUG: "a mistake of this program",
    Exit.INTERRUPTED: "interrupted; the run can be resumed",
}

_SPENT = frozenset({"budget", "deadline"})
# What a script should hear first where several runs ended differently.
_GRAVITY = (
    Exit.BUG,
    Exit.STORE,
    Exit.UNSOUND,
    Exit.USAGE,
    Exit.CONFLICT,
    Exit.FAILED,
    Exit.SPENT,
    Exit.INTERRUPTED,
    Exit.CANCELLED,
    Exit.WAITING,
    Exit.DONE,
)


def exit_of_error(error: errors.WorkflowError) -> Exit:
    """The code of an error that stopped a command."""
    match error:
        case errors.InvalidWorkflow() | errors.WorkflowChanged():
            return Exit.UNSOUND
        case errors.Conflict():
            return Exit.CONFLICT
        case errors.StoreError() | errors.FileMissing() | errors.FileDamaged():
            return Exit.STORE
        case errors.UsageError() | errors.DeclarationError() | errors.CardNotFound():
            return Exit.USAGE
        case _:
            return Exit.FAILED


def exit_of_run(view: RunView[Any]) -> Exit:
    """The code of a run that was driven, or watched, until it rested."""
    return exit_of_rest(view.run)


def exit_of_rest(run: Run) -> Exit:
    """The code of how a run stands."""
    match run.status:
        case "succeeded":
            return Exit.DONE
        case "waiting":
            return Exit.WAITING
        case "cancelled":
            return Exit.CANCELLED
        case "failed":
            spent = run.error is not None and run.error.kind in _SPENT
            return Exit.SPENT if spent else Exit.FAILED
        case "queued" | "running":
            return Exit.INTERRUPTED
        case status:
            assert_never(status)


def gravest(codes: Iterable[Exit]) -> Exit:
    """The one code of several runs.

    >>> gravest([Exit.DONE, Exit.WAITING, Exit.FAILED]).name
    'FAILED'
    """
    return min(codes, key=_GRAVITY.index, default=Exit.DONE)
