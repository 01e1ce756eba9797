"""Files in runs: made in bodies of every kind, named by the state, held by their runs, and never read unchecked."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.engine import filed
from workflow_engine import (
    END,
    START,
    Engine,
    File,
    Question,
    Retry,
    State,
    Step,
    Store,
    agent,
    append,
    each,
    function,
    human,
    subflow,
    verify,
    wait,
    workflow,
)
from workflow_engine.errors import FileDamaged, FileMissing, InputError, StepError, UsageError
from workflow_engine.ports.agents import AgentAnswer, AgentTask
from workflow_engine.record.codec import decode, encode
from workflow_engine.spec.file import OUTSIDE, named
from workflow_engine.spec.state import names_files
from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.stores.folder import files_of
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing import FakeClock

WORDS = b"a report, in many words\x00\xff"


class Report(BaseModel):
    file: File
    pages: int = 1


class Papers(State):
    given: File | None = None
    archive: File | None = None
    parts: Annotated[list[File], append] = []
    report: Report | None = None
    words: str = ""


@pytest.fixture(params=["memory", "sqlite", "encrypted"])
def kept(request: Any, tmp_path: Path) -> Any:
    """Opens engines on one store, again and again."""
    memory, codec = MemoryLedger(), Keys(new_key()) if request.param == "encrypted" else None

    @asynccontextmanager
    async def kept(*workflows: Any, **settings: Any) -> AsyncIterator[Engine]:
        ledger = memory if request.param == "memory" else await open_ledger(tmp_path / "runs.sqlite", codec=codec)
        async with Engine.connect(ledger=ledger, workflows=workflows, **settings) as engine:
            yield engine

    return kept


# --------------------------------------------------------------------------------------------------- without an engine


def test_a_file_is_made_and_read_without_an_engine(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(WORDS)
    made = File.of(path)
    assert (made.name, made.size, made.media_type) == ("report.pdf", len(WORDS), "application/pdf")
    for same in (File.of(WORDS), File.of(io.BytesIO(WORDS)), File.of(str(path), name="other"), made):
        assert same.sha256 == made.sha256
        assert same.read_bytes() == WORDS
        with same.open() as stream:
            assert stream.read(3) == WORDS[:3]
    assert made.copy_to(tmp_path / "copy").read_bytes() == WORDS
    (tmp_path / "folder").mkdir()
    assert made.copy_to(tmp_path / "folder") == tmp_path / "folder" / "report.pdf"
    with pytest.raises(FileExistsError):
        made.copy_to(tmp_path / "copy")
    assert File.of(b"text").read_text() == "text"


def test_a_path_that_was_changed_since_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_bytes(b"before")
    made = File.of(path)
    path.write_bytes(b"behind")
    with pytest.raises(StepError, match="was changed since"):
        made.read_bytes()


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    odd: Any = 7
    text: Any = io.StringIO("text")
    for wrong in (tmp_path / "nowhere", tmp_path, "with\0null", odd, text, "/dev/zero"):
        with pytest.raises(UsageError):
            File.of(wrong)


@pytest.mark.parametrize(
    "forged",
    [
        {"sha256": "../../etc/passwd", "size": 1},
        {"sha256": "A" * 64, "size": 1},
        {"sha256": "a" * 63, "size": 1},
        {"sha256": "a" * 64, "size": -1},
        {"sha256": "a" * 64, "size": 2**64},
        {"sha256": "a" * 64, "size": 1, "name": "../up"},
        {"sha256": "a" * 64, "size": 1, "name": ".."},
        {"sha256": "a" * 64, "size": 1, "name": "a\x1b[2J"},
        {"sha256": "a" * 64, "size": 1, "name": ""},
        {"sha256": "a" * 64, "size": 1, "name": "a" * 201},
        {"sha256": "a" * 64, "size": 1, "media_type": "text/html\r\nX: y"},
        {"sha256": "a" * 64, "size": 1, "path": "/etc/passwd"},
        {"sha256": "a" * 64},
        {"sha256": ["a" * 64], "size": 1},
    ],
)
def test_a_forged_descriptor_is_none(forged: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        File.model_validate_json(json.dumps(forged))


def test_a_descriptor_of_nothing_reads_nothing() -> None:
    with pytest.raises(FileMissing):
        File(sha256="a" * 64, size=1).open()


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (File, File.of(b"a", name="ä.txt")),
        (File | None, None),
        (list[File], [File.of(b"a"), File.of(b"b")]),
        (dict[str, Report], {"x": Report(file=File.of(b""))}),
    ],
)
def test_typed_json_carries_a_file(annotation: Any, value: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    assert decode(adapter, encode(adapter, value, "it")) == value


def test_a_type_tells_whether_it_may_name_files() -> None:
    class Tree(BaseModel):
        file: File | None = None
        below: list[Tree] = []

    class Own(File):
        pass

    class Bare(BaseModel):
        below: list[Bare] = []
        word: Literal["a"] = "a"

    naming: list[Any] = [File, File | None, list[File], dict[str, tuple[int, Report]], Annotated[File, "x"], Tree, Own]
    assert all(map(names_files, naming))
    bare: list[Any] = [int, str | None, list[int], Bare, Literal["a"], Any, dict[str, Any]]
    assert not any(map(names_files, bare))


def test_a_workflow_with_files_keeps_every_law() -> None:
    @function(writes="archive")
    def make(given: File) -> File:
        return given

    @function(writes="report")
    def pack(archive: File, parts: list[File]) -> Report:
        return Report(file=archive)

    class Asked(State):
        given: File
        archive: File | None = None
        parts: list[File] = []
        report: Report | None = None

    assert verify(workflow("papers", state=Asked, edges=[START >> make >> pack >> END])) == ()


# ------------------------------------------------------------------------------------------------------------ in runs


async def test_files_go_through_steps_threads_and_processes(kept: Any, tmp_path: Path) -> None:
    papers = filed.papers
    async with kept(papers) as engine:
        view = await engine.run(papers, given=File.of(WORDS, name="given.txt"))
        assert view.status == "succeeded", view.run.error
        assert view.state.archive.name == "packed.bin"
        assert view.state.report.file.read_bytes() == (WORDS * 2)[::-1]
        assert view.values["archive"] == json.loads(view.state.archive.model_dump_json())
        assert [each.read_bytes() for each in view.state.parts] == [b"one", (WORDS * 2)[::-1], WORDS]
    async with kept() as engine:  # no code is needed to look, and none of this process's memory
        again = await engine.get(view.id)
        assert File(**again.values["archive"]).read_bytes() == (WORDS * 2)[::-1]


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_the_content_is_there_before_the_commit_that_names_it(kept: Any, executor: str) -> None:
    from workflow_engine.testing import Crashed, crash_after

    @function(writes="archive")
    async def make() -> File:
        return File.of(WORDS)

    @function(writes="words")
    async def read(archive: File) -> str:
        return archive.read_bytes().hex()

    flow = workflow("flow", state=Papers, edges=[START >> make >> read >> END])
    for write in range(1, 5):
        memory = MemoryLedger()
        dying = crash_after(memory, write)
        async with Engine.connect(ledger=dying, workflows=[flow], executor=executor) as engine:
            with suppress(Crashed):
                await dying.until_crash(engine.run(flow))
        async with Engine.connect(ledger=memory, workflows=[flow], executor=executor) as engine:
            await engine.recover()
            [listed] = await engine.runs()
            assert (await engine.get(listed.run)).values["words"] == WORDS.hex()


async def test_a_fork_shares_files_and_outlives_its_parent(tmp_path: Path) -> None:
    @function(writes="archive")
    async def make() -> File:
        return File.of(WORDS)

    @function(writes="words")
    async def read(archive: File) -> str:
        return archive.read_bytes().hex()

    flow = workflow("flow", state=Papers, edges=[START >> make >> read >> END])
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[flow]) as engine:
        parent = await engine.run(flow)
        forked = await engine.fork(parent.id, at=1)
        assert forked.values["words"] == WORDS.hex()
        content = next(each for each in (tmp_path / "runs.sqlite.files").glob("??/*"))
        edited = await engine.fork(parent.id, {"archive": File.of(b"edited")}, at=1)
        assert edited.values["words"] == b"edited".hex()
    os.utime(content, (1, 1))
    clock = FakeClock(parent.run.updated + timedelta(days=9))
    store = Store(path, clock=clock)
    pruned = await store.prune(keep=2)
    assert [each.run for each in pruned.runs] == [parent.id]
    assert content.exists()
    await store.prune(keep=0)
    assert not content.exists()


async def test_a_file_made_outside_of_the_step_is_taken_over(kept: Any, tmp_path: Path) -> None:
    path = tmp_path / "outside.bin"
    path.write_bytes(WORDS)
    made = File.of(path)

    @function(writes="archive")
    async def give() -> File:
        return made

    flow = workflow("flow", state=Papers, edges=[START >> give >> END])
    async with kept(flow) as engine:
        view = await engine.run(flow)
        assert view.status == "succeeded", view.run.error
        path.unlink()
        assert view.state.archive.read_bytes() == WORDS


async def test_a_file_whose_content_is_nowhere_is_the_nodes_error(kept: Any) -> None:
    nowhere = File(sha256="a" * 64, size=3)

    @function(writes="archive")
    async def lie() -> File:
        return nowhere

    flow = workflow("flow", state=Papers, edges=[START >> lie >> END])
    async with kept(flow) as engine:
        view = await engine.run(flow)
        assert view.status == "failed"
        assert "whose content is not beside the store" in view.run.error.message
        with pytest.raises(InputError, match="nowhere to be found"):
            await engine.run(flow, given=nowhere)
        assert len(await engine.runs()) == 1


async def test_items_of_an_each_make_files_that_survive_a_crash(kept: Any) -> None:
    class Many(State):
        words: list[str]
        files: list[File] = []

    fails = True

    @each("words", writes="files", at_once=1)
    async def make(word: str) -> File:
        if word == "c" and fails:
            raise ValueError("not yet")
        return File.of(word.encode())

    flow = workflow("flow", state=Many, edges=[START >> make >> END])
    async with kept(flow) as engine:
        view = await engine.run(flow, words=["a", "b", "c"])
        assert view.status == "failed"
    fails = False
    async with kept(flow) as engine:
        again = await engine.resume(view.id)
        assert [each.read_bytes() for each in again.state.files] == [b"a", b"b", b"c"]


async def test_files_of_finished_items_are_held_before_the_list_is_written(tmp_path: Path) -> None:
    class Many(State):
        words: list[str]
        files: list[File] = []

    fails = True

    @each("words", writes="files", at_once=1)
    async def make(word: str) -> File:
        if word == "b" and fails:
            raise ValueError("not yet")
        return File.of(word.encode())

    flow = workflow("flow", state=Many, edges=[START >> make >> END])
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[flow]) as engine:
        view = await engine.run(flow, words=["a", "b"])
        assert view.status == "failed"
    for content in files_of(path).glob("??/*"):
        os.utime(content, (1, 1))
    await Store(path).prune(keep=9)
    fails = False
    async with Engine.connect(path, workflows=[flow]) as engine:
        again = await engine.resume(view.id)
        assert [each.read_bytes() for each in again.state.files] == [b"a", b"b"]


async def test_a_subflow_hands_files_in_and_out(kept: Any) -> None:
    class Inner(State):
        source: File
        copy_: File | None = None

    @function(writes="copy_")
    async def turn(source: File) -> File:
        return File.of(source.read_bytes()[::-1])

    @function(writes="words")
    async def read(archive: File) -> str:
        return archive.read_bytes().hex()

    inner = workflow("inner", state=Inner, edges=[START >> turn >> END])
    within = subflow(inner, reads={"source": "given"}, writes={"archive": "copy_"})

    class Outer(State):
        given: File
        archive: File | None = None
        words: str = ""

    flow = workflow("flow", state=Outer, edges=[START >> within >> read >> END])
    async with kept(flow) as engine:
        view = await engine.run(flow, given=File.of(WORDS))
        assert view.status == "succeeded", view.run.error
        assert view.values["words"] == WORDS[::-1].hex()


# ------------------------------------------------------------------------------------------------ people and models


class Answering:
    """A model that answers with what it was told to."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def run(self, task: AgentTask) -> AgentAnswer:
        return AgentAnswer(self.value(task))

    async def close(self) -> None: ...


async def test_a_model_names_only_files_of_its_run(kept: Any) -> None:
    class Told(State):
        mine: File
        chosen: File | None = None

    @agent(writes="chosen", instructions="Choose.", retry=Retry(1))
    def choose(mine: File) -> str:
        return mine.model_dump_json()

    flow = workflow("flow", state=Told, edges=[START >> choose >> END])
    theirs = File.of(b"another run's", name="secret")
    async with kept(flow, agents=Answering(lambda task: File.model_validate_json(task.prompt))) as engine:
        other = await engine.run(flow, mine=theirs)
        assert other.state.chosen == theirs
    async with kept(flow, agents=Answering(lambda task: theirs)) as engine:
        view = await engine.run(flow, mine=File.of(b"mine"))
        assert view.status == "failed"
        assert "is none of this run's" in view.run.error.message


async def test_a_person_names_only_files_of_the_run(kept: Any) -> None:
    class Asked(State):
        mine: File
        theirs: File | None = None
        chosen: File | None = None

    @human(writes="chosen")
    def choose(mine: File) -> Question[File]:
        return Question("Which?")

    flow = workflow("flow", state=Asked, edges=[START >> choose >> END])
    mine, theirs = File.of(b"mine"), File.of(b"another run's")
    async with kept(flow) as engine:
        await engine.run(flow, mine=theirs)
        view = await engine.run(flow, mine=mine)
        await engine.answer(view.id, theirs.model_dump())
        view = await engine.resume(view.id)
        assert view.status == "waiting"
        assert "none of this run" in str([each.question.message for each in view.open_questions])
        await engine.answer(view.id, mine)
        view = await engine.resume(view.id)
        assert view.state.chosen == mine


async def test_a_signal_names_only_files_of_the_run(kept: Any) -> None:
    class Told(State):
        mine: File
        theirs: File | None = None
        chosen: File | None = None

    came = wait("came", File, writes="chosen")
    flow = workflow("flow", state=Told, edges=[START >> came >> END])
    mine, theirs = File.of(b"mine"), File.of(b"another run's")
    async with kept(flow) as engine:
        await engine.run(flow, mine=theirs)
        view = await engine.run(flow, mine=mine)
        await engine.signal(view.id, "came", theirs.model_dump())
        view = await engine.resume(view.id)
        assert view.status == "waiting"
        [refused] = [
            each.event for each in await engine.journal(view.id) if type(each.event).__name__ == "SignalRefused"
        ]
        assert "none of this run's" in refused.why
        await engine.signal(view.id, "came", mine.model_dump())
        view = await engine.resume(view.id)
        assert view.state.chosen == mine


# --------------------------------------------------------------------------------------------------------------- harm


@pytest.mark.parametrize("harm", ["changed", "removed"])
async def test_a_content_that_was_harmed_fails_the_step_that_reads_it_and_no_other(tmp_path: Path, harm: str) -> None:
    @function(writes="words")
    async def read(given: File | None) -> str:
        return "" if given is None else given.read_bytes().hex()

    flow = workflow("flow", state=Papers, edges=[START >> read >> END])
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[flow]) as engine:
        shared = File.of(os.urandom(20))
        first = await engine.run(flow, given=shared)
        content = path.with_name("runs.sqlite.files") / shared.sha256[:2] / shared.sha256[2:]
        before = content.read_bytes()
        OUTSIDE.clear()
        content.write_bytes(before[:-1] + b"!") if harm == "changed" else content.unlink()
        forked = await engine.fork(first.id, at=0)
        assert forked.status == "failed"
        assert forked.run.error is not None
        assert forked.run.error.kind == "file"
        content.write_bytes(before)
        assert (await engine.resume(forked.id)).status == "succeeded"
        with pytest.raises((FileDamaged, FileMissing)):
            File(sha256=shared.sha256, size=19).open()


async def test_many_runs_make_one_content_at_once(kept: Any) -> None:
    @function(writes="archive")
    def make(step: Step) -> File:
        return File.of(WORDS * 1000)

    flow = workflow("flow", state=Papers, edges=[START >> make >> END])
    async with kept(flow) as engine:
        views = await asyncio.gather(*(engine.run(flow) for _ in range(8)))
        assert {view.state.archive.read_bytes() for view in views} == {WORDS * 1000}


def test_only_what_looks_like_a_file_is_taken_for_one() -> None:
    one = File.of(b"one")
    text = json.dumps({"a": [json.loads(one.model_dump_json())], "sha256": "x", "b": {"sha256": one.sha256, "size": 1}})
    assert named(text) == [(one.sha256, one.size)]
