"""Settings from loa.toml, environment variables (LOA_...) and secret files, validated at start-up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from functools import cache
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
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from app.core import areas
from app.core import setting_values as values
from app.core.errors import SetupError
from app.core.masking import CONTROL, one_line
from app.core.setting_sources import (
    SecretFiles,
    SettingsFile,
    Variables,
    absent,
    file,
    sentence,
    strangers,
    unreadable,
)
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


class SuspendSettings(BaseModel):  # the table [suspend]
    """Shares, in percent, that pause a run when so many of its messages fail, are refused or are unknown.

    A quarter of the share is taken as usual. 0 turns a check off. docs/operations.md says how it is judged.
    """

    model_config = ConfigDict(extra="forbid")

    # Refused by the carrier, or reported as undelivered or expired.
    failed_percent: float = Field(default=20.0, ge=0, le=90)
    refused_percent: float = Field(default=20.0, ge=0, le=90)  # refused by the carrier at once
    unknown_percent: float = Field(default=20.0, ge=0, le=90)  # without an answer
    # Messages of a run at its beginning that are judged more strictly.
    first_messages: int = Field(default=500, ge=0, le=100_000)
    # Messages of one carrier on one day, against accidents; then its runs pause. 0: as many as there are.
    daily_messages: int = Field(default=2_000_000, ge=0, le=1_000_000_000)


ReplyWord = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=40)]


class ReplySettings(BaseModel):  # the table [replies]
    """Words that a message to us may consist of; case, diacritics, blanks and punctuation do not count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Whoever writes one of these alone gets no more messages through the carrier that brought it.
    opt_out: tuple[ReplyWord, ...] = (
        *("TU CHOI", "TC", "STOP", "UNSUBSCRIBE", "HUY NHAN TIN", "DUNG NHAN TIN", "NGUNG NHAN TIN"),
        *("TU CHOI NHAN TIN", "KHONG NHAN TIN", "DUNG GUI", "NGUNG GUI", "KHONG NHAN"),
    )


Dong = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=9, decimal_places=2)]


class PriceSettings(BaseModel):
    """What one carrier's contract asks for an SMS part."""

    model_config = ConfigDict(extra="forbid")

    carrier: Name  # whose contract it is: viettel, vnpt, mobifone ...
    # For which campaigns; by default for all that have no price of their own.
    purpose: Literal["tuyen_truyen", "canh_bao_khan"] | None = None
    dong: Dong  # đồng for an SMS part, without VAT


class MoneySettings(BaseModel):  # the table [money]
    """The one price list, by carrier and purpose."""

    model_config = ConfigDict(extra="forbid")

    prices: dict[Name, PriceSettings] = Field(default={})  # one table for each price

    @model_validator(mode="after")
    def _one_of_each(self) -> MoneySettings:
        named = Counter((each.carrier, each.purpose) for each in self.prices.values())
        for (carrier, purpose), n in named.items():
            if n > 1:
                whose = "all campaigns" if purpose is None else f"campaigns of {purpose}"
                raise ValueError(f"{n} prices of {carrier} for {whose}; keep the one that counts today")
        return self

    def price(self, carrier: str, purpose: str) -> Decimal | None:
        """Return what an SMS part costs: the price of the purpose, else the one for all."""
        own = {each.purpose: each.dong for each in self.prices.values() if each.carrier == carrier}
        return next((price for each, price in own.items() if each == purpose), own.get(None))


class WebhookSettings(BaseModel):
    """How a link takes receipts by webhook: their format, and who may send them."""

    model_config = ConfigDict(extra="forbid")

    format: str = "generic"  # what the events look like
    # Deviations from that format: fields, words, the response; read by carriers/webhook.
    map: dict[str, Any] = Field(default_factory=dict)
    # Calls are signed with it. Callers must pass all of these checks that are set.
    hmac_secret: Secret | None = None
    timestamp_header: Header = "X-Loa-Timestamp"  # seconds since 1970, signed with the body
    signature_header: Header = "X-Loa-Signature"  # the signature in hex
    replay_window_s: float = Field(default=300.0, ge=1, le=86_400)  # how far its time may be from ours
    basic_user: Annotated[str, StringConstraints(pattern=r"^[^:\s]{1,80}$")] | None = None  # HTTP Basic
    basic_password: Secret | None = None  # HTTP Basic
    token: Secret | None = None  # the last segment of the path
    networks: Networks = ()  # addresses or networks that calls come from

    @model_validator(mode="after")
    def _whole_login(self) -> WebhookSettings:
        if (self.basic_user is None) != (self.basic_password is None):
            raise ValueError("basic_user and basic_password belong together; set both or neither")
        return self


class LinkSettings(BaseModel):
    """One link to a carrier. Fields not named here belong to the adapter, which validates them."""

    model_config = ConfigDict(extra="allow")

    carrier: Name  # whose runs it sends: viettel, vnpt, mobifone ...
    kind: Name = "smpp"  # the adapter
    # The contract's rate in SMS parts. No default: a guessed rate would do harm or waste capacity.
    segments_per_second: float = Field(gt=0)
    # Links whose receipts may arrive on each other share such a name; by default each has its own.
    receipt_group: Name | None = None
    # What to ask the carrier about, if the link can be asked: nothing, unknown deliveries, also a sample of
    # each run, or everything without a final receipt.
    poll: Literal["none", "unknown", "sample", "all"] = "unknown"
    poll_sample: int = Field(default=200, ge=1, le=1_000_000)  # deliveries of each run that it asks about
    # Delay of the first question after the message; each further pause doubles.
    poll_after_s: float = Field(default=60.0, ge=0.05, le=86_400)
    # Read the carrier's list of failures every hour, if it has one.
    reconcile: bool = False
    # Words of the carrier's own result files, in addition to the common ones, and what they mean.
    status_words: dict[str, ReceiptStatus] = Field(default_factory=dict)
    test_numbers: tuple[TestNumber, ...] = ()  # the only numbers that `loa carrier test-send` may send to
    password: SecretStr | None = None  # from the environment or a secret file alone
    webhook: WebhookSettings | None = None  # how its carrier calls with receipts
    # Who said what its receipts prove (receipt_level): a person at the carrier, a letter, a contract.
    receipt_level_source: Why | None = None
    receipt_level_on: date | None = None  # the day on which that was said
    # Whether the carrier refuses texts without the sender's name in them; left out: perhaps, so it is advice.
    sender_in_text: bool | None = None
    private_line: Why | None = None  # why a line without TLS may be plain, in words

    @property
    def assumes_receipt_level(self) -> bool:
        """Whether nobody has stated what its receipts prove; VNPT's customer care never proves more."""
        own = self.model_extra or {}
        return self.kind in ("smpp", "vnpt") and "receipt_level" not in own and own.get("traffic") != "cskh"

    @property
    def claims_handset(self) -> bool:
        """Whether its receipts count as proof of the telephone without a named source."""
        own = self.model_extra or {}
        return own.get("receipt_level") == "handset" and self.receipt_level_source is None

    @property
    def needs_template_code(self) -> bool:
        """Whether it sends the code of a registered template along with each message."""
        own = (self.model_extra or {}).get("tlvs")
        return isinstance(own, dict) and "field:template_code" in own.values()

    def options(self, name: str) -> LinkOptions:
        own: dict[str, Any] = dict(self.model_extra or {})
        if self.password is not None:
            own["password"] = self.password.get_secret_value()
        return LinkOptions(name, self.carrier, self.segments_per_second, own)


class MailSettings(BaseModel):
    """SMTP server for notifications; `to`: recipients of everything, besides the addressees."""

    model_config = ConfigDict(extra="forbid")

    host: Host  # the SMTP server
    port: int = Field(default=587, ge=1, le=65535)  # 465 where TLS comes first
    security: Literal["starttls", "tls", "none"] = "starttls"  # none needs private_line
    username: str | None = None  # where the server wants a sign-in
    password: SecretStr | None = None  # from the environment or a secret file alone
    sender: Address  # the address that mails come from
    to: tuple[Address, ...] = ()  # who is always told
    people: dict[str, Address] = Field(default={})  # name -> address of who is told of their own work
    private_line: Why | None = None  # why a line without TLS may be plain, in words
    timeout_s: float = Field(default=30.0, ge=1, le=300)  # how long the server may take to answer


class EndpointSettings(BaseModel):
    """A third party's program that receives events as Standard Webhooks."""

    model_config = ConfigDict(extra="forbid")

    url: Url  # where events are sent
    secret: WebhookSecret  # whsec_ and 24 to 64 bytes in base64
    # Kinds of events, such as directive.due; * for all.
    events: tuple[EventKind, ...] = ("*",)
    private_line: Why | None = None  # why a line without TLS may be plain, in words


class Settings(BaseSettings):
    """All settings of Loa. The environment overrides secret files, and both override loa.toml."""

    model_config = SettingsConfigDict(env_prefix="LOA_", env_nested_delimiter="__", extra="forbid")

    # In development a webhook may be open to anybody; in production Loa refuses to start with such a link.
    environment: Literal["production", "development"] = "production"
    data: Path = Path("data")  # folder of the SQLite ledger and of uploads on their way
    database_url: DatabaseUrl | None = None  # postgresql://user:password@host/name; without it SQLite
    # PostgreSQL: the account that owns the tables and migrates, if database_url has lesser rights.
    migration_database_url: DatabaseUrl | None = None
    host: str = "127.0.0.1"  # where the API listens
    port: int = 8600  # its port
    # PEM file with our certificate and those that vouch for it, for the API and metrics_port.
    tls_certificate: Path | None = None
    tls_key: Path | None = None  # PEM file with its key, without a password
    # The only Host names and addresses that are served, besides this machine's own; any if empty.
    public_hosts: tuple[Host, ...] = ()
    # Why connections that leave the machine may be unencrypted; links, mail and endpoints have their own.
    private_lines: dict[Literal["api", "database", "logs", "metrics"], Why] = Field(default={})
    # Where `loa worker` serves Prometheus metrics (0: nowhere); `up` and `serve` do so at /metrics.
    metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # the least that goes to stderr
    log_format: Literal["json", "text"] = "json"  # text for people
    # Syslog server that also receives every log line: tls://host:6514 or tcp://host:601.
    log_to: LogUrl | None = None
    log_ca_file: Path | None = None  # the authority of its certificate, if it is your own
    # How often the head of the audit's hash chain is logged; 0: never.
    audit_head_minutes: int = Field(default=60, ge=0, le=1440)
    # File that keeps heads of the audit's hash chain; by default audit-heads in the data folder.
    audit_head_file: Path | None = None
    # Code of the province whose areas lists and reports have, of app/data/areas/provinces.csv.
    province: str | None = None
    links: dict[Name, LinkSettings] = Field(default_factory=dict)  # one table for each link
    # Messages a link may have on the wire unrecorded: unknown after a crash. Lists in flight come on top.
    sub_batch: int = Field(default=200, ge=2, le=1000)
    chunk_size: int = Field(default=1000, ge=10, le=10_000)  # deliveries that a link leases at once
    lease_seconds: float = Field(default=8.0, ge=1, le=300)  # silence after which a process loses chunks
    # How long a stopping process waits for an unreachable database; less than supervisors wait.
    stop_patience_s: float = Field(default=30.0, ge=0, le=3600)
    # When a run finishes after everything was sent; later receipts still count.
    receipt_days: int = Field(default=5, ge=3, le=60)
    # When the daily sending hours of campaigns that state none begin, Vietnam time.
    day_starts: DayTime = "07:00"
    day_ends: DayTime = "21:00"  # when they end
    # People are signed out after this time without a request.
    session_idle_minutes: int = Field(default=30, ge=1, le=1440)
    session_hours: int = Field(default=12, ge=1, le=168)  # so long after the sign-in it ends in any case
    # Key that encrypts second-factor secrets and seals decisions, the audit and accounts.
    secret_key: SealingKey | None = None
    previous_secret_key: SealingKey | None = None  # the previous one, after a change
    # Private key that signs orders to carriers, made by `loa signing-key new`: a secret file.
    order_key: SecretStr | None = None
    # Roles whose people must use a second factor; by default all in production.
    second_factor_roles: tuple[Literal["admin", "approver", "operator", "auditor"], ...] | None = None
    # How many half minutes a code is accepted late: 1 for slow typists, as RFC 6238 recommends; with 0 a
    # code lasts 30 seconds.
    totp_late_steps: int = Field(default=1, ge=0, le=1)
    # Words that count for nothing in a password, with or without accents and blanks: yours and the product's.
    password_words: tuple[Word, ...] = (
        *("loa", "công an", "cảnh sát", "an ninh", "sms", "tin nhắn", "brandname", "tuyên truyền"),
        *("cảnh báo", "lừa đảo", "vnpt", "vinaphone", "viettel", "mobifone", "việt nam", "mật khẩu"),
    )
    upload_limit_mb: int = Field(default=512, ge=1)  # the largest file that the API takes
    # The largest scan behind figures that no receipt measured; scans are kept in the database.
    attachment_limit_mb: int = Field(default=10, ge=1, le=100)
    account_limit_mb: int = Field(default=20_480, ge=1)  # of files and scans that one account may store
    # Program that checks each uploaded file, whose path is appended to the arguments: 0 clean, 1 refused.
    scan_command: tuple[str, ...] = ()
    scan_seconds: float = Field(default=60, ge=0.1, le=3600)  # how long it may take for one file
    suspend: SuspendSettings = SuspendSettings()  # when a run pauses itself
    money: MoneySettings = MoneySettings()  # what an SMS part costs
    replies: ReplySettings = ReplySettings()  # what citizens may write back
    mail: MailSettings | None = None  # the SMTP server for reminders
    endpoints: dict[Name, EndpointSettings] = Field(default={})  # programs that are told of events
    private_endpoints: bool = False  # allow endpoints at private and loopback addresses, if you run them
    # Days before the deadline on which a missing report is called for; negative: after it.
    reminder_days: tuple[int, ...] = (7, 3, 1, 0, -1, -3)
    # Our own phones that are switched off and in carriers' lists: a receipt from one proves fabrication.
    switched_off: tuple[TestNumber, ...] = ()
    # Names, symbols and addressees on documents, in the format of app/data/letterheads.toml, the default.
    letterheads: Path | None = None
    signature_roots: Path | None = None  # PEM file of the authorities whose certificates may sign reports
    crest: values.Picture | None = None  # on the public page, .svg or .png
    # Whom to call at each carrier, shown beside its link that stands still.
    contacts: dict[str, Annotated[str, StringConstraints(min_length=1, max_length=200)]] = Field(default={})
    guide_url: Url | None = None  # where people find the picture guide: a link at the foot of pages
    receipts_group: int = Field(default=200, ge=1, le=2000)  # receipts committed together, at the most
    receipts_wait_ms: int = Field(default=20, ge=1, le=1000)  # how long a group waits to be full
    # Proxies whose X-Forwarded-For is trusted; without any, the connection's address counts.
    trusted_proxies: Networks = ()
    monitor_networks: Networks = ()  # where /readyz and /metrics may be requested from; anywhere if empty
    webhook_limit_kb: int = Field(default=4096, ge=1, le=65_536)  # the largest body of a webhook
    # Open client connections (never more than half of the process's descriptors).
    connection_limit: int = Field(default=1000, ge=8, le=30_000)
    # Time limit for headers, and for a body that is not an admitted caller's upload.
    request_seconds: float = Field(default=10.0, ge=0.1, le=120)
    # Requests per minute of one key or session, all API processes together.
    requests_per_minute: int = Field(default=3000, ge=1, le=1_000_000)
    stranger_requests_per_minute: int = Field(default=600, ge=1, le=1_000_000)  # of one address
    # Number of `loa serve` processes behind one address: each grants its part of the limits.
    api_processes: int = Field(default=1, ge=1, le=100)
    cors_origins: tuple[Origin, ...] = ()  # origins whose web pages may call the API from a browser
    # A proxy in front of Loa provides TLS to all callers; browsers are told to use https only, for a year.
    behind_tls: bool = False
    idempotency_hours: float = Field(default=24, ge=1, le=720)  # how long an Idempotency-Key is remembered
    # When numbers are erased: days after the campaign's report, or after its end if it has none.
    retention_days: int = Field(default=90, ge=1, le=3650)
    # When totals and audit rows are erased: months after the report, end or action; logs must last a year.
    records_months: int = Field(default=24, ge=values.LEAST_MONTHS, le=1200)
    holidays: values.Days = ()  # public holidays that change each year, such as Tet and days in lieu
    verify_per_minute: int = Field(default=30, ge=1, le=10_000)  # genuine checks by one address, no key
    # A webhook call not committed by then gets 503, and is repeated by the carrier.
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
        folder = getattr(file_secret_settings, "secrets_dir", None)
        return init_settings, Variables(settings_cls), SecretFiles(settings_cls, folder), toml

    @model_validator(mode="before")
    @classmethod
    def _remember(cls, values: Any) -> Any:
        """Keep the raw values, so that the valid ones can be used even if others are wrong."""
        _READ.set(values)
        return values

    @model_validator(mode="after")
    def _whole_certificate(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; set both or neither")
        return self

    @model_validator(mode="after")
    def _use_province(self) -> Settings:
        """Have this process know the areas of the province."""
        if self.province is not None and self.province not in areas.provinces():
            raise ValueError("province is a code of two digits, as app/data/areas/provinces.csv has it")
        areas.use(self.province)
        return self

    @model_validator(mode="after")
    def _open_hours(self) -> Settings:
        if self.day_starts >= self.day_ends:
            raise ValueError("day_starts must be before day_ends; 00:00 and 24:00 are the whole day")
        return self

    @property
    def factor_roles(self) -> tuple[str, ...]:
        if self.second_factor_roles is not None:
            return self.second_factor_roles
        return ("admin", "approver", "operator", "auditor") if self.environment == "production" else ()

    @property
    def idempotency_ms(self) -> int:
        return int(self.idempotency_hours * 3_600_000)

    def share(self, per_minute: int) -> int:
        """Return this process's part of a request limit, at least one request."""
        return max(1, per_minute // self.api_processes)

    @property
    def rates(self) -> dict[str, float]:
        """SMS parts a second of all links of each carrier."""
        found: dict[str, float] = {}
        for link in self.links.values():
            found[link.carrier] = found.get(link.carrier, 0.0) + link.segments_per_second
        return found

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the PostgreSQL server, or of the SQLite file in the data folder."""
        if self.database_url:
            return normal_url(self.database_url)
        return f"sqlite:///{self.data / 'loa.sqlite3'}"

    @property
    def audit_heads(self) -> Path:
        return self.audit_head_file or self.data / "audit-heads"

    @property
    def ledger_name(self) -> str:
        """Name of the database that is the same whoever opens it; audit heads are kept under it."""
        return values.ledger_name(self.url)

    @property
    def migration_url(self) -> str:
        """SQLAlchemy URL for `loa migrate`, with the account that owns the tables."""
        return normal_url(self.migration_database_url) if self.migration_database_url else self.url


def normal_url(url: str) -> str:
    """Normalize a PostgreSQL URL in any usual form to use psycopg 3; leave others as they are."""
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg2://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def shown(fault: str) -> str:
    """Return the sentence on one line: a name or value that it repeats may have line ends."""
    return one_line(fault) if CONTROL.search(fault) else fault


class WrongSettings(SetupError):
    """Invalid settings: a sentence for each, and the valid rest."""

    def __init__(self, faults: Sequence[str], rest: Settings | None = None) -> None:
        self.lines = list(dict.fromkeys(map(shown, faults)))
        self.rest = rest
        super().__init__("The settings are wrong:\n" + "\n".join(f"- {line}" for line in self.lines))


_ONLY_GIVEN: ContextVar[bool] = ContextVar("only given", default=False)
_READ: ContextVar[dict[str, Any]] = ContextVar("read")


def load(**overrides: Any) -> Settings:
    """Return the settings, or raise WrongSettings with a sentence per fault, none repeating a value."""
    faults = [*absent(), *unreadable(Settings), *strangers(Settings)]
    secrets = os.environ.get("LOA_SECRETS_DIR")
    folder = secrets if secrets and Path(secrets).is_dir() and os.access(secrets, os.R_OK) else None
    try:
        settings = Settings(_secrets_dir=folder, **overrides)
    except ValidationError as error:
        wrong = error.errors()
        faults += [sentence(item, _sibling_names(item["loc"]), _tables()) for item in wrong]
        rest, others = _valid_part(_READ.get({}), [item["loc"] for item in wrong])
        raise WrongSettings([*faults, *others, *(unopened(rest) if rest else ())], rest) from None
    except SettingsError as error:  # names the field, not its value
        raise WrongSettings([*faults, f"{error}: a list or a table in a secret file is JSON"]) from None
    faults += unopened(settings)
    if faults:
        raise WrongSettings(faults, settings)
    return settings


# Read while Loa works: a file that is missing would be noticed by whoever asks for the first report.
_READ_LATER = ("letterheads", "signature_roots", "crest", "log_ca_file")


def unopened(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each named file that this account can't read now."""
    for name in _READ_LATER:
        path = getattr(settings, name)
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as error:
            yield (
                f"{name}: {path} cannot be read ({error.strerror}). Put the file there, or correct the "
                "setting; a path in loa.toml counts from the folder of loa.toml."
            )


@cache
def _tables() -> Mapping[str, Sequence[str]]:
    """Return the tables that have a setting of each name, as loa.toml writes them; "" above all tables."""
    models: tuple[tuple[str, type[BaseModel]], ...] = (
        ("", Settings),
        ("[suspend]", SuspendSettings),
        ("[money.prices.NAME]", PriceSettings),
        ("[money]", MoneySettings),
        ("[replies]", ReplySettings),
        ("[mail]", MailSettings),
        ("[endpoints.NAME]", EndpointSettings),
        ("[links.NAME]", LinkSettings),
        ("[links.NAME.webhook]", WebhookSettings),
    )
    found: dict[str, list[str]] = {}
    for table, model in models:
        for name in model.model_fields:
            found.setdefault(name, []).append(table)
    return found


def _sibling_names(place: Sequence[int | str]) -> Iterable[str]:
    """Return the names of settings next to the one at this place."""
    model: Any = Settings
    for step in place[:-1]:
        found = getattr(model, "model_fields", {}).get(step)
        if found is not None:
            model = next(_models(found.annotation), model)
    return getattr(model, "model_fields", {})


def _models(annotation: Any) -> Iterator[Any]:
    """Yield the models in an annotation such as dict[Name, LinkSettings] or MailSettings | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


# Settings that are judged together: without one of them the other says nothing.
_TOGETHER = (("day_starts", "day_ends"), ("tls_certificate", "tls_key"))


def _valid_part(
    read: Mapping[str, Any], places: Iterable[Sequence[int | str]]
) -> tuple[Settings | None, Sequence[str]]:
    """Return settings from the valid values, if those suffice; else what is wrong with them together."""
    left: dict[str, Any] = {
        name: dict(value) if isinstance(value, dict) else value for name, value in read.items()
    }
    for place in places:
        table = left.get(str(place[0])) if place else None
        if isinstance(table, dict) and place[0] in ("links", "endpoints") and len(place) > 1:
            table.pop(place[1], None)
        elif place:
            left.pop(str(place[0]), None)
    for pair in _TOGETHER:
        if any(place and place[0] in pair for place in places):
            for name in pair:
                left.pop(name, None)
    token = _ONLY_GIVEN.set(True)
    try:
        return Settings(**left), ()
    except ValidationError as error:
        judged_before = {tuple(place) for place in places}
        return None, [sentence(item, (), {}) for item in error.errors() if item["loc"] not in judged_before]
    finally:
        _ONLY_GIVEN.reset(token)
