"""Settings: from loa.toml, the environment (LOA_...) and secret files, checked once at the start."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.errors import SetupError
from carriers.contract import LinkOptions

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class LinkSettings(BaseModel):
    """One link to a carrier; what is not named here belongs to the adapter and is checked by it."""

    model_config = ConfigDict(extra="allow")

    carrier: Name
    kind: Name = "smpp"
    # The contract's rate in SMS parts. No default: a guessed pace is either harmful or useless.
    segments_per_second: float = Field(gt=0)
    # Links whose receipts may come over one another share a group; alone by default.
    receipt_group: Name | None = None
    password: SecretStr | None = None

    def options(self, name: str) -> LinkOptions:
        """The link in the words of carriers/contract.py, the secret included."""
        own: dict[str, Any] = dict(self.model_extra or {})
        if self.password is not None:
            own["password"] = self.password.get_secret_value()
        return LinkOptions(name, self.carrier, self.segments_per_second, own)


class Settings(BaseSettings):
    """All of Loa's settings. Environment wins over secret files, and both over loa.toml."""

    model_config = SettingsConfigDict(env_prefix="LOA_", env_nested_delimiter="__", extra="forbid")

    data: Path = Path("data")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8600
    # Where `loa worker` answers Prometheus (0: nowhere); `up` and `serve` do so at /metrics of the API.
    metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    links: dict[Name, LinkSettings] = Field(default_factory=dict)
    # Messages that a lane may have on the wire without a recorded result: the most a crash leaves unknown.
    sub_batch: int = Field(default=200, ge=2, le=1000)
    chunk_size: int = Field(default=1000, ge=10, le=10_000)
    lease_seconds: float = Field(default=8.0, ge=1, le=300)
    # Sending hours of the day when a campaign states none (local time of Viet Nam).
    day_starts: str = Field(default="07:00", pattern=r"^\d\d:\d\d$")
    day_ends: str = Field(default="21:00", pattern=r"^\d\d:\d\d$")
    upload_limit_mb: int = Field(default=512, ge=1)
    receipts_group: int = Field(default=200, ge=1, le=2000)
    receipts_wait_ms: int = Field(default=20, ge=1, le=1000)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, toml_file=_file())
        return init_settings, env_settings, file_secret_settings, toml

    @property
    def url(self) -> str:
        """SQLAlchemy's URL: the PostgreSQL server that was named, or the SQLite file in the data folder."""
        if self.database_url:
            return normal_url(self.database_url)
        return f"sqlite:///{self.data / 'loa.sqlite3'}"


def _file() -> str:
    return os.environ.get("LOA_CONFIG", "loa.toml")


def normal_url(url: str) -> str:
    """Any usual spelling of a PostgreSQL URL, with psycopg 3 as the driver; others as they are."""
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg2://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def load(**overrides: Any) -> Settings:
    """The settings, or SetupError with a sentence for each thing that is wrong (values are not repeated)."""
    secrets = os.environ.get("LOA_SECRETS_DIR")
    try:
        return Settings(_secrets_dir=secrets, **overrides)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"The settings file {_file()} is not TOML: {error}.") from None
    except ValidationError as error:
        lines = [f"- {'.'.join(str(p) for p in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise SetupError("The settings are wrong:\n" + "\n".join(lines)) from None
