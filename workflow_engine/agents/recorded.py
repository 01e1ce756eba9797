"""A model whose every answer has a receipt: asked through the task, it is paid for once however often a turn is run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Model, ModelResponse, ModelSettings, Usage
from agents.items import TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputItem, ResponseOutputMessage
from pydantic import BaseModel, TypeAdapter

from workflow_engine.agents.asked import Asked, portable
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.question import Answered, Question
from workflow_engine.agents.size import Size
from workflow_engine.agents.streams import streamed
from workflow_engine.agents.telling import Telling
from workflow_engine.agents.unreadable import unreadable
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
        asked, text = self._asked, _text(input)

        async def say(_: int, link: Endpoint, most: int | None, telling: Telling) -> Answered:
            settings = asked.settings(link, model_settings, most)
            said = portable(input, self._authors, link)
            if self._visit.task.hear is None:
                response = await asked.model(link).get_response(system_instructions, said, settings, *given, **named)
            else:
                settings = settings.resolve(ModelSettings(include_usage=True))
                question = (system_instructions, said, settings, *given)
                response = await streamed(asked.model(link), link, telling, question, named)
            used = response.usage
            cached = getattr(used.input_tokens_details, "cached_tokens", 0) or 0
            return Answered(_written(response, link), record.Usage(1, used.input_tokens, used.output_tokens), cached)

        def size(link: Endpoint) -> int:
            return self._size.bound(link.label, text, system_instructions, *given)

        question = Question(
            *(self._visit, self._agent, asked.line(), asked.limit, size, say, asked.explained), free=asked.is_free
        )
        response, author = _read((await question.ask(text)).text)
        self._size.told(author, text, response.usage.input_tokens, system_instructions, *given)
        if not question.told and self._visit.task.hear is not None:
            _tell_again(Telling(self._visit, self._agent), response)
        for each in response.output:
            if isinstance(name := getattr(each, "id", None), str):
                self._authors[name] = author
        self._note_words(response)
        return response

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


def _text(said: Any) -> str:
    return json.dumps(said, sort_keys=True, ensure_ascii=False, default=_plain)


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
        raise unreadable(error) from None
