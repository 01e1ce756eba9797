"""An agent as a loop of our own over any speaker: ask, use tools, hand over, check the answer, ask again.

The same contract as the runner on openai-agents, for models that come from elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from workflow_engine import errors
from workflow_engine.agents.speaker import Asking, Said, Speaker, Use
from workflow_engine.agents.visit import Answering, Visit, current
from workflow_engine.ports.agents import AgentAnswer, AgentTask, Held, ModelCall, ModelReply, Role, handing_over
from workflow_engine.record.usage import Usage

if TYPE_CHECKING:
    from workflow_engine.agents.shape import Shape

AGAIN = 2
"""How often an answer that does not fit is asked for again."""


class LoopRunner:
    """Implements ports.agents.AgentRunner on a speaker. `call_limit` bounds one question."""

    def __init__(self, speaker: Speaker, call_limit: timedelta = timedelta(minutes=10)) -> None:
        self.speaker = speaker
        self.call_limit = call_limit

    async def run(self, task: AgentTask) -> AgentAnswer:
        # A second of imports, off the loop: other steps and heartbeats go on meanwhile.
        await asyncio.to_thread(import_module, "workflow_engine.agents.failures")
        talk = _Talk(self, Visit(task, self.speaker.secrets))
        try:
            return talk.visit.answer(await talk.answer())
        except Held:
            raise
        except Exception as error:
            failure = talk.explained(talk.visit.failed or error)
        # Raised out here, so that an SDK's error, which may hold the request and its key, is not chained to it.
        if isinstance(failure, errors.AgentFailed):
            failure.so_far = talk.visit.answer(None)
        raise failure

    async def close(self) -> None:
        await self.speaker.close()


@dataclass
class _Talk:
    """One task as it goes."""

    runner: LoopRunner
    visit: Visit
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self) -> Any:
        from workflow_engine.agents.shape import Shape, Unfit

        task, shape = self.visit.task, Shape(self.visit.task.output)
        first = Role(task.node, task.instructions, "", task.tools, task.handoffs, task.model)
        roles = {each.name: each for each in (*task.roles, first)}
        role, unfit = first, 0
        self.messages += [*map(dict, task.before), {"role": "user", "content": task.prompt}]
        while self.visit.turns < task.turns:
            said = await self._ask(role, shape, roles)
            if said.uses:
                role = await self._use(said, role, roles)
                continue
            try:
                value = shape.read(said.text)
                why = await task.check(value)
                if why is None:
                    return value
                complaint = shape.rejected(why)
                task.tell("the answer was not accepted")
            except Unfit as wrong:
                complaint = shape.again(str(wrong))
                unfit += 1
                if unfit > AGAIN:
                    raise errors.AgentFailed(
                        f"the answer did not fit {shape.name()} in {unfit} tries; the last time: {wrong}",
                        "a stronger model or a simpler type helps",
                        kind="validation",
                    ) from None
                task.tell("the answer does not fit its type")
            self.messages.append({"role": "user", "content": complaint})
        raise errors.AgentFailed(
            "the agent used up its turns without an answer", "give it more turns, or a smaller task", kind="tool"
        )

    async def _ask(self, role: Role, shape: Shape, roles: Mapping[str, Role]) -> Said:
        visit, speaker = self.visit, self.runner.speaker
        asking = Asking(
            instructions=role.instructions,
            messages=tuple(self.messages),
            offered={each.name: each for each in (*role.tools, *(_handing(roles[name]) for name in role.handoffs))},
            schema=None if shape.is_plain_text() else shape.json_schema(),
            strict=shape.is_strict_json_schema(),
            model=role.model,
            agent=role.name,
        )

        async def make(key: str) -> ModelReply:
            answering = Answering(visit, key, agent=role.name)
            token = current.set(answering)
            failure: Exception | None = None
            said = Said()
            try:
                async with asyncio.timeout(self.runner.call_limit.total_seconds()):
                    said = await speaker.say(asking)
            except Exception as error:
                failure = self.explained(error)
            finally:
                current.reset(token)
            # Raised out here: an SDK's error is not chained to it.
            if failure is not None:
                visit.usage += Usage(1)  # its tokens, if it had any, nobody told
                raise failure
            visit.usage += said.usage
            model = answering.model or visit.named(said.model)
            if model not in visit.models:
                visit.models.append(model)
            return ModelReply(visit.without_secret(_written(said)), said.usage, model, model)

        visit.turns += 1
        reply = await visit.task.ask(ModelCall(_gist(self.messages), make, visit.task.path))
        said = _read(reply.text)
        visit.said("message", said.text)
        visit.words |= {each.id: visit.plain(said.text) for each in said.uses}
        self.messages.append(_message(said))
        return said

    async def _use(self, said: Said, role: Role, roles: Mapping[str, Role]) -> Role:
        """Use the tools that were asked for, all at once; who has the talk from here on."""
        handing = {handing_over(name): name for name in role.handoffs}
        tools = {each.name: each for each in role.tools}
        results = await asyncio.gather(
            *(self._result(tools, use) for use in said.uses if use.tool not in handing), return_exceptions=True
        )
        for each in results:
            if isinstance(each, BaseException):
                raise each
        texts = iter(results)
        to: str | None = None
        for use in said.uses:
            if use.tool not in handing:
                text = str(next(texts))
            elif to is None:
                to = handing[use.tool]
                await self.visit.task.handed(role.name, to)
                text = json.dumps({"assistant": to})
            else:
                text = "error: the talk was handed over already"
            self.messages.append({"role": "tool", "tool_call_id": use.id, "content": text, "_tool": use.tool})
        return role if to is None else roles[to]

    async def _result(self, tools: Mapping[str, Any], use: Use) -> str:
        from workflow_engine.agents.tools import used

        tool = tools.get(use.tool)
        if tool is None:
            return f"error: there is no tool {use.tool!r}; you have {', '.join(tools) or 'none'}"
        return await used(tool, self.visit, use.id, use.arguments)

    def explained(self, error: Exception) -> Exception:
        """The error as one of ours, without any key. An SDK's own that another one hides counts."""
        import openai

        from workflow_engine.agents.failures import explain
        from workflow_engine.agents.models import Endpoint

        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, openai.OpenAIError | errors.WorkflowError):
            cause = cause.__cause__ or cause.__context__
        found = cause if isinstance(cause, Exception) else error
        failure = explain(found, Endpoint(self.runner.speaker.name, "", "chat"))
        if isinstance(failure, errors.AgentFailed):
            failure.what = self.visit.plain(failure.what)
            failure.cure = failure.cure and self.visit.plain(failure.cure)
            failure.args = (failure.what,)
        return failure


def _handing(role: Role) -> Any:
    from workflow_engine.ports.agents import Tool, ToolUse

    async def nothing(_: ToolUse) -> str:
        return ""

    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    return Tool(handing_over(role.name), f"Hand the talk over to {role.name}. {role.description}", schema, nothing)


def _message(said: Said) -> dict[str, Any]:
    calls = [
        {"id": each.id, "type": "function", "function": {"name": each.tool, "arguments": each.arguments}}
        for each in said.uses
    ]
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None if calls else said.text}
    return message | ({"tool_calls": calls} if calls else {}) | ({"_items": said.items} if said.items else {})


def _gist(messages: list[dict[str, Any]]) -> str:
    text = json.dumps(messages, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _written(said: Said) -> str:
    seen: dict[str, int] = {}
    uses = []
    for each in said.uses:  # no two uses of tools in one answer under one id
        seen[each.id] = seen.get(each.id, 0) + 1
        uses.append([each.tool, each.arguments, each.id if seen[each.id] == 1 else f"{each.id}#{seen[each.id]}"])
    return json.dumps({"text": said.text, "uses": uses, "items": said.items}, ensure_ascii=False)


def _read(text: str) -> Said:
    try:
        told = json.loads(text)
        uses = tuple(Use(*each) for each in told["uses"])
        return Said(told["text"], uses, Usage(), items=told["items"])
    except (ValueError, KeyError, TypeError) as error:
        raise errors.AgentFailed(
            f"an answer that was kept cannot be read any more: {type(error).__name__}",
            "fork the run before this step: workflow fork",
            retryable=False,
        ) from None
