"""What is known of a run besides where it stands: its version's document, and its questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import QuestionId
from workflow_engine.record.inbox import QuestionRecord
from workflow_engine.record.run import Run
from workflow_engine.spec.names import Names
from workflow_engine.spec.workflow import Workflow


@dataclass(frozen=True)
class Known:
    """What is known of a run besides where it stands: its version's document, and its questions."""

    document: Mapping[str, Any] = field(default_factory=dict)
    questions: Mapping[QuestionId, QuestionRecord] = field(default_factory=dict)
    answered: frozenset[QuestionId] = frozenset()

    @property
    def migrations(self) -> tuple[str, ...]:
        """The migrations its version declared, as they are written."""
        notes = self.document.get("notes")
        told = notes.get("migrations") if isinstance(notes, Mapping) else None
        return tuple(map(str, told)) if isinstance(told, list) else ()

    @property
    def shape(self) -> Mapping[str, Any]:
        """Nodes, edges and fields of its version; empty where nobody knows them."""
        shape = self.document.get("shape")
        return shape if isinstance(shape, Mapping) else {}

    def kinds(self, called: Names) -> dict[str, str]:
        """The kinds of its nodes then, under their names of now."""
        nodes = self.shape.get("nodes")
        if not isinstance(nodes, Mapping):
            return {}
        kinds = {name: each.get("kind") for name, each in nodes.items() if isinstance(each, Mapping)}
        return {called.nodes.get(name, name): kind for name, kind in kinds.items() if isinstance(kind, str)}


async def known_of(ledger: Ledger, run: Run, workflow: Workflow[Any]) -> Known:
    """What the store knows of a run that this version may not fit; nothing is read for one of this very shape."""
    if run.shape == workflow.shape and not workflow.migrations:
        return Known()
    try:
        document = await ledger.document(run.id)
    except StoreDamaged:
        raise
    except StoreError:  # it was stored without one
        document = {}
    if not run.open:
        return Known(document)
    asked = {each.question.id: each.question for each in await ledger.questions(run.id)}
    letters = await ledger.letters(run.id)
    return Known(document, asked, frozenset(each.answer.question for each in letters if each.answer is not None))
