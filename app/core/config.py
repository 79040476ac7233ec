"""Settings: from loa.toml, the environment (LOA_...) and secret files, checked once at the start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from app.core import setting_values as values
from app.core.errors import SetupError
from app.core.setting_sources import SettingsFile, Variables, absent, file, sentence, strangers
from app.core.setting_values import (
    Address,
    DatabaseUrl,
    DayTime,
    EventKind,
    Header,
    Host,
    LogUrl,
    Name,
    Networks,
    Origin,
    SealingKey,
    Secret,
    TestNumber,
    Url,
    WebhookSecret,
    Why,
    Word,
)
from carriers.contract import LinkOptions, ReceiptStatus


class WebhookSettings(BaseModel):
    """How a link takes receipts by webhook: what they look like, and who may bring them."""

    model_config = ConfigDict(extra="forbid")

    format: str = "generic"
    # What differs from that format: fields, words, the answer; read by carriers/webhook.
    map: dict[str, Any] = Field(default_factory=dict)
    # Who calls must pass all of these that are set.
    hmac_secret: Secret | None = None
    timestamp_header: Header = "X-Loa-Timestamp"
    signature_header: Header = "X-Loa-Signature"
    replay_window_s: float = Field(default=300.0, ge=1, le=86_400)
    basic_user: Annotated[str, StringConstraints(pattern=r"^[^:\s]{1,80}$")] | None = None
    basic_password: Secret | None = None
    token: Secret | None = None
    networks: Networks = ()

    @model_validator(mode="after")
    def _whole_login(self) -> WebhookSettings:
        if (self.basic_user is None) != (self.basic_password is None):
            raise ValueError("basic_user and basic_password belong together; set both or neither")
        return self


class LinkSettings(BaseModel):
    """One link to a carrier; what is not named here belongs to the adapter and is checked by it."""

    model_config = ConfigDict(extra="allow")

    carrier: Name
    kind: Name = "smpp"
    # The contract's rate in SMS parts. No default: a guessed pace is either harmful or useless.
    segments_per_second: float = Field(gt=0)
    # Links whose receipts may come over one another share a group; alone by default.
    receipt_group: Name | None = None
    # What the carrier is asked about, where the link can be asked: nothing, deliveries whose fate is unknown,
    # a sample of each run as well, or everything that has no final receipt.
    poll: Literal["none", "unknown", "sample", "all"] = "unknown"
    poll_sample: int = Field(default=200, ge=1, le=1_000_000)
    # The first question comes so long after the message; each further pause is twice the one before.
    poll_after_s: float = Field(default=60.0, ge=0.05, le=86_400)
    # Read the carrier's list of failures, where it has one, every hour.
    reconcile: bool = False
    # What the carrier's own result files say: its words, beside those that all use, and what they mean.
    status_words: dict[str, ReceiptStatus] = Field(default_factory=dict)
    # The only numbers that `loa carrier test-send` may write to.
    test_numbers: tuple[TestNumber, ...] = ()
    password: SecretStr | None = None
    webhook: WebhookSettings | None = None
    private_line: Why | None = None

    def options(self, name: str) -> LinkOptions:
        """The link in the words of carriers/contract.py, the secret included."""
        own: dict[str, Any] = dict(self.model_extra or {})
        if self.password is not None:
            own["password"] = self.password.get_secret_value()
        return LinkOptions(name, self.carrier, self.segments_per_second, own)


class MailSettings(BaseModel):
    """The SMTP server through which Loa writes to people; `to`: who is always told, beside the addressees."""

    model_config = ConfigDict(extra="forbid")

    host: Host
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: Address
    to: tuple[Address, ...] = ()
    private_line: Why | None = None
    timeout_s: float = Field(default=30.0, ge=1, le=300)


class EndpointSettings(BaseModel):
    """A program of somebody else that is told of events, by the Standard Webhooks specification."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    secret: WebhookSecret
    # Kinds of events, such as directive.due; * is all of them.
    events: tuple[EventKind, ...] = ("*",)
    private_line: Why | None = None


class Settings(BaseSettings):
    """All of Loa's settings. Environment wins over secret files, and both over loa.toml."""

    model_config = SettingsConfigDict(env_prefix="LOA_", env_nested_delimiter="__", extra="forbid")

    # In development a webhook may be open to anybody; in production Loa does not start with such a one.
    environment: Literal["production", "development"] = "production"
    data: Path = Path("data")
    database_url: DatabaseUrl | None = None
    # PostgreSQL: the account that owns the tables and migrates, if the one of database_url is only to work.
    migration_database_url: DatabaseUrl | None = None
    host: str = "127.0.0.1"
    port: int = 8600
    # TLS of our own for the API and for metrics_port; else a proxy speaks it: behind_tls.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    # The only names and addresses that callers may ask for, and this machine's own; any where none is said.
    public_hosts: tuple[Host, ...] = ()
    # Why a connection may be plain that leaves the machine; links, mail and endpoints say it by themselves.
    private_lines: dict[Literal["api", "database", "logs", "metrics"], Why] = Field(default={})
    # Where `loa worker` answers Prometheus (0: nowhere); `up` and `serve` do so at /metrics of the API.
    metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    # Where each line of log goes as well, by syslog: tls://host:6514 or tcp://host:601.
    log_to: LogUrl | None = None
    log_ca_file: Path | None = None
    # How often the head of the audit's chain is logged; 0: never.
    audit_head_minutes: int = Field(default=60, ge=0, le=1440)
    # Where heads of the audit's chain are kept; audit-heads in the data folder, where nothing is said.
    audit_head_file: Path | None = None
    links: dict[Name, LinkSettings] = Field(default_factory=dict)
    # Messages that a lane may have on the wire without a recorded result: the most a crash leaves unknown.
    sub_batch: int = Field(default=200, ge=2, le=1000)
    chunk_size: int = Field(default=1000, ge=10, le=10_000)
    lease_seconds: float = Field(default=8.0, ge=1, le=300)
    # A process that is told to stop waits so long for a database that is away, less than supervisors do.
    stop_patience_s: float = Field(default=30.0, ge=0, le=3600)
    # A run is finished so long after it was all sent; a receipt that comes later still counts.
    receipt_days: int = Field(default=5, ge=3, le=60)
    # Sending hours of the day when a campaign states none (local time of Viet Nam).
    day_starts: DayTime = "07:00"
    day_ends: DayTime = "21:00"
    # A person who has signed in is signed out after so long without a request, and so long at the most.
    session_idle_minutes: int = Field(default=30, ge=1, le=1440)
    session_hours: int = Field(default=12, ge=1, le=168)
    # What secrets of second factors are sealed with, and what they were sealed with before a change of keys.
    secret_key: SealingKey | None = None
    previous_secret_key: SealingKey | None = None
    # Roles of people that do nothing without a second factor; in production all, where nothing is said.
    second_factor_roles: tuple[Literal["admin", "approver", "operator", "auditor"], ...] | None = None
    # How many half minutes after its own a code of an app is still good: one for who types it late, as RFC
    # 6238 recommends; with 0 a code lives 30 seconds.
    totp_late_steps: int = Field(default=1, ge=0, le=1)
    # Words that count for nothing in a password, with or without marks and blanks: yours and the product's.
    password_words: tuple[Word, ...] = (
        *("loa", "công an", "cảnh sát", "an ninh", "sms", "tin nhắn", "brandname", "tuyên truyền"),
        *("cảnh báo", "lừa đảo", "vnpt", "vinaphone", "viettel", "mobifone", "việt nam", "mật khẩu"),
    )
    upload_limit_mb: int = Field(default=512, ge=1)
    # A scan behind figures that nobody measured; it is kept in the database.
    attachment_limit_mb: int = Field(default=10, ge=1, le=100)
    # What one account may have stored of files and scans before it can send no more.
    account_limit_mb: int = Field(default=20_480, ge=1)
    # A program that looks at each file that comes in, its path behind the arguments: 0 clean, 1 refused.
    scan_command: tuple[str, ...] = ()
    scan_seconds: float = Field(default=60, ge=0.1, le=3600)
    mail: MailSettings | None = None
    endpoints: dict[Name, EndpointSettings] = Field(default={})
    # Endpoints at private and loopback addresses: only where you run them yourself.
    private_endpoints: bool = False
    # Who has not reported is reminded so many days before the deadline; below zero: after it.
    reminder_days: tuple[int, ...] = (7, 3, 1, 0, -1, -3)
    # Telephones of ours that are off, and stand in carriers' lists: a receipt that one has it was made up.
    switched_off: tuple[TestNumber, ...] = ()
    # Names, symbols and addressees on papers, in the form of app/data/letterheads.toml; else those there.
    letterheads: Path | None = None
    receipts_group: int = Field(default=200, ge=1, le=2000)
    receipts_wait_ms: int = Field(default=20, ge=1, le=1000)
    # Whose X-Forwarded-For is believed; without any, the address of the connection counts.
    trusted_proxies: Networks = ()
    # Where /readyz and /metrics may be asked from; anywhere where none is said.
    monitor_networks: Networks = ()
    webhook_limit_kb: int = Field(default=4096, ge=1, le=65_536)
    # Connections of callers that may be open at once (never more than half of the process's descriptors).
    connection_limit: int = Field(default=1000, ge=8, le=30_000)
    # A head, and a body that is no upload of a caller who was let in, must come within so long.
    request_seconds: float = Field(default=10.0, ge=0.1, le=120)
    # Requests in a minute: of one key or session, and of an address without a good one.
    requests_per_minute: int = Field(default=3000, ge=1, le=1_000_000)
    stranger_requests_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    # How many `loa serve` stand behind one address: each counts by itself and gives out its part of limits.
    api_processes: int = Field(default=1, ge=1, le=100)
    # Web pages of these origins may call the API from a browser; none by default.
    cors_origins: tuple[Origin, ...] = ()
    # A proxy before us speaks TLS to all callers; browsers are told to come by https only, for a year.
    behind_tls: bool = False
    # An Idempotency-Key stands for its request so long.
    idempotency_hours: float = Field(default=24, ge=1, le=720)
    # Numbers are erased so long after the report of their campaign, or after its end where there is none.
    retention_days: int = Field(default=90, ge=1, le=3650)
    # Totals and acts of the audit: months from the report, the end or the act; logs must be kept a year.
    records_months: int = Field(default=24, ge=12, le=1200)
    # How often one address may ask in a minute whether a text is genuine; no key is needed for that.
    verify_per_minute: int = Field(default=30, ge=1, le=10_000)
    # A webhook that is not committed by then is answered 503, and comes again.
    webhook_patience_s: float = Field(default=10.0, ge=0.1, le=300)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        if _ONLY_GIVEN.get():
            return (init_settings,)
        toml = SettingsFile(settings_cls, file() or None)
        return init_settings, Variables(settings_cls), file_secret_settings, toml

    @model_validator(mode="before")
    @classmethod
    def _remember(cls, values: Any) -> Any:
        """Keep what was read, so that what is right in it can be looked at beside what is wrong."""
        _READ.set(values)
        return values

    @model_validator(mode="after")
    def _whole_certificate(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; set both or neither")
        return self

    @model_validator(mode="after")
    def _open_hours(self) -> Settings:
        if self.day_starts >= self.day_ends:
            raise ValueError("day_starts must be before day_ends; 00:00 and 24:00 are the whole day")
        return self

    @property
    def factor_roles(self) -> tuple[str, ...]:
        """Roles of people that do nothing without a second factor."""
        if self.second_factor_roles is not None:
            return self.second_factor_roles
        return ("admin", "approver", "operator", "auditor") if self.environment == "production" else ()

    @property
    def idempotency_ms(self) -> int:
        """How long an Idempotency-Key stands, in ms."""
        return int(self.idempotency_hours * 3_600_000)

    def share(self, per_minute: int) -> int:
        """What this process gives out of a limit on requests: an equal part, one request at the least."""
        return max(1, per_minute // self.api_processes)

    @property
    def url(self) -> str:
        """SQLAlchemy's URL: the PostgreSQL server that was named, or the SQLite file in the data folder."""
        if self.database_url:
            return normal_url(self.database_url)
        return f"sqlite:///{self.data / 'loa.sqlite3'}"

    @property
    def audit_heads(self) -> Path:
        """The file in which heads of the audit's chain are kept."""
        return self.audit_head_file or self.data / "audit-heads"

    @property
    def ledger_name(self) -> str:
        """Which database it is, whoever opens it: heads of the audit are kept by it."""
        return values.ledger_name(self.url)

    @property
    def migration_url(self) -> str:
        """The same for `loa migrate`, by the account that owns the tables."""
        return normal_url(self.migration_database_url) if self.migration_database_url else self.url


def normal_url(url: str) -> str:
    """Any usual spelling of a PostgreSQL URL, with psycopg 3 as the driver; others as they are."""
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg2://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


class WrongSettings(SetupError):
    """Settings that can't be used: a sentence for each, and what is right about the rest."""

    def __init__(self, faults: Sequence[str], rest: Settings | None = None) -> None:
        self.lines = list(dict.fromkeys(faults))
        self.rest = rest
        super().__init__("The settings are wrong:\n" + "\n".join(f"- {line}" for line in self.lines))


_ONLY_GIVEN: ContextVar[bool] = ContextVar("only given", default=False)
_READ: ContextVar[dict[str, Any]] = ContextVar("read")


def load(**overrides: Any) -> Settings:
    """The settings, or WrongSettings with a sentence for each thing that is wrong, and no value of it."""
    faults = [*absent(), *strangers(Settings)]
    secrets = os.environ.get("LOA_SECRETS_DIR")
    folder = secrets if secrets and Path(secrets).is_dir() else None
    try:
        settings = Settings(_secrets_dir=folder, **overrides)
    except ValidationError as error:
        wrong = error.errors()
        faults += [sentence(item, _names(item["loc"])) for item in wrong]
        raise WrongSettings(faults, _without(_READ.get({}), [item["loc"] for item in wrong])) from None
    except SettingsError as error:  # names the field, and not what stands in it
        raise WrongSettings([*faults, f"{error}: a list or a table in a secret file is JSON"]) from None
    if faults:
        raise WrongSettings(faults, settings)
    return settings


def _names(place: Sequence[int | str]) -> Iterable[str]:
    """Settings beside the one at this place."""
    model: Any = Settings
    for step in place[:-1]:
        found = getattr(model, "model_fields", {}).get(step)
        if found is not None:
            model = next(_models(found.annotation), model)
    return getattr(model, "model_fields", {})


def _models(annotation: Any) -> Iterator[Any]:
    """The models within an annotation such as dict[Name, LinkSettings] or MailSettings | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _without(read: Mapping[str, Any], places: Iterable[Sequence[int | str]]) -> Settings | None:
    """What is right in the settings that were read, as far as it can stand alone."""
    left: dict[str, Any] = {
        name: dict(value) if isinstance(value, dict) else value for name, value in read.items()
    }
    for place in places:
        table = left.get(str(place[0])) if place else None
        if isinstance(table, dict) and place[0] in ("links", "endpoints") and len(place) > 1:
            table.pop(place[1], None)
        elif place:
            left.pop(str(place[0]), None)
    token = _ONLY_GIVEN.set(True)
    try:
        return Settings(**left)
    except ValidationError:
        return None
    finally:
        _ONLY_GIVEN.reset(token)
