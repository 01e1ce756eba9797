"""The page, in Chromium: what a person does, and what a stranger would like to."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import COMMAND, ROOT, Serving, Visitor
from workflow_engine.draw.palette import DARK, LIGHT
from workflow_engine.http.tail import snake
from workflow_engine.record.events import Event

PAGE = ROOT / "workflow_engine" / "http" / "page"
FLOWS = Path(__file__).with_name("flows.py")
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flows(serve: Callable[..., Serving]) -> Serving:
    return serve("flows.py:survey", "flows.py:club", files=(FLOWS,))


@pytest.fixture(scope="module")
def shipping(serve: Callable[..., Serving]) -> Serving:
    graphs = ROOT / "graphs"
    return serve("ship.py", "--model", "offline", files=(graphs / "ship.py", graphs / "ship.playbook.toml"))


# ------------------------------------------------------------------------------------------------ without a browser


def test_the_page_is_small() -> None:
    sizes = {each.name: len(gzip.compress(each.read_bytes())) for each in files() if "LICENSE" not in each.name}
    assert sum(sizes.values()) < 100_000, sizes


def test_the_page_holds_every_kind_of_event() -> None:
    text = (PAGE / "events.js").read_text(encoding="utf-8")
    kinds = re.search(r"KINDS = `([^`]*)`", text)
    assert kinds is not None
    assert set(kinds[1].split()) == {snake(each.__name__) for each in get_args(get_args(Event)[0])}


def test_the_page_has_no_script_and_no_style_within_and_names_no_other_host() -> None:
    for each in files():
        if each.suffix in (".js", ".css", ".html") and each.parent.name != "vendor":
            text = each.read_text(encoding="utf-8")
            assert "innerhtml" not in text.lower(), each
            assert not re.search(r"https?://(?!www\.w3\.org)", text), each
            if each.suffix == ".html":
                assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", text), each


def test_the_page_has_the_colours_of_pictures_for_every_status() -> None:
    told = dict(
        re.findall(r"--([a-z-]+): light-dark\((#\w{6}, #\w{6})\)", (PAGE / "page.css").read_text(encoding="utf-8"))
    )
    for status, tone in LIGHT.statuses.items():
        if status != "not reached":
            dark = DARK.statuses[status]
            for name, one, other in (
                ("ground", tone.fill, dark.fill),
                ("line", tone.border, dark.border),
                ("ink", tone.title, dark.title),
            ):
                assert told[f"{status}-{name}"] == f"{one}, {other}", f"{status} {name}"


def files() -> Iterator[Path]:
    yield from (each for each in PAGE.rglob("*") if each.is_file())


# ------------------------------------------------------------------------------------------------ a person ships


def test_a_person_ships_a_change_and_forks_it(shipping: Serving, visit: Callable[..., Visitor]) -> None:
    visitor = visit(shipping)
    page = visitor.page
    assert "token" not in page.url
    go(page, "Start a run")
    expect(page.get_by_label("Request")).to_be_focused()
    visitor.shot("start-light")
    page.keyboard.type("Sort a list in constant time")
    page.keyboard.press("Control+Enter")

    # It loops before their eyes, and nothing moves.
    implement = page.locator('[data-node="implement"]')
    expect(implement).to_have_class(re.compile("looping|running"))
    before = implement.locator(".name").bounding_box()
    expect(page.locator('[data-from="test"][data-to="implement"] [data-count]')).to_have_text(re.compile("×[23] of 3"))
    visitor.shot("looping-light")
    expect(page.locator(".run-head .status")).to_have_text(re.compile("waiting for a person"))
    expect(page.locator("[role=status].unseen")).to_contain_text("is waiting for a person")
    assert implement.locator(".name").bounding_box() == before
    run = page.locator(".run-head code").inner_text()

    # They read the evidence and answer, without a mouse.
    expect(page.locator(".question h2")).to_have_text("The change is not ready")
    expect(page.locator(".evidence pre").last).to_contain_text("assert cost(1000) <= cost(10)")
    expect(page.get_by_label("retry")).to_be_focused()
    visitor.shot("question-light")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("Count them")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send answer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator('[data-node="deploy"]')).to_have_class(re.compile("done"))
    expect(page.locator(".run-head .status")).to_have_text(re.compile("succeeded"))
    visitor.shot("shipped-light")

    # In the dark, they look at the step that made it, and fork there with a request of another kind.
    page.get_by_role("button", name="Dark").press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    for view in ("timeline", "steps", "state", "journal", "graph"):
        page.locator(".tabs").get_by_role("link", name=view).press("Enter")
        page.wait_for_selector(f".scene.{view}")
        visitor.shot(f"{view}-dark")
    implement.press("Enter")
    expect(page.locator(".step h2")).to_have_text(re.compile("implement"))
    expect(page.locator(".diff .added").first).to_be_visible()
    expect(page.locator(".story .tool_call").first).to_contain_text("list_files")
    visitor.shot("step-dark")
    assert faint(page) == []
    page.get_by_role("button", name="Fork from here…").press("Enter")
    dialog = page.locator("dialog")
    dialog.locator("summary", has_text="releases").press("Enter")
    dialog.get_by_label("Releases").fill("elsewhere")
    visitor.shot("fork-dark")
    dialog.get_by_role("button", name=re.compile("^Fork with releases")).press("Enter")
    expect(page.locator(".run-head")).to_contain_text(f"fork of {run}")
    expect(page.locator(".run-head .status")).to_have_text(re.compile("succeeded"))
    assert (shipping.folder / "elsewhere" / "quicker" / "current").is_symlink()
    visitor.shot("forked-dark")
    go(page, "Metrics")
    expect(page.locator(".tile", has_text="Runs")).to_contain_text("2")
    visitor.shot("metrics-dark")


# ------------------------------------------------------------------------------------------------ forms and markup


def test_markup_is_text_and_every_kind_of_field_is_answered(flows: Serving, visit: Callable[..., Visitor]) -> None:
    visitor = visit(flows)
    page = visitor.page
    go(page, "Start a run")
    page.get_by_role("link", name="survey").press("Enter")
    page.get_by_label("Topic").fill("<h1>Tea</h1>")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".question h2")).to_contain_text("<script>document.title='owned'</script>")
    expect(page.locator(".message")).to_contain_text("<h1>Tea</h1> <img src=x")
    assert page.locator(".question :is(img, script, b, i)").count() == 0
    assert "owned" not in page.title()
    assert unnamed(page) == []
    assert faint(page) == []
    visitor.shot("form-light")

    form = page.locator(".question form")
    form.get_by_role("button", name="Send answer").click()
    expect(form.get_by_role("alert")).to_contain_text("required")  # the server's own words
    form.get_by_label("buy").check()
    form.get_by_label("Colour").select_option("green")
    form.get_by_label("Amount").fill("many")
    form.get_by_label("Price").fill("2.5")
    form.get_by_label("When").fill("2026-12-24")
    form.get_by_label("Urgent").check()
    note = form.locator("fieldset", has_text="Note")
    note.get_by_label("nothing").check()
    note.locator("textarea").fill("<b>quick</b>")
    form.get_by_label("kind of Payment").select_option("Invoice")
    form.get_by_label("Days").fill("30")
    tags = form.locator("fieldset.list")
    for number, tag in enumerate(("one", "two")):
        tags.get_by_role("button", name="add").click()
        tags.locator("textarea").nth(number).fill(tag)
    sizes = form.locator("fieldset.map")
    sizes.get_by_role("button", name="add").click()
    sizes.get_by_label("name 1 in Sizes").fill("large")
    sizes.get_by_label("value of large").fill("7")
    form.get_by_role("button", name="Send answer").click()
    expect(form.locator(".fault")).to_have_text("'many' is not of type 'integer'")
    form.get_by_label("Amount").fill("3")
    visitor.shot("answer-light")
    form.get_by_role("button", name="Send answer").click()
    expect(page.locator(".run-head .status")).to_have_text(re.compile("succeeded"))
    visitor.errors[:] = [each for each in visitor.errors if "422" not in each]  # Chromium tells of refusals itself
    assert state_of(visitor)["reply"] == {
        "choice": "buy",
        "colour": "green",
        "amount": 3,
        "price": 2.5,
        "when": "2026-12-24",
        "urgent": True,
        "note": "<b>quick</b>",
        "payment": {"kind": "invoice", "days": 30},
        "tags": ["one", "two"],
        "sizes": {"large": 7},
    }


def test_with_the_keyboard_a_run_is_begun_with_a_default_edited_signalled_and_handed_on(
    flows: Serving, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(flows)
    page = visitor.page
    go(page, "Start a run")
    page.get_by_role("link", name="club").press("Enter")
    form = page.get_by_role("form", name="inputs of club")
    form.get_by_label("Member").fill("Ana")
    form.locator("summary", has_text="More that it may begin with").press("Enter")
    expect(form.locator(".folds summary").first).to_have_text(re.compile(r"seats\s*2"))  # what no node writes is first
    form.locator("summary", has_text="seats").press("Enter")
    form.get_by_label("Seats").fill("3")
    assert unnamed(page) == []
    visitor.shot("defaults-light")
    page.keyboard.press("Control+Enter")

    # A loop's count has the room it grows into.
    count = page.locator('[data-from="seat"][data-to="seat"] .words')
    expect(count).to_contain_text("×2 of 5")
    svg, words = page.locator(".canvas svg").bounding_box(), count.bounding_box()
    assert svg is not None
    assert words is not None
    assert words["x"] + words["width"] <= svg["x"] + svg["width"]

    waits = page.get_by_role("region", name="due waits")
    waits.locator("summary", has_text="Send fee…").press("Enter")
    waits.get_by_label("Cents").fill("some")
    waits.get_by_role("button", name="Send fee").press("Enter")
    expect(waits.get_by_role("alert")).to_contain_text("fee")  # the server's own words; what was typed stays
    waits.get_by_label("Cents").fill("500")
    assert unnamed(page) == []
    assert faint(page) == []
    visitor.shot("signal-light")
    waits.get_by_role("button", name="Send fee").press("Enter")

    page.locator("summary", has_text="Reassign…").press("Enter")
    page.get_by_label("To", exact=True).fill("ben")
    page.keyboard.press("Enter")
    expect(page.locator(".question .eyebrow")).to_have_text("Question for ben")
    assert unnamed(page) == []
    page.locator(".tabs").get_by_role("link", name="logs").press("Enter")
    expect(page.locator(".lines li")).to_have_count(3)
    expect(page.locator(".lines")).to_contain_text("guest 3 is seated")
    assert faint(page) == []
    visitor.shot("logs-light")
    state = state_of(visitor)
    assert (state["seats"], state["fee"]) == (3, {"cents": 500})
    visitor.errors[:] = [each for each in visitor.errors if "422" not in each]  # Chromium tells of refusals itself


def test_in_a_narrow_window_the_places_leave_the_room_to_the_view(
    flows: Serving, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(flows)
    page = visitor.page
    page.set_viewport_size({"width": 420, "height": 860})
    for place in ("Runs", "Inbox", "Start a run", "Metrics"):
        go(page, place)
        expect(page.locator("#heading")).to_have_text(place)
        top = page.locator("#heading").bounding_box()
        assert top is not None
        assert top["y"] < 200
        assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_runs_are_filtered_searched_and_said_to_strangers_only_with_a_token(
    flows: Serving, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(flows, "dark")
    page = visitor.page
    begun = page.request.post(
        f"{flows.place}api/workflows/survey/runs",
        data={"inputs": {"topic": "Tea"}},
        headers={"origin": flows.place.rstrip("/")},
    )
    assert begun.status == 201, begun.text()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("zzzz")
    expect(page.locator(".empty")).to_have_text("No run is like that.")
    page.locator("#search").fill("URVE")
    expect(page.locator("tbody tr")).not_to_have_count(0)
    expect(page.locator("tbody tr", has_not_text="survey")).to_have_count(0)
    page.locator("#search").fill("")
    page.get_by_label("Status").select_option("cancelled")
    expect(page.locator(".empty")).to_be_visible()
    assert "status=cancelled" in page.url
    assert faint(page) == []
    page.context.clear_cookies()
    page.reload()
    expect(page.locator("#heading")).to_have_text("This page does not know you")
    visitor.errors[:] = [each for each in visitor.errors if "401" not in each]


# ------------------------------------------------------------------------------------------------ another process


def test_a_run_that_was_killed_goes_on_before_the_eyes_of_whoever_looks(
    serve: Callable[..., Serving], visit: Callable[..., Visitor]
) -> None:
    serving = serve(files=(FLOWS,))
    store = ("--store", "runs.sqlite")
    driving = subprocess.Popen(
        [*COMMAND, "run", "flows.py:gate", *store], cwd=serving.folder, stderr=subprocess.DEVNULL
    )
    visitor = visit(serving)
    page = visitor.page
    page.locator(".latest a").click()
    walk, status = page.locator('[data-node="walk"]'), page.locator(".run-head .status")
    expect(walk).to_have_class(re.compile("running"))
    page.evaluate("window.sinceThen = true")
    driving.send_signal(signal.SIGKILL)
    driving.wait()
    expect(status).to_have_text(re.compile("interrupted"))
    expect(walk).to_have_class(re.compile("interrupted"))
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    (serving.folder / "open").touch()
    subprocess.run([*COMMAND, "recover", *store], cwd=serving.folder, capture_output=True, check=True)
    expect(status).to_have_text(re.compile("succeeded"))
    expect(walk).to_have_class(re.compile("done"))
    assert page.evaluate("window.sinceThen") is True


# ------------------------------------------------------------------------------------------------ what is looked at


def go(page: Page, place: str) -> None:
    page.get_by_role("navigation", name="places").get_by_role("link", name=place).press("Enter")


def state_of(visitor: Visitor) -> dict[str, Any]:
    run = visitor.page.locator(".run-head code").inner_text()
    answer = visitor.page.request.get(f"{visitor.place}api/runs/{run}")
    found: dict[str, Any] = json.loads(answer.text())["state"]
    return found


def unnamed(page: Page) -> list[str]:
    """Controls that a screen reader has no name for."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll("input, select, textarea, button, a, [role=button]")]
           .filter((each) => !each.ariaLabel && !each.labels?.length && !each.textContent.trim())
           .map((each) => each.outerHTML)"""
    )
    return found


def faint(page: Page) -> list[str]:
    """Texts that stand less than 4.5 : 1 against their ground (WCAG 2, AA)."""
    found: list[str] = page.evaluate(CONTRAST)
    return found
