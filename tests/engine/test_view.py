"""A run as it is looked at: its state in the workflow's class, and what of it failed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, model_validator

from workflow_engine import END, FAIL, START, State, function, workflow
from workflow_engine.errors import UsageError


async def test_the_state_of_a_class_with_aliases_is_read_by_name(opened: Any) -> None:
    class Aliased(State):
        count: int = Field(default=0, alias="Count")

    @function(writes="count")
    async def five() -> int:
        return 5

    flow = workflow("flow", state=Aliased, edges=[START >> five >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, count=1)
    assert view.state.count == 5


async def test_a_state_its_own_class_refuses_can_still_be_read_as_plain_values(opened: Any) -> None:
    class Pair(State):
        low: int = 0
        high: int = 0

        @model_validator(mode="after")
        def ordered(self) -> Pair:
            if self.high < self.low:
                raise ValueError("low is above high")
            return self

    @function(writes="low")
    async def five() -> int:
        return 5

    flow = workflow("flow", state=Pair, edges=[START >> five >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
    with pytest.raises(UsageError, match="Pair refuses the state: Value error, low is above high"):
        _ = view.state
    assert view.values == {"low": 5}


async def test_a_run_that_reached_fail_names_no_failed_step(opened: Any) -> None:
    class Note(State):
        text: str = ""

    @function(writes="text")
    async def breaks() -> str:
        raise ValueError("broken")

    @function(writes="text")
    async def mend() -> str:
        return "mended"

    caught = workflow("caught", state=Note, edges=[START >> breaks >> END, breaks.failed >> mend >> FAIL("given up")])
    async with opened(caught) as engine:
        error = (await engine.run(caught)).document()["error"]
    assert error == {"kind": "declared", "message": "given up", "step": None, "node": "FAIL"}

    uncaught = workflow("uncaught", state=Note, edges=[START >> mend >> breaks >> END])
    async with opened(uncaught) as engine:
        error = (await engine.run(uncaught)).document()["error"]
    assert (error["step"], error["node"]) == (2, "breaks")
