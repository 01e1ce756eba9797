"""The models one visit may ask: those of its chain, on the SDK, with the settings and errors of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agents import Model, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel

from workflow_engine import errors
from workflow_engine.agents.failover import Line, Standing
from workflow_engine.agents.failures import explain
from workflow_engine.agents.models import Endpoint, ModelChoice, Offline, Replay, is_openai
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.agents.visit import Visit


@dataclass(frozen=True)
class Asked:
    """What a visit asks its questions of. `limit` bounds one call."""

    runner: OpenAIAgentsRunner
    visit: Visit
    links: tuple[Endpoint, ...]

    @classmethod
    def by(cls, runner: OpenAIAgentsRunner, visit: Visit, model: str | None = None) -> Asked:
        """The models of a node, or those it names itself. Raises AgentFailed for a name that nobody knows."""
        try:
            return cls(runner, visit, runner.links(visit.task.model if model is None else model))
        except errors.UsageError as error:
            raise errors.AgentFailed(error.what, error.cure, retryable=False) from None

    @property
    def choice(self) -> ModelChoice:
        return self.runner.choice

    @property
    def standing(self) -> Standing:
        return self.runner.standing

    @property
    def limit(self) -> timedelta:
        return self.runner.call_limit

    def line(self) -> Line:
        """The models a new question may be asked of."""
        return Line(self.links, self.standing)

    def model(self, link: Endpoint) -> Model:
        """A model of the chain as the SDK asks it."""
        client = self.runner.client(link)
        if link.wire == "responses":
            return OpenAIResponsesModel(link.model, client)
        return OpenAIChatCompletionsModel(link.model, client)

    @property
    def is_free(self) -> bool:
        """Whether nobody is paid: the playbook or a tape answers."""
        return isinstance(self.choice, Offline | Replay)

    def settings(self, link: Endpoint, given: ModelSettings, most: int | None = None) -> ModelSettings:
        """What this link is asked with, for an answer of at most so many tokens.

        On chat completions the SDK asks OpenAI to keep every conversation unless told not to. On responses the
        endpoint's own default stands: a reasoning model needs its stored items within one visit.
        """
        alone = link.wire == "chat" and is_openai(link.base_url)
        asked = given.resolve(ModelSettings(store=False)) if alone else given
        if most is None:
            return asked
        most = most if given.max_tokens is None else min(most, given.max_tokens)
        if alone:  # the name others know it by is one that OpenAI's newer models refuse
            return asked.resolve(ModelSettings(extra_args={"max_completion_tokens": most}))
        return asked.resolve(ModelSettings(max_tokens=most))

    def explained(self, error: Exception, link: Endpoint | None = None) -> Exception:
        """The error as one of ours, without any key."""
        choice = self.choice if link is None or isinstance(self.choice, Offline | Replay) else link
        failure = explain(error, choice)
        if isinstance(failure, errors.AgentFailed):
            failure.what = self.visit.plain(failure.what)
            failure.cure = failure.cure and self.visit.plain(failure.cure)
            failure.args = (failure.what,)
            failure.model = failure.model or ("" if link is None else link.label)
        return failure


def portable(said: Any, authors: dict[str, str], link: Endpoint) -> Any:
    """What was said, for a model that did not say all of it: items that live at another endpoint are taken whole.

    A responses endpoint knows its own items by their ids, and reasoning only as its own.
    """
    if link.wire != "responses" or not isinstance(said, list):
        return said
    foreign = [each for each in said if authors.get(_id(each), link.label) != link.label]
    if not foreign:
        return said
    return [_without_id(each) if each in foreign else each for each in said if not _is_foreign_thought(each, foreign)]


def _id(item: Any) -> str:
    return str(item.get("id") or "") if isinstance(item, dict) else ""


def _is_foreign_thought(item: Any, foreign: list[Any]) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning" and item in foreign


def _without_id(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "id"}
