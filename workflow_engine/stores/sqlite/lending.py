"""Lending: the text of a version that a fork shares, which names the run and the version that hold the value.

A fork's first batch writes, for each field it takes over unchanged, a row of `versions` with the op `shared`: version 1
of the field, sealed like any other, with the text {"run": <the lender's id>, "version": <the lender's version>}; the
field has the same name there. The lender is the run that really holds the version (op `set` or `append`): where the
parent has it as `shared` itself, the fork's row names what the parent's row names. A lender's `append` rests on the
versions before it, and these may begin with one that is shared in turn.

For each lender a row of `loans` (lender, borrower) stands in the same transaction. Before a lender goes, its borrowers'
`shared` rows that name it are made `set` rows with the whole text, under the same version, `first` and `seq`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from workflow_engine.record.ids import RunId

SHARED = "shared"
MOST = 2**62  # beyond what anybody counts, and within what SQLite can


@dataclass(frozen=True)
class Lent:
    """A version that is lent: of which field, and the run (its id and its key) and the version that hold it."""

    field: str
    run: RunId
    key: int
    version: int

    @property
    def text(self) -> str:
        """The text of a row that shares it."""
        return json.dumps({"run": self.run, "version": self.version}, separators=(",", ":"))


def lender_of(text: str) -> tuple[RunId, int]:
    """The run and the version that a shared row names. Raises ValueError for a text that names none.

    >>> lender_of('{"run":"k3","version":2}')
    ('k3', 2)
    """
    named = json.loads(text)
    match named:
        case {"run": str(run), "version": int(version)} if 0 < version < MOST:
            return RunId(run), version
        case _:
            raise ValueError("it names no run and no version")


__all__ = ["MOST", "SHARED", "Lent", "lender_of"]
