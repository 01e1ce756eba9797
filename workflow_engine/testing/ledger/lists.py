"""Runs are listed, found, and found again after a death."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workflow_engine.errors import RunNotFound
from workflow_engine.ports.ledger import Ledger, Page
from workflow_engine.record.fold import begin
from workflow_engine.record.ids import RunId
from workflow_engine.record.within import Within
from workflow_engine.testing.tale import Tale


class ListsContract:
    """Sentences of `LedgerContract`."""

    async def test_runs_are_listed_newest_first_in_pages(self, ledger: Ledger, elsewhere: Ledger) -> None:
        for number in range(7):
            await ledger.create(Tale(f"r{number}").begun())
        first = await elsewhere.runs(Page(limit=3))
        second = await elsewhere.runs(Page(limit=3, before=first[-1].run))
        third = await elsewhere.runs(Page(limit=3, before=second[-1].run))
        assert [each.run for each in (*first, *second, *third)] == [f"r{number}" for number in reversed(range(7))]
        assert await elsewhere.runs(Page(before=third[-1].run)) == []
        with pytest.raises(RunNotFound):
            await elsewhere.runs(Page(before=RunId("nobody")))

    async def test_a_listed_run_says_where_it_stands(self, ledger: Ledger) -> None:
        tale = Tale("r1", target="graphs/tale.py")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.stepped())
        await ledger.commit(fence, tale.asked())
        (listed,) = await ledger.runs(Page())
        run = tale.run
        assert run is not None
        assert (listed.run, listed.workflow, listed.status, listed.reason) == ("r1", "tale", "waiting", "person")
        assert (listed.created, listed.updated, listed.steps) == (run.created, run.updated, 2)
        assert (listed.letters, listed.target) == (False, "graphs/tale.py")
        await ledger.send(tale.answer())
        assert [each.letters for each in await ledger.runs(Page())] == [True]

    async def test_runs_are_listed_by_workflow_status_prefix_and_search(self, ledger: Ledger) -> None:
        for name, workflow in (("aa1", "ship"), ("aa2", "night"), ("ab1", "ship")):
            tale = Tale(name, workflow=workflow)
            fence = await ledger.create(tale.begun())
            if name != "aa1":
                await ledger.commit(fence, tale.asked())

        async def listed(page: Page) -> list[str]:
            return [each.run for each in await ledger.runs(page)]

        assert await listed(Page(workflow="ship")) == ["ab1", "aa1"]
        assert await listed(Page(status="waiting")) == ["ab1", "aa2"]
        assert await listed(Page(workflow="ship", status="waiting")) == ["ab1"]
        assert await listed(Page(prefix="aa")) == ["aa2", "aa1"]
        assert await listed(Page(workflow="ship", before=RunId("ab1"))) == ["aa1"]
        assert await listed(Page(search="HIP")) == ["ab1", "aa1"]
        assert await listed(Page(search="a2")) == ["aa2"]
        assert await listed(Page(search="a", limit=2)) == ["ab1", "aa2"]
        assert await listed(Page(search="i", status="waiting", before=RunId("ab1"))) == ["aa2"]
        assert await listed(Page(search="a1", workflow="night")) == []
        assert await listed(Page(search="%")) == []
        assert await listed(Page(status="damaged")) == []

    async def test_runs_within_others_are_listed_and_found_only_where_they_are_meant(self, ledger: Ledger) -> None:
        await ledger.create(Tale("ab1").begun())
        for name, around in (("ab1-work-1", "ab1"), ("ab1-work-1-ask-1", "ab1-work-1")):
            begun = Tale(name).begun()
            within = Within(RunId(around), "work", 1, ("tale",))
            first = replace(begun.events[0], within=within)
            await ledger.create(replace(begun, run=begin(first), events=(first,)))
        assert [each.run for each in await ledger.runs(Page())] == ["ab1"]
        listed = await ledger.runs(Page(children=True))
        assert [(each.run, each.within) for each in listed] == [
            ("ab1-work-1-ask-1", "ab1-work-1"),
            ("ab1-work-1", "ab1"),
            ("ab1", None),
        ]
        assert await ledger.find("@last") == ["ab1"]
        assert await ledger.find("ab") == ["ab1"]
        assert await ledger.find("ab1-work-1-") == ["ab1-work-1-ask-1"]
        await ledger.create(Tale("ab2").begun())
        assert await ledger.find("ab") == ["ab1", "ab2"]

    async def test_a_run_is_found_by_the_beginning_of_its_id(self, ledger: Ledger) -> None:
        assert await ledger.find("@last") == []
        for name in ("abc", "abd", "abe", "abf", "b", "B", "é"):
            await ledger.create(Tale(name).begun())
        assert await ledger.find("abd") == ["abd"]
        assert await ledger.find("b") == ["b"]
        assert await ledger.find("é") == ["é"]
        assert len(await ledger.find("ab")) == 3
        assert await ledger.find("abcd") == []
        assert await ledger.find("a%") == []
        assert await ledger.find("a_") == []
        assert await ledger.find("@last") == ["é"]

    async def test_unfinished_are_the_runs_that_could_go_on_by_themselves(self, ledger: Ledger) -> None:
        ended = {"over": Tale.succeeded, "broken": Tale.failed, "off": Tale.cancelled}
        for name in ("first", "rests", "mail", *ended, "last"):
            tale = Tale(name)
            fence = await ledger.create(tale.begun())
            if name in ended:
                await ledger.commit(fence, ended[name](tale))
            if name in ("rests", "mail"):
                await ledger.commit(fence, tale.asked())
            if name == "mail":
                await ledger.send(tale.answer())
        assert await ledger.unfinished() == ["first", "mail", "last"]
