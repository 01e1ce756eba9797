"""What every channel shares: which messages are for it, and how it is shown without its secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workflow_engine.errors import UsageError
from workflow_engine.ports.channels import Message
from workflow_engine.record.notice import HAPPENINGS

Content = Literal["full", "link"]
HIDDEN = "•••"


@dataclass(frozen=True)
class Filter:
    """Which messages a channel wants: `on` what happenings, of which `workflows`, and asked of whom (`to`); all of them
    where nothing is said. With content "link" it is told that and where, and not what.
    """

    on: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    content: Content = "full"

    def __post_init__(self) -> None:
        for each in self.on:
            if not any(_fits(each, known) for known in HAPPENINGS):
                raise UsageError(f"nothing that happens is called {each!r}", f"question, or {', '.join(HAPPENINGS)}")
        if self.content not in ("full", "link"):
            raise UsageError(f"content={self.content!r} is nothing to say", 'content="full" or "link"')

    def wants(self, message: Message) -> bool:
        """Whether a message is for this channel; a test is for every one."""
        if message.happened == "test":
            return True
        return (
            (not self.on or any(_fits(each, message.happened) for each in self.on))
            and (not self.workflows or message.workflow in self.workflows)
            and (not self.to or not set(self.to).isdisjoint(message.to))
        )


ALL = Filter()


def _fits(word: str, happened: str) -> bool:
    return happened == word or happened.startswith(f"{word}.")
