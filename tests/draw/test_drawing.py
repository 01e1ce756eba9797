"""Drawing: every format, the same bytes each time, on bare machines, and honest where it cannot."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from tests.draw.diagrams import HOSTILE, at_random, hostile, known
from workflow_engine.draw import FORMATS, Arrow, Card, Diagram, Format, Header, picture, picture_async, render, to_dot
from workflow_engine.draw.engine import NotDrawn, draw
from workflow_engine.errors import DrawingError

SMALL = Diagram(
    Header("small", "workflow"),
    (Card("a", "first", "agent"), Card("b", "second", "function")),
    (Arrow("a", "b", "ok"),),
)
BEGINNINGS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph", "mermaid": b"---"}


@pytest.mark.parametrize("asked", FORMATS)
def test_every_format_is_drawn(asked: Format) -> None:
    made = picture(known()["waiting"], asked)
    assert (made.format, made.notes) == (asked, ())
    assert made.data.startswith(BEGINNINGS[asked])


def test_an_unknown_format_is_named_with_the_known_ones() -> None:
    with pytest.raises(DrawingError, match=r"'gif' is no format.*\n.*svg, png, pdf, dot, mermaid"):
        picture(SMALL, "gif")  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", FORMATS)
def test_the_same_diagram_gives_the_same_bytes(asked: Format) -> None:
    for one in (known()["ended"], at_random(20, 3)):
        assert render(one, asked) == render(one, asked)
        assert render(one, asked) != render(one, asked, theme="dark")


def test_the_bytes_depend_on_no_hash_seed() -> None:
    code = """
        import hashlib
        from tests.draw.diagrams import at_random, known
        from workflow_engine.draw import FORMATS, render
        for asked in FORMATS:
            print(hashlib.sha256(render(known()["waiting"], asked) + render(at_random(20, 3), asked)).hexdigest())
    """
    made = [
        subprocess.run(
            [sys.executable, "-c", dedent(code)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]


def test_a_pdf_carries_no_date_of_its_making() -> None:
    pdf = render(SMALL, "pdf")
    assert b"/CreationDate (D:19800101000000" in pdf
    assert pdf.count(b"/CreationDate") == 1


# ------------------------------------------------------------------------------------------------ hostile words


@pytest.mark.parametrize("asked", FORMATS)
def test_hostile_words_are_drawn(asked: Format) -> None:
    assert picture(hostile(), asked).format == asked


def test_hostile_words_are_words_and_nothing_else() -> None:
    root = ElementTree.fromstring(render(hostile(), "svg"))
    said = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    for words in (
        "<b>bold</b>",
        "\\back\\N\\G\\slash\\",
        "new line tab",
        "&amp; &lt; &#65;",
        "<script>alert(1)</script>",
    ):
        assert words in said
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg", "desc", "g", "title", "text", "path", "polygon", "polyline", "ellipse"
    }  # fmt: skip


def test_a_name_that_dot_would_read_as_a_port_stays_a_name() -> None:
    cards = (Card("a:s", "a:s", "agent"), Card('n"', 'n"', "agent"), Card("node", "node", "agent"))
    drawn = to_dot(Diagram(Header("ports"), cards, (Arrow("a:s", 'n"'), Arrow('n"', "node"))))
    assert "n0 -> n1" in drawn
    assert "n1 -> n2" in drawn


def test_mermaid_shows_hostile_words_as_entities() -> None:
    text = render(hostile(), "mermaid").decode()
    assert "#60;script#62;alert#40;1#41;#60;#47;script#62;".replace("#47;", "/") in text
    assert not any(each in text for each in ("<script", "<!--", "%%{", "{x}", "]]>"))


# ------------------------------------------------------------------------------------------------ bare machines


def test_a_machine_without_fonts_draws_the_same_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = {asked: render(known()["waiting"], asked) for asked in ("svg", "png", "pdf")}
    for name in ("FONTCONFIG_FILE", "FONTCONFIG_PATH", "FONTCONFIG_SYSROOT"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {asked: render(known()["waiting"], asked) for asked in ("svg", "png", "pdf")} == made


def test_the_package_is_not_written_to() -> None:
    shipped = Path(__file__).parents[2] / "workflow_engine/draw/fonts"
    before = sorted(shipped.iterdir())
    render(SMALL, "svg")
    assert sorted(shipped.iterdir()) == before


def test_a_script_without_a_font_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing = tmp_path / "fonts.conf"
    nothing.write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    monkeypatch.setenv("FONTCONFIG_FILE", str(nothing))
    odd = Diagram(Header("odd"), (Card("a", "\U0010fff0 and \U0010fff1", "agent"),))  # for private use
    (note,) = picture(odd, "png").notes
    assert note.startswith("no font on this machine draws")
    assert "\U0010fff0 \U0010fff1" in note


# ------------------------------------------------------------------------------------------------ engines


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder before all others where a child process looks for pygraphviz; the PATH is an empty folder."""
    folder = tmp_path / "python"
    folder.mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return folder


def install_dot(tmp_path: Path) -> None:
    """A `dot` on the PATH: the same Graphviz behind the command line of the real one."""
    script = f"""\
        #!{sys.executable} -P
        import os, subprocess, sys
        del os.environ["PYTHONPATH"]
        given = [each for each in sys.argv[1:] if each.startswith("-T")]
        outputs = [sys.argv[at + 1] for at, each in enumerate(sys.argv) if each == "-o"]
        dpi = next((each[6:] for each in sys.argv if each.startswith("-Gdpi=")), "0")
        child = {str(Path(__file__).parents[2] / "workflow_engine/draw/child.py")!r}
        layout = next((each[2:] for each in sys.argv if each.startswith("-K")), "dot")
        asked = [os.path.dirname(outputs[0]), dpi, layout, *[each[2:] for each in given]]
        sys.exit(subprocess.run([{sys.executable!r}, child, *asked]).returncode)
    """
    (tmp_path / "bin" / "dot").write_text(dedent(script))
    (tmp_path / "bin" / "dot").chmod(0o755)


def test_without_any_engine_it_is_mermaid_and_says_so(stand_in: Path) -> None:
    (stand_in / "pygraphviz.py").write_text("raise ImportError('not here')")
    made = picture(SMALL, "png")
    assert made.format == "mermaid"
    assert made.data == render(SMALL, "mermaid")
    assert "pygraphviz does not load: not here" in made.notes[-1]
    with pytest.raises(DrawingError, match="no drawing engine works here"):
        render(SMALL, "png")


def test_without_pygraphviz_the_dot_of_the_machine_draws_the_same(stand_in: Path, tmp_path: Path) -> None:
    wanted = {asked: render(SMALL, asked) for asked in ("svg", "png")}
    (stand_in / "pygraphviz.py").write_text("raise ImportError('not here')")
    install_dot(tmp_path)
    for asked in ("svg", "png"):
        made = picture(SMALL, asked)
        assert (made.format, made.engine) == (asked, "dot")
        assert any("drawn by the dot of this machine" in note for note in made.notes)
        assert made.data == wanted[asked]


def test_an_engine_that_crashes_takes_nobody_down(stand_in: Path) -> None:
    (stand_in / "pygraphviz.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert "ended by signal 11" in picture(SMALL, "svg").notes[-1]


def test_an_engine_that_hangs_is_ended(stand_in: Path) -> None:
    (stand_in / "pygraphviz.py").write_text("import threading; threading.Event().wait()")
    assert "took longer than 0.3 s" in picture(SMALL, "svg", seconds=0.3).notes[-1]


def test_a_broken_label_is_an_error_and_no_empty_card() -> None:
    with pytest.raises(DrawingError, match=r"(?s)mismatched tag.*Mermaid"):
        draw("digraph { a [label=<<B>open>] }", ("svg",))


def test_text_that_is_no_dot_is_no_picture() -> None:
    made = None
    try:
        made = draw("digraph {", ("svg",))
    except DrawingError:
        return
    assert isinstance(made, NotDrawn)


@pytest.mark.slow
async def test_a_thousand_nodes_leave_the_event_loop_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.002)
            ticks += 1

    ticking = asyncio.create_task(tick())
    made = await picture_async(at_random(1000, 1), "svg")
    ticking.cancel()
    assert made.format == "svg"
    assert ticks > 50


def test_importing_the_room_loads_no_drawing_library() -> None:
    code = "import sys, workflow_engine.draw; print(*{'graphviz', 'pygraphviz', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_hostile_name_is_in_the_corpus_once() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE)
