"""Every error the engine raises on purpose: what is wrong, then one line of cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflow_engine.ports.agents import AgentAnswer


class WorkflowError(Exception):
    """The root of the tree. `what` says what is wrong, `cure` what to do about it."""

    def __init__(self, what: str, cure: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure

    def __str__(self) -> str:
        return self.what if self.cure is None else f"{self.what}\n  {self.cure}"


# What a declaration may get wrong


class DeclarationError(WorkflowError):
    """A decorator or the edge table was used in a way that has no meaning."""


class InvalidWorkflow(WorkflowError):
    """The workflow breaks laws; `findings` holds every one of them."""

    def __init__(self, name: str, findings: Sequence[object]) -> None:
        broken = {str(getattr(finding, "code", finding))[:2] for finding in findings}
        laws = "1 law" if len(broken) == 1 else f"{len(broken)} laws"
        lines = "\n".join(str(finding) for finding in findings)
        super().__init__(f"{name} breaks {laws}\n{lines}")
        self.name = name
        self.findings = tuple(findings)


class WorkflowChanged(WorkflowError):
    """The workflow's shape no longer fits the run."""


# What a caller may get wrong


class UnsupportedSystem(WorkflowError, ImportError):
    """This system lacks what the engine's promises stand on; said by `import workflow_engine` itself."""


class UsageError(WorkflowError):
    """The request itself is wrong: an unknown target, a missing field, an unknown name."""


class TargetError(UsageError):
    """A TARGET that names no workflow, or a file that does not import."""


class InputError(UsageError):
    """Inputs that do not fit the workflow's state."""


class ModelMissing(UsageError):
    """The workflow has agents and no model was chosen for them."""


class RunNotFound(UsageError):
    """No run has this id or prefix."""


class AmbiguousRun(UsageError):
    """A prefix that several runs share."""


class QuestionNotFound(UsageError):
    """No open question has this id, or the run asks none or several."""


class ScheduleNotFound(UsageError):
    """No schedule has this name."""


class AnswerRejected(UsageError):
    """An answer that does not fit the question's schema. The question stays open."""


class SignalRejected(UsageError):
    """A signal that no node of the run's workflow waits for, that does not fit what it is to carry, or one too many."""


class NotAllowed(UsageError):
    """Somebody who is not asked, is excluded, or gave no proof of who they are. The question stays as it is."""


class Conflict(WorkflowError):
    """Somebody else was first."""


class RunOwned(Conflict):
    """A living process drives this run."""


class AlreadyAnswered(Conflict):
    """The question has its one accepted answer."""


def handed_over(question: str, to: str | None) -> Conflict:
    """The error for somebody who looked at a question before it was given to somebody else."""
    return Conflict(f"question {question} was just reassigned to {to}", "look at it once more: workflow inbox")


class ScheduleTaken(Conflict):
    """A schedule has this name already."""


class RunEnded(Conflict):
    """The run is in a final status, which nothing changes."""


class FenceLost(Conflict):
    """This process no longer owns the run: a later owner raised its epoch."""


# What a store may get wrong


class StoreError(WorkflowError):
    """The store cannot be used."""


class StoreDamaged(StoreError):
    """Stored data fails its checks; it was not loaded."""


class StoreTooNew(StoreError):
    """The store was written by a later version."""


# What a step may get wrong


class StepError(WorkflowError):
    """A failure of one step. `kind` is a word of the error taxonomy; `retryable` says if a later try may differ."""

    kind = "error"
    retryable = True

    def __init__(
        self, what: str, cure: str | None = None, *, kind: str | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(what, cure)
        if kind is not None:
            self.kind = kind
        if retryable is not None:
            self.retryable = retryable


class BadWrite(StepError):
    """The body returned something its field cannot hold, or typed JSON cannot carry."""

    kind = "validation"
    retryable = False


class LimitExceeded(BadWrite):
    """A write that would pass a limit: its own size, or that of the state. Nothing of it was stored."""

    kind = "limit"


class BudgetSpent(StepError):
    """A budget leaves nothing to go on with. A later try under the same budget would not differ."""

    kind = "budget"
    retryable = False
    so_far: object = None
    used: object = None
    """What the call took that it ended, if one was made."""


class Unavailable(StepError):
    """A breaker is open: what the node uses failed again and again, and is left alone for a while."""

    kind = "unavailable"
    retryable = False


class StepTimeout(StepError):
    """The step's time limit passed."""

    kind = "timeout"


class Infrastructure(StepError):
    """The surroundings failed, not the work: a sandbox that did not start, an endpoint out of reach."""

    kind = "infrastructure"


class EffectUnknown(StepError):
    """What a tool with an effect was about may have happened, and nobody knows: its `in_doubt` says what holds."""

    kind = "effect"
    retryable = False


class FileMissing(StepError):
    """A file's content is not beside the store."""

    kind = "file"
    retryable = False

    def __init__(self, name: str, sha256: str) -> None:
        what = f"the content of file {name!r} is missing" if name else "the content of a file is missing"
        super().__init__(f"{what} (SHA-256 {sha256[:16]}…)", "take the store's folder of files from a backup")


class FileDamaged(StepError):
    """A file's content is not what its SHA-256 says."""

    kind = "file"
    retryable = False

    def __init__(self, sha256: str, why: str) -> None:
        super().__init__(
            f"the content of a file is damaged: {why} (SHA-256 {sha256[:16]}…)",
            "nothing of it was given; take the store's folder of files from a backup, or make the file anew",
        )


class AgentFailed(StepError):
    """The agent did not finish: kinds are rate_limit, timeout, validation, tool, infrastructure, model.

    `retry_after` is how many seconds the endpoint asked to wait; `so_far` is what had been done and used until then.
    `theirs` says that it is no fault of the question, so that another model may answer it, and `elsewhere` that there
    is one; `model` is who failed. `cost` in US dollars is 0.0 where the question was refused, None where nobody knows.
    `asked` is False where nobody was; `used` is what the call took, where that is known.
    """

    kind = "model"
    retry_after: float | None = None
    so_far: AgentAnswer | None = None
    theirs = False
    elsewhere = False
    model = ""
    cost: float | None = None
    asked = True
    used: object = None


class SubflowFailed(StepError):
    """The run of a workflow within this one failed, or was cancelled. `so_far` says what it cost and who answered."""

    so_far: object = None


@dataclass(frozen=True)
class Failure:
    """What a step that gave up leaves behind; a node after `node.failed` may read it as `failure: Failure`."""

    node: str
    kind: str
    message: str
    attempts: int = 1
    trace: str = ""


# What a picture may get wrong


class DrawingError(WorkflowError):
    """A picture that cannot be drawn: a diagram that contradicts itself, or no drawing engine that works here."""


class CardNotFound(DrawingError):
    """No card of a picture has the name it is to be focused on or folded at."""
