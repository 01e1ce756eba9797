"""Receipts that nobody keeps: for an agent run without a store, which asks nobody and is not taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workflow_engine.ports.agents import Need, Receipt, Receipts, Ruling, What
from workflow_engine.record.usage import Usage


class Forgetful:
    """Implements ports.agents.Receipts."""

    @property
    def prompt(self) -> str | None:
        return None

    @property
    def tools(self) -> Mapping[str, str]:
        return {}

    def begin(self, prompt: str, tools: Mapping[str, str]) -> str:  # noqa: ARG002
        return prompt

    def found(self, call: str) -> Receipt | None:  # noqa: ARG002
        return None

    def key(self, call: str) -> str:
        return call

    def begun(self, call: str) -> int:  # noqa: ARG002
        return 0

    def ruling(self, ref: str) -> Ruling | None:  # noqa: ARG002
        return None

    def spare(self, name: str, asked: str) -> Receipt | None:  # noqa: ARG002
        return None

    async def ruled(self, ref: str, ruling: Ruling) -> None: ...

    async def began(
        self,
        call: str,
        what: What,
        name: str,
        asked: str,
        need: Callable[[], Need] | None = None,
        *,
        effect: bool = False,
    ) -> None: ...

    def dropped(self, call: str) -> None: ...

    async def ended(
        self, call: str, what: What, name: str, receipt: Receipt, usage: Usage | None, effect: bool
    ) -> None: ...

    async def failed(
        self,
        call: str,
        what: What,
        name: str,
        why: str,
        kind: str,
        *,
        doubt: bool = False,
        usage: Usage | None = None,
    ) -> None: ...


async def forgetful() -> Receipts:
    """One for each attempt."""
    return Forgetful()
