"""One visit to an agent on the openai-agents SDK: run, check the answer, ask again a bounded number of times."""

from __future__ import annotations

import logging
from typing import Any

from agents import (
    Agent,
    MaxTurnsExceeded,
    ModelResponse,
    ModelSettings,
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
from openai.types.responses import ResponseOutputMessage, ResponseOutputText, ResponseReasoningItem

from workflow_engine import errors
from workflow_engine.agents.asked import Asked
from workflow_engine.agents.models import ModelChoice, Offline
from workflow_engine.agents.recorded import RecordedModel
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.agents.shape import Shape, Unfit
from workflow_engine.agents.team import team
from workflow_engine.agents.tools import function_tool
from workflow_engine.agents.visit import Visit
from workflow_engine.ports.agents import AgentAnswer, AgentTask, Held, Role

# How often an answer that does not fit is asked for again.
AGAIN = 2

_CONFIG = RunConfig(
    tracing_disabled=True, trace_include_sensitive_data=False, tool_not_found_behavior="return_error_to_model"
)


async def converse(runner: OpenAIAgentsRunner, task: AgentTask) -> AgentAnswer:
    """Answer the task; raises AgentFailed with what had been done `so_far`, Held, or the WorkflowError
    a tool raised.
    """
    visiting = Visit(task, runner.secrets)
    asked = Asked.by(runner, visiting)
    try:
        return visiting.answer(await _ask(asked, visiting))
    except Held:
        raise
    except Exception as error:
        failure = asked.explained(visiting.failed or error)
    # Raised out here, so that the SDK's error, which holds the request and its key, is not chained to it.
    if isinstance(failure, errors.AgentFailed):
        failure.so_far = visiting.answer(None)
    raise failure.with_traceback(None)  # which leads through the SDK alone


async def _ask(asked: Asked, visiting: Visit) -> Any:
    task, choice = visiting.task, asked.choice
    shape = Shape(task.output)
    settings = ModelSettings(retry=ModelRetrySettings(max_retries=0))
    authors: dict[str, str] = {}

    def made(role: Role) -> Agent[None]:
        return Agent[None](
            name=role.name,
            instructions=role.instructions,
            handoff_description=role.description,
            tools=[function_tool(tool, visiting) for tool in role.tools],
            model=RecordedModel(Asked.by(asked.runner, visiting, role.model), role.name, authors),
            model_settings=settings,
            output_type=None if shape.is_plain_text() else shape,
        )

    agent = team(task, made)
    said: str | list[TResponseInputItem] = task.prompt
    if task.before:
        earlier: list[Any] = [dict(each) for each in task.before]
        said = [*earlier, {"role": "user", "content": task.prompt}]
    unfit = 0
    while visiting.turns < task.turns:
        result = await Runner.run(
            agent,
            said,
            max_turns=task.turns - visiting.turns,
            hooks=_Listening(visiting),
            run_config=_CONFIG,
            error_handlers={"invalid_final_output": _empty},
        )
        value: Any = None
        wrong = None
        try:
            value = shape.read(str(result.final_output))
        except Unfit as error:
            wrong = error
        if wrong is not None:
            unfit += 1
            if unfit > AGAIN:
                raise _unfit(shape, choice, wrong)
            complaint = shape.again(str(wrong))
            task.tell("the answer does not fit its type")
        else:
            why = await task.check(value)
            if why is None:
                return value
            complaint = shape.rejected(why)
            task.tell("the answer was not accepted")
        agent = result.last_agent
        said = [*result.to_input_list(), {"role": "user", "content": complaint}]
    raise MaxTurnsExceeded("its turns are used up")


def _unfit(shape: Shape, choice: ModelChoice, wrong: Unfit) -> errors.AgentFailed:
    return errors.AgentFailed(
        f"the answer did not fit {shape.name()} in {1 + AGAIN} tries; the last time: {wrong}",
        f"edit {choice.playbook}" if isinstance(choice, Offline) else "a stronger model or a simpler type helps",
        kind="validation",
    )


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
