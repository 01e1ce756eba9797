"""A model whose every answer has a receipt: asked through the task, it is paid for once however often a turn is run."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any

from agents import Model, ModelResponse, ModelSettings, Usage
from agents.items import TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputItem, ResponseOutputMessage
from pydantic import BaseModel, TypeAdapter

from workflow_engine import errors
from workflow_engine.agents.asked import Asked, portable
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.prices import price_of
from workflow_engine.agents.size import Size
from workflow_engine.agents.streams import Telling, streamed
from workflow_engine.agents.visit import Answering, current
from workflow_engine.ports.agents import ModelCall, ModelReply, Need
from workflow_engine.record import usage as record

_OUTPUT: TypeAdapter[list[Any]] = TypeAdapter(list[ResponseOutputItem])


class RecordedModel(Model):
    """The model of one agent of a visit: that of its chain which answers. Questions of a branch come one by one.

    `authors` say, of what was said in the branch, which model said it.
    """

    def __init__(self, asked: Asked, agent: str, authors: dict[str, str]) -> None:
        self._asked, self._visit, self._agent = asked, asked.visit, agent
        self._authors = authors
        self._size = Size()

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *given: Any, **named: Any
    ) -> ModelResponse:
        visiting, asked = self._visit, self._asked
        line = asked.line()
        next_up: list[tuple[int, Endpoint]] = []
        bound: list[int] = []
        told: list[bool] = []

        def need() -> Need:
            if not next_up:
                next_up.append(line.next())
            _, link = next_up[0]
            tokens = self._size.bound(link.label, text, system_instructions, *given)
            bound.clear()
            return Need(tokens, link.most, partial(price_of, link, link.model), bound.append)

        async def make(key: str) -> ModelReply:
            place, link = next_up.pop() if next_up else line.next()
            streams = visiting.task.hear is not None
            asking = Answering(visiting, f"{key}.{place}" if key and place else key, agent=self._agent, streams=streams)
            settings = asked.settings(link, model_settings, bound[0] if bound else None)
            said = portable(input, self._authors, link)
            telling = Telling(visiting, self._agent)
            told.append(True)
            if streams:
                settings = settings.resolve(ModelSettings(include_usage=True))
                question = (system_instructions, said, settings, *given)
                coming = streamed(asked.model(link), link, telling, question, named)
            else:
                coming = asked.model(link).get_response(system_instructions, said, settings, *given, **named)
            try:
                response = await self._answered(asking, coming, link)
            except BaseException:
                line.stopped(link)
                raise
            # Raised out here: the SDK's error, which holds the request and its key, is not chained to it.
            if isinstance(response, Exception):
                failure = line.failed(link, response)
                visiting.hear({"item": "broken_off", "agent": self._agent})
                # Its tokens, if it had any, nobody told.
                visiting.usage += record.Usage(1, cost=getattr(failure, "cost", None))
                raise failure
            telling.end()
            line.answered(link)
            model = asking.model or "unnamed"
            used = _used(response, link, model, free=asked.is_free)
            visiting.usage += used
            if bound and response.usage.output_tokens >= bound[0]:
                raise _cut_short(visiting.task.node, link, bound[0], used)
            if model not in visiting.models:
                visiting.models.append(model)
            return ModelReply(visiting.without_secret(_written(response, link)), used, model, link.label)

        visiting.turns += 1
        text = _text(input)
        call = ModelCall(_digest(text), make, visiting.task.path, None if asked.is_free else need)
        reply = await visiting.task.ask(call)
        response, author = _read(reply.text)
        self._size.told(author, text, response.usage.input_tokens, system_instructions, *given)
        if not told and visiting.task.hear is not None:
            _tell_again(Telling(visiting, self._agent), response)
        for each in response.output:
            if isinstance(name := getattr(each, "id", None), str):
                self._authors[name] = author
        self._note_words(response)
        return response

    async def _answered(
        self, asking: Answering, coming: Awaitable[ModelResponse], link: Endpoint
    ) -> ModelResponse | Exception:
        token = current.set(asking)
        try:
            # Silence is bounded by the connection; an endpoint that drips would never meet that.
            async with asyncio.timeout(self._asked.limit.total_seconds()):
                return await coming
        except Exception as error:
            return self._asked.explained(error, link)
        finally:
            current.reset(token)

    def stream_response(self, *given: Any, **named: Any) -> AsyncIterator[TResponseStreamEvent]:
        raise NotImplementedError("a turn asks for whole answers")

    def _note_words(self, response: ModelResponse) -> None:
        words = "\n".join(
            part.text
            for item in response.output
            if isinstance(item, ResponseOutputMessage)
            for part in item.content
            if part.type == "output_text"
        )
        for item in response.output:
            if isinstance(item, ResponseFunctionToolCall):
                self._visit.words[item.call_id] = self._visit.plain(words)


def _tell_again(telling: Telling, response: ModelResponse) -> None:
    """An answer of a receipt is told in one piece."""
    for item in response.output:
        if isinstance(item, ResponseOutputMessage):
            telling("message", "".join(part.text for part in item.content if part.type == "output_text"))
    telling.end()


def _used(response: ModelResponse, link: Endpoint, model: str, *, free: bool) -> record.Usage:
    """What an answer took, at the price of the model that gave it."""
    usage = response.usage
    given, made = usage.input_tokens, usage.output_tokens
    cached = getattr(usage.input_tokens_details, "cached_tokens", 0) or 0
    cost = 0.0 if free else price_of(link, link.model if model == "unnamed" else model, given, made, cached)
    return record.Usage(1, given, made, cost)


def _cut_short(node: str, link: Endpoint, most: int, used: record.Usage) -> errors.StepError:
    """The error of an answer that came to its limit: half of one is none."""
    what = f"{node}'s answer was cut at {most:,} tokens"
    error: errors.BudgetSpent | errors.AgentFailed
    if most < link.most:
        error = errors.BudgetSpent(f"{what}, which is all that a budget left", "resume the run under a higher one")
    else:
        cure = f"raise max_output_tokens of endpoint {link.name}" if link.name else "name the endpoint in workflow.toml"
        what = f"{what}, the most that one may have where a budget counts it"
        error = errors.AgentFailed(what, cure, kind="limit", retryable=False)
    error.used = used
    return error


def _text(said: Any) -> str:
    return json.dumps(said, sort_keys=True, ensure_ascii=False, default=_plain)


def _digest(text: str) -> str:
    """Of what was said so far. Instructions are left out: whoever edits them means the rest of the talk."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else str(value)


def _written(response: ModelResponse, link: Endpoint) -> str:
    output = [each.model_dump(mode="json", exclude_unset=True) for each in _unique(response.output)]
    usage = response.usage
    used = [usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens]
    told = {"output": output, "usage": used, "id": response.response_id, "by": link.label}
    return json.dumps(told, ensure_ascii=False)


def _unique(output: list[Any]) -> list[Any]:
    """No two uses of tools in one answer under one id: each has a receipt, and a result, of its own."""
    seen: set[str] = set()
    for item in output:
        if isinstance(item, ResponseFunctionToolCall):
            bare, number = item.call_id, 1
            while item.call_id in seen:
                number += 1
                item.call_id = f"{bare}#{number}"
            seen.add(item.call_id)
    return output


def _read(text: str) -> tuple[ModelResponse, str]:
    """An answer that was kept, and which model of the chain gave it."""
    try:
        told = json.loads(text)
        requests, given, answered, total = told["usage"]
        usage = Usage(requests=requests, input_tokens=given, output_tokens=answered, total_tokens=total)
        return ModelResponse(_OUTPUT.validate_python(told["output"]), usage, told["id"]), told.get("by", "")
    except (ValueError, KeyError, TypeError) as error:
        raise errors.AgentFailed(
            f"an answer that was kept cannot be read any more: {type(error).__name__}",
            "fork the run before this step: workflow fork",
            retryable=False,
        ) from None
