"""The settings: where runs live, what a run may hold, what answers. An argument beats the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workflow_engine.errors import UsageError
from workflow_engine.spec.limits import RunLimits

STORE = Path("checkpoints/runs.sqlite")


class Settings(BaseSettings):
    """One reading of the environment. Keys are SecretStr: no repr and no error shows them."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", populate_by_name=True)

    store: Path = Field(default=STORE, validation_alias="WORKFLOW_STORE")
    limit_write: int = Field(default=RunLimits.write, ge=1, validation_alias="WORKFLOW_LIMIT_WRITE")
    limit_state: int = Field(default=RunLimits.state, ge=1, validation_alias="WORKFLOW_LIMIT_STATE")
    limit_steps: int = Field(default=RunLimits.steps, ge=1, validation_alias="WORKFLOW_LIMIT_STEPS")
    limit_log: int = Field(default=RunLimits.log, ge=0, validation_alias="WORKFLOW_LIMIT_LOG")
    key: SecretStr | None = Field(default=None, validation_alias="WORKFLOW_KEY")
    key_file: Path | None = Field(default=None, validation_alias="WORKFLOW_KEY_FILE")
    token: SecretStr | None = Field(default=None, validation_alias="WORKFLOW_TOKEN")
    api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    model: str | None = Field(default=None, validation_alias="OPENAI_MODEL")
    api: str | None = Field(default=None, validation_alias="OPENAI_API")

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
