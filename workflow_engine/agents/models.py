"""How a model was chosen: the playbook, or an endpoint somebody named. Never silently."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from workflow_engine import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Wire = Literal["chat", "responses"]

OFFLINE = "offline"
OPENAI = "https://api.openai.com/v1"
SUFFIX = ".playbook.toml"

_BOTH_WAYS = (
    "set OPENAI_API_KEY (or OPENAI_BASE_URL for a local server) and OPENAI_MODEL, "
    "or give --model offline to answer from the playbook"
)


@dataclass(frozen=True)
class Offline:
    """The playbook answers; nothing leaves this machine."""

    playbook: Path

    @property
    def model(self) -> str:
        """The name answers carry: `offline-playbook/ship` for ship.playbook.toml."""
        return f"offline-playbook/{self.playbook.name.removesuffix(SUFFIX).removesuffix('.toml')}"

    def __str__(self) -> str:
        return self.model


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that speaks the OpenAI wire format. The key is a SecretStr: no repr, no asdict, no error shows it."""

    base_url: str
    model: str
    wire: Wire
    api_key: SecretStr | None = None

    def __str__(self) -> str:
        return f"{self.model} at {self.base_url}"


ModelChoice = Offline | Endpoint


def offline(playbook: Path) -> ModelChoice:
    """The playbook at this path, which must be there."""
    if not playbook.is_file():
        raise errors.ModelMissing(
            f"there is no playbook at {playbook}",
            "write one with: workflow model stub TARGET, or set OPENAI_API_KEY or OPENAI_BASE_URL for a real model",
        )
    return Offline(playbook)


def choose_model(model: str | None, environ: Mapping[str, str], playbook: Path | None) -> ModelChoice:
    """What `--model`, the environment and the workflow's playbook amount to; raises ModelMissing or UsageError.

    `--model offline` wins over any environment. Otherwise OPENAI_API_KEY or OPENAI_BASE_URL means a real endpoint, its
    model named by `--model` or OPENAI_MODEL, its wire by OPENAI_API (chat | responses).
    """
    if model == OFFLINE:
        if playbook is None:
            raise errors.ModelMissing(
                "--model offline needs a playbook, and this workflow has none",
                "write one with: workflow model stub TARGET, or set OPENAI_API_KEY or OPENAI_BASE_URL for a real model",
            )
        return offline(playbook)

    key = _key(_value(environ, "OPENAI_API_KEY"))
    base_url = _value(environ, "OPENAI_BASE_URL")
    if key is None and base_url is None:
        asked = f"--model {model} names a model, but no endpoint to ask" if model else "no model was chosen"
        raise errors.ModelMissing(asked, _BOTH_WAYS)

    name = model or _value(environ, "OPENAI_MODEL")
    if name is None:
        found = "OPENAI_BASE_URL" if base_url else "OPENAI_API_KEY"
        raise errors.ModelMissing(
            f"{found} is set, but no model is named",
            "set OPENAI_MODEL or give --model NAME, or give --model offline to answer from the playbook",
        )
    if not name.isprintable():
        raise errors.UsageError(f"{name!r} is no model's name", "take it as the endpoint lists it, without line breaks")

    url = _url(base_url) if base_url else OPENAI
    openai = is_openai(url)
    if openai and key is None:
        raise errors.ModelMissing(f"{url} needs a key", _BOTH_WAYS)
    return Endpoint(url, name, _wire(_value(environ, "OPENAI_API"), openai), key)


def is_openai(url: str) -> bool:
    """Whether the URL is OpenAI's own endpoint."""
    return urlsplit(url).hostname == "api.openai.com"


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine by name or number, without asking a resolver."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _value(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name, "").strip() or None


def _key(text: str | None) -> SecretStr | None:
    if text is None:
        return None
    # A header library would quote a bad key in its complaint; this one does not.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise errors.UsageError(
            "OPENAI_API_KEY holds characters no key has (a space, a line break or a letter outside ASCII)",
            "copy the key again",
        )
    return SecretStr(text)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    if "@" in text or parts.query or parts.fragment:
        # Not quoted: what stands there may be a secret.
        raise errors.UsageError(
            "OPENAI_BASE_URL carries a user, a query or a fragment",
            "give scheme, host and path; the key goes to OPENAI_API_KEY",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits or not text.isprintable():
        raise errors.UsageError(f"OPENAI_BASE_URL is no address: {text!r}", "it looks like http://127.0.0.1:8000/v1")
    return text.rstrip("/")


def _wire(text: str | None, openai: bool) -> Wire:
    match text:
        case None:
            return "responses" if openai else "chat"
        case "chat" | "chat-completions" | "chat_completions":
            return "chat"
        case "responses":
            return "responses"
        case _:
            raise errors.UsageError(f"OPENAI_API is {text!r}", "it is chat or responses")
