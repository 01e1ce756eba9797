"""A conversation: what was said before under the key of an agent's session, and what this visit adds to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from workflow_engine.bodies.scene import Scene, argument
from workflow_engine.bodies.turn import Turn
from workflow_engine.ports.sessions import Message, Sessions
from workflow_engine.spec.nodes import Agent, Parameter

LONGEST = 150_000
"""Characters of what was said before that a model is told: the latest of it."""


class Conversation:
    """The session of one visit."""

    def __init__(self, key: str, turn: str, sessions: Sessions) -> None:
        self._key, self._turn, self._sessions = key, turn, sessions

    @classmethod
    async def of(cls, node: Agent[Any, Any], scene: Scene) -> Conversation | None:
        """That of a node which has one."""
        if node.session is None:
            return None
        key = await argument(scene, Parameter(node.session, Any, has_default=False))
        sessions: Sessions = await scene.resources.get(Sessions, scene.workflow.resources)
        return cls(str(key), scene.step.key, sessions)

    async def before(self, turn: Turn) -> Sequence[Message]:
        """What was said before: read once, and then told by its receipt, whatever others say meanwhile."""

        async def read() -> str:
            said = list(await self._sessions.read(self._key, self._turn))
            sizes = [len(json.dumps(each, ensure_ascii=False)) + 2 for each in said]
            while said and sum(sizes) > LONGEST:
                said.pop(0)
                sizes.pop(0)
            return json.dumps(said, ensure_ascii=False)

        told: list[Message] = json.loads(await turn.looked("s1", "session", self._key[:200], read))
        return told

    async def keep(self, prompt: str, value: Any) -> None:
        """Add what was said in this visit, once, however often it is taken up."""
        text = value if isinstance(value, str) else to_json(value).decode()
        said = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
        await self._sessions.keep(self._key, self._turn, said)
