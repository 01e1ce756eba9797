"""An agent as a loop of our own over any speaker: ask, use tools, hand over, check the answer, ask again.

The same contract as the runner on openai-agents, for models that come from elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from workflow_engine import errors
from workflow_engine.agents.failover import Line, Now, Standing, utc_now
from workflow_engine.agents.models import BREAKER, Endpoint
from workflow_engine.agents.size import Size
from workflow_engine.agents.speaker import Asking, Said, Speaker, Use
from workflow_engine.agents.unreadable import unreadable
from workflow_engine.agents.visit import Visit
from workflow_engine.ports.agents import AgentAnswer, AgentTask, Held, Role, handing_over
from workflow_engine.record.usage import Usage
from workflow_engine.spec.breaker import Breaker

if TYPE_CHECKING:
    from workflow_engine.agents.shape import Shape
    from workflow_engine.agents.telling import Telling

_ELSEWHERE = frozenset({"rate_limit", "timeout", "infrastructure"})
AGAIN = 2
"""How often an answer that does not fit is asked for again."""


class LoopRunner:
    """Implements ports.agents.AgentRunner on speakers: the next one answers where those before it cannot.

    `call_limit` bounds one question, `now` is the clock of the breakers. `named` finds the speakers of a model that a
    node names itself; without it, every node asks the same. `secrets` are those of speakers that may be named.
    """

    def __init__(
        self,
        *speakers: Speaker,
        call_limit: timedelta = timedelta(minutes=10),
        breaker: Breaker = BREAKER,
        now: Now = utc_now,
        named: Callable[[str], Sequence[Speaker]] | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self._met, self._secrets = list(speakers), tuple(secrets)
        self.speakers, self.call_limit = speakers, call_limit
        self.standing = Standing(breaker, now)
        self._named = named

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be kept or shown of what any of them says."""
        return tuple(dict.fromkeys((*self._secrets, *(secret for each in self._met for secret in each.secrets))))

    def asked(self, model: str | None) -> Sequence[Speaker]:
        """Who is asked, in their order. Raises UsageError for a model that nobody knows."""
        if model is None or self._named is None:
            return self.speakers
        found = self._named(model)
        self._met += [each for each in found if each not in self._met]
        return found

    async def run(self, task: AgentTask) -> AgentAnswer:
        # A second of imports, off the loop: other steps and heartbeats go on meanwhile.
        await asyncio.to_thread(import_module, "workflow_engine.agents.failures")
        talk = _Talk(self, Visit(task, self.secrets))
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
        for each in self._met:
            await each.close()


@dataclass
class _Talk:
    """One task as it goes."""

    runner: LoopRunner
    visit: Visit
    messages: list[dict[str, Any]] = field(default_factory=list)
    sizes: defaultdict[str, Size] = field(default_factory=lambda: defaultdict(Size))

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
        from workflow_engine.agents.question import Answered, Question
        from workflow_engine.agents.telling import Telling

        visit, hears = self.visit, self.visit.task.hear is not None
        text, sized = json.dumps(self.messages, sort_keys=True, ensure_ascii=False), self.sizes[role.name]
        asking = Asking(
            instructions=role.instructions,
            messages=tuple(self.messages),
            offered={each.name: each for each in (*role.tools, *(_handing(roles[name]) for name in role.handoffs))},
            schema=None if shape.is_plain_text() else shape.json_schema(),
            strict=shape.is_strict_json_schema(),
            model=role.model,
            agent=role.name,
        )
        around = (role.instructions, tuple(asking.offered.values()), shape)
        try:
            speakers = self.runner.asked(role.model)
        except errors.UsageError as error:
            raise errors.AgentFailed(error.what, error.cure, retryable=False) from None

        async def say(place: int, link: Endpoint, most: int | None, telling: Telling) -> Answered:
            said = await speakers[place].say(replace(asking, most=most, tell=telling if hears else None))
            if hears and not telling.began:
                telling("message", said.text)
            return Answered(_written(said, link.label), said.usage, said.cached, said.model)

        question = Question(
            visit,
            role.name,
            Line([each.link for each in speakers], self.runner.standing),
            self.runner.call_limit,
            lambda link: sized.bound(link.label, text, *around),
            say,
            self.explained,
        )
        said, by = _read((await question.ask(text)).text)
        sized.told(by, text, said.usage.input_tokens, *around)
        if hears and not question.told:  # an answer of a receipt is told in one piece
            again = Telling(visit, role.name)
            again("message", said.text)
            again.end()
        visit.said("message", said.text)
        visit.words |= {each.id: visit.plain(said.text) for each in said.uses}
        self.messages.append(_message(said, by))
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

    def explained(self, error: Exception, link: Endpoint | None = None) -> Exception:
        """The error as one of ours, without any key. An SDK's own that another one hides counts."""
        import openai

        from workflow_engine.agents.failures import explain

        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, openai.OpenAIError | errors.WorkflowError):
            cause = cause.__cause__ or cause.__context__
        found = cause if isinstance(cause, Exception) else error
        failure = explain(found, link or self.runner.speakers[0].link)
        if isinstance(failure, errors.AgentFailed):
            # A speaker that fails in words of its own says by the kind whether another one may do better.
            failure.theirs = failure.theirs or (link is not None and failure.kind in _ELSEWHERE)
            failure.model = failure.model or ("" if link is None else link.label)
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


def _message(said: Said, by: str) -> dict[str, Any]:
    calls = [
        {"id": each.id, "type": "function", "function": {"name": each.tool, "arguments": each.arguments}}
        for each in said.uses
    ]
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None if calls else said.text}
    return (
        message | ({"tool_calls": calls} if calls else {}) | ({"_items": said.items, "_by": by} if said.items else {})
    )


def _written(said: Said, by: str) -> str:
    seen: dict[str, int] = {}
    uses = []
    for each in said.uses:  # no two uses of tools in one answer under one id
        seen[each.id] = seen.get(each.id, 0) + 1
        uses.append([each.tool, each.arguments, each.id if seen[each.id] == 1 else f"{each.id}#{seen[each.id]}"])
    told = {"uses": uses, "items": said.items, "given": said.usage.input_tokens, "by": by}
    return json.dumps({"output": _output(said), **told}, ensure_ascii=False)


def _output(said: Said) -> list[Any]:
    """What people are told of it, in the form of ports.agents.ModelReply."""
    part = {"type": "output_text", "text": said.text}
    return [{"type": "message", "role": "assistant", "content": [part]}] if said.text else []


def _read(text: str) -> tuple[Said, str]:
    """An answer that was kept, and who of the chain gave it."""
    try:
        told = json.loads(text)
        uses = tuple(Use(*each) for each in told["uses"])
        text = "".join(each["content"][0]["text"] for each in told["output"])
        return Said(text, uses, Usage(1, told["given"]), items=told["items"]), told["by"]
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(error) from None


def chained(*runners: LoopRunner, breaker: Breaker = BREAKER, now: Now = utc_now) -> LoopRunner:
    """One runner of several: a question goes to the first whose model may be asked, and if that cannot, to the next."""
    speakers = [each for runner in runners for each in runner.speakers]
    limit = max(each.call_limit for each in runners)
    return LoopRunner(*speakers, call_limit=limit, breaker=breaker, now=now)
