"""The settings: where runs live, what a run may hold, what answers. Arguments beat the environment, it beats a file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from workflow_engine.errors import UsageError
from workflow_engine.spec.limits import RunLimits

STORE = Path("checkpoints/runs.sqlite")
FILE = Path("workflow.toml")


class EndpointSettings(BaseModel):
    """One endpoint by name. Its key stands here, or in the environment variable that `api_key_env` names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    api: str | None = None
    api_key: SecretStr | None = None
    api_key_env: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    prices: str | None = None

    def words(self) -> Mapping[str, Any]:
        """What the choice of a model is made from."""
        key = self.api_key
        if key is None and self.api_key_env:
            key = SecretStr(os.environ.get(self.api_key_env, "").strip()) or None
        return {**self.model_dump(exclude={"api_key", "api_key_env"}), "api_key": key}


class ChannelSettings(BaseModel):
    """One channel by name: a signed webhook, or services by their Apprise URLs. What is secret stands here, or in the
    environment variable that is named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook: SecretStr | None = None
    webhook_env: str | None = None
    secret: SecretStr | list[SecretStr] | None = None
    secret_env: str | None = None
    apprise: SecretStr | list[SecretStr] | None = None
    apprise_env: str | None = None
    on: list[str] = Field(default_factory=list)
    workflows: list[str] = Field(default_factory=list)
    to: list[str] = Field(default_factory=list)
    content: Literal["full", "link"] = "full"

    def words(self, name: str) -> Mapping[str, Any]:
        """What a channel is made from: `webhook` and `secret`, or `apprise`, and what it wants. Raises UsageError."""
        url, secret, urls = (
            _revealed(name, each, given, named)
            for each, given, named in (
                ("webhook", self.webhook, self.webhook_env),
                ("secret", self.secret, self.secret_env),
                ("apprise", self.apprise, self.apprise_env),
            )
        )
        if bool(url) == bool(urls):
            cure = f'[channels.{name}] webhook = "https://..." and secret = "whsec_...", or apprise = "..."'
            raise UsageError(
                f"channel {name} is {'both' if url else 'neither'} a webhook and a service of Apprise", cure
            )
        if url and not secret:
            raise UsageError(f"channel {name} has no secret to sign with", "workflow notify secret prints a new one")
        wants = {
            "on": tuple(self.on),
            "workflows": tuple(self.workflows),
            "to": tuple(self.to),
            "content": self.content,
        }
        return {"webhook": url[0], "secret": secret, **wants} if url else {"apprise": urls, **wants}


def _revealed(name: str, what: str, given: SecretStr | list[SecretStr] | None, named: str | None) -> list[str]:
    if given is not None:
        return [each.get_secret_value() for each in (given if isinstance(given, list) else [given])]
    if named is None:
        return []
    text = os.environ.get(named, "").strip()
    if not text:
        raise UsageError(f"channel {name} finds no {what}: {named} is not set", f"export {named}=...")
    return text.split()


def _chained(given: Any) -> Any:
    return ",".join(given) if isinstance(given, list) and all(isinstance(each, str) for each in given) else given


class Settings(BaseSettings):
    """One reading of the environment. Keys are SecretStr: no repr and no error shows them."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        env_prefix="WORKFLOW_",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    store: Path = Field(default=STORE, validation_alias="WORKFLOW_STORE")
    limit_write: int = Field(default=RunLimits.write, ge=1, validation_alias="WORKFLOW_LIMIT_WRITE")
    limit_state: int = Field(default=RunLimits.state, ge=1, validation_alias="WORKFLOW_LIMIT_STATE")
    limit_steps: int = Field(default=RunLimits.steps, ge=1, validation_alias="WORKFLOW_LIMIT_STEPS")
    limit_log: int = Field(default=RunLimits.log, ge=0, validation_alias="WORKFLOW_LIMIT_LOG")
    key: SecretStr | None = Field(default=None, validation_alias="WORKFLOW_KEY")
    key_file: Path | None = Field(default=None, validation_alias="WORKFLOW_KEY_FILE")
    picture: str | None = Field(default=None, validation_alias="WORKFLOW_PICTURE")
    token: SecretStr | None = Field(default=None, validation_alias="WORKFLOW_TOKEN")
    api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    model: Annotated[str | None, BeforeValidator(_chained)] = Field(default=None, validation_alias="OPENAI_MODEL")
    api: str | None = Field(default=None, validation_alias="OPENAI_API")
    endpoints: dict[str, EndpointSettings] = Field(default_factory=dict)
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    page_url: str | None = Field(default=None, validation_alias="WORKFLOW_PAGE_URL")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _of_file(cls))

    @property
    def limits(self) -> RunLimits:
        """What a run may hold: bytes of one write and of the state, steps, and bytes of one attempt's log."""
        return RunLimits(self.limit_write, self.limit_state, self.limit_steps, self.limit_log)

    def keys(self) -> SecretStr | None:
        """The text of the store's keys; None where it is not encrypted. Raises UsageError for a file without a text."""
        if self.key is not None or self.key_file is None:
            return self.key
        try:
            return SecretStr(self.key_file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UsageError(
                f"the key file {self.key_file} cannot be read: {why}", "mend or unset WORKFLOW_KEY_FILE"
            ) from None

    def named(self) -> Mapping[str, Mapping[str, Any]]:
        """The endpoints that have a name: what the choice of a model is made from, too."""
        return {name: each.words() for name, each in self.endpoints.items()}

    def environ(self) -> Mapping[str, str]:
        """The endpoint in the words of the environment: what the choice of a model is made from."""
        named = {
            "OPENAI_API_KEY": None if self.api_key is None else self.api_key.get_secret_value(),
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_MODEL": self.model,
            "OPENAI_API": self.api,
        }
        return {name: value for name, value in named.items() if value is not None}


def read_settings(*, store: Path | None = None) -> Settings:
    """The settings with these arguments put first. Raises UsageError for an environment that makes no sense."""
    try:
        return Settings() if store is None else Settings(store=store)
    except ValidationError as error:
        # The value is left out: it may be the key.
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{name} cannot be used: {first['msg']}", f"mend or unset {name}") from None


def _of_file(settings: type[BaseSettings]) -> dict[str, Any]:
    """What WORKFLOW_SETTINGS names, or the file in the working directory, says. Raises UsageError, quoting nothing."""
    named = os.environ.get("WORKFLOW_SETTINGS", "").strip()
    path = Path(named) if named else FILE
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if not named:
            return {}
        raise UsageError(f"there are no settings at {path}", "write them, or unset WORKFLOW_SETTINGS") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"the settings in {path} cannot be read: {why}", "it is TOML: name = value") from None
    # The key of the environment goes where the environment says, so a file cannot send it elsewhere.
    known = [each for each in settings.model_fields if each not in ("api_key", "base_url", "api", "key", "token")]
    unknown = [each for each in told if each not in known]
    if unknown:
        raise UsageError(f"{path} sets {unknown[0]!r}, which is no setting", f"known are: {', '.join(known)}")
    return told
