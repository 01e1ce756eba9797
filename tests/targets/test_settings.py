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


# The file


FILE = """
store = "file.sqlite"
model = ["big", "small@spare"]

[endpoints.spare]
base_url = "http://127.0.0.1:9/v1"
api_key = "sk-of-the-file"
"""


def test_arguments_beat_the_environment_and_it_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow.toml").write_text(FILE)
    settings = read_settings()
    assert (settings.store, settings.model) == (Path("file.sqlite"), "big,small@spare")
    monkeypatch.setenv("WORKFLOW_STORE", "env.sqlite")
    monkeypatch.setenv("WORKFLOW_ENDPOINTS__SPARE__API_KEY", "sk-of-the-environment")
    settings = read_settings()
    assert settings.store == Path("env.sqlite")
    spare = settings.named()["spare"]
    assert (spare["base_url"], spare["api_key"].get_secret_value()) == (
        "http://127.0.0.1:9/v1",
        "sk-of-the-environment",
    )
    assert read_settings(store=Path("given.sqlite")).store == Path("given.sqlite")
    assert "sk-" not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()} {settings.named()}"


def test_a_key_may_stand_in_a_variable_that_the_file_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text('[endpoints.spare]\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "SPARE_KEY"\n')
    monkeypatch.setenv("WORKFLOW_SETTINGS", str(path))
    assert read_settings().named()["spare"]["api_key"] is None
    monkeypatch.setenv("SPARE_KEY", "sk-spare")
    assert read_settings().named()["spare"]["api_key"].get_secret_value() == "sk-spare"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stoer = 1", "sets 'stoer', which is no setting"),
        ('api_key = "sk-canary"', "sets 'api_key', which is no setting"),
        ('base_url = "http://elsewhere/v1"', "sets 'base_url', which is no setting"),
        ('model = ["a", 3, "sk-canary"]', "cannot be used"),
        ('[endpoints.x]\nbase_url = 3\napi_key = "sk-canary"', "endpoints.x.base_url cannot be used"),
        ('[endpoints.x]\nbase_url = "http://h/v1"\nkey = "sk-canary"', "endpoints.x.key cannot be used"),
        ("store = ", "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_clear_error_that_quotes_no_secret(
    text: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow.toml").write_text(text)
    with pytest.raises(UsageError, match=says) as wrong:
        read_settings()
    assert "canary" not in str(wrong.value)


def test_settings_that_are_named_and_not_there_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_SETTINGS", "nowhere.toml")
    with pytest.raises(UsageError, match=r"there are no settings at nowhere\.toml"):
        read_settings()
