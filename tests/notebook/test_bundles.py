"""What a cell shows of each value: a picture with its words, tables, and nothing that a run could smuggle in."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Literal
from xml.etree import ElementTree

import pytest
from IPython.core.formatters import DisplayFormatter

from workflow_engine import END, FAIL, START, Engine, Question, State, StepError, Workflow, human, verify, workflow
from workflow_engine.errors import UsageError
from workflow_engine.notebook import load_ipython_extension, register, theme, unload_ipython_extension
from workflow_engine.stores.memory import MemoryLedger

MARKUP = "</td></svg><script>alert(1)</script><img src=x onerror=alert(2)>&amp;"


class Page(State):
    text: str = MARKUP
    ruling: Literal["keep", "drop"] | None = None


@human(writes="ruling")
def review(text: str) -> Question[Literal["keep", "drop"]]:
    return Question(f"Keep {text}?", title=text, evidence=[text])


page: Workflow[Page] = workflow(
    "page", state=Page, edges=[START >> review, review["keep"] >> END, review["drop"] >> FAIL(MARKUP)]
)


@pytest.fixture
def notebook() -> Iterator[SimpleNamespace]:
    """As much of an IPython as shows values."""
    ipython = SimpleNamespace(display_formatter=DisplayFormatter())
    load_ipython_extension(ipython)
    yield ipython
    unload_ipython_extension(ipython)
    theme("auto")


@pytest.fixture
async def engine() -> Any:
    async with Engine.connect(ledger=MemoryLedger(), workflows=[page]) as engine:
        yield engine


def shown(notebook: SimpleNamespace, value: Any) -> dict[str, str]:
    data, _ = notebook.display_formatter.format(value)
    return dict(data)


def drawing(html: str) -> ElementTree.Element:
    """The picture that stands in the HTML."""
    return ElementTree.fromstring(b64decode(html.partition("base64,")[2].partition('"')[0]))


def test_a_workflow_is_a_picture_that_shows_everywhere(notebook: SimpleNamespace) -> None:
    data = shown(notebook, page)
    assert set(data) == {"text/html", "image/svg+xml", "text/vnd.mermaid", "text/plain"}
    assert data["text/html"].startswith('<img alt="&lt;workflow page: 1 nodes, 3 edges&gt;" src="data:image/svg+xml')
    assert ElementTree.tostring(drawing(data["text/html"])) == ElementTree.tostring(
        ElementTree.fromstring(data["image/svg+xml"])
    )
    assert data["text/vnd.mermaid"].lstrip("-").strip()
    assert data["text/plain"] == repr(page)


async def test_a_run_is_its_picture_with_what_it_asks_below(notebook: SimpleNamespace, engine: Engine) -> None:
    run = await engine.run(page, text="this")
    data = shown(notebook, run)
    assert "waiting for a person" in "".join(drawing(data["text/html"]).itertext())
    assert f"await engine.answer(&quot;{run.id}.q1&quot;, &#x27;keep&#x27;, by=&quot;...&quot;)" in data["text/html"]
    assert data["text/plain"].splitlines() == [
        f"run {run.id} of page: waiting (person) after 0 steps",
        "review asks: Keep this?",
        f'await engine.answer("{run.id}.q1", \'keep\', by="...")',
    ]


async def test_markup_in_a_run_stays_text(notebook: SimpleNamespace, engine: Engine) -> None:
    run = await engine.run(page)
    await engine.answer(run.id, "drop", by=MARKUP)
    done = await engine.resume(run.id)
    answered = done.questions
    for value in (page, run, done, run.open_questions[0], list(answered), await engine.runs(), await engine.inbox()):
        html = shown(notebook, value).get("text/html", "")
        assert "<script" not in html
        assert "<img src=x" not in html
        if "base64," in html:
            tags = {element.tag.rpartition("}")[2] for element in drawing(html).iter()}
            assert not tags & {"script", "foreignObject", "image", "a"}


async def test_a_run_without_its_code_is_a_table_of_its_steps(notebook: SimpleNamespace, engine: Engine) -> None:
    run = await engine.run(page)
    async with Engine.connect(ledger=engine._shop.ledger) as elsewhere:
        await elsewhere.answer(run.id, "keep", by="ana")
        await engine.resume(run.id)
        data = shown(notebook, await elsewhere.get(run.id))
    assert set(data) == {"text/html", "text/plain"}
    assert ">review</td>" in data["text/html"]


async def test_lists_are_tables(notebook: SimpleNamespace, engine: Engine) -> None:
    run = await engine.run(page, text="this")
    runs = shown(notebook, await engine.runs())
    assert f">{run.id}</td>" in runs["text/html"]
    assert "waiting (person)" in runs["text/plain"]
    asked = shown(notebook, await engine.inbox())
    assert "Keep this?" in asked["text/html"]
    assert "QuestionRecord" not in asked["text/plain"]


def test_findings_are_a_table_with_their_cures(notebook: SimpleNamespace) -> None:
    data = shown(notebook, verify(workflow("page", state=Page, edges=[START >> review])))
    assert ">W201</td>" in data["text/html"]
    assert "<th" in data["text/html"]
    assert "Finding(" not in data["text/plain"]


@pytest.mark.parametrize("value", [(), [], [1, 2], (page, 1), {"a": page}, "text", None])
def test_what_is_not_ours_is_left_alone(
    notebook: SimpleNamespace, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "text/html" not in shown(notebook, value)
    assert capsys.readouterr() == ("", "")  # where IPython tells of a formatter that fails


def test_somebody_elses_lists_stay_theirs() -> None:
    ipython = SimpleNamespace(display_formatter=DisplayFormatter())
    ipython.display_formatter.mimebundle_formatter.for_type(list, lambda value: {"text/html": "theirs"})
    register(ipython)
    try:
        assert shown(ipython, [page])["text/html"] == "theirs"
    finally:
        unload_ipython_extension(ipython)
    assert shown(ipython, [page])["text/html"] == "theirs"
    assert set(shown(ipython, page)) == {"text/plain"}


def test_an_error_is_told_without_a_trace_of_the_engine(notebook: SimpleNamespace) -> None:
    error: Any = StepError("the stock is <empty>", "order some")
    assert error._render_traceback_() == ["StepError: the stock is <empty>\n  order some"]


def test_the_theme_can_be_set(notebook: SimpleNamespace) -> None:
    auto = shown(notebook, page)["image/svg+xml"]
    assert "prefers-color-scheme" in auto
    theme("dark")
    dark = shown(notebook, page)["image/svg+xml"]
    assert "prefers-color-scheme" not in dark
    assert dark != auto
    with pytest.raises(UsageError, match="no theme of a notebook"):
        theme("pink")  # type: ignore[arg-type]


def test_where_nothing_draws_a_notebook_gets_mermaid(
    notebook: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setenv("PATH", "")
    data = shown(notebook, page)
    assert set(data) == {"text/vnd.mermaid", "text/plain"}


def test_an_import_outside_of_a_notebook_registers_nothing() -> None:
    asked = "import sys, workflow_engine; print(*[each for each in sys.modules if 'notebook' in each])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
