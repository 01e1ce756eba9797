"""MCP servers as tools: real servers, over stdio, SSE and HTTP, filtered, approved, killed in the middle, changed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import ScriptedEndpoint, call, say
from tests.engine.conftest import Open, clock, ledger, opened
from tests.tools.serving import Serving
from workflow_engine import END, START, State, Step, Tool, Workflow, agent, each, verify, workflow
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.errors import DeclarationError, EffectUnknown, Infrastructure, StepError
from workflow_engine.spec.toolbox import Toolbox
from workflow_engine.tools import mcp_server

__all__ = ["clock", "ledger", "opened"]

SERVER = Path(__file__).with_name("odd_server.py")
READS = ["read_*", "show_secrets", "swell", "fail", "hang"]


def odd(folder: Path, **given: Any) -> Toolbox:
    settings: dict[str, Any] = {"allow": "all", "reads": READS, "env": {"ODD_FOLDER": str(folder)}, **given}
    return mcp_server("odd", command=[sys.executable, str(SERVER)], **settings)


@asynccontextmanager
async def using(box: Toolbox) -> AsyncIterator[Mapping[str, Tool[..., Any]]]:
    async with box.open() as shelf:
        yield {one.name: one for one in await shelf.tools()}


async def use(tool: Tool[..., Any], **arguments: Any) -> Any:
    return await tool.body(arguments=arguments, step=Step())


def asked(folder: Path) -> list[str]:
    return [line for line in (folder / "asked.txt").read_text().splitlines() if line != "started"]


async def test_a_server_is_started_listed_and_used(tmp_path: Path) -> None:
    async with using(odd(tmp_path, approval={"post": "never"}, in_doubt={"post_dying": "rerun"})) as tools:
        assert await use(tools["read_note"], number=1) == "note 1"
        assert await use(tools["post"], text="hello") == "posted hello"
        read, post, dying = tools["read_note"], tools["post"], tools["post_dying"]
        assert (read.effect, read.approval, read.risk) == (False, "never", "read")
        assert (post.effect, post.approval, post.risk, post.in_doubt) == (True, "never", "write", "ask")
        assert (dying.approval, dying.in_doubt) == ("always", "rerun")
        assert post.text == "Post a text."
        assert set(post.parameters["properties"]) == {"text"}
        with pytest.raises(Exception, match="Field required"):
            await use(post, txt="hello")
        assert len(await use(tools["swell"])) == 3_000_000
    assert asked(tmp_path) == ["read 1", "post hello"]


async def test_only_what_is_allowed_is_granted_under_its_prefix(tmp_path: Path) -> None:
    box = odd(tmp_path, allow=["read_note", "post*"], reads=["read_note"], prefix="odd_")
    async with using(box) as tools:
        assert set(tools) == {"odd_read_note", "odd_post", "odd_post_dying"}
        assert await use(tools["odd_read_note"], number=3) == "note 3"


async def test_a_tool_the_server_does_not_offer_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="offers no tool 'read_notes'") as caught:
        async with using(odd(tmp_path, allow=["read_notes"], reads=[])):
            pass
    assert "read_note" in (caught.value.cure or "")


async def test_a_server_that_dies_of_a_reading_is_started_again_and_asked_once_more(tmp_path: Path) -> None:
    async with using(odd(tmp_path)) as tools:
        assert await use(tools["read_dying"], number=1) == "note 1"
    assert asked(tmp_path) == ["read 1", "read 1"]


async def test_an_effect_in_whose_middle_the_server_died_is_in_doubt_and_not_repeated(tmp_path: Path) -> None:
    async with using(odd(tmp_path)) as tools:
        with pytest.raises(EffectUnknown, match="died while post_dying was used"):
            await use(tools["post_dying"], text="a")
        assert await use(tools["post"], text="b") == "posted b"
    assert asked(tmp_path) == ["post a", "post b"]


async def test_an_answer_that_is_too_large_is_not_read_and_the_server_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_engine.agents.mcpstdio.LONGEST_LINE", 2 << 20)
    async with using(odd(tmp_path, allow=["flood", "read_note"], reads=["flood", "read_note"])) as tools:
        both = (use(tools["flood"], megabytes=20), use(tools["read_note"], number=1))
        told: list[Any] = list(await asyncio.gather(*both, return_exceptions=True))
        assert "larger than" in str(told[0])
        assert told[1] == "note 1"
        assert len(await use(tools["flood"], megabytes=1)) == 1 << 20
    async with using(odd(tmp_path, allow=["flood"], reads=[])) as tools:
        with pytest.raises(EffectUnknown, match="larger than"):  # it happened, whatever it said
            await use(tools["flood"], megabytes=20)
    assert (tmp_path / "asked.txt").read_text().count("started") == 2


async def test_an_effect_that_may_be_rerun_is(tmp_path: Path) -> None:
    async with using(odd(tmp_path, in_doubt="rerun")) as tools:
        assert await use(tools["post_dying"], text="a") == "posted a"
    assert asked(tmp_path) == ["post a", "post a"]


async def test_a_secret_is_handed_on_by_name_and_shown_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_TOKEN", "canary-9")
    monkeypatch.setenv("OTHER_TOKEN", "canary-10")
    box = odd(tmp_path, secrets=["ODD_TOKEN"])
    assert "canary" not in box.code
    async with using(box) as tools:
        assert await use(tools["show_secrets"]) == "ODD_TOKEN=***"
    (tmp_path / "broken").touch()
    with pytest.raises(Infrastructure, match="cannot be reached") as caught:
        async with using(box):
            pass
    assert caught.value.cure == "the token is ***"
    monkeypatch.delenv("ODD_TOKEN")
    with pytest.raises(Infrastructure, match="ODD_TOKEN, which is not set"):
        async with using(box):
            pass


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    silent = mcp_server("silent", command=["sh", "-c", "cat > /dev/null"], allow="all", starting=timedelta(seconds=0.3))
    with pytest.raises(Infrastructure, match="did not answer in time"):
        async with using(silent):
            pass
    nothing = mcp_server("nothing", command=["no-such-program"], allow="all")
    with pytest.raises(Infrastructure, match="no-such-program"):
        async with using(nothing):
            pass


async def test_a_server_started_anew_as_another_one_is_not_used(tmp_path: Path) -> None:
    async with using(odd(tmp_path)) as tools:
        (tmp_path / "changed").touch()
        assert await use(tools["read_dying"], number=1) == "note 1"
        with pytest.raises(StepError, match="is another one than when this talk began"):
            await use(tools["post"], text="a")
    assert "other" not in (tmp_path / "asked.txt").read_text()


# ------------------------------------------------------------------------------------------------ over the network


Serve = Callable[[], ForkServerProcess]


@pytest.fixture(params=["sse", "http"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, Serve]]:
    """A transport, a URL, and what starts the server there."""
    with Serving(request.param, tmp_path) as serving:
        yield request.param, serving.url, serving.start


async def test_a_server_over_the_network_is_used_killed_and_used_again(
    served: tuple[str, str, Serve], tmp_path: Path
) -> None:
    transport, url, serve = served
    first = await asyncio.to_thread(serve)
    box = mcp_server("odd", url=url, transport=transport, allow="all", reads=READS)  # type: ignore[arg-type]
    async with using(box) as tools:
        assert await use(tools["post"], text="a") == "posted a"
        with pytest.raises(EffectUnknown):
            await use(tools["post_dying"], text="b")
        first.join()
        with pytest.raises(Infrastructure, match="cannot be reached"):
            await use(tools["read_note"], number=1)
        second = await asyncio.to_thread(serve)
        assert await use(tools["post"], text="c") == "posted c"
        second.kill()
        second.join()
        await asyncio.to_thread(serve)
        assert await use(tools["post"], text="d") == "posted d"
    assert asked(tmp_path) == ["post a", "post b", "post c", "post d"]


# ------------------------------------------------------------------------------------------------ in an agent


class Work(State):
    done: str = ""


def flow(*tools: Any) -> Workflow[Any]:
    @agent(writes="done", instructions="Work.", tools=tools)
    def work() -> str:
        return "go"

    return workflow("work", state=Work, edges=[START >> work >> END])


@asynccontextmanager
async def desk(opened: Open, work: Workflow[Any], *script: Any) -> AsyncIterator[Any]:
    async with (
        ScriptedEndpoint(list(script)) as served,
        opened(work, agents=OpenAIAgentsRunner(served.endpoint())) as engine,
    ):
        yield engine, served


async def test_a_tool_of_a_server_waits_for_a_person_in_another_process(opened: Open, tmp_path: Path) -> None:
    work = flow(odd(tmp_path, prefix="odd_"))
    asks = (call(("odd_read_note", {"number": 1}), ("odd_post", {"text": "hi"})),)
    async with desk(opened, work, *asks) as (engine, _):
        view = await engine.run(work, {})
        assert (view.status, asked(tmp_path)) == ("waiting", ["read 1"])
    async with desk(opened, work, say("done")) as (engine, served):
        [standing] = await engine.inbox()
        assert '"text": "hi"' in standing.question.evidence[0]
        await engine.answer(standing.question.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert (view.status, asked(tmp_path)) == ("succeeded", ["read 1", "post hi"])
        results = [one["content"] for one in served.requests[-1].body["messages"] if one["role"] == "tool"]
        assert results == ["note 1", "posted hi"]


async def test_a_server_that_dies_in_an_effect_has_a_person_asked(opened: Open, tmp_path: Path) -> None:
    work = flow(odd(tmp_path, approval="never"))
    async with desk(opened, work, call(("post_dying", {"text": "hi"})), say("done")) as (engine, _):
        view = await engine.run(work, {})
        assert view.status == "waiting"
        [standing] = await engine.inbox()
        assert standing.question.choices == ("rerun", "accept", "fail")
        await engine.answer(standing.question.id, {"choice": "accept", "value": "posted hi"}, by="anna")
        view = await engine.resume(view.id)
    assert (view.status, asked(tmp_path)) == ("succeeded", ["post hi"])


async def test_a_condition_looks_at_the_real_arguments(opened: Open, tmp_path: Path) -> None:
    work = flow(odd(tmp_path, approval={"post": lambda text: text != "harmless"}))
    async with desk(opened, work, call(("post", {"text": "harmless"})), call(("post", {"text": "x"}))) as (engine, _):
        view = await engine.run(work, {})
    assert (view.status, asked(tmp_path)) == ("waiting", ["post harmless"])


async def test_a_talk_is_not_taken_up_with_other_tools_than_it_began_with(opened: Open, tmp_path: Path) -> None:
    work = flow(odd(tmp_path))
    async with desk(opened, work, call(("post", {"text": "hi"}))) as (engine, _):
        view = await engine.run(work, {})
        assert view.status == "waiting"
    (tmp_path / "changed").touch()
    async with desk(opened, work, say("done")) as (engine, _):
        [standing] = await engine.inbox()
        await engine.answer(standing.question.id, "approve", by="anna")
        view = await engine.resume(view.id)
        assert view.status == "failed"
        assert view.error is not None
        assert "post is another one" in view.error.message
        assert asked(tmp_path) == []
        view = await engine.resume(view.id)  # another talk, with what is offered now
        assert view.status == "succeeded"


async def test_two_servers_that_name_a_tool_alike_need_a_prefix(opened: Open, tmp_path: Path) -> None:
    work = flow(odd(tmp_path), odd(tmp_path))
    async with desk(opened, work, say("done")) as (engine, _):
        view = await engine.run(work, {})
    assert view.error is not None
    assert "two tools are called 'read_note'" in view.error.message


# ------------------------------------------------------------------------------------------------ declared


def test_laws_know_the_tools_of_a_server() -> None:
    one = mcp_server("one", command=["x"], allow=["post", "read"], reads=["read"])
    two = mcp_server("two", command=["y"], allow=["post"], reads=["post"])
    findings = verify(flow(one, two))
    assert [(one.code, one.what) for one in findings] == [("W413", "has two tools called 'post'")]
    assert verify(flow(one)) == ()

    class Many(State):
        items: list[str]
        done: list[str] = []

    @each("items", writes="done")
    @agent(writes="done", instructions="Work.", tools=[one])
    def work(item: str) -> str:
        return item

    spread = workflow("many", state=Many, edges=[START >> work >> END])
    assert "W421" in [one.code for one in verify(spread)]


@pytest.mark.parametrize(
    "given",
    [
        {}, {"command": ["x"], "url": "http://x"}, {"command": "x"}, {"command": ["x"], "allow": []},
        {"command": ["x"], "allow": "some"}, {"command": ["x"], "headers": {"a": "b"}}, {"url": "x"},
        {"command": ["x"], "transport": "sse"}, {"url": "http://x", "transport": "stdio"}, {"url": "ftp://x"},
        {"url": "http://x", "env": {"a": "b"}}, {"url": "https://x", "secrets": ["A"]},
        {"command": ["x"], "secrets": "A"},
        {"url": "http://example.com", "secrets": {"Authorization": "A"}}, {"url": "https://me:pw@example.com"},
        {"command": ["x"], "approval": "sometimes"}, {"command": ["x"], "in_doubt": {"a": "always"}},
        {"command": ["x"], "allow": ["a"], "reads": ["b"]}, {"command": ["x"], "timeout": timedelta()},
        {"command": ["x"], "reads": "read"},
    ],
)  # fmt: skip
def test_a_declaration_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        mcp_server("odd", **{"allow": "all", **given})
