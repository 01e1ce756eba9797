"""W4 by example: what is definitely written where, and what a path in a message looks like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from workflow_engine import (
    END,
    START,
    Edge,
    Failure,
    State,
    Step,
    Workflow,
    agent,
    append,
    at_most,
    function,
    route,
    workflow,
)
from workflow_engine.spec.edges import Path
from workflow_engine.verify import Finding, verify


class Text(BaseModel):
    words: list[str]


class Book(State):
    title: str
    text: Text | None = None
    index: Text | None = None
    notes: Annotated[list[str], append] = Field(default_factory=list)
    pages: int = 0


class Press:
    """A resource."""


@function(writes="text")
async def write(title: str) -> Text:
    return Text(words=[title])


@function(writes="index")
async def list_words(title: str) -> Text:
    return Text(words=[title])


@function
async def bind(text: Text, index: Text) -> None: ...


@function
async def read(text: Text) -> None: ...


@function
async def wait(title: str) -> None: ...


@route
def again(title: str) -> Literal["more", "enough"]:
    return "enough"


def book(*rows: Path | Edge, **settings: Any) -> Workflow[Any]:
    return workflow("book", state=Book, edges=list(rows), **settings)


def told(*rows: Path | Edge, **settings: Any) -> list[str]:
    return [f"{each.code} {each.place}: {each.what}" for each in verify(book(*rows, **settings))]


def test_a_join_unites_what_its_arms_wrote() -> None:
    assert told(START >> (write, list_words) >> bind >> END) == []


def test_a_merge_keeps_only_what_both_ways_wrote() -> None:
    rows = START >> again, again["more"] >> write >> read >> END, again["enough"] >> list_words >> read
    assert told(*rows) == [
        "W402 read: reads 'text' before every path has written it (START > again > list_words > read)"
    ]


def test_what_was_written_before_a_fork_is_known_in_its_arms_and_after() -> None:
    assert told(START >> write >> (read, list_words) >> bind >> END) == []


def test_the_path_leads_through_the_fork_that_forgot() -> None:
    assert told(START >> (wait, list_words) >> bind >> END) == [
        "W402 bind: reads 'text' before every path has written it (START > list_words > bind)"
    ]


def test_a_loop_may_read_what_only_its_end_writes_if_the_reader_allows_for_none() -> None:
    @function
    async def peek(text: Text | None) -> None: ...

    def loop(reader: Any) -> list[str]:
        rows = START >> reader >> write >> again, again["enough"] >> END
        return told(*rows, again["more"] >> at_most(2, reader, then=wait), wait >> END)

    assert loop(peek) == []
    assert loop(read) == ["W402 read: reads 'text' before every path has written it (START > read)"]


def test_a_spent_bound_knows_what_its_loop_has_written() -> None:
    """`then` is taken only after `write` was: the flat path past the loop is none that a run can take."""
    rows = START >> wait >> again, again["enough"] >> END, again["more"] >> at_most(2, write, then=read)
    assert told(*rows, write >> wait, read >> END) == []
    skipping = START >> wait >> again, again["enough"] >> read, again["more"] >> at_most(2, write, then=read)
    assert [each[:9] for each in told(*skipping, write >> wait, read >> END)] == ["W402 read"]


def test_a_growing_list_is_read_as_a_list_and_written_by_several_arms() -> None:
    @function(writes="notes")
    async def note(title: str) -> list[str]:
        return [title]

    @function
    async def quote(notes: list[str]) -> None: ...

    assert told(START >> (note, note.named("jot")) >> quote >> END) == []
    beside = told(START >> (note, quote) >> wait >> END)
    assert [each[:10] for each in beside] == ["W409 quote"]


def test_an_agent_writes_the_field_without_its_none() -> None:
    @agent(writes="text", instructions="Write.")
    def compose(title: str) -> str:
        return title

    assert told(START >> compose >> read >> END) == []


def test_what_finishes_an_answer_and_what_looks_for_an_effect_read_too() -> None:
    def polish(answer: str, index: Text) -> Text:
        return index

    def printed(index: Text, step: Step) -> None: ...

    @agent(writes="text", instructions="Write.", finish=polish)
    def compose(title: str) -> str:
        return title

    @function(effect=True, in_doubt=printed)
    async def press(title: str) -> None: ...

    assert [each[:12] for each in told(START >> compose >> END)] == ["W402 compose"]
    assert [each[:10] for each in told(START >> press >> END)] == ["W402 press"]
    assert told(START >> list_words >> compose >> press >> END) == []


def test_a_tuple_is_written_element_by_element() -> None:
    @function(writes=("text", "pages"))
    async def both(title: str) -> tuple[Text, int]:
        return Text(words=[]), 1

    @function(writes=("pages", "text"))
    async def crossed(title: str) -> tuple[Text, int]:
        return Text(words=[]), 1

    @function
    async def count(text: Text, pages: int) -> None: ...

    assert told(START >> both >> count >> END) == []
    assert [each[:12] for each in told(START >> crossed >> wait >> END)] == ["W404 crossed"] * 2


def test_a_default_of_its_own_may_be_read_unwritten() -> None:
    @function
    async def count(pages: int) -> None: ...

    assert told(START >> count >> END) == []


def test_a_failure_is_read_where_something_failed() -> None:
    @function
    async def mend(failure: Failure) -> None: ...

    @function
    async def shrug(failure: Failure | None) -> None: ...

    rows = START >> wait >> END, wait.failed
    assert told(rows[0], rows[1] >> mend >> END) == []
    assert told(rows[0], rows[1] >> shrug >> END) == []
    assert told(START >> wait >> shrug >> END, wait.failed >> shrug) == []


def test_a_resource_and_the_step_are_no_fields() -> None:
    @function
    async def press(step: Step, machine: Press) -> None: ...

    assert told(START >> press >> END, resources={Press: Press}) == []
    assert [each[:10] for each in told(START >> press >> END)] == ["W401 press"]


def test_a_finding_reads_as_what_is_wrong_where_and_how_to_mend_it() -> None:
    (finding,) = verify(book(START >> read >> END))
    lines = str(finding).splitlines()
    assert lines[0].startswith("  W402  read       reads 'text' before every path has written it (START > read)")
    assert lines[0].split()[-1].rpartition(":")[0].endswith("test_dataflow.py")
    assert lines[1].strip() == "write it earlier, or take `text: Text | None`"
    assert finding.severity == "finding"
    assert isinstance(finding, Finding)
