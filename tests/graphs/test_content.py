"""The ready workflow graphs/content.py: pages of a site, two of them broken, published without them or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from graphs.content import content
from workflow_engine import Engine
from workflow_engine.record.events import ItemFinished
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import Crashed, crash_after

SOURCE = Path(__file__).parents[2] / "graphs" / "content"


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    shutil.copytree(SOURCE, tmp_path / "source")
    return lambda **more: {"source": str(tmp_path / "source"), "sites": str(tmp_path / "sites"), **more}


async def run(tmp_path: Path, inputs: dict[str, Any]) -> Any:
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[content]) as engine:
        return await engine.run(content, inputs)


async def test_the_site_is_published_without_its_two_broken_pages(tmp_path: Path, place: Any) -> None:
    view = await run(tmp_path, place())
    assert view.status == "succeeded"
    assert view.state.site.left_out == ["boat.md", "events.md"]
    pages = sorted(each.name for each in Path(view.state.site.folder).iterdir())
    assert pages == ["history.html", "index.html", "moorings.html", "visit.html"]
    index = (Path(view.state.site.folder) / "index.html").read_text(encoding="utf-8")
    assert '<a href="history.html">' in index
    messages = [each.failure.message for each in view.state.pages if each.failure]
    assert messages == ["boat.md links to restoration.md, which is not there", "events.md has no title"]


async def test_more_broken_pages_than_are_tolerated_are_a_persons_matter(tmp_path: Path, place: Any) -> None:
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[content]) as engine:
        view = await engine.run(content, place(tolerated=1))
        [standing] = view.open_questions
        assert standing.question.message == "2 of 6 pages are broken. Publish the others?"
        assert standing.question.evidence[1] == "events.md: events.md has no title"
        await engine.answer(view.id, "stop", by="ana")
        view = await engine.resume(view.id)
    assert (view.status, view.run.reason) == ("failed", "stopped by a person")
    assert not (tmp_path / "sites").exists()


async def test_a_site_of_nothing_but_broken_pages_is_not_published(tmp_path: Path, place: Any) -> None:
    for page in (tmp_path / "source").iterdir():
        page.write_text("+++\nno toml", encoding="utf-8")
    view = await run(tmp_path, place())
    assert (view.status, view.run.reason) == ("failed", "no page can be rendered")


async def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path, place: Any) -> None:
    view = await run(tmp_path, place(source=str(tmp_path)))
    assert view.run.error is not None
    assert view.run.error.message.startswith("there are no .md files in ")


async def test_the_same_pages_make_the_same_site(tmp_path: Path, place: Any) -> None:
    first, second = await run(tmp_path, place()), await run(tmp_path, place())
    assert first.state.site == second.state.site
    assert len(list((tmp_path / "sites").iterdir())) == 1


@pytest.mark.parametrize("writes", range(1, 10))
async def test_a_build_that_dies_at_any_write_renders_no_kept_page_again(
    tmp_path: Path, place: Any, writes: int
) -> None:
    kept = MemoryLedger()
    dying = crash_after(kept, writes)
    async with Engine.connect(ledger=dying, workflows=[content]) as engine:
        with suppress(Crashed):
            await dying.until_crash(engine.run(content, place()))
    async with Engine.connect(ledger=kept, workflows=[content]) as engine:
        await engine.recover()
        view = await engine.get("@last")
        journal = await engine.journal(view.id)
    assert view.status == "succeeded"
    rendered = [each.event.item for each in journal if isinstance(each.event, ItemFinished)]
    assert sorted(rendered) == [2, 3, 4, 5]
    assert view.state.site.left_out == ["boat.md", "events.md"]
