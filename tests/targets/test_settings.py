"""Settings: an argument beats the environment, the environment beats the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_engine.errors import UsageError
from workflow_engine.settings import read_settings
from workflow_engine.spec.limits import RunLimits

NAMES = (
    "WORKFLOW_STORE",
    "WORKFLOW_KEY",
    "WORKFLOW_KEY_FILE",
    "WORKFLOW_LIMIT_WRITE",
    "WORKFLOW_LIMIT_STATE",
    "WORKFLOW_LIMIT_STEPS",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "OPENAI_API",
)


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


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().limits == RunLimits()
    monkeypatch.setenv("WORKFLOW_LIMIT_STEPS", "50")
    monkeypatch.setenv("WORKFLOW_LIMIT_WRITE", "1000")
    assert read_settings().limits == RunLimits(write=1000, steps=50)
    for wrong in ("0", "-1", "many"):
        monkeypatch.setenv("WORKFLOW_LIMIT_STEPS", wrong)
        with pytest.raises(UsageError, match="WORKFLOW_LIMIT_STEPS cannot be used"):
            read_settings()


def test_the_stores_key_is_read_from_a_file_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read_settings().keys() is None
    file = tmp_path / "key"
    monkeypatch.setenv("WORKFLOW_KEY_FILE", str(file))
    with pytest.raises(UsageError, match="key cannot be read: No such file"):
        read_settings().keys()
    file.write_text("very-secret\n")
    found = read_settings().keys()
    assert found is not None
    assert found.get_secret_value() == "very-secret\n"
    monkeypatch.setenv("WORKFLOW_KEY", "another-secret")
    settings = read_settings()
    found = settings.keys()
    assert found is not None
    assert found.get_secret_value() == "another-secret"
    assert "secret" not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()} {found!r}"
