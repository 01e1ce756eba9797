"""The chat page, in Chromium: words as they come, a connection that breaks among them, and markup that stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.page.chatting import Chatting, chatting
from tests.page.conftest import PATIENCE, Visitor
from tests.page.flows import MARKUP
from tests.page.test_page import faint, unnamed

pytestmark = pytest.mark.slow


@pytest.fixture
def served() -> Iterator[Chatting]:
    with chatting() as served:
        yield served


def test_a_person_chats_and_a_broken_connection_loses_no_word(served: Chatting, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 900, "height": 700}, color_scheme="light")
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    visitor = Visitor(page, served.address.partition("chat#")[0])
    visitor.watch()
    page.goto(served.address)

    # Their words come as they are said, and the tool as it is used, without a mouse.
    expect(page.get_by_label("Message")).to_be_focused()
    assert "token" not in page.url
    page.keyboard.type(f"How heavy is {MARKUP}?")
    page.keyboard.press("Enter")
    theirs = page.locator("#talk li").nth(1)
    expect(page.locator("#talk .mine .words")).to_have_text(f"How heavy is {MARKUP}?")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    served.says("/weigh", "It ", "weighs ")
    expect(theirs.locator(".uses")).to_contain_text("weigh")
    expect(theirs.locator(".words")).to_have_text("It weighs")
    expect(page.locator("#state")).to_have_text("Working…")
    assert faint(page) == []
    visitor.shot("chat-words-light")

    # The wire is cut in the middle, words are said meanwhile, and it is taken up again.
    served.cut()
    expect(page.locator("#state")).to_have_text("The connection broke; trying again…")
    visitor.shot("chat-broken-light")
    served.says("three ", "kilos, ")
    expect(page.locator("#state")).to_have_text("Working…")
    expect(theirs.locator(".words")).to_have_text("It weighs three kilos,")
    served.says(f"with {MARKUP}")
    expect(theirs.locator(".words")).to_have_text(f"It weighs three kilos, with {MARKUP}")
    served.says(None)
    expect(theirs).not_to_have_class(re.compile("coming"))
    expect(theirs.locator(".words")).to_have_text(f"It weighs three kilos, with {MARKUP}")
    expect(theirs.locator(".uses")).to_have_count(1)
    expect(theirs.locator(".uses")).to_contain_text("✔ used weigh")

    # In the dark, the next message.
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_label("Message")).to_be_focused()
    page.keyboard.type("And now?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Well?")
    served.says("Just as heavy.", None)
    page.keyboard.press("Enter")
    expect(page.locator("#talk li").nth(3).locator(".words")).to_have_text("Just as heavy.")
    expect(page.locator("#talk .mine").nth(1).locator(".words")).to_have_text("And now?\nWell?")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    assert faint(page) == []
    assert unnamed(page) == []
    visitor.shot("chat-dark")
    assert page.title() == "Chat"
    assert page.locator("#talk").locator("img, script, b").count() == 0

    # From the keyboard to the run that answered.
    theirs.get_by_role("link", name="its run").press("Enter")
    expect(page.locator(".run-head .status")).to_have_text(re.compile("succeeded"))
    context.close()
    visitor.errors[:] = [each for each in visitor.errors if "ERR_" not in each]  # Chromium tells of the cut itself
    assert (visitor.errors, visitor.strangers) == ([], [])
