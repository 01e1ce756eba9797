"""The telling of an answer while it is made: piece by piece, to whoever listens."""

from __future__ import annotations

from workflow_engine.agents.visit import Visit


class Telling:
    """Tells of an answer piece by piece. A secret is not told, though it come in two pieces."""

    def __init__(self, visit: Visit, agent: str) -> None:
        self._visit, self._agent = visit, agent
        self.began = False
        self._kept: dict[str, str] = {}
        self._back = max((len(each) - 1 for each in visit.secrets if len(each) >= 8), default=0)

    def __call__(self, of: str, text: str) -> None:
        self.began = True
        text = self._visit.without_secret(self._kept.get(of, "") + text)
        at = len(text) - self._back
        self._kept[of] = text[max(at, 0) :]
        self._tell(of, text[: max(at, 0)])

    def end(self) -> None:
        """All of it came."""
        for of, text in self._kept.items():
            self._tell(of, text)
        self._kept = {}

    def _tell(self, of: str, text: str) -> None:
        if text:
            piece = {"item": "delta", "of": of, "text": self._visit.plain(text), "agent": self._agent}
            self._visit.hear(piece)
