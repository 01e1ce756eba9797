"""How a model is chosen: by a flag, by the environment, never silently."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from workflow_engine import errors
from workflow_engine.agents.models import Endpoint, Offline, choose_model, is_loopback

KEY = "sk-canary-4711-do-not-show"


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "ship.playbook.toml"
    path.write_text('[[rule]]\ntext = "hello"\n')
    return path


def test_offline_wins_over_every_key(playbook: Path) -> None:
    choice = choose_model("offline", {"OPENAI_API_KEY": KEY, "OPENAI_MODEL": "gpt"}, playbook)
    assert choice == Offline(playbook)
    assert str(choice) == "offline-playbook/ship"


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": "  ", "OPENAI_BASE_URL": " "}])
def test_neither_key_nor_offline_names_both_cures(environ: dict[str, str], playbook: Path) -> None:
    with pytest.raises(errors.ModelMissing) as missing:
        choose_model(None, environ, playbook)
    assert "OPENAI_API_KEY" in str(missing.value)
    assert "OPENAI_BASE_URL" in str(missing.value)
    assert "--model offline" in str(missing.value)


def test_a_model_name_alone_is_no_endpoint() -> None:
    with pytest.raises(errors.ModelMissing, match="no endpoint to ask"):
        choose_model("gpt", {}, None)


def test_offline_without_a_playbook_says_how_to_write_one(tmp_path: Path) -> None:
    for playbook in (None, tmp_path / "none.playbook.toml", tmp_path):
        with pytest.raises(errors.ModelMissing, match="workflow model stub"):
            choose_model("offline", {}, playbook)


def test_a_key_without_a_model_is_not_guessed() -> None:
    with pytest.raises(errors.ModelMissing, match="OPENAI_API_KEY is set, but no model is named") as missing:
        choose_model(None, {"OPENAI_API_KEY": KEY}, None)
    assert "OPENAI_MODEL" in str(missing.value)


@pytest.mark.parametrize(
    ("environ", "url", "wire"),
    [
        ({"OPENAI_API_KEY": KEY}, "https://api.openai.com/v1", "responses"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_API": "chat"}, "https://api.openai.com/v1", "chat"),
        (
            {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://api.openai.com/v1/"},
            "https://api.openai.com/v1",
            "responses",
        ),
        ({"OPENAI_BASE_URL": "http://localhost:8000/v1"}, "http://localhost:8000/v1", "chat"),
        (
            {"OPENAI_BASE_URL": "http://localhost:8000/v1", "OPENAI_API": "responses"},
            "http://localhost:8000/v1",
            "responses",
        ),
    ],
)
def test_the_environment_means_a_real_endpoint(environ: dict[str, str], url: str, wire: str) -> None:
    choice = choose_model("named", environ, None)
    assert isinstance(choice, Endpoint)
    assert (choice.base_url, choice.wire, choice.model) == (url, wire, "named")


def test_the_flag_wins_over_openai_model() -> None:
    environ = {"OPENAI_BASE_URL": "http://localhost:1/v1", "OPENAI_MODEL": "a"}
    for flag, wanted in (("b", "b"), (None, "a")):
        choice = choose_model(flag, environ, None)
        assert isinstance(choice, Endpoint)
        assert choice.model == wanted


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OPENAI_API", "soap", "chat or responses"),
        ("OPENAI_BASE_URL", "localhost:8000", "no address"),
        ("OPENAI_BASE_URL", "ftp://host/v1", "no address"),
        ("OPENAI_BASE_URL", "http://:1/v1", "no address"),
        ("OPENAI_BASE_URL", "http://host:port/v1", "no address"),
        ("OPENAI_BASE_URL", "http://[::1/v1", "no address"),
        ("OPENAI_BASE_URL", f"http://me:{KEY}@host/v1", "carries a user"),
        ("OPENAI_BASE_URL", f"http://host/v1?key={KEY}", "carries a user"),
        ("OPENAI_API_KEY", f"{KEY}\nX: y", "characters no key has"),
        ("OPENAI_API_KEY", f"{KEY}é", "characters no key has"),
    ],
)
def test_a_wrong_setting_is_one_clear_error_that_quotes_no_secret(name: str, value: str, says: str) -> None:
    environ = {"OPENAI_BASE_URL": "http://localhost:1/v1", "OPENAI_MODEL": "m", name: value}
    with pytest.raises(errors.UsageError, match=says) as wrong:
        choose_model(None, environ, None)
    assert KEY not in str(wrong.value)


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(errors.ModelMissing, match="needs a key"):
        choose_model("m", {"OPENAI_BASE_URL": "https://api.openai.com/v1"}, None)


def test_a_choice_never_shows_its_key() -> None:
    choice = choose_model("m", {"OPENAI_API_KEY": KEY}, None)
    assert isinstance(choice, Endpoint)
    for shown in (repr(choice), str(choice), f"{choice}", repr(dataclasses.asdict(choice)), repr(vars(choice))):
        assert KEY not in shown
    assert choice.api_key is not None
    assert choice.api_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://localhost/v1", True),
        ("http://[::1]:8/v1", True),
        ("http://model.localhost/v1", True),
        ("http://10.0.0.1/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_loopback_is_told_without_a_resolver(url: str, near: bool) -> None:
    assert is_loopback(url) is near
