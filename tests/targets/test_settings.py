"""Settings: an argument beats the environment, the environment beats the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_engine.settings import read_settings

NAMES = ("WORKFLOW_STORE", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_store_is_the_argument_then_the_environment_then_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().store == Path("checkpoints/runs.sqlite")
    monkeypatch.setenv("WORKFLOW_STORE", "")
    assert read_settings().store == Path("checkpoints/runs.sqlite")
    monkeypatch.setenv("WORKFLOW_STORE", "env.sqlite")
    assert read_settings().store == Path("env.sqlite")
    assert read_settings(store=Path("given.sqlite")).store == Path("given.sqlite")


def test_nothing_shows_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    settings = read_settings()
    assert "very-secret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.environ() == {"OPENAI_API_KEY": "sk-very-secret"}
