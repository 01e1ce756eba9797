"""A run's footing: what its journal, its lock and its box say together of how it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workflow_engine.ports.ledger import Ledger, Listed
from workflow_engine.record.run import FINAL, INTERRUPTED, Run


@dataclass(frozen=True)
class Footing:
    """One run at one moment. `owned` says that a living process drives it, `letters` that something from outside waits
    to be taken, `signalled` that signals alone do.
    """

    run: Run
    owned: bool = False
    letters: bool = False
    signalled: bool = False

    @property
    def status(self) -> str:
        """One of the six statuses. A waiting run whose answer is there is queued: anybody may go on with it."""
        if self.run.status == "waiting" and self.letters and not self.owned:
            return "queued"
        return self.run.status

    @property
    def reason(self) -> str | None:
        """Why it has this status."""
        if self.status == "queued" and self.run.status == "waiting":
            return "signalled" if self.signalled else "answered"
        return INTERRUPTED if self.interrupted else self.run.reason

    @property
    def interrupted(self) -> bool:
        """Whether the run says running but no living process owns it."""
        return self.run.status == "running" and not self.owned


async def footing_of(ledger: Ledger, run: Run) -> Footing:
    """How a run stands that was just read, or folded up to now."""
    if run.status in FINAL:
        return Footing(run)
    owned = await ledger.owned(run.id)
    letters = await ledger.letters(run.id) if run.status == "waiting" and not owned else ()
    return Footing(run, owned, bool(letters), bool(letters) and all(each.kind == "signal" for each in letters))


async def as_it_stands(ledger: Ledger, listed: Listed) -> Listed:
    """Only the lock can tell whether somebody drives a run; the list says what the journal says."""
    if listed.status == "running" and not await ledger.owned(listed.run):
        return replace(listed, reason=INTERRUPTED)
    if listed.status == "waiting" and listed.letters and not await ledger.owned(listed.run):
        letters = await ledger.letters(listed.run)
        if letters:
            signals = all(each.kind == "signal" for each in letters)
            return replace(listed, status="queued", reason="signalled" if signals else "answered")
    return listed
