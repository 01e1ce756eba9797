"""One turn of an agent: the engine's side of its talk with a model and of its use of tools.

Whatever the runner, here is decided what it may do. A tool that was not granted is not there to be used; one that needs
a person's word waits for it; one that was used is not used again. So a runner may be killed at any moment, run anew
from its beginning, and told to do what it did before: it gets the same answers, and nothing happens twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import to_json

from workflow_engine.bodies.consent import ACCEPT, APPROVE, EDIT, REJECT, RERUN, approval, doubt
from workflow_engine.bodies.grant import Grant
from workflow_engine.bodies.intent import Ask
from workflow_engine.errors import AgentFailed, Conflict, EffectUnknown, StepError, StoreError, WorkflowChanged
from workflow_engine.ports.agents import Held, ModelCall, ModelReply, Receipt, Receipts, Ruling, ToolUse
from workflow_engine.record.inbox import Reply
from workflow_engine.record.usage import Usage
from workflow_engine.spec.tool import Tool

log = logging.getLogger("workflow_engine")
LONGEST = 200_000
"""Of what a tool returns: no model reads more, and the journal keeps it."""


Watch = Callable[[str, str, Mapping[str, Any]], Awaitable[str | None]]
"""Looks at a use of a tool: its name in the talk, the tool, and its arguments; what the model is told instead."""


class Turn:
    """What one try at a visit does. `asks` are its questions; `models` are who answered calls made now.

    `used` is what calls made now used, by their branch, and `beyond` what branches used besides.
    """

    def __init__(self, node: str, receipts: Receipts) -> None:
        self.node, self.receipts = node, receipts
        self.asks: list[Ask] = []
        self.used: defaultdict[str, Usage] = defaultdict(Usage)
        self.beyond = Usage()
        self.models: list[str] = []
        self.watch: Watch | None = None
        self._held: set[str] = set()
        self._numbers: Counter[str] = Counter()
        self._handoffs: Counter[str] = Counter()
        self._uses: Counter[str] = Counter()

    async def rule(self, replies: tuple[Reply, ...]) -> None:
        """Keep what people decided, before anything follows from it."""
        for reply in replies:
            if self.receipts.ruling(reply.ref) is None:
                await self.receipts.ruled(reply.ref, _ruling(reply))

    # ------------------------------------------------------------------------------------------------ the model

    async def ask(self, asked: ModelCall) -> ModelReply:
        """A model's answer: of its receipt, or of the model. Raises Held in a branch that waits for people."""
        if asked.path in self._held:
            raise Held
        self._numbers[asked.path] += 1
        name = f"{asked.path}m{self._numbers[asked.path]}"
        receipt = self.receipts.found(name)
        if receipt is not None:
            _must_agree(self.node, name, receipt.asked, asked.gist)
            return ModelReply(receipt.text, Usage(), receipt.model)
        reply = None
        while reply is None:
            await self.receipts.began(name, "model", "", asked.gist, asked.need)
            try:
                reply = await asked.make(self.receipts.key(name))
            except asyncio.CancelledError:
                self.receipts.dropped(name)
                raise
            except Exception as error:
                await self._no_answer(asked.path, name, error)
                if not getattr(error, "elsewhere", False):
                    raise
        await self.receipts.ended(
            *(name, "model", reply.by or reply.model, Receipt(asked.gist, reply.text, reply.model), reply.usage),
            effect=False,
        )
        self.used[asked.path] += reply.usage
        if reply.model and reply.model not in self.models:
            self.models.append(reply.model)
        return reply

    async def _no_answer(self, path: str, name: str, error: Exception) -> None:
        """Keep that a model failed, and which; its tokens, if it had any, nobody told."""
        failed = error if isinstance(error, AgentFailed) else AgentFailed("")
        usage = Usage(1, cost=failed.cost) if failed.asked else None
        used = getattr(error, "used", None)
        usage = used if isinstance(used, Usage) else usage
        self.used[path] += usage or Usage()
        kind = error.kind if isinstance(error, StepError) else "model"
        await self.receipts.failed(name, "model", failed.model, str(error), kind, usage=usage)

    async def handed(self, path: str, before: str, to: str) -> None:
        """The talk of a branch is in other hands from here on."""
        self._handoffs[path] += 1
        name = f"{path}h{self._handoffs[path]}"
        receipt = self.receipts.found(name)
        if receipt is None:
            await self.receipts.ended(name, "handoff", to, Receipt(before, to), None, effect=False)
        else:
            _must_agree(self.node, name, f"{receipt.asked} {receipt.text}", f"{before} {to}")

    async def looked(self, name: str, by: str, at: str, look: Callable[[], Awaitable[str]]) -> str:
        """What a check says, of its receipt where it looked already; `at` is a digest of what."""
        receipt = self.receipts.found(name)
        if receipt is not None:
            _must_agree(self.node, name, receipt.asked, at)
            return receipt.text
        text = _cut(await look())
        await self.receipts.ended(name, "check", by, Receipt(at, text), None, effect=False)
        return text

    # ------------------------------------------------------------------------------------------------ a tool

    async def use(self, grant: Grant, use: ToolUse) -> str:
        """What one use of a tool returns: of its receipt, or of the tool. Raises Held where people must be asked."""
        try:
            return await self._use(grant, use)
        except Held:
            self._held.add(use.path)
            raise

    async def _use(self, grant: Grant, use: ToolUse) -> str:
        tool = grant.tool
        name = self._name(use)
        asked = _text(use.arguments)
        receipt = self.receipts.found(name)
        if receipt is not None:
            _must_agree(self.node, name, receipt.asked, asked)
            if grant.rebuilds:
                await self._rebuild(grant, name, use)
            return receipt.text
        try:
            arguments = grant.checked(use.arguments)
        except ValidationError as error:
            return _refused(tool.name, error)
        allowed: dict[str, Any] | str | None = await self._watched(name, tool, use.arguments)
        if allowed is None:
            allowed = await self._allowed(grant, name, use, arguments)
        if not isinstance(allowed, str) and allowed != arguments:
            allowed = await self._watched(f"{name}/edited", tool, _plain(allowed)) or allowed
        if isinstance(allowed, str):
            return await self._end(tool, name, asked, allowed, effect=False)
        text = None
        if tool.effect:
            spare = self.receipts.spare(tool.name, asked)
            if spare is not None:
                return await self._end(tool, name, asked, spare.text, effect=True)
            if self.receipts.begun(name):
                text = await self._known(grant, name, use, allowed)
        happened = tool.effect
        if text is None:
            if not (grant.goes_on and self.receipts.begun(name)):
                await self.receipts.began(name, "tool", tool.name, asked, effect=tool.effect)
            text, done = await self._called(grant, name, use, allowed)
            happened = happened and done
        if allowed != arguments:
            text = f"(a person changed the arguments to {_text(_plain(allowed))})\n{text}"
        return await self._end(tool, name, asked, text, effect=happened)

    async def _watched(self, name: str, tool: Tool[..., Any], arguments: Mapping[str, Any]) -> str | None:
        """What the model is told where something objects to this use."""
        return None if self.watch is None else await self.watch(name, tool.name, arguments)

    async def _rebuild(self, grant: Grant, name: str, use: ToolUse) -> None:
        """Use a tool again for what it left in the workspace, which is a new one: what it said then still holds."""
        ruling = self.receipts.ruling(self._ref(name, use))
        if ruling is not None and ruling.word == REJECT:
            return
        given = ruling.value if ruling is not None and ruling.word == EDIT else use.arguments
        with suppress(ValidationError):
            await self._called(grant, name, use, grant.checked(given))

    @staticmethod
    def _ref(name: str, use: ToolUse) -> str:
        # The word is for these very arguments: with others it would be another one.
        return f"approve:{name}:{_digest(use.arguments)}"

    def _name(self, use: ToolUse) -> str:
        # A model that gives two uses one id must not have one of them answered by the receipt of the other.
        self._uses[use.name] += 1
        return use.name if self._uses[use.name] == 1 else f"{use.name}#{self._uses[use.name]}"

    async def _end(self, tool: Tool[..., Any], name: str, asked: str, text: str, *, effect: bool) -> str:
        kept = _cut(text)
        await self.receipts.ended(name, "tool", tool.name, Receipt(asked, kept), None, effect)
        return kept

    async def _allowed(self, grant: Grant, name: str, use: ToolUse, arguments: dict[str, Any]) -> dict[str, Any] | str:
        """The arguments to use it with, or what the model is told instead."""
        tool = grant.tool
        ref = self._ref(name, use)
        ruling = self.receipts.ruling(ref)
        if ruling is None:
            if tool.approval == "never" or (callable(tool.approval) and not await self._needed(grant, name, arguments)):
                return arguments
            self._hold(approval(grant.agent, tool, use, grant.schema, ref))
        match ruling.word:
            case str(word) if word == APPROVE:
                return arguments
            case str(word) if word == EDIT:
                try:
                    return grant.checked(ruling.value if isinstance(ruling.value, Mapping) else {})
                except ValidationError as error:
                    return f"error: {ruling.by} changed the arguments of {tool.name}, and {_problems(error)}"
            case _:
                because = f": {ruling.reason}" if ruling.reason else ""
                return f"error: {tool.name} was not allowed by {ruling.by}{because}. It was not used."

    async def _needed(self, grant: Grant, name: str, arguments: Mapping[str, Any]) -> bool:
        """Whether a person must allow this very use. A condition that raises cannot say no."""
        assert callable(grant.tool.approval)
        try:
            return bool(await grant.decide(grant.tool.approval, arguments, self.receipts.key(name)))
        except Exception:
            log.exception("the approval condition of %s raised: a person is asked", grant.tool.name)
            return True

    async def _known(self, grant: Grant, name: str, use: ToolUse, arguments: Mapping[str, Any]) -> str | None:
        """What came of an effect that began and whose end is not known; None where it is to be done again."""
        tool = grant.tool
        if tool.in_doubt == "rerun":
            return None
        if callable(tool.in_doubt):
            found = await grant.decide(tool.in_doubt, arguments, self.receipts.key(name))
            return None if found is None else _shown(found)
        ref = f"doubt:{name}:{self.receipts.begun(name)}"
        ruling = self.receipts.ruling(ref)
        if ruling is None:
            self._hold(doubt(grant.agent, tool, use, arguments, ref))
        match ruling.word:
            case str(word) if word == RERUN:
                return None
            case str(word) if word == ACCEPT:
                return _shown("done" if ruling.value is None else ruling.value)
            case _:
                raise StepError(
                    f"{tool.name} was given up by {ruling.by}", ruling.reason or None, kind="effect", retryable=False
                )

    def _hold(self, ask: Ask) -> NoReturn:
        self.asks.append(ask)
        raise Held

    async def _called(self, grant: Grant, name: str, use: ToolUse, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """What it returned, or what is wrong as the model is told it; and whether it did what it is for."""
        tool = grant.tool
        seconds = None if tool.timeout is None else tool.timeout.total_seconds()
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                return _shown(await grant.use(arguments, self.receipts.key(name), name)), True
        except (Held, StoreError, Conflict, WorkflowChanged):
            raise
        except EffectUnknown as error:
            late, kind = str(error), error.kind
        except StepError as error:
            await self.receipts.failed(name, "tool", tool.name, str(error), error.kind)
            raise
        except Exception as error:  # the model can mend a wrong path or a bad value; it must see what is wrong
            if not clock.expired():
                return _told(error), False
            late, kind = f"{tool.name} took longer than {seconds:g} s and was stopped", "timeout"
        if not tool.effect or tool.in_doubt == "rerun":
            return f"error: {late}", False
        # Broken off in the middle, an effect may have happened all the same.
        await self.receipts.failed(name, "tool", tool.name, late, kind, doubt=True)
        known = await self._known(grant, name, use, arguments)
        return (f"error: {late}", False) if known is None else (known, True)


def _ruling(reply: Reply) -> Ruling:
    value = reply.value if isinstance(reply.value, Mapping) else {"choice": reply.value}
    said = value.get("arguments", value.get("value"))
    return Ruling(str(value.get("choice")), reply.by, said, str(value.get("reason") or ""))


def _must_agree(node: str, name: str, before: str, now: str) -> None:
    if before != now:
        raise _differs(node, name)


def _differs(node: str, name: str) -> AgentFailed:
    return AgentFailed(
        f"{node} cannot take up its talk: what led to call {name!r} reads otherwise than it did",
        "its code changed in the middle of a turn; put it back, or fork the run before this step: workflow fork",
        kind="error",
        retryable=False,
    )


def _refused(name: str, error: ValidationError) -> str:
    return f"error: {name} cannot be called like this: {_problems(error)}"


def _problems(error: ValidationError) -> str:
    details = error.errors(include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details[:20])


def _told(error: Exception) -> str:
    return f"error: {error}" if str(error) else f"error: {type(error).__name__}"


def _plain(value: Mapping[str, Any]) -> Any:
    return json.loads(to_json(value, fallback=str))


def _text(arguments: Mapping[str, Any]) -> str:
    """Arguments as text to compare and to show."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False, default=str)


def _digest(arguments: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(arguments).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value, fallback=str).decode()


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
