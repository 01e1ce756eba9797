"""Results in memory: texts, as a file would hold them."""

from __future__ import annotations

from datetime import datetime

from workflow_engine.record.result import KeptResult
from workflow_engine.stores.texts import result_of_text, result_text


class MemoryResults:
    """Implements ports.results.Results."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    async def recall(self, key: str, now: datetime) -> KeptResult | None:
        text = self._texts.get(key)
        found = None if text is None else result_of_text(text)
        return found if found is not None and now < found.until else None

    def keep(self, result: KeptResult, now: datetime) -> None:
        self._texts = {key: text for key, text in self._texts.items() if now < result_of_text(text).until}
        self._texts[result.key] = result_text(result)
