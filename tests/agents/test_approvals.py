"""Tools that need a person's word: asked once, bound to their arguments, in any process, and never used twice."""

from __future__ import annotations

from tests.agents.ticket import SCRIPT, Town, desk, flow
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine.record.usage import Usage

__all__ = ["clock", "ledger", "opened"]


async def test_the_agent_stops_a_person_approves_in_another_process_and_it_goes_on(opened: Open) -> None:
    town, work = Town(), flow()
    async with desk(opened, *SCRIPT[:2], town=town, flow=work) as (engine, served):
        view = await engine.run(work, {"number": 7})
        assert (view.status, view.reason) == ("waiting", "person")
        assert (town.reads, town.deployed) == ([7], [])
    async with desk(opened, SCRIPT[2], town=town, flow=work) as (engine, served):
        [standing] = await engine.inbox()
        question = standing.question
        assert question.choices == ("approve", "edit", "reject")
        assert '"version": "1.2"' in question.evidence[0]
        await engine.answer(question.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, view.state.done) == ("succeeded", "deployed api 1.2")
        assert (town.reads, len(town.deployed)) == ([7], 1)
        [request] = served.requests
        assert [each["role"] for each in request.body["messages"]][-4:] == ["assistant", "tool", "assistant", "tool"]
        assert view.history.steps[-1].usage == Usage(3, 9, 15)
