"""One visit to an agent on the openai-agents SDK: run, check the answer, ask again a bounded number of times."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any

from agents import (
    Agent,
    Model,
    ModelResponse,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    RunErrorHandlerInput,
    RunErrorHandlerResult,
    RunHooks,
    Runner,
    set_trace_provider,
)
from agents.items import TResponseInputItem
from agents.retry import ModelRetrySettings
from agents.tracing import setup as tracing
from agents.tracing.provider import DefaultTraceProvider
from openai import AsyncOpenAI
from openai.types.responses import ResponseOutputMessage, ResponseOutputText, ResponseReasoningItem

from workflow_engine import errors
from workflow_engine.agents.failures import explain
from workflow_engine.agents.models import Endpoint, ModelChoice, Offline, is_openai
from workflow_engine.agents.recorded import RecordedModel
from workflow_engine.agents.shape import Shape, Unfit
from workflow_engine.agents.tools import function_tool
from workflow_engine.agents.visit import Visit
from workflow_engine.ports.agents import AgentAnswer, AgentTask, Held

# How often an answer that does not fit is asked for again.
AGAIN = 2

_CONFIG = RunConfig(
    tracing_disabled=True, trace_include_sensitive_data=False, tool_not_found_behavior="return_error_to_model"
)


async def converse(client: AsyncOpenAI, choice: ModelChoice, task: AgentTask, call_limit: timedelta) -> AgentAnswer:
    """Answer the task; raises AgentFailed with what had been done `so_far`, Held, or the WorkflowError
    a tool raised.
    """
    secret = choice.api_key.get_secret_value() if isinstance(choice, Endpoint) and choice.api_key else None
    visiting = Visit(task, secret)
    try:
        return visiting.answer(await _ask(client, choice, visiting, call_limit))
    except Held:
        raise
    except Exception as error:
        failure = _explained(visiting, choice, visiting.failed or error)
    # Raised out here, so that the SDK's error, which holds the request and its key, is not chained to it.
    if isinstance(failure, errors.AgentFailed):
        failure.so_far = visiting.answer(None)
    raise failure


def _explained(visiting: Visit, choice: ModelChoice, error: Exception) -> Exception:
    """The error as one of ours, without the key."""
    failure = explain(error, choice)
    if isinstance(failure, errors.AgentFailed):
        failure.what = visiting.plain(failure.what)
        failure.cure = failure.cure and visiting.plain(failure.cure)
        failure.args = (failure.what,)
    return failure


async def _ask(client: AsyncOpenAI, choice: ModelChoice, visiting: Visit, call_limit: timedelta) -> Any:
    task = visiting.task
    shape = Shape(task.output)
    agent = Agent[None](
        name=task.node,
        instructions=task.instructions,
        tools=[function_tool(tool, visiting) for tool in task.tools],
        model=RecordedModel(
            _model(client, choice, task.model), visiting, partial(_explained, visiting, choice), call_limit
        ),
        model_settings=ModelSettings(
            retry=ModelRetrySettings(max_retries=0),
            store=_store(choice),
        ),
        output_type=None if shape.is_plain_text() else shape,
    )
    said: str | list[TResponseInputItem] = task.prompt
    complaint = ""
    for _ in range(1 + AGAIN):
        result = await Runner.run(
            agent,
            said,
            max_turns=max(1, task.turns - visiting.turns),
            hooks=_Listening(visiting),
            run_config=_CONFIG,
            error_handlers={"invalid_final_output": _empty},
        )
        try:
            return shape.read(str(result.final_output))
        except Unfit as unfit:
            complaint = str(unfit)
            task.tell("the answer does not fit its type")
        said = [*result.to_input_list(), {"role": "user", "content": shape.again(complaint)}]
    raise errors.AgentFailed(
        f"the answer did not fit {shape.name()} in {1 + AGAIN} tries; the last time: {complaint}",
        f"edit {choice.playbook}" if isinstance(choice, Offline) else "a stronger model or a simpler type helps",
        kind="validation",
    )


def _model(client: AsyncOpenAI, choice: ModelChoice, asked: str | None) -> Model:
    match choice:
        case Offline():
            return OpenAIResponsesModel(choice.model, client)
        case Endpoint(wire="responses"):
            return OpenAIResponsesModel(asked or choice.model, client)
        case Endpoint():
            return OpenAIChatCompletionsModel(asked or choice.model, client)


def _store(choice: ModelChoice) -> bool | None:
    """On chat completions the SDK asks OpenAI to keep every conversation unless told not to.

    On responses the endpoint's own default stands: a reasoning model needs its stored items within one visit.
    """
    return False if isinstance(choice, Endpoint) and choice.wire == "chat" and is_openai(choice.base_url) else None


def _empty(_: RunErrorHandlerInput[Any]) -> RunErrorHandlerResult:
    """No text where an answer was due: taken as an empty one, which is asked again, where the SDK would loop."""
    return RunErrorHandlerResult("", include_in_history=False)


class _Listening(RunHooks[None]):
    def __init__(self, visiting: Visit) -> None:
        self._visit = visiting

    async def on_llm_end(
        self,
        context: RunContextWrapper[None],  # noqa: ARG002 (the SDK's signature)
        agent: Agent[None],  # noqa: ARG002
        response: ModelResponse,
    ) -> None:
        for item in response.output:
            match item:
                case ResponseReasoningItem():
                    self._visit.said("reasoning", "\n".join(part.text for part in item.summary))
                case ResponseOutputMessage():
                    for part in item.content:
                        self._visit.said("message", part.text if isinstance(part, ResponseOutputText) else part.refusal)


def _silence() -> None:
    """No traces leave this process: without a provider of the user's own, one that exports nothing is set.

    The SDK's default would build an exporter that posts to OpenAI with whatever key the environment holds.
    """
    if tracing.GLOBAL_TRACE_PROVIDER is None:
        provider = DefaultTraceProvider()
        provider.set_disabled(True)
        set_trace_provider(provider)
    # A failed call is told by the step; without this, logging's last resort would print it on stderr as well.
    logging.getLogger("openai.agents").addHandler(logging.NullHandler())


_silence()
