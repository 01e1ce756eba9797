"""What test says of a patch: really run in the sandbox, and red unless it passed; a broken pytest says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from graphs import ship
from graphs.ship import Design, Patch, Report, TestFile, run_tests, verdict
from workflow_engine import Limits
from workflow_engine.errors import Infrastructure
from workflow_engine.ports.sandbox import Completed
from workflow_engine.sandbox import Bubblewrap, PlainSubprocess

GOOD = "def add(a, b):\n    return a + b\n"


@pytest.fixture
def tested(sandbox: Bubblewrap, design: Design, make_step: Any) -> Any:
    async def tested(text: str, **more: str) -> Report:
        files = {"adder/__init__.py": text, **{f"adder/{name}.py": code for name, code in more.items()}}
        report, evidence = await run_tests(design, Patch(files=files, summary=""), sandbox, make_step("test", visit=2))
        assert evidence == [f"visit 2: {report.title}\n{report.log}"]
        assert report.isolated
        assert report.sandbox == "bubblewrap"
        return report

    return tested


async def test_a_good_patch_is_green(tested: Any) -> None:
    report = await tested(GOOD)
    assert (report.green, report.passed, report.failed, report.failures) == (True, 2, 0, [])
    assert report.title == "2 tests passed"
    assert verdict(report) == "passed"


async def test_a_failing_test_is_named_with_its_text(tested: Any) -> None:
    report = await tested("def add(a, b):\n    return abs(a) + abs(b)\n")
    assert (report.green, report.passed, report.failed) == (False, 1, 1)
    assert report.failures == ["tests.test_adder::test_minus_one"]
    assert "assert 4 == 2" in report.log
    assert report.title == "1 of 2 tests failed"
    assert verdict(report) == "failed"


@pytest.mark.parametrize(
    "text",
    [
        "def add(a, b:\n",
        "import nothing_of_this_name",
        "raise RuntimeError('no')",
        "raise SystemExit(0)",
        "import os; os._exit(0)",
        "import os; os._exit(3)",
        "import os; os._exit(4)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import unittest; raise unittest.SkipTest('not today')",
        "import unittest\ndef add(a, b): raise unittest.SkipTest('not today')",
        "import pytest; pytest.skip('not today', allow_module_level=True)",
        "import pytest; pytest.exit('enough', returncode=0)",
        "import os; os.symlink('/etc/passwd', 'junit.xml'); os._exit(0)",
        "open('junit.xml', 'w').write('<x'); import os; os._exit(0)",
        "x = bytearray(2**34)",
    ],
)
async def test_whatever_a_patch_does_instead_of_passing_is_red(tested: Any, text: str) -> None:
    report = await tested(text)
    assert not report.green
    assert report.failed > 0
    assert report.failures
    assert report.log


async def test_a_patch_that_never_ends_is_stopped_and_red(
    tested: Any, monkeypatch: pytest.MonkeyPatch, sandbox: Bubblewrap
) -> None:
    monkeypatch.setattr(ship, "Limits", lambda **_: Limits(seconds=1))
    report = await tested("while True: pass")
    assert not report.green
    assert report.failures == ["stopped by its limit of wall time"]


async def test_a_package_brings_neither_settings_nor_tests_of_its_own(tested: Any) -> None:
    report = await tested(
        "def add(a, b):\n    return 0\n",
        conftest="def pytest_collection_modifyitems(items):\n    items.clear()\n",
        test_easy="def test_easy():\n    pass\n",
    )
    assert (report.passed, report.failed) == (0, 2)


async def test_a_design_whose_tests_cannot_be_read_is_red(sandbox: Any, patch: Patch, make_step: Any) -> None:
    for text in ("def test_(:\n", "# no test at all\n"):
        design = Design(modules=[], tests=[TestFile(name="test_x.py", text=text)])
        report, _ = await run_tests(design, patch, sandbox, make_step())
        assert not report.green


class Broken:
    """A sandbox in which pytest itself fails."""

    name = "broken"
    isolated = True

    def __init__(self, completed: Completed) -> None:
        self.completed = completed

    async def run(self, *_: Any, **__: Any) -> Completed:
        return self.completed


@pytest.mark.parametrize(
    "completed",
    [
        Completed(3, "INTERNALERROR> Traceback (most recent call last):", "", 1.0, True),
        Completed(4, "", "ERROR: file or directory not found: tests", 1.0, True),
    ],
)
async def test_a_pytest_that_fails_itself_is_no_failed_test(
    design: Design, patch: Patch, make_step: Any, completed: Completed
) -> None:
    with pytest.raises(Infrastructure, match="pytest itself failed"):
        await run_tests(design, patch, Broken(completed), make_step())


async def test_a_missing_pytest_is_no_failed_test(
    design: Design, patch: Patch, make_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "find_spec", lambda _: None)
    with pytest.raises(Infrastructure, match="pytest is not installed"):
        await run_tests(design, patch, PlainSubprocess(), make_step())


async def test_without_a_sandbox_the_report_says_so_loudly(design: Design, patch: Patch, make_step: Any) -> None:
    report, [evidence] = await run_tests(design, patch, PlainSubprocess(), make_step())
    assert report.green
    assert not report.isolated
    assert report.title == "2 tests passed (UNSANDBOXED)"
    assert "UNSANDBOXED" in evidence


async def test_a_patch_has_no_network_and_sees_no_file_of_the_host(tested: Any) -> None:
    report = await tested(
        "import pathlib, socket\n\n\ndef add(a, b):\n"
        f"    assert not pathlib.Path({__file__!r}).exists()\n"
        "    try:\n        socket.create_connection(('1.1.1.1', 53), 1)\n    except OSError:\n        return a + b\n"
    )
    assert report.green, report.log
