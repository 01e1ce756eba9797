"""How a model was chosen: the playbook, or endpoints somebody named. Never silently."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from workflow_engine import errors
from workflow_engine.spec.breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """A model at an endpoint that speaks the OpenAI wire format. The key is a SecretStr: no repr, no asdict, no error
    shows it. `name` is what the settings call the endpoint; `most` the tokens an answer may have under a budget,
    and `prices` whose price list holds, where its address does not tell.
    """

    base_url: str
    model: str
    wire: Wire
    api_key: SecretStr | None = None
    name: str = ""
    most: int = 16_384
    prices: str = ""

    @property
    def label(self) -> str:
        """The model as people name it: `small@spare`."""
        return f"{self.model}@{self.name}" if self.name else self.model

    def __str__(self) -> str:
        return f"{self.model} at {self.base_url}"


BREAKER = Breaker(3)
"""Of each model of a chain: left alone for half a minute after three failures in a row."""


@dataclass(frozen=True)
class Chain:
    """Models in the order they are asked: the next one answers where those before it cannot.

    `named` are the endpoints that a node may name; the one under "" is that of names without an endpoint. `breaker`
    says when a model that failed again and again is left alone for a while.
    """

    links: tuple[Endpoint, ...]
    named: Mapping[str, Endpoint] = field(default_factory=dict)
    breaker: Breaker = BREAKER

    def __str__(self) -> str:
        return ", then ".join(map(str, self.links))


@dataclass(frozen=True)
class Replay:
    """A tape answers what was asked before; nothing leaves this machine."""

    prefix: ClassVar[str] = "replay/"

    tape: Path

    def __str__(self) -> str:
        return f"{self.prefix}{self.tape.name}"


ModelChoice = Offline | Endpoint | Chain | Replay
REPLAY = "replay:"


def offline(playbook: Path) -> ModelChoice:
    """The playbook at this path, which must be there."""
    if not playbook.is_file():
        raise errors.ModelMissing(
            f"there is no playbook at {playbook}",
            "write one with: workflow model stub TARGET, or set OPENAI_API_KEY or OPENAI_BASE_URL for a real model",
        )
    return Offline(playbook)


def choose_model(
    model: str | None,
    environ: Mapping[str, str],
    playbook: Path | None,
    endpoints: Mapping[str, Mapping[str, Any]] | None = None,
) -> ModelChoice:
    """What `--model`, the environment and the workflow's playbook amount to; raises ModelMissing or UsageError.

    `--model offline` wins over any environment, and so does `--model replay:FILE`, a tape. Otherwise OPENAI_API_KEY or
    OPENAI_BASE_URL means a real endpoint, its model named by `--model` or OPENAI_MODEL, its wire by OPENAI_API (chat |
    responses). `endpoints` are further ones by name, each with base_url, api, api_key, max_output_tokens and prices:
    `small@spare` is a model at the one called spare. Names with commas between them are a chain.
    """
    if model is not None and OFFLINE in names_in(model):
        if names_in(model) != (OFFLINE,):
            raise errors.UsageError(f"--model {model}: offline is no link of a chain", "give --model offline alone")
        if playbook is None:
            raise errors.ModelMissing(
                "--model offline needs a playbook, and this workflow has none",
                "write one with: workflow model stub TARGET, or set OPENAI_API_KEY or OPENAI_BASE_URL for a real model",
            )
        return offline(playbook)

    if model is not None and model.startswith(REPLAY):
        tape = Path(model.removeprefix(REPLAY))
        if not tape.is_file():
            raise errors.ModelMissing(f"there is no tape at {tape}", "record one: workflow model record FILE")
        return Replay(tape)

    named = {name: _named(name, given) for name, given in (endpoints or {}).items()}
    if (usual := _usual(environ)) is not None:
        named[""] = usual
    if not named:
        asked = f"--model {model} names a model, but no endpoint to ask" if model else "no model was chosen"
        raise errors.ModelMissing(asked, _BOTH_WAYS)

    text = model or _value(environ, "OPENAI_MODEL")
    if text is None:
        found = "OPENAI_BASE_URL" if _value(environ, "OPENAI_BASE_URL") else "OPENAI_API_KEY"
        raise errors.ModelMissing(
            f"{found if usual else 'an endpoint'} is set, but no model is named",
            "set OPENAI_MODEL or give --model NAME, or give --model offline to answer from the playbook",
        )
    links = _links(text, named)
    return links[0] if len(links) == 1 and set(named) == {""} else Chain(links, named)


def endpoint_called(
    name: str, environ: Mapping[str, str], endpoints: Mapping[str, Mapping[str, Any]] | None = None
) -> Endpoint:
    """An endpoint by its name in the settings; by none, that of the environment. Raises ModelMissing or UsageError."""
    choice = choose_model(f"any@{name}" if name else "any", environ, None, endpoints)
    return links_of(choice, None)[0] if isinstance(choice, Endpoint | Chain) else Endpoint("", "", "chat")


def names_in(text: str) -> tuple[str, ...]:
    """The names of a chain, in their order.

    >>> names_in("big-one, small@spare")
    ('big-one', 'small@spare')
    """
    return tuple(each.strip() for each in text.split(",") if each.strip())


def links_of(choice: Endpoint | Chain, asked: str | None) -> tuple[Endpoint, ...]:
    """The models that a node asks, in their order: those it names itself, or those of the run. Raises UsageError."""
    chosen = choice if isinstance(choice, Chain) else Chain((choice,), {"": choice})
    return chosen.links if asked is None else _links(asked, chosen.named or {"": chosen.links[0]})


def _links(text: str, named: Mapping[str, Endpoint]) -> tuple[Endpoint, ...]:
    links = tuple(dict.fromkeys(_link(each, named) for each in names_in(text)))
    if not links:
        raise errors.UsageError(f"{text!r} names no model", "name one, or several with commas between them")
    return links


def _link(name: str, named: Mapping[str, Endpoint]) -> Endpoint:
    if not name.isprintable():
        raise errors.UsageError(f"{name!r} is no model's name", "take it as the endpoint lists it, without line breaks")
    if name == OFFLINE or name.startswith(REPLAY):
        raise errors.UsageError(f"{name} is no model of an endpoint", f"it is for a whole run: --model {name}")
    model, _, at = name.rpartition("@")
    # A version behind an @, as in large@20250219, begins with a digit; an endpoint's name does not.
    if not model or not at[:1].isalpha():
        model, at = name, ""
    found = named.get(at)
    if found is None and not at:
        others = list(named.values())
        if len(others) > 1:
            raise errors.UsageError(
                f"model {name!r} says no endpoint, and there are {len(others)}", f"{name}@{next(iter(named))}, say"
            )
        found = others[0]
    if found is None:
        near = get_close_matches(at, [each for each in named if each], 1)
        known = ", ".join(each for each in named if each) or "none; write [endpoints.NAME] into workflow.toml"
        cure = f"did you mean {model}@{near[0]}?" if near else f"known are: {known}"
        raise errors.UsageError(f"model {name!r}: no endpoint is called {at!r}", cure)
    if is_openai(found.base_url) and found.api_key is None:
        raise errors.ModelMissing(f"{found.base_url} needs a key", _BOTH_WAYS)
    return replace(found, model=model)


def _usual(environ: Mapping[str, str]) -> Endpoint | None:
    """The endpoint of the environment: that of names without an endpoint."""
    key = _key(_value(environ, "OPENAI_API_KEY"))
    base_url = _value(environ, "OPENAI_BASE_URL")
    if key is None and base_url is None:
        return None
    url = _url(base_url) if base_url else OPENAI
    return Endpoint(url, "", _wire(_value(environ, "OPENAI_API"), is_openai(url)), key)


def _named(name: str, given: Mapping[str, Any]) -> Endpoint:
    """An endpoint of the settings. Errors name the setting, and quote no key."""
    at = f"endpoints.{name}"
    if not name[:1].isalpha() or not name.replace("-", "").replace("_", "").isalnum():
        raise errors.UsageError(
            f"an endpoint cannot be called {name!r}", "letters, digits, - and _, beginning with a letter"
        )
    if not given.get("base_url"):
        raise errors.UsageError(f"{at} has no base_url", 'base_url = "http://127.0.0.1:8000/v1"')
    url = _url(str(given["base_url"]), f"{at}.base_url", f"{at}.api_key")
    secret = given.get("api_key")
    key = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    wire = _wire(given.get("api"), is_openai(url), f"{at}.api")
    most = given.get("max_output_tokens")
    return Endpoint(
        url,
        "",
        wire,
        _key(key, f"{at}.api_key"),
        name,
        Endpoint.most if most is None else most,
        given.get("prices") or "",
    )


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


def _key(text: str | None, setting: str = "OPENAI_API_KEY") -> SecretStr | None:
    if text is None:
        return None
    # A header library would quote a bad key in its complaint; this one does not.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise errors.UsageError(
            f"{setting} holds characters no key has (a space, a line break or a letter outside ASCII)",
            "copy the key again",
        )
    return SecretStr(text)


def _url(text: str, setting: str = "OPENAI_BASE_URL", key: str = "OPENAI_API_KEY") -> str:
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    if "@" in text or parts.query or parts.fragment:
        # Not quoted: what stands there may be a secret.
        raise errors.UsageError(
            f"{setting} carries a user, a query or a fragment",
            f"give scheme, host and path; the key goes to {key}",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits or not text.isprintable():
        raise errors.UsageError(f"{setting} is no address: {text!r}", "it looks like http://127.0.0.1:8000/v1")
    return text.rstrip("/")


def _wire(text: str | None, openai: bool, setting: str = "OPENAI_API") -> Wire:
    match text:
        case None:
            return "responses" if openai else "chat"
        case "chat" | "chat-completions" | "chat_completions":
            return "chat"
        case "responses":
            return "responses"
        case _:
            raise errors.UsageError(f"{setting} is {text!r}", "it is chat or responses")
