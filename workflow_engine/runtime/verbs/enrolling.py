"""The verbs about people who prove who they are: each by a token of their own."""

from __future__ import annotations

from collections.abc import Sequence

from workflow_engine.record.people import Person, Principal
from workflow_engine.runtime import people
from workflow_engine.runtime.workshop import Workshop


class Enrolling:
    """Whom the store knows."""

    _shop: Workshop

    async def enrol(self, name: str, *, groups: Sequence[str] = ()) -> str:
        """Know somebody from now on by a token, which is returned once; from then on nobody else acts in that name.

        Enrolled again they have a new token, and the old one is nobody's.
        """
        return await people.enrol(self._shop, name, groups)

    async def dismiss(self, name: str) -> None:
        """Know somebody no more: their token is nobody's. What they did stays."""
        await people.dismiss(self._shop, name)

    async def enrolled(self) -> list[Person]:
        """Everybody who is enrolled, by name."""
        return list(await self._shop.ledger.people())

    async def bearer(self, token: str) -> Principal:
        """Whose token it is, as an authenticated principal. Raises errors.NotAllowed for nobody's."""
        return await people.holder(self._shop.ledger, token)


__all__ = ["Enrolling"]
