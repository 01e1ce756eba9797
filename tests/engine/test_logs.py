"""What bodies print and log belongs to their attempt: in threads, tasks, processes and tools, and to nobody else."""

# ruff: noqa: T201 (bodies that print are what is tested)

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine import outspoken
from tests.engine.conftest import KeptLedger
from workflow_engine import END, START, Engine, Retry, RunLimits, State, Step, agent, function, workflow
from workflow_engine.bodies import capture
from workflow_engine.ports.agents import AgentAnswer, AgentTask, ToolUse
from workflow_engine.record.ids import RunId
from workflow_engine.record.logs import LogLine, LogPart
from workflow_engine.steps import recorder

log = logging.getLogger("tests.outspoken")


class Talk(State):
    word: str = "hello"
    done: bool = False
    more: bool = False


async def parts_of(ledger: Any, run: str, node: str | None = None) -> list[LogPart]:
    found = [each.part for each in await ledger.logs(RunId(run), 0, 1000)]
    return [each for each in found if each is not None and node in (None, each.node)]


async def lines_of(ledger: Any, run: str, node: str | None = None) -> list[LogLine]:
    return [line for part in await parts_of(ledger, run, node) for line in part.lines]


async def texts_of(ledger: Any, run: str, node: str | None = None) -> list[str]:
    return [each.text for each in await lines_of(ledger, run, node)]


def flow(*nodes: Any) -> Any:
    chain: Any = START
    for each in nodes:
        chain = chain >> each
    return workflow("flow", state=Talk, edges=[chain >> END])


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = sys.stdout, sys.stderr, logging.Logger.callHandlers
    yield
    assert (sys.stdout, sys.stderr, logging.Logger.callHandlers) == before


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_what_a_body_says_is_kept_with_where_it_said_it(
    opened: Any, ledger: KeptLedger, asynchronous: bool, executor: str, capsys: Any, caplog: Any
) -> None:
    def said(word: str, step: Step) -> bool:
        print(word, "stdout", end="")
        print(" and more")
        print("stderr", file=sys.stderr)
        log.warning("a %s", "record")
        step.log("to the step")
        step.progress("half way")
        sys.stdout.writelines(["last ", "words"])
        return True

    async def awaited(word: str, step: Step) -> bool:
        return said(word, step)

    node = function(name="said", writes="done")(awaited if asynchronous else said)
    talk = flow(node)
    async with opened(talk, executor=executor) as engine:
        view = await engine.run(talk)
    kept = [(each.number, each.source, each.text, each.level, each.logger) for each in await lines_of(ledger, view.id)]
    assert kept == [
        (1, "stdout", "hello stdout and more", "", ""),
        (2, "stderr", "stderr", "", ""),
        (3, "log", "a record", "warning", "tests.outspoken"),
        (4, "step", "to the step", "", ""),
        (5, "progress", "half way", "", ""),
        (6, "stdout", "last words", "", ""),
    ]
    # And it went where it went before, once.
    said_aloud = capsys.readouterr()
    assert said_aloud.out == "hello stdout and more\nlast words"
    assert said_aloud.err.count("stderr\n") == 1
    assert [each.getMessage() for each in caplog.records if each.name == "tests.outspoken"] == ["a record"]


async def test_a_record_is_kept_once_though_a_handler_prints_it(opened: Any, ledger: KeptLedger) -> None:
    @function(writes="done")
    def said() -> bool:
        handler = logging.StreamHandler(sys.stdout)
        own = logging.getLogger("tests.own")
        own.propagate = False
        own.addHandler(handler)
        try:
            own.error("once")
            own.debug("not let through")
        finally:
            own.removeHandler(handler)
        return True

    async with opened(flow(said)) as engine:
        view = await engine.run(flow(said))
    assert await texts_of(ledger, view.id) == ["once"]


async def test_whoever_else_listens_to_logging_goes_on_hearing(
    opened: Any, ledger: KeptLedger, monkeypatch: Any
) -> None:
    heard: list[str] = []
    before = logging.Logger.callHandlers

    def listening(logger: logging.Logger, record: logging.LogRecord) -> None:
        heard.append(record.getMessage())
        before(logger, record)

    @function(writes="done")
    async def said() -> bool:
        log.warning("to both")
        return True

    monkeypatch.setattr(logging.Logger, "callHandlers", listening)
    try:
        async with opened(flow(said)) as engine:
            view = await engine.run(flow(said))
        assert logging.Logger.callHandlers is listening
    finally:
        monkeypatch.undo()
    assert heard == ["to both"]
    assert await texts_of(ledger, view.id) == ["to both"]


async def test_each_attempt_has_its_own_words(opened: Any, ledger: KeptLedger) -> None:
    @function(writes="done", retry=Retry(3))
    async def said(step: Step) -> bool:
        print(f"try {step.attempt}")
        if step.attempt < 3:
            raise ValueError("not yet")
        return True

    async with opened(flow(said)) as engine:
        view = await engine.run(flow(said))
    kept = await parts_of(ledger, view.id)
    assert [(each.attempt, [line.text for line in each.lines]) for each in kept] == [
        (1, ["try 1"]),
        (2, ["try 2"]),
        (3, ["try 3"]),
    ]
    assert len({each.take for each in kept}) == 3


async def test_runs_at_once_in_tasks_and_threads_are_never_mixed_up(opened: Any, ledger: KeptLedger) -> None:
    gate = threading.Barrier(4, timeout=20)

    @function(writes="done")
    def threaded(word: str) -> bool:
        for number in range(50):
            print(word, end=" ")
            if number % 10 == 0:
                gate.wait()
            print(number)
        return True

    @function(writes="more")
    async def awaited(word: str) -> bool:
        for number in range(50):
            print(word, end=" ")
            await asyncio.sleep(0)
            print(number)
        return True

    talk = flow(threaded, awaited)
    async with opened(talk) as engine:
        views = await asyncio.gather(*(engine.run(talk, word=word) for word in "abcd"))
    for view, word in zip(views, "abcd", strict=True):
        wanted = [f"{word} {number}" for number in range(50)]
        assert await texts_of(ledger, view.id, "threaded") == wanted
        assert await texts_of(ledger, view.id, "awaited") == wanted


@pytest.mark.parametrize("early", ["", "early\n"])
async def test_a_thread_of_its_own_and_words_after_the_end_are_nobodys(
    opened: Any, ledger: KeptLedger, capsys: Any, monkeypatch: Any, early: str
) -> None:
    monkeypatch.setattr(recorder, "EVERY", 0.001)
    late = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def afterwards() -> None:
        await late.wait()
        print("too late")
        log.warning("too late as well")

    @function(writes="done")
    async def first() -> bool:
        if early:
            sys.stdout.write(early)
        thread = threading.Thread(target=lambda: print("from a thread"))
        thread.start()
        thread.join()
        tasks.append(asyncio.create_task(afterwards()))
        return True

    @function(writes="more")
    async def second(step: Step) -> bool:
        late.set()
        await tasks[0]
        print("mine")
        await asyncio.sleep(0.01)  # long enough for a page of whoever spoke
        return "mine" in await texts_of(ledger, step.run)

    async with opened(flow(first, second)) as engine:
        view = await engine.run(flow(first, second))
    assert view.state.more
    assert await texts_of(ledger, view.id) == [*early.splitlines(), "mine"]
    assert capsys.readouterr().out == f"{early}from a thread\ntoo late\nmine\n"


async def test_a_body_that_replaces_the_streams_breaks_nothing(opened: Any, ledger: KeptLedger, capsys: Any) -> None:
    @function(writes="done")
    async def first() -> bool:
        with contextlib.redirect_stdout(io.StringIO()) as caught:
            print("caught")
        assert caught.getvalue() == "caught\n"
        sys.stdout.buffer.write("bytes ü\n".encode())
        assert sys.stdout.encoding
        sys.stdout = sys.stderr
        return True

    @function(writes="more")
    async def second() -> bool:
        print("on stderr by now")
        sys.stdout = sys.__stdout__  # put back as it is outside of the tests
        return True

    before = sys.stdout
    try:
        async with opened(flow(first, second)) as engine:
            view = await engine.run(flow(first, second))
    finally:
        sys.stdout = before
    assert view.status == "succeeded", view.run.error
    assert await texts_of(ledger, view.id, "first") == ["bytes ü"]


async def test_a_body_in_a_process_of_its_own_is_heard(opened: Any, ledger: KeptLedger) -> None:
    talk = workflow("talk", state=outspoken.Spoken, edges=[START >> outspoken.apart >> outspoken.failing >> END])
    async with opened(talk) as engine:
        view = await engine.run(talk)
    assert view.status == "failed"
    kept = [(each.source, each.text) for each in await lines_of(ledger, view.id, "apart")]
    assert [text for source, text in kept if source == "stdout"] == [
        "printed 1",
        "from a program",
        "from the descriptor",
    ]
    assert [text for source, text in kept if source == "stderr"] == ["complaint", "a program's complaint"]
    assert [text for source, text in kept if source == "log"] == ["logged \\udc80"]
    assert await texts_of(ledger, view.id, "failing") == ["before the end"]


async def test_an_agents_prompt_and_tools_are_heard(opened: Any, ledger: KeptLedger) -> None:
    class Using:
        async def run(self, task: AgentTask) -> AgentAnswer:
            return AgentAnswer(await asyncio.ensure_future(task.tools[0].call(ToolUse({}))) == "used")

        async def close(self) -> None: ...

    def look() -> str:
        """Look around."""
        print("in a tool")
        return "used"

    @agent(writes="done", instructions="Look.", tools=[look])
    def asked(word: str) -> str:
        print("in the prompt")
        return word

    async with opened(flow(asked), agents=Using()) as engine:
        view = await engine.run(flow(asked))
    assert view.state.done
    assert await texts_of(ledger, view.id) == ["in the prompt", "in a tool"]


async def test_a_program_left_behind_by_a_process_neither_holds_its_step_nor_is_ended(
    opened: Any, ledger: KeptLedger, tmp_path: Path
) -> None:
    talk = workflow("talk", state=outspoken.Spoken, edges=[START >> outspoken.leaving >> END])
    async with opened(talk) as engine:
        view = await engine.run(talk, place=str(tmp_path))
        assert (view.status, await texts_of(ledger, view.id)) == ("succeeded", ["left something"])
        (tmp_path / "go").touch()
        while not (tmp_path / "done").exists():  # noqa: ASYNC110 (said by a program)
            await asyncio.sleep(0.01)


async def test_ten_megabytes_without_a_line_break_are_cut(opened: Any, ledger: KeptLedger) -> None:
    @function(writes="done")
    def said() -> bool:
        for _ in range(100):
            sys.stdout.write("x" * 100_000)
        sys.stdout.write("\nnext\n")
        for number in range(1000):
            sys.stdout.write(f"\r{number} of 1000")
        return True

    with contextlib.redirect_stdout(io.StringIO()):
        async with opened(flow(said)) as engine:
            view = await engine.run(flow(said))
    first, second, last = await texts_of(ledger, view.id)
    assert first == "x" * recorder.LONGEST + " ... 9,996,000 characters cut ..."
    assert (second, last) == ("next", "999 of 1000")


async def test_what_is_kept_of_an_attempt_is_bounded_and_has_its_beginning_and_its_end(
    opened: Any, ledger: KeptLedger
) -> None:
    @function(writes="done")
    async def said() -> bool:
        for number in range(20_000):
            log.error("line %d", number)
            if number % 2000 == 0:
                await asyncio.sleep(recorder.EVERY / 10)
        return True

    logging.getLogger("tests.outspoken").propagate = False
    try:
        async with opened(flow(said), limits=RunLimits(log=40_000)) as engine:
            view = await engine.run(flow(said))
    finally:
        logging.getLogger("tests.outspoken").propagate = True
    kept = await lines_of(ledger, view.id)
    assert (kept[0].text, kept[-1].text) == ("line 0", "line 19999")
    assert all(each.text == f"line {each.number - 1}" for each in kept)
    sizes = sum(len(each.text) + 64 + len("tests.outspoken") for each in kept)
    assert 25_000 < sizes <= 40_000 + recorder.PART
    gaps = [b.number - a.number for a, b in itertools.pairwise(kept) if b.number != a.number + 1]
    assert len(gaps) == 1


async def test_a_limit_of_nothing_keeps_nothing(opened: Any, ledger: KeptLedger, capsys: Any) -> None:
    @function(writes="done")
    def said(step: Step) -> bool:
        print("a secret")
        step.log("another")
        return capture.ear() is None

    async with opened(flow(said), limits=RunLimits(log=0)) as engine:
        view = await engine.run(flow(said))
        assert view.state.done
        assert [each async for each in engine.logs(view.id)] == []
    assert capsys.readouterr().out == "a secret\n"


async def test_a_step_without_words_costs_no_page(opened: Any, ledger: KeptLedger, monkeypatch: Any) -> None:
    @function(writes="done")
    async def silent() -> bool:
        return True

    monkeypatch.setattr(recorder.Recorder, "__init__", None)
    async with opened(flow(silent)) as engine:
        view = await engine.run(flow(silent))
    assert view.status == "succeeded"
    assert await parts_of(ledger, view.id) == []


async def test_an_error_and_a_clock_of_the_users_do_not_reach_a_print(opened: Any, ledger: KeptLedger) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    @function(writes="done")
    async def said() -> bool:
        try:
            raise ValueError("a reason")
        except ValueError:
            log.exception("it failed")
        with contextlib.suppress(Exception):
            log.error("%s", Odd())
        return True

    raising, logging.raiseExceptions = logging.raiseExceptions, False
    logging.getLogger("tests.outspoken").propagate = False
    try:
        async with opened(flow(said)) as engine:
            view = await engine.run(flow(said))
    finally:
        logging.raiseExceptions = raising
        logging.getLogger("tests.outspoken").propagate = True
    failed, odd = await texts_of(ledger, view.id)
    assert failed.startswith("it failed\nTraceback (most recent call last):\n")
    assert failed.endswith("ValueError: a reason")
    assert "%s" in odd


async def test_lines_are_there_while_a_step_still_goes_on(opened: Any, ledger: KeptLedger) -> None:
    heard = asyncio.Event()

    @function(writes="done")
    async def said() -> bool:
        print("under way")
        await heard.wait()
        print("and over")
        return True

    async with opened(flow(said)) as engine:
        going = asyncio.create_task(engine.run(flow(said)))
        while not (runs := await engine.runs()):  # noqa: ASYNC110
            await asyncio.sleep(0)
        run = runs[0].run
        while not await texts_of(ledger, run):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert await texts_of(ledger, run) == ["under way"]
        told: list[str] = []

        async def follow() -> None:
            async for each in engine.logs(run, follow=True):
                assert each.part is not None
                told.extend(line.text for line in each.part.lines)
                heard.set()

        await asyncio.gather(follow(), going)
    assert told == ["under way", "and over"]


async def test_a_fork_tells_what_its_ancestors_steps_said(opened: Any, ledger: KeptLedger) -> None:
    @function(writes="done")
    async def first(word: str) -> bool:
        print("first", word)
        return True

    @function(writes="more")
    async def second(word: str) -> bool:
        print("second", word)
        return True

    talk = flow(first, second)
    async with opened(talk) as engine:
        parent = await engine.run(talk)
        forked = await engine.fork(parent.id, {"word": "again"}, at=1)
        told = [(each.run, line.text) async for each in engine.logs(forked.id) if each.part for line in each.part.lines]
    assert told == [(parent.id, "first hello"), (forked.id, "second again")]


async def test_an_interrupted_attempt_and_the_one_after_it_are_told_apart(opened: Any, ledger: KeptLedger) -> None:
    reached = asyncio.Event()

    @function(writes="done")
    async def said(step: Step) -> bool:
        print("try", step.attempt, "of", "the first" if not reached.is_set() else "the second")
        if not reached.is_set():
            reached.set()
            await asyncio.Event().wait()
        return True

    talk = flow(said)
    async with opened(talk) as engine:
        going = asyncio.create_task(engine.run(talk))
        await reached.wait()
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going
        [run] = await engine.runs()
        await engine.resume(run.run)
    first, second = await parts_of(ledger, run.run)
    assert [first.lines[0].text, second.lines[0].text] == ["try 1 of the first", "try 1 of the second"]
    assert first.take != second.take


async def test_an_engine_used_from_two_loops_puts_the_streams_back(tmp_path: Any) -> None:
    @function(writes="done")
    async def said() -> bool:
        print("words")
        await asyncio.sleep(0)
        return True

    talk = flow(said)

    def apart(name: str) -> str:
        async def main() -> str:
            async with Engine.connect(tmp_path / name, workflows=[talk]) as engine:
                view = await engine.run(talk)
                return ",".join(await texts_of(engine._shop.ledger, view.id))

        return asyncio.run(main())

    with contextlib.redirect_stdout(io.StringIO()):
        told = await asyncio.gather(*(asyncio.to_thread(apart, f"{number}.sqlite") for number in range(3)))
    assert told == ["words"] * 3
