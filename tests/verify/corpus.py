"""Broken workflows, each with the finding it must be refused with: every law several times, as people break it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr

from workflow_engine import (
    END,
    FAIL,
    START,
    Breaker,
    Budget,
    Chat,
    Edge,
    Failure,
    File,
    Question,
    Reducer,
    Result,
    Retry,
    State,
    Step,
    Workflow,
    agent,
    all_of,
    any_of,
    append,
    at_most,
    each,
    function,
    guardrail,
    human,
    leaving,
    route,
    specialist,
    subflow,
    wait,
    workflow,
)
from workflow_engine.spec.edges import Path
from workflow_engine.spec.nodes import Node


class Draft(BaseModel):
    text: str


class Review(BaseModel):
    choice: Literal["publish", "again", "drop"]
    words: str = ""


class Article(State):
    topic: str
    draft: Draft | None = None
    facts: Annotated[list[str], append] = Field(default_factory=list)
    score: int | None = None
    note: str = ""
    review: Review | None = None


@function(writes="draft")
async def write(topic: str) -> Draft:
    return Draft(text=topic)


@function(writes="draft")
async def improve(draft: Draft) -> Draft:
    return draft


@function(writes="score")
async def rate(draft: Draft) -> int:
    return len(draft.text)


@function(writes="facts")
async def look_up(topic: str) -> list[str]:
    return [topic]


@function(writes="note")
async def remark(topic: str) -> str:
    return topic


@function
async def publish(topic: str) -> None: ...


@route
def verdict(score: int) -> Literal["good", "bad"]:
    return "good" if score > 3 else "bad"


@human(writes="review")
def ask(topic: str) -> Question[Review]:
    return Question(topic)


@human(within=timedelta(days=1))
def hurry(topic: str) -> Question[str]:
    return Question(topic)


class Pool:
    """A resource nobody declared."""


@dataclass(frozen=True)
class Broken:
    """A broken workflow: what is wrong, and the finding that says so."""

    name: str
    make: Callable[[], Workflow[Any]]
    code: str
    place: str
    law: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "law", self.code[:2])


CORPUS: list[Broken] = []


def broken(code: str, place: str) -> Callable[[Callable[[], Any]], None]:
    """Register what a function makes: a workflow, or the rows of one over Article."""

    def keep(make: Callable[[], Any]) -> None:
        def made() -> Workflow[Any]:
            rows = make()
            return rows if isinstance(rows, Workflow) else article(*rows)

        CORPUS.append(Broken(make.__name__, made, code, place))

    return keep


def article(*rows: Path | Edge, nodes: tuple[Node, ...] = (), **settings: Any) -> Workflow[Any]:
    return workflow("article", state=settings.pop("state", Article), edges=list(rows), nodes=nodes, **settings)


Rows = tuple[Path | Edge, ...]


# W1, shape


@broken("W101", "write")
def a_misspelt_name() -> Workflow[Any]:
    return article(START >> write, Edge("write", "rat"), rate >> END, nodes=(rate,))


@broken("W102", "END")
def a_node_called_end() -> Rows:
    node = write.named("END")
    return START >> node >> rate, Edge(rate, END)


@broken("W103", "<lambda>")
def a_lambda_without_a_name() -> Rows:
    node = function(lambda: None)
    return (START >> node >> END,)


@broken("W103", "a > b")
def a_name_with_an_arrow_in_it() -> Rows:
    return (START >> write.named("a > b") >> END,)


@broken("W104", "write")
def two_nodes_with_one_name() -> Rows:
    return (START >> write >> improve.named("write") >> END,)


@broken("W105", "START")
def no_beginning() -> Rows:
    return (write >> rate >> END,)


@broken("W105", "START")
def two_beginnings() -> Rows:
    return START >> write >> END, START >> look_up >> END


@broken("W105", "START")
def nothing_at_all() -> Rows:
    return (Edge("START", "END"),)


@broken("W106", "write")
def back_to_the_start() -> Rows:
    return START >> write >> rate >> END, Edge("write", "START", outcome="failed")


@broken("W107", "END")
def on_from_the_end() -> Rows:
    return START >> write >> END, Edge("END", rate), rate >> END


@broken("W108", "rate")
def a_node_nobody_leads_to() -> Rows:
    return START >> write >> END, rate >> END


@broken("W108", "publish")
def a_bound_that_is_never_spent() -> Rows:
    return START >> write >> at_most(2, improve, then=publish), improve >> END, publish >> END


@broken("W109", "rate")
def a_node_nothing_follows() -> Rows:
    return (START >> write >> rate,)


@broken("W110", "ask")
def a_person_asked_for_ever() -> Rows:
    return START >> ask, ask["publish"] >> ask, ask["again"] >> ask, ask["drop"] >> ask


@broken("W111", "untold")
def an_annotation_that_names_nothing() -> Rows:
    @function
    async def untold(topic: Unheard) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    return (START >> untold >> END,)


@broken("W111", "everything")
def a_body_with_stars() -> Rows:
    @function
    async def everything(**state: Any) -> None: ...

    return (START >> everything >> END,)


@broken("W112", "article")
def an_edge_from_nowhere() -> Rows:
    return START >> write >> END, Edge((), "write")


@broken("W113", "article")
def a_state_that_cannot_be_read() -> Workflow[Any]:
    class Odd(State):
        stream: Unheard  # type: ignore[name-defined]  # noqa: F821

    return article(START >> publish >> END, state=Odd)


# W2, routes


@broken("W201", "verdict")
def an_outcome_without_an_edge() -> Rows:
    return START >> write >> rate >> verdict, verdict["good"] >> END


@broken("W201", "ask")
def an_answer_without_an_edge() -> Rows:
    return START >> ask, ask["publish"] >> END, ask["drop"] >> FAIL("dropped")


@broken("W202", "verdict")
def a_misspelt_outcome() -> Rows:
    return START >> write >> rate >> verdict, verdict["good"] >> END, Edge(verdict, END, outcome="bat")


@broken("W202", "rate")
def an_outcome_of_a_function() -> Rows:
    return START >> write >> rate >> END, Edge(rate, publish, outcome="good"), publish >> END


@broken("W203", "verdict")
def a_route_left_without_an_outcome() -> Rows:
    return START >> write >> rate >> verdict >> END, verdict["good"] >> END, verdict["bad"] >> END


@broken("W204", "loose")
def a_route_that_says_anything() -> Rows:
    @route
    def loose(topic: str) -> str:
        return topic

    return START >> loose, Edge(loose, END, outcome="any")


@broken("W205", "write")
def two_plain_edges() -> Rows:
    return START >> write >> rate >> END, write >> look_up >> END


@broken("W206", "ask")
def an_expiry_without_a_time() -> Rows:
    return START >> ask >> END, ask.expired >> FAIL("late")


@broken("W207", "hurry")
def a_time_without_an_expiry() -> Rows:
    return (START >> hurry >> END,)


@broken("W208", "shrug")
def a_person_asked_nothing() -> Rows:
    @human()
    def shrug(topic: str):  # type: ignore[no-untyped-def]
        return Question(topic)

    return (START >> shrug >> END,)


@broken("W209", "fate")
def a_choice_called_failed() -> Rows:
    @human()
    def fate(topic: str) -> Question[Literal["failed", "fine"]]:
        return Question(topic)

    return START >> fate, fate["failed"] >> FAIL("failed"), fate["fine"] >> END


@broken("W210", "ask")
def a_plain_edge_nobody_takes() -> Rows:
    ways = [Edge(ask, END, outcome=word) for word in ("publish", "again", "drop")]
    return (START >> ask >> END, *ways)


# W3, loops


@broken("W301", "improve")
def a_loop_without_a_bound() -> Rows:
    return START >> write >> improve >> rate >> verdict, verdict["good"] >> END, verdict["bad"] >> improve


@broken("W301", "improve")
def a_then_that_begins_the_loop_anew() -> Rows:
    return (
        START >> write >> improve >> rate >> verdict,
        verdict["good"] >> END,
        verdict["bad"] >> at_most(2, improve, then=remark),
        remark >> improve,
    )


@broken("W301", "hurry")
def a_loop_nobody_answers() -> Rows:
    return START >> hurry >> END, hurry.expired >> hurry


@broken("W302", "verdict")
def a_loop_of_routes() -> Rows:
    return (
        START >> write >> rate >> verdict,
        verdict["good"] >> END,
        verdict["bad"] >> at_most(3, verdict, then=END),  # type: ignore[arg-type, unused-ignore]
    )


@broken("W303", "verdict")
def a_bound_of_nothing() -> Rows:
    return (
        START >> write >> improve >> rate >> verdict,
        verdict["good"] >> END,
        verdict["bad"] >> at_most(0, improve, then=END),
    )


@broken("W303", "verdict")
def a_bound_of_true() -> Rows:
    return (
        START >> write >> improve >> rate >> verdict,
        verdict["good"] >> END,
        verdict["bad"] >> at_most(True, improve, then=END),
    )


@broken("W304", "verdict")
def a_bound_without_a_then() -> Rows:
    return (
        START >> write >> improve >> rate >> verdict,
        verdict["good"] >> END,
        Edge(verdict["bad"], improve, limit=3),
    )


@broken("W305", "rate")
def a_bounded_join() -> Rows:
    return START >> write >> (rate, look_up) >> at_most(2, write, then=publish), publish >> END


@broken("W306", "ask")
def a_way_out_that_is_spent() -> Rows:
    return (
        START >> ask,
        ask["publish"] >> at_most(1, publish, then=ask),
        ask["again"] >> ask,
        ask["drop"] >> ask,
        publish >> hurry >> END,
        hurry.expired >> ask,
    )


# W4, data flow


@broken("W401", "reader")
def a_parameter_that_names_nothing() -> Rows:
    @function
    async def reader(topics: str) -> None: ...

    return (START >> reader >> END,)


@broken("W401", "pooled")
def a_resource_nobody_declared() -> Rows:
    @function
    async def pooled(pool: Pool) -> None: ...

    return (START >> pooled >> END,)


@broken("W401", "watching")
def a_route_that_wants_the_step() -> Rows:
    @route
    def watching(step: Step) -> Literal["one"]:
        return "one"

    return START >> write >> watching, watching["one"] >> END


@broken("W402", "improve")
def a_read_before_the_write() -> Rows:
    return (START >> improve >> END,)


@broken("W402", "rate")
def a_read_that_one_branch_forgot() -> Rows:
    @route
    def begun(topic: str) -> Literal["new", "old"]:
        return "new"

    return START >> begun, begun["new"] >> write >> rate >> END, begun["old"] >> rate


@broken("W402", "improve")
def a_read_of_what_failed_to_be_written() -> Rows:
    return START >> write >> END, write.failed >> improve >> END


@broken("W403", "strict")
def a_reader_that_wants_less() -> Rows:
    @function(writes="draft")
    async def perhaps(topic: str) -> Draft | None:
        return None

    @function
    async def strict(draft: Draft) -> None: ...

    return (START >> perhaps >> strict >> END,)


@broken("W404", "numbers")
def a_write_of_another_type() -> Rows:
    @function(writes="draft")
    async def numbers(topic: str) -> int:
        return 1

    return (START >> numbers >> END,)


@broken("W404", "one")
def an_item_for_a_growing_list() -> Rows:
    @function(writes="facts")
    async def one(topic: str) -> str:
        return topic

    return (START >> one >> END,)


@broken("W404", "longest")
def an_item_for_a_reducer_of_ones_own() -> Workflow[Any]:
    class Ranked(State):
        best: Annotated[list[int], Reducer("best", lambda old, new: sorted([*old, *new])[-3:])] = Field(
            default_factory=list
        )

    @function(writes="best")
    async def longest() -> int:
        return 3

    return article(START >> longest >> END, state=Ranked)


@broken("W405", "scribble")
def a_write_to_no_field() -> Rows:
    @function(writes="drafts")
    async def scribble(topic: str) -> Draft:
        return Draft(text=topic)

    return (START >> scribble >> END,)


@broken("W406", "promise")
def a_write_of_nothing() -> Rows:
    @function(writes="draft")
    async def promise(topic: str) -> None: ...

    return (START >> promise >> END,)


@broken("W406", "pair")
def two_fields_and_one_value() -> Rows:
    @function(writes=("draft", "score"))
    async def pair(topic: str) -> Draft:
        return Draft(text=topic)

    return (START >> pair >> END,)


@broken("W407", "waste")
def a_value_nobody_keeps() -> Rows:
    @function
    async def waste(topic: str) -> Draft:
        return Draft(text=topic)

    return (START >> waste >> END,)


@broken("W408", "improve")
def two_arms_write_one_field() -> Rows:
    return (START >> write >> (improve, improve.named("polish")) >> publish >> END,)


@broken("W409", "rate")
def an_arm_reads_what_another_writes() -> Rows:
    return (START >> write >> (improve, rate) >> publish >> END,)


@broken("W410", "key")
def a_secret_in_the_state() -> Workflow[Any]:
    class Keyed(Article):
        key: SecretStr | None = None

    return article(START >> publish >> END, state=Keyed)


@broken("W410", "anything")
def an_any_in_the_state() -> Workflow[Any]:
    class Loose(Article):
        anything: dict[str, Any] = Field(default_factory=dict)

    return article(START >> publish >> END, state=Loose)


@broken("W411", "limit")
def a_default_of_another_type() -> Workflow[Any]:
    class Odd(Article):
        limit: int = None  # type: ignore[assignment]

    return article(START >> publish >> END, state=Odd)


@broken("W412", "mend")
def a_failure_where_nothing_failed() -> Rows:
    @function
    async def mend(failure: Failure) -> None: ...

    return START >> publish >> mend >> END, publish.failed >> mend


@broken("W412", "mend")
def a_failure_that_is_only_a_word() -> Rows:
    @route
    def outcome(topic: str) -> Literal["failed", "fine"]:
        return "fine"

    @function
    async def mend(failure: Failure) -> None: ...

    return START >> publish >> outcome, outcome["fine"] >> END, outcome["failed"] >> mend >> END


@broken("W413", "helped")
def a_tool_that_hides_its_types() -> Rows:
    def search(query) -> str:  # type: ignore[no-untyped-def]
        return str(query)

    @agent(writes="draft", instructions="Write.", tools=[search])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W414", "counting")
def an_agent_whose_prompt_is_a_number() -> Rows:
    @agent(writes="draft", instructions="Write.")  # type: ignore[arg-type]
    def counting(topic: str) -> int:
        return 1

    return (START >> counting >> END,)


@broken("W425", "helped")
def two_agents_of_one_name() -> Rows:
    billing = specialist(name="billing", instructions="Bill.")
    other = specialist(name="billing", instructions="Bill otherwise.")

    @agent(writes="draft", instructions="Write.", tools=[billing], handoffs=[other])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W425", "helped")
def agents_that_are_tools_of_one_another() -> Rows:
    inner = specialist(name="inner", instructions="Look.")
    outer = specialist(name="outer", instructions="Look.", tools=[inner])
    object.__setattr__(inner, "tools", (outer,))

    @agent(writes="draft", instructions="Write.", tools=[outer])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W425", "helped")
def agents_within_agents_without_end() -> Rows:
    one = specialist(name="deep0", instructions="Look.")
    for depth in range(1, 7):
        one = specialist(name=f"deep{depth}", instructions="Look.", tools=[one])

    @agent(writes="draft", instructions="Write.", tools=[one])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W425", "helped")
def a_talk_handed_to_nobody() -> Rows:
    billing = specialist(name="billing", instructions="Bill.", handoffs=["refunds"])

    @agent(writes="draft", instructions="Write.", handoffs=[billing])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W425", "helped")
def a_specialist_who_answers_what_nobody_can_ask_for() -> Rows:
    odd = specialist(name="odd", instructions="Look.", output=Callable)

    @agent(writes="draft", instructions="Write.", tools=[odd])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W426", "helped")
def a_guardrail_before_a_tool_that_nobody_has() -> Rows:
    watch = guardrail(lambda tool, arguments: None, on="tool", tools="sent", name="watch")

    @agent(writes="draft", instructions="Write.", guardrails=[watch])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W426", "helped")
def two_guardrails_of_one_name() -> Rows:
    watch = guardrail(lambda prompt: None, on="input", name="watch")

    @agent(writes="draft", instructions="Write.", guardrails=[watch, watch])
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W427", "helped")
def a_conversation_that_nobody_keeps() -> Rows:
    @agent(writes="draft", instructions="Write.", session="topic")
    def helped(topic: str) -> str:
        return topic

    return (START >> helped >> END,)


@broken("W415", "positional")
def a_parameter_without_a_name() -> Rows:
    @function
    async def positional(topic: str, /) -> None: ...

    return (START >> positional >> END,)


# W5, forks, joins and policies


@broken("W501", "rate")
def an_end_inside_an_arm() -> Rows:
    return START >> write >> (rate, look_up), Edge(rate, END), look_up >> END


@broken("W502", "publish")
def an_edge_out_of_an_arm() -> Rows:
    return (
        START >> write >> (rate >> verdict, look_up),
        Edge((verdict["good"], look_up), remark),
        verdict["bad"] >> publish,
        remark >> publish >> END,
    )


@broken("W502", "write")
def a_bounded_edge_out_of_an_arm() -> Rows:
    return (
        START >> write >> (rate >> verdict, look_up),
        Edge((verdict["good"], look_up), publish),
        verdict["bad"] >> at_most(2, write, then=remark),
        remark >> rate,
        publish >> END,
    )


@broken("W503", "verdict")
def a_join_of_alternatives() -> Rows:
    return START >> write >> rate >> verdict, Edge((verdict["good"], verdict["bad"]), publish), publish >> END


@broken("W503", "look_up")
def a_join_that_waits_for_ever() -> Rows:
    return START >> write >> (rate, look_up), rate >> END, Edge((look_up, remark), publish), publish >> END


@broken("W504", "rate")
def an_arm_left_behind() -> Rows:
    return START >> write >> (rate, look_up, remark), (rate, look_up) >> publish >> END, remark >> END


@broken("W503", "verdict")
def a_join_of_two_ends_of_one_arm() -> Rows:
    both = Edge((verdict["good"], verdict["bad"], look_up), publish)
    return START >> write >> (rate >> verdict, look_up), both, publish >> END


@broken("W504", "rate")
def a_join_across_two_forks() -> Rows:
    return (
        START >> write >> (rate, look_up),
        look_up >> (ask, remark),
        (rate, remark) >> publish,
        (publish, ask) >> publish.named("tell") >> END,
    )


@broken("W505", "write")
def a_fork_with_two_joins() -> Rows:
    good_and = Edge((verdict["good"], ask["publish"]), publish)
    bad_and = Edge((verdict["bad"], ask["drop"]), remark)
    return (
        START >> write >> (rate >> verdict, ask),
        good_and,
        bad_and,
        ask["again"] >> ask,
        publish >> END,
        remark >> END,
    )


@broken("W506", "rate")
def a_join_straight_into_a_fork() -> Rows:
    return (START >> write >> (rate, look_up) >> (publish, remark) >> publish.named("tell") >> END,)


@broken("W507", "write")
def a_fork_to_the_same_node_twice() -> Rows:
    return START >> write, Edge("write", ("rate", "rate")), rate >> END


@broken("W508", "rate")
def a_failure_that_decides() -> Rows:
    return START >> write >> rate >> verdict, verdict["good"] >> END, verdict["bad"] >> END, rate.failed >> verdict


@broken("W508", "write")
def a_failure_that_forks() -> Rows:
    return START >> write >> END, write.failed >> (look_up, remark) >> publish >> END


@broken("W509", "publish")
def two_arms_into_one_node() -> Rows:
    return START >> write >> (rate, look_up), rate >> publish, look_up >> publish >> END


@broken("W510", "verdict")
def an_outcome_that_leaves_no_fork() -> Rows:
    return START >> write >> rate >> verdict, verdict["good"] >> END, verdict["bad"] >> leaving(FAIL("bad"))


@broken("W510", "publish")
def a_fork_that_is_left_behind_its_join() -> Rows:
    return (START >> write >> (rate, look_up) >> publish >> leaving(END),)


@broken("W511", "verdict")
def an_outcome_that_leaves_a_fork_for_a_route() -> Rows:
    again = verdict.named("again")
    return (
        START >> write >> (rate >> verdict, look_up),
        (verdict["good"], look_up) >> publish >> END,
        verdict["bad"] >> leaving(again),
        again["good"] >> END,
        again["bad"] >> END,
    )


@broken("W511", "verdict")
def an_outcome_that_leaves_a_fork_a_few_times() -> Rows:
    return (
        START >> write >> (rate >> verdict, look_up),
        (verdict["good"], look_up) >> publish >> END,
        Edge(verdict["bad"], remark, limit=2, then=remark, leaves=True),
        remark >> END,
    )


@broken("W511", "rate")
def arms_that_leave_their_fork_together() -> Rows:
    return START >> write >> (rate, look_up), Edge((rate, look_up), publish, leaves=True), publish >> END


@broken("W512", "hasty")
def an_arm_that_leaves_its_fork_before_the_others_begin() -> Rows:
    hasty = verdict.named("hasty")
    return (
        START >> write >> rate >> (hasty, look_up),
        hasty["good"] >> leaving(publish),
        hasty["bad"] >> leaving(FAIL("bad")),
        look_up >> leaving(publish),
        publish >> END,
    )


@broken("W501", "verdict")
def an_end_two_forks_outward() -> Rows:
    return (
        START >> write >> (remark >> look_up.named("outer"), look_up) >> publish >> END,
        remark >> (rate >> verdict, look_up.named("inner")),
        (verdict["good"], look_up.named("inner")) >> look_up.named("outer"),
        verdict["bad"] >> leaving(END),
    )


@broken("W502", "look_up")
def an_outcome_that_leaves_a_fork_for_another_arm_of_it() -> Rows:
    return (
        START >> write >> (rate >> verdict, look_up),
        (verdict["good"], look_up) >> publish >> END,
        verdict["bad"] >> leaving(look_up),
    )


@broken("W402", "tell")
def what_another_arm_writes_is_not_there_once_a_fork_is_left() -> Rows:
    @function(name="tell")
    async def tell(score: int) -> None: ...

    return (
        START >> write >> (remark, rate) >> publish >> END,
        remark.failed >> leaving(tell),
        tell >> END,
    )


@broken("W301", "rate")
def a_loop_by_leaving_a_fork_without_a_bound() -> Rows:
    return (
        START >> write >> (rate >> verdict, look_up),
        (verdict["good"], look_up) >> publish >> END,
        verdict["bad"] >> leaving(write),
    )


@broken("W521", "impatient")
def a_retry_that_never_tries() -> Rows:
    @function(retry=Retry(0))
    async def impatient() -> None: ...

    return (START >> impatient >> END,)


@broken("W521", "ruleless")
def a_retry_of_no_rule() -> Rows:
    @function(retry=())
    async def ruleless() -> None: ...

    return (START >> ruleless >> END,)


@broken("W522", "brief")
def a_time_for_all_attempts_that_is_none() -> Rows:
    @function(retry=Retry(3, within=timedelta(0)))
    async def brief() -> None: ...

    return (START >> brief >> END,)


@broken("W527", "mum")
def an_idle_time_of_a_plain_function() -> Rows:
    @function(idle=timedelta(seconds=5))
    def mum() -> None: ...

    return (START >> mum >> END,)


@broken("W529", "shadowed")
def a_rule_nobody_asks() -> Rows:
    @function(retry=(Retry(3), Retry(9, on=ConnectionError)))
    async def shadowed() -> None: ...

    return (START >> shadowed >> END,)


@broken("W531", "ask")
def a_reminder_after_the_end() -> Rows:
    @human(within=timedelta(days=1), remind=(timedelta(hours=1), timedelta(days=1)))
    def ask() -> Question[str]:
        return Question("?")

    return (START >> ask >> END, ask.expired >> FAIL("late"))


@broken("W531", "ask")
def a_reminder_at_a_bare_number() -> Rows:
    @human(within=timedelta(days=1), remind=4)  # type: ignore[arg-type]
    def ask() -> Question[str]:
        return Question("?")

    return (START >> ask >> END, ask.expired >> FAIL("late"))


@broken("W532", "ask")
def a_default_that_is_no_answer() -> Rows:
    @human(within=timedelta(days=1), default="maybe")
    def ask() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return (START >> ask >> END,)


@broken("W532", "ask")
def a_default_that_approves_for_two() -> Rows:
    @human(within=timedelta(days=1), default="yes", approvals={"yes": 2})
    def ask() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return (START >> ask >> END,)


@broken("W532", "ask")
def a_default_beside_an_expired_edge() -> Rows:
    @human(within=timedelta(days=1), default="yes")
    def ask() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return START >> ask >> END, ask.expired >> FAIL("late")


@broken("W532", "ask")
def a_default_without_a_time() -> Rows:
    @human(default="yes")
    def ask() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return (START >> ask >> END,)


@broken("W533", "ask")
def a_question_to_a_group() -> Rows:
    @human(to="group:press")
    def ask() -> Question[str]:
        return Question("?")

    return (START >> ask >> END,)


@broken("W534", "ask")
def more_approvals_than_people() -> Rows:
    @human(to="ann", candidates=("ann", "bob"), approvals={"yes": 3})
    def ask() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return (START >> ask >> END,)


@broken("W534", "ask")
def an_approval_of_no_choice() -> Rows:
    @human(approvals={"sure": 2})
    def ask() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return (START >> ask >> END,)


@broken("W301", "again")
def a_loop_that_nobody_need_be_in() -> Rows:
    @human(within=timedelta(days=1), default="yes")
    def again() -> Question[Literal["yes", "no"]]:
        return Question("?")

    return START >> again, again["yes"] >> again, again["no"] >> END


@broken("W535", "article")
def a_run_that_may_use_nothing() -> Workflow[Any]:
    return workflow("article", state=Article, edges=[START >> write >> END], budget=Budget(tokens=0))


@broken("W535", "write")
def a_function_that_may_think_so_much() -> Rows:
    @function(name="write", writes="draft", budget=Budget(tokens=100))
    async def write(topic: str) -> Draft:
        return Draft(text=topic)

    return (START >> write >> END,)


@broken("W535", "verdict")
def a_loop_with_a_budget_of_nothing() -> Rows:
    again = verdict["bad"] >> at_most(2, write, then=publish, budget=Budget())
    return START >> write >> rate >> verdict, verdict["good"] >> END, again, publish >> END


@broken("W535", "write")
def an_edge_with_a_budget_and_no_bound() -> Rows:
    return START >> write, Edge(write, END, budget=Budget(steps=3))


@broken("W524", "ask")
def a_person_with_a_budget() -> Rows:
    asks = type(ask)(name="ask", body=ask.body, writes=ask.writes, budget=Budget(seconds=5))
    return START >> asks, asks["publish"] >> END, asks["again"] >> END, asks["drop"] >> END


@broken("W536", "hungry")
def a_slot_nobody_declared() -> Rows:
    @function(uses="gpu")
    async def hungry(topic: str) -> None: ...

    return (START >> hungry >> END,)


@broken("W536", "article")
def a_limit_that_lets_nobody_in() -> Workflow[Any]:
    return workflow("article", state=Article, edges=[START >> write >> END], limits={"gpu": 0})


@broken("W537", "article")
def a_breaker_that_never_closes() -> Workflow[Any]:
    breakers = {"payments": Breaker(3, rest=timedelta(0))}
    return workflow("article", state=Article, edges=[START >> write >> END], breakers=breakers)


@broken("W538", "pay")
def an_effect_out_of_the_cache() -> Rows:
    @function(writes="note", effect=True, cache=timedelta(days=1))
    async def pay(topic: str) -> str:
        return topic

    return (START >> pay >> END,)


@broken("W538", "draw")
def a_file_out_of_the_cache() -> Workflow[Any]:
    class Drawing(State):
        topic: str
        picture: File | None = None

    @function(writes="picture", cache=timedelta(days=1))
    async def draw(topic: str) -> File:
        raise NotImplementedError

    return workflow("article", state=Drawing, edges=[START >> draw >> END])


@broken("W538", "mute")
def a_result_of_nothing() -> Rows:
    @function(cache=timedelta(days=1))
    async def mute(topic: str) -> None: ...

    return (START >> mute >> END,)


@broken("W539", "article")
def a_chat_that_answers_with_no_field() -> Workflow[Any]:
    return workflow("article", state=Article, edges=[START >> write >> END], chat=Chat("topic", reply="answre"))


@broken("W539", "article")
def a_chat_that_nobody_answers() -> Workflow[Any]:
    return workflow("article", state=Article, edges=[START >> write >> END], chat=Chat("topic", reply="topic"))


@broken("W539", "article")
def a_chat_whose_message_is_no_text() -> Workflow[Any]:
    class Order(State):
        number: int
        draft: str = ""

    @function(writes="draft")
    async def answer(number: int) -> str:
        return str(number)

    return workflow("article", state=Order, edges=[START >> answer >> END], chat=Chat("number", reply="draft"))


@broken("W539", "article")
def a_chat_that_needs_more_than_a_message() -> Workflow[Any]:
    class Order(State):
        question: str
        customer: str
        draft: str = ""

    @function(writes="draft")
    async def answer(question: str, customer: str) -> str:
        return question

    return workflow("article", state=Order, edges=[START >> answer >> END], chat=Chat("question", reply="draft"))


@broken("W522", "article")
def a_run_that_has_no_time() -> Workflow[Any]:
    return workflow("article", state=Article, edges=[START >> write >> END], timeout=timedelta(seconds=-1))


@broken("W529", "slow")
def a_question_that_outlives_its_run() -> Workflow[Any]:
    @human(writes="note", within=timedelta(days=2))
    def slow(topic: str) -> Question[str]:
        return Question(topic)

    edges = [START >> slow >> END, slow.expired >> FAIL("late")]
    return workflow("article", state=Article, edges=edges, timeout=timedelta(hours=6))


@broken("W529", "article")
def a_late_run_that_can_go_nowhere() -> Workflow[Any]:
    edges = [START >> write >> END]
    return workflow("article", state=Article, edges=edges, timeout=timedelta(hours=6), on_timeout="route")


@broken("W529", "rash")
def a_try_that_takes_all_the_time() -> Rows:
    @function(retry=Retry(3, within=timedelta(minutes=1)), timeout=timedelta(minutes=1))
    async def rash() -> None: ...

    return (START >> rash >> END,)


@broken("W522", "hasty")
def a_timeout_of_nothing() -> Rows:
    @function(timeout=timedelta(0))
    async def hasty() -> None: ...

    return (START >> hasty >> END,)


@broken("W522", "paid")
def a_signal_that_is_late_at_once() -> Rows:
    paid = wait("paid", within=timedelta(0))
    return START >> paid >> END, paid.expired >> FAIL("late")


@broken("W561", "twice")
def a_join_of_one_signal_with_itself() -> Rows:
    return (START >> wait(all_of("paid", "paid"), name="twice") >> END,)


@broken("W560", "nothing")
def a_wait_that_nobody_can_end() -> Rows:
    return (START >> wait(any_of(), name="nothing") >> END,)


@broken("W562", "scored")
def a_signal_that_carries_what_nobody_keeps() -> Rows:
    return (START >> wait("scored", int) >> END,)


@broken("W564", "words")
def a_signal_that_means_two_things() -> Rows:
    number = wait("scored", int, writes="score", name="number")
    return (START >> number >> wait("scored", str, writes="note", name="words") >> END,)


@broken("W565", "until_topic")
def a_wait_until_what_is_no_time() -> Rows:
    return (START >> wait(until="topic") >> END,)


@broken("W201", "first")
def a_signal_that_leads_nowhere() -> Rows:
    first = wait(any_of("paid", "cancelled"), name="first")
    return START >> first, first["paid"] >> END


@broken("W301", "pause")
def a_loop_that_only_waits() -> Rows:
    pause = wait(timedelta(hours=1), name="pause")
    return START >> write >> pause >> write, write.failed >> END


@broken("W522", "never")
def a_question_that_is_late_at_once() -> Rows:
    @human(within=timedelta(seconds=-1))
    def never(topic: str) -> Question[str]:
        return Question(topic)

    return START >> never >> END, never.expired >> FAIL("late")


@broken("W523", "waits")
def an_async_route() -> Rows:
    @route  # type: ignore[type-var]
    async def waits(topic: str) -> Literal["one"]:
        return "one"

    return START >> waits, Edge(waits, END, outcome="one")


@broken("W524", "verdict")
def a_route_with_a_timeout() -> Rows:
    slow = type(verdict)(name="verdict", body=verdict.body, timeout=timedelta(seconds=1))
    return START >> write >> rate >> slow, slow["good"] >> END, slow["bad"] >> END


@broken("W525", "mute")
def an_agent_without_a_turn() -> Rows:
    @agent(writes="draft", instructions="Write.", turns=0)
    def mute(topic: str) -> str:
        return topic

    return (START >> mute >> END,)


@broken("W526", "apart")
def an_async_body_in_a_process() -> Rows:
    @function(process=True)
    async def apart(topic: str) -> None: ...

    return (START >> apart >> END,)


@broken("W526", "inner")
def a_process_that_cannot_find_its_function() -> Rows:
    @function(process=True)
    def inner(topic: str) -> None: ...

    return (START >> inner >> END,)


@broken("W527", "plain")
def a_timeout_on_a_thread() -> Rows:
    @function(timeout=timedelta(seconds=5))
    def plain(topic: str) -> None: ...

    return (START >> plain >> END,)


@broken("W528", "certain")
def a_doubt_about_no_effect() -> Rows:
    @function(in_doubt="rerun")
    async def certain(topic: str) -> None: ...

    return (START >> certain >> END,)


def partly(topic: str, more: int) -> None: ...


@broken("W111", "rest")
def a_body_that_is_half_a_function() -> Rows:
    return (START >> function(name="rest")(functools.partial(partly, more=1)) >> END,)


def every_node() -> Iterator[Node]:
    """The sound nodes above."""
    yield from (write, improve, rate, look_up, remark, publish, verdict, ask, hurry)


@broken("W416", "lines")
def a_reducer_as_langgraph_takes_it() -> Workflow[Any]:
    class Logged(Article):
        lines: Annotated[list[str], operator.add] = Field(default_factory=list)

    return article(START >> publish >> END, state=Logged)


@broken("W416", "most")
def a_reducer_that_is_only_a_function() -> Workflow[Any]:
    class Logged(Article):
        most: Annotated[int, Field(ge=0), lambda old, new: max(old, new)] = 0

    return article(START >> publish >> END, state=Logged)


# What goes over items


class Batch(State):
    names: list[str]
    odd: set[str] = Field(default_factory=set)
    draft: Draft | None = None
    drafts: list[Draft] = Field(default_factory=list)
    tried: list[Result[Draft]] = Field(default_factory=list)
    later: list[str] | None = None


def batch(node: Node) -> Workflow[Any]:
    return workflow("batch", state=Batch, edges=[START >> node >> END])


async def sketch(name: str) -> Draft:
    return Draft(text=name)


@broken("W417", "sketch")
def a_list_that_is_no_field() -> Workflow[Any]:
    return batch(each("name", writes="drafts")(sketch))


@broken("W417", "sketch")
def a_field_that_is_no_list() -> Workflow[Any]:
    return batch(each("draft", writes="drafts")(sketch))


@broken("W417", "sketch")
def a_set_has_no_order() -> Workflow[Any]:
    return batch(each("odd", writes="drafts")(sketch))


@broken("W418", "still")
def items_nobody_takes() -> Workflow[Any]:
    @each("names", writes="drafts")
    async def still(names: list[str]) -> Draft:
        return Draft(text=names[0])

    return batch(still)


@broken("W418", "pair")
def two_items_at_a_time() -> Workflow[Any]:
    @each("names", writes="drafts")
    async def pair(name: str, other: str) -> Draft:
        return Draft(text=name + other)

    return batch(pair)


@broken("W403", "number")
def an_item_of_another_type() -> Workflow[Any]:
    @each("names", writes="drafts")
    async def number(name: int) -> Draft:
        return Draft(text=str(name))

    return batch(number)


@broken("W402", "sketch")
def a_list_nobody_has_written() -> Workflow[Any]:
    return batch(each("later", writes="drafts")(sketch))


@broken("W404", "count")
def results_of_another_type() -> Workflow[Any]:
    @each("names", writes="drafts")
    async def count(name: str) -> int:
        return len(name)

    return batch(count)


@broken("W404", "sketch")
def collected_results_in_a_plain_list() -> Workflow[Any]:
    return batch(each("names", writes="drafts", on_error="collect")(sketch))


@broken("W404", "count")
def collected_results_of_another_type() -> Workflow[Any]:
    @each("names", writes="tried", on_error="collect")
    async def count(name: str) -> int:
        return len(name)

    return batch(count)


@broken("W404", "sketch")
def results_in_a_field_that_is_no_list() -> Workflow[Any]:
    return batch(each("names", writes="draft")(sketch))


@broken("W419", "both")
def two_lists_at_once() -> Workflow[Any]:
    @function(writes=("drafts", "tried"))
    async def both(name: str) -> tuple[Draft, Draft]:
        return Draft(text=name), Draft(text=name)

    return batch(each("names")(both))


@broken("W406", "silent")
def results_of_nothing() -> Workflow[Any]:
    @each("names", writes="drafts")
    async def silent(name: str) -> None: ...

    return batch(silent)


@broken("W407", "loud")
def results_that_go_nowhere() -> Workflow[Any]:
    @each("names")
    async def loud(name: str) -> int:
        return len(name)

    return batch(loud)


@broken("W541", "sketch")
def none_at_once() -> Workflow[Any]:
    return batch(each("names", writes="drafts", at_once=0)(sketch))


@broken("W541", "sketch")
def an_unknown_way_with_errors() -> Workflow[Any]:
    anything: Any = "ignore"
    return batch(each("names", writes="drafts", on_error=anything)(sketch))


@broken("W527", "slow")
def a_thread_for_each_item_cannot_be_stopped() -> Workflow[Any]:
    @each("names", writes="drafts", timeout=timedelta(seconds=1))
    def slow(name: str) -> Draft:
        return Draft(text=name)

    return batch(slow)


@broken("W414", "both")
def an_agent_for_each_item_whose_body_is_no_prompt() -> Workflow[Any]:
    @each("names", writes="drafts")
    @agent(writes="drafts", instructions="Write.")  # type: ignore[arg-type]
    def both(name: str) -> int:
        return len(name)

    return batch(both)


class Sheet(State):
    title: str
    author: str
    draft: Draft | None = None


@function(writes="draft")
async def typeset(title: str, author: str) -> Draft:
    return Draft(text=f"{title} by {author}")


sheet = workflow("sheet", state=Sheet, edges=[START >> typeset >> END])


class Sheets(Batch):
    author: str
    number: int = 1
    numbers: list[int]


def sheets(node: Node) -> Workflow[Any]:
    return workflow("sheets", state=Sheets, edges=[START >> node >> END])


@broken("W418", "sheet")
def a_workflow_for_each_item_that_is_given_all() -> Workflow[Any]:
    one = subflow(sheet, reads={"title": "author", "author": "author"}, writes="draft")
    return sheets(each("names", writes="drafts")(one))


@broken("W418", "sheet")
def a_workflow_for_each_item_that_wants_two() -> Workflow[Any]:
    return sheets(each("names", writes="drafts")(subflow(sheet, writes="draft")))


@broken("W417", "sheet")
def a_workflow_for_each_of_no_list() -> Workflow[Any]:
    return sheets(each("number", writes="drafts")(subflow(sheet, reads="author", writes="draft")))


@broken("W403", "sheet")
def a_workflow_that_cannot_take_the_items() -> Workflow[Any]:
    return sheets(each("numbers", writes="drafts")(subflow(sheet, reads="author", writes="draft")))


@broken("W404", "sheet")
def a_workflow_that_comes_to_something_else() -> Workflow[Any]:
    return sheets(each("names", writes="numbers")(subflow(sheet, reads="author", writes="draft")))


@broken("W401", "sheet")
def a_workflow_for_each_item_that_reads_no_field() -> Workflow[Any]:
    return sheets(each("names", writes="drafts")(subflow(sheet, reads={"author": "autor"}, writes="draft")))


@broken("W431", "sheet")
def a_workflow_for_each_item_given_what_it_has_not() -> Workflow[Any]:
    one = subflow(sheet, reads={"author": "author", "colour": "author"}, writes="draft")
    return sheets(each("names", writes="drafts")(one))


@broken("W433", "sheet")
def a_workflow_for_each_item_asked_for_what_it_has_not() -> Workflow[Any]:
    return sheets(each("names", writes="drafts")(subflow(sheet, reads="author", writes="drft")))


@broken("W434", "sheet")
def a_workflow_for_each_item_that_may_not_have_written() -> Workflow[Any]:
    @function
    async def look(title: str, author: str) -> None: ...

    blank = workflow("sheet", state=Sheet, edges=[START >> look >> END])
    return sheets(each("names", writes="drafts")(subflow(blank, reads="author", writes="draft")))


@broken("W419", "sheet")
def a_workflow_for_each_item_that_comes_to_two_things() -> Workflow[Any]:
    one = subflow(sheet, reads="author", writes={"drafts": "draft", "names": "title"})
    return sheets(each("names")(one))


@broken("W582", "sheet")
def a_workflow_that_does_itself_for_each_item() -> Workflow[Any]:
    one = subflow(lambda: made, name="sheet", reads="author", writes={"drafts": "drafts"})
    made: Workflow[Any] = workflow("sheets", state=Itself, edges=[START >> each("parts")(one) >> END])
    return made


class Itself(State):
    author: str
    part: str
    parts: list[str] = Field(default_factory=list)
    drafts: list[list[Any]] = Field(default_factory=list)


@broken("W541", "sheet")
def no_workflow_at_once() -> Workflow[Any]:
    return sheets(each("names", writes="drafts", at_once=0)(subflow(sheet, reads="author", writes="draft")))


def items_of_every_fitting_kind() -> Workflow[Any]:
    @each("names", writes="tried", on_error="collect", at_once=2)
    async def collected(name: str) -> Draft:
        return Draft(text=name)

    @each("drafts", writes="drafts", on_error="skip")
    def improved(one: Draft) -> Draft:
        return one

    @each("names", writes="drafts")
    @agent(writes="drafts", instructions="Write.")
    def asked(name: str) -> str:
        return name

    edges = [START >> each("names", writes="drafts")(sketch) >> improved >> collected >> asked >> END]
    return workflow("batch", state=Batch, edges=edges)
