"""The house keeps its own rules: floors, first lines, names, and what an import may load."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HOUSE = Path(__file__).parent.parent
PACKAGE = HOUSE / "workflow_engine"
MODULES = sorted(PACKAGE.rglob("*.py"))
VAGUE = {"manager", "handler", "helper", "util", "utils", "helpers", "common", "base", "core", "misc", "wrapper"}
FIELD_WORDS = {"base_url", "get_route_handler"}  # what every model endpoint calls its address, and FastAPI a method
HEAVY = (
    "langgraph",
    "langchain_core",
    "agents",
    "openai",
    "networkx",
    "graphviz",
    "pygraphviz",
    "rich.table",
    "fastapi",
    "uvicorn",
)


def named(module: Path) -> str:
    return module.relative_to(HOUSE).as_posix()


@pytest.fixture
def architecture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_architecture", HOUSE / "docs" / "make_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------------ floors


# Where a fault is planted, its line, and how import-linter names it.
PLANTED = {
    "an import upward": ("spec/planted.py", "import workflow_engine.verify", "workflow_engine.verify"),
    "an import of a sibling": ("stores/planted.py", "import workflow_engine.draw", "workflow_engine.draw"),
    "a room on no floor": ("attic.py", "", ""),
    "langgraph elsewhere": ("runtime/planted.py", "import langgraph.graph", "langgraph"),
    "a model called from elsewhere": ("bodies/planted.py", "import openai", "openai"),
    "sqlite behind the ledger": ("steps/planted.py", "import aiosqlite", "aiosqlite"),
}


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the house into which every fault was planted."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", "fonts"))
    shutil.copy(HOUSE / "pyproject.toml", copy)
    for place, line, _ in PLANTED.values():
        (copy / PACKAGE.name / place).write_text(f'"""Planted."""\n\n{line}\n', encoding="utf-8")
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=copy, capture_output=True, text=True, check=False)
    assert "Broken contracts" in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_import_is_caught(verdict: str, fault: str) -> None:
    place, _, imported = PLANTED[fault]
    importer = "workflow_engine." + place.removesuffix(".py").replace("/", ".")
    assert (f"- {importer} -> {imported} (l.3)" if imported else f"- {importer}\n") in verdict


def test_a_room_stands_in_parentheses_until_it_is_built(architecture: ModuleType) -> None:
    layers = " ".join(architecture.contracts()["floors"]["layers"])
    promised = set(re.findall(r"\((\w+)\)", layers))
    built = {path.stem for path in PACKAGE.iterdir()}
    assert not promised & built, "take the parentheses off in pyproject.toml"


# ------------------------------------------------------------------------------------------------ modules


def test_a_module_opens_with_a_sentence_that_says_what_it_is() -> None:
    opening = {named(module): module.read_text(encoding="utf-8").partition("\n")[0] for module in MODULES}
    sentence = re.compile(r'r?"""[^a-z\s].*[.?!:](""")?')
    assert {name: line for name, line in opening.items() if not sentence.fullmatch(line)} == {}


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def definitions(module: Path) -> Iterator[str]:
    yield module.parent.name if module.name == "__init__.py" else module.stem
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def test_nothing_has_a_vague_name() -> None:
    vague = {(named(module), name) for module in MODULES for name in definitions(module) if words(name) & VAGUE}
    assert {(module, name) for module, name in vague if name not in FIELD_WORDS} == set()


def test_the_page_of_the_architecture_is_current(architecture: ModuleType) -> None:
    assert architecture.PAGE.read_text(encoding="utf-8") == architecture.page(), "run `make docs`"


# ------------------------------------------------------------------------------------------------ imports


@pytest.mark.parametrize("module", ["workflow_engine", "workflow_engine.engine", "workflow_engine.cli"])
def test_an_import_loads_nothing_heavy(module: str) -> None:
    asked = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# ------------------------------------------------------------------------------------------------ pins


def test_the_pins_are_names_and_versions_without_an_address() -> None:
    pins = (HOUSE / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", pin)] == []
