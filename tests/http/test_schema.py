"""What the OpenAPI document says is what is answered: schemathesis looks for the request that shows otherwise."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as openapi

from tests.http.conftest import CAR, HERE, TEA, Served, serving
from workflow_engine.http.app import openapi_of
from workflow_engine.http.rates import Limits

BOUNDLESS = Limits(reads=1e9, writes=1e9, entries=1e9)
CHECKS = [
    not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "3"))
"""Requests to each route, and as many that are malformed."""


class Stage:
    """An app with a run that is over and one that asks, on a loop that stands still between requests."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.closing = AsyncExitStack()
        self.served: Served = self.runner.run(self.closing.enter_async_context(serving(limits=BOUNDLESS)))
        self.runs: list[str] = self.runner.run(self._seeded())
        self.schema = schemathesis.openapi.from_dict(openapi_of(self.served.app))

    async def _seeded(self) -> list[str]:
        runs = [await self.served.begun(each) for each in (TEA, CAR)]
        for run in runs:
            await self.served.rested(run)
        return runs

    def answer(self, case: Any, run: str | None) -> httpx.Response:
        """The answer to a case: about a run that is there, if one is given."""
        if run is not None:
            there = {"run": run, "question": f"{run}.q1", "name": "order", "step": "1"}
            case.path_parameters = {name: there.get(name, kept) for name, kept in case.path_parameters.items()}
        asked = case.as_transport_kwargs(base_url=HERE)
        asked.pop("cookies", None)
        asked["headers"] = dict(asked.get("headers") or {}) | dict(self.served.client.headers)
        if "json" in asked or "data" in asked:
            asked["headers"]["content-type"] = "application/json"
        body = asked.pop("data", None)
        if body is not None:
            asked["content"] = body
        return self.runner.run(self.served.client.request(**asked))

    def close(self) -> None:
        self.runner.run(self.closing.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    found = Stage()
    yield found
    found.close()


def operations(stage: Stage) -> list[Any]:
    found: list[Any] = [each.ok() for each in stage.schema.get_all_operations()]  # type: ignore[union-attr]
    return [each for each in found if not each.path.endswith("/events")]  # a stream has no end: test_streams.py


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_no_request_breaks_the_server_or_the_schema(stage: Stage, mode: str) -> None:
    found = operations(stage)
    assert len(found) > 20
    wanted = schemathesis.GenerationMode(mode)
    seen: dict[int, int] = {}
    for operation in found:
        check(stage, operation, wanted, seen)
    assert not {status for status in seen if status >= 500}
    assert seen.keys() >= ({200, 201, 404} if mode == "positive" else {422})


def check(stage: Stage, operation: Any, mode: Any, seen: dict[int, int]) -> None:
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        deadline=None,
        derandomize=True,
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode), run=st.sampled_from([*stage.runs, None]))
    def fits(case: Any, run: str | None) -> None:
        try:
            answer = stage.answer(case, run)
        except httpx.InvalidURL:  # longer than the client sends
            reject()
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=CHECKS)

    fits()
