"""What went wrong in an agent's visit, in the words of the error taxonomy: kind, whether to retry, cure."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import agents
import httpx2
import openai

from workflow_engine import errors
from workflow_engine.agents.models import Chain, Endpoint, ModelChoice, Offline, Replay


def explain(error: Exception, choice: ModelChoice) -> errors.WorkflowError:
    """The error as one of ours. An error that already is passes; an SDK's never does, as it holds request and key."""
    explained = _explained(error, choice)
    if isinstance(explained, errors.AgentFailed) and not isinstance(error, errors.WorkflowError):
        explained.theirs = _is_theirs(error)
        # A question that was refused was not answered, so nobody paid; one that was broken off may have been.
        refused = isinstance(error, openai.APIStatusError) or isinstance(error.__cause__, httpx2.ConnectError)
        explained.cost = 0.0 if refused else None
    return explained


def _is_theirs(error: Exception) -> bool:
    """Whether it says nothing about the question: asked of another model, it may well be answered."""
    match error:
        case agents.MaxTurnsExceeded() | agents.ModelRefusalError():
            return False
        case openai.APIStatusError():
            return error.status_code not in (400, 413, 422)
        case _:
            return True


def _explained(error: Exception, choice: ModelChoice) -> errors.WorkflowError:
    match error:
        case errors.WorkflowError():
            return error
        case agents.MaxTurnsExceeded():
            return errors.AgentFailed(
                "the agent used up its turns without an answer", "give it more turns, or a smaller task", kind="tool"
            )
        case agents.ModelRefusalError():
            return errors.AgentFailed(f"the model refused: {error.refusal}", kind="model", retryable=False)
        case openai.APITimeoutError() | TimeoutError() | agents.exceptions.ModelTimeoutError():
            return errors.AgentFailed(f"{_who(choice)} did not answer in time", kind="timeout")
        case openai.APIStatusError():
            return _status(error, choice)
        case openai.APIConnectionError() | httpx2.TransportError():
            return _unreachable(error, choice)
        case _:
            detail = _short(f"{type(error).__name__}: {error}")
            return errors.AgentFailed(f"{_who(choice)} gave an answer that makes no sense: {detail}")


def _unreachable(error: Exception, choice: ModelChoice) -> errors.AgentFailed:
    cause = error.__cause__ or error
    if isinstance(cause, httpx2.ConnectError):
        place = _setting(choice, "base_url", "OPENAI_BASE_URL")
        cure = f"is it running? {place} says where it is looked for" if isinstance(choice, Endpoint) else None
        what = f"{_who(choice)} cannot be reached: {_short(str(cause))}"
        return errors.AgentFailed(what, cure, kind="infrastructure")
    return errors.AgentFailed(f"{_who(choice)} broke off its answer: {_short(str(cause))}", kind="infrastructure")


def _status(error: openai.APIStatusError, choice: ModelChoice) -> errors.AgentFailed:
    status = error.status_code
    said = _message(error.body)
    what = f"{_who(choice)} answered {status}" + (f": {said}" if said else "")
    match status:
        case 401 | 403:
            failure = errors.AgentFailed(
                what, f"check {_setting(choice, 'api_key', 'OPENAI_API_KEY')}", kind="infrastructure", retryable=False
            )
        case 404:
            named = isinstance(choice, Endpoint) and choice.name
            cure = "check the model's name, " + ("base_url and api" if named else "OPENAI_BASE_URL and OPENAI_API")
            failure = errors.AgentFailed(what, cure, retryable=False)
        case 422 if isinstance(choice, Replay):
            failure = errors.AgentFailed(said, "record it once more: workflow model record", retryable=False)
        case 422 if isinstance(choice, Offline):
            # The server says which rule was missing what, or what is wrong with the file.
            failure = errors.AgentFailed(said, f"edit {choice.playbook}, it is re-read at every call", retryable=False)
        case 429 if error.code == "insufficient_quota":
            failure = errors.AgentFailed(what, "the account has no credit left", kind="rate_limit", retryable=False)
        case 429:
            failure = errors.AgentFailed(what, "try later, or with fewer runs at once", kind="rate_limit")
        case 408:
            failure = errors.AgentFailed(what, kind="timeout")
        case 409 | 425:
            failure = errors.AgentFailed(what, kind="infrastructure")
        case _ if status >= 500:
            failure = errors.AgentFailed(what, kind="infrastructure")
        case _ if 300 <= status < 400:
            place = _setting(choice, "base_url", "OPENAI_BASE_URL")
            cure = f"set {place} to the final address; redirects are not followed"
            failure = errors.AgentFailed(what, cure, kind="infrastructure", retryable=False)
        case _:
            failure = errors.AgentFailed(what, retryable=False)
    failure.retry_after = _retry_after(error.response.headers)
    return failure


def _who(choice: ModelChoice) -> str:
    match choice:
        case Offline():
            return f"the playbook {choice.playbook}"
        case Replay():
            return f"the tape {choice.tape}"
        case Endpoint():
            return choice.base_url
        case Chain():
            return "the endpoint"


def _setting(choice: ModelChoice, of_named: str, of_usual: str) -> str:
    """Where an endpoint's setting stands."""
    named = isinstance(choice, Endpoint) and choice.name
    return f"{of_named} of endpoint {named}" if named else of_usual


def _message(body: object) -> str:
    """What the endpoint said, if it said it in words."""
    match body:
        case {"message": str(message)} | {"error": {"message": str(message)}} | {"error": str(message)}:
            return _short(message, 4000)
        case {"detail": detail}:
            return _short(str(detail))
        case str() if "<html" not in body.lower():
            return _short(body)
        case _:
            return ""


def _short(text: str, most: int = 600) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait. A date is counted from the response's own Date, so that no clock here matters."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        try:
            seconds = float(text) * unit
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds()
            except (KeyError, TypeError, ValueError):
                continue
        if isfinite(seconds):
            return max(seconds, 0.0)
    return None
