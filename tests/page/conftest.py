"""A server in a process of its own, and one Chromium for all tests of the page."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / ".cache" / "page"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60
"""Seconds after which what is waited for counts as missing: the machine may be busy."""
COMMAND = (sys.executable, "-m", "workflow_engine.cli")


@dataclass
class Serving:
    """`workflow serve` in a folder. `address` carries the token; without it, `place`."""

    folder: Path
    process: subprocess.Popen[str]
    address: str

    @property
    def place(self) -> str:
        return self.address.partition("#")[0]


@dataclass
class Visitor:
    """A page that is open, and everything that must not have happened on it."""

    page: Page
    place: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self) -> None:
        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.errors.append(f"{message.type}: {message.text}")

        def requested(request: Request) -> None:
            if not request.url.startswith((self.place, "data:")):
                self.strangers.append(request.url)

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", requested)

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture(scope="module")  # its loop would be in the way of other modules' tests
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE * 1000)
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def drained(stream: IO[str]) -> None:
    for _ in stream:
        pass


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Serving]]:
    """Serve these files in a folder of their own; `(*options, files)`."""
    begun: list[subprocess.Popen[str]] = []

    def start(*options: str, files: tuple[Path, ...]) -> Serving:
        folder = tmp_path_factory.mktemp("served")
        for each in files:
            shutil.copy(each, folder)
        process = subprocess.Popen(
            [*COMMAND, "serve", *options, "--port", "0", "--store", "runs.sqlite"],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://\S+#token=\S+", line):
                Thread(target=drained, args=(process.stderr,), daemon=True).start()
                return Serving(folder, process, found[0])
        raise AssertionError("".join(said))

    yield start
    for each in begun:
        each.send_signal(signal.SIGINT)
    for each in begun:
        try:
            each.wait(20)
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()
        if each.stderr is not None:
            each.stderr.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open the page of a server; afterwards nothing was complained of, and nobody else was asked for anything."""
    opened: list[Visitor] = []

    def open_page(serving: Serving, scheme: str = "light") -> Visitor:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
        )
        context.set_default_timeout(PATIENCE * 1000)
        visitor = Visitor(context.new_page(), serving.place)
        visitor.watch()
        visitor.page.goto(serving.address)
        visitor.page.wait_for_selector("#heading")
        opened.append(visitor)
        return visitor

    yield open_page
    for each in opened:
        each.page.context.close()
    assert [(each.errors, each.strangers) for each in opened] == [([], [])] * len(opened)
