"""mypy (strict) and pyright accept a correct workflow without a cast, and see the mistakes marked in `rejected.py`.

One mistake only mypy sees: a misspelt choice where the answer is a model with a `choice`. A word of a plain Literal is
seen by both, and `verify` reports either (W202).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typing import accepted
from workflow_engine.verify import verify

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FILES = [str(HERE / name) for name in ("accepted.py", "rejected.py")]


def marked(checker: str) -> set[int]:
    """The lines of rejected.py that this checker must refuse."""
    lines = (HERE / "rejected.py").read_text(encoding="utf-8").splitlines()
    found = {number: re.search(r"# error(?:: (\w+))?$", line) for number, line in enumerate(lines, 1)}
    return {number for number, mark in found.items() if mark and mark[1] in (None, checker)}


def errors_of_mypy(cache: Path) -> set[tuple[str, int]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    done = subprocess.run(
        [*command, f"--cache-dir={cache}", *FILES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    rows = re.findall(r"^(.+?):(\d+): error: ", done.stdout, flags=re.MULTILINE)
    return {(Path(file).name, int(line)) for file, line in rows}


def errors_of_pyright(folder: Path) -> set[tuple[str, int]]:
    # In a project of their own: the house's own settings leave rejected.py out.
    for file in FILES:
        shutil.copy(file, folder)
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, "--project", str(folder)], capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        pytest.fail(f"pyright did not run: {done.stdout}{done.stderr}")
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in found if each["severity"] == "error"
    }


@pytest.mark.slow
def test_mypy_accepts_what_is_right_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    known = os.environ.get("MYPY_CACHE_DIR")  # what `make types` has learned of the house a moment ago
    assert errors_of_mypy(ROOT / known if known else tmp_path) == {("rejected.py", line) for line in marked("mypy")}


@pytest.mark.slow
def test_pyright_accepts_what_is_right_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    assert errors_of_pyright(tmp_path) == {("rejected.py", line) for line in marked("pyright")}


def test_what_is_accepted_is_sound() -> None:
    assert verify(accepted.ship) == ()
    assert verify(accepted.generated) == ()
    assert accepted.steps == 12
