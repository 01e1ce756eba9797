"""workflow doctor: what it looked at, and that it shows no secret."""

from __future__ import annotations

import pytest

from tests.cli.flows import GREET
from tests.cli.terminal import Cli, Write


def test_the_doctor_tells_every_part_of_the_machine(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    cli("run", "greet.py", "name=Ada")
    typed = cli("doctor", "--json")
    assert typed.code == 0
    assert typed.json["ok"] is True
    checks = {each["what"]: each for each in typed.json["checks"]}
    assert set(checks) == {"python", "packages", "store", "sqlite", "sandbox", "pictures", "fonts", "model"}
    assert all(set(each) == {"what", "is", "verdict", "cure"} for each in checks.values())
    assert "1 run" in checks["store"]["is"]
    assert "langgraph 1." in checks["packages"]["is"]
    assert "no key" in checks["model"]["is"]
    plain = cli("doctor")
    assert all(each in plain.out for each in checks)


def test_a_store_that_cannot_be_used_is_what_the_doctor_fails_on(write: Write, cli: Cli) -> None:
    write("notes.txt", "notes\n" * 200)
    typed = cli("doctor", "--store", "notes.txt", "--json")
    assert typed.code == 8
    assert typed.json["ok"] is False
    assert "not a" in next(each["is"] for each in typed.json["checks"] if each["what"] == "store")


def test_a_key_is_told_to_be_there_and_not_shown(write: Write, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key-0000-wxyz")
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    for typed in (cli("doctor"), cli("doctor", "--json")):
        assert "not-a-real" not in typed.out + typed.err
        assert "key …wxyz" in typed.out
        assert "some-model" in typed.out
