"""A chat: which fields of a state are what somebody says, what they are answered, and which talk it belongs to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chat:
    """`workflow(..., chat=Chat("question", reply="answer"))`: each message is a run, begun with it in one field, and
    what the run holds in another once it succeeded is the answer. `session` names a field that is given the talk the
    message belongs to: the one that an agent's `session=` names, so that it remembers what was said before.
    """

    message: str
    reply: str
    session: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields that a message fills."""
        return (self.message,) if self.session is None else (self.message, self.session)
