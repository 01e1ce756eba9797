"""The notebooks run as they stand, from any folder, show what they tell of, and are kept without outputs."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import nbformat as untyped
import pytest
from nbclient import NotebookClient

HOUSE = Path(__file__).parents[2]
NOTEBOOKS = sorted((HOUSE / "notebooks").glob("*.ipynb"))
SECONDS = 60
nbformat: Any = untyped  # it ships no types of its functions
TOLD = {
    "first_workflow": (
        "a loop has no bound",
        "'Hello from a'",
        "waiting (person)",
        "5 editor 1 finished keep (by ana)",
    ),
    "see_resume_fork": ("float division by zero", "failed (too dear)", "succeeded 67.5 ['north', 'south']"),
    "people_in_the_loop": ("What becomes of the article?", "AnswerRejected", "AlreadyAnswered", "answered by ana"),
}


@pytest.fixture(scope="module", params=[path.stem for path in NOTEBOOKS])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, Any]]]:
    """A notebook's code cells after a kernel of its own ran them, in a folder that is empty and stays so."""
    home, here = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
            patch.setenv(name, str(home))
        book = nbformat.read(HOUSE / "notebooks" / f"{request.param}.ipynb", as_version=4)
        client = NotebookClient(book, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": here}})
        asyncio.run(asyncio.wait_for(client.async_execute(), 2 * SECONDS))
    assert list(here.iterdir()) == []
    return request.param, [cell for cell in book.cells if cell.cell_type == "code"]


def shown(cells: list[dict[str, Any]], kind: str) -> list[str]:
    """The outputs of this kind, in their order."""
    bundles = [output.get("data", {}) for cell in cells for output in cell["outputs"]]
    return [bundle[kind] for bundle in bundles if kind in bundle]


def test_a_notebook_runs_and_shows_pictures_inline(ran: tuple[str, list[dict[str, Any]]]) -> None:
    name, cells = ran
    pictures = [each for each in shown(cells, "text/html") if 'src="data:image/svg+xml;base64,' in each]
    assert len(pictures) >= 4
    assert all(re.search(r'<img alt="[^"]+', each) for each in pictures)
    assert len(shown(cells, "text/vnd.mermaid")) >= 4
    assert not any("<script" in each for each in shown(cells, "text/html"))
    noise = [output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]
    assert noise == []
    everything = json.dumps(cells)
    assert [each for each in TOLD[name] if each not in everything] == []


def test_a_live_view_writes_over_one_display(ran: tuple[str, list[dict[str, Any]]]) -> None:
    name, cells = ran
    for cell in cells:
        if "await live(" in cell["source"]:
            displays = [output for output in cell["outputs"] if output["output_type"] == "display_data"]
            assert len(displays) == 1, name


def test_an_error_is_its_message_and_no_trace_of_ours(ran: tuple[str, list[dict[str, Any]]]) -> None:
    _, cells = ran
    errors = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert [each for each in errors if "workflow_engine" in "".join(each["traceback"])] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert book.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert nbformat.writes(book, indent=1, ensure_ascii=False) + "\n" == text
    assert str(HOUSE) not in text
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / link).exists(), link
