"""Types of setting values, each validated when read: names, keys, networks, addresses."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints

from app.core import clock
from app.core.errors import meant
from app.core.phone import REASONS, normalise

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


def _test_number(value: object) -> int:
    found = normalise(str(value))
    if isinstance(found, str):
        raise ValueError(f"must be Vietnamese mobile numbers. One of them is not valid: {REASONS[found].en}")
    return found


TestNumber = Annotated[int, BeforeValidator(_test_number)]


def _long_enough(secret: SecretStr) -> SecretStr:
    """Require a secret that can't be guessed and fits into a URL."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,200}", secret.get_secret_value()):
        raise ValueError("must be 16 to 200 letters, digits, - or _, for example from `openssl rand -hex 24`")
    return secret


def _key(secret: SecretStr) -> SecretStr:
    """Require a key of 256 bits, in either alphabet of base64."""
    text = secret.get_secret_value().strip().translate(str.maketrans("+/", "-_"))
    try:
        size = len(urlsafe_b64decode(text))
    except ValueError:
        size = 0
    if size != 32:
        raise ValueError("must be 32 random bytes in base64, for example from `openssl rand -base64 32`")
    return SecretStr(text)


_INNER = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7")))
_MOST = 1 / 64  # of all addresses


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(str(value))
    except ValueError:
        raise ValueError("must be addresses or networks, for example 203.0.113.7 or 203.0.113.0/24") from None
    if network.prefixlen == 0:
        raise ValueError("must not cover all addresses. Remove it instead.")
    return network


def _is_inner(network: IPv4Network | IPv6Network) -> bool:
    """Return whether it lies within private networks, of which any share is allowed."""
    return any(network[0] in inner and network[-1] in inner for inner in _INNER)


def _few(networks: tuple[IPv4Network | IPv6Network, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Require that networks together are not a large part of the Internet: two halves would be all of it."""
    for version in (4, 6):
        of = {each for each in networks if each.version == version and not _is_inner(each)}
        if sum(2.0**-each.prefixlen for each in of) > _MOST:
            raise ValueError("must not cover a large part of all addresses. Use the caller's own.")
    return networks


Word = Annotated[str, StringConstraints(min_length=3, max_length=40)]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...], AfterValidator(_few)
]
Secret = Annotated[SecretStr, AfterValidator(_long_enough)]
LEAST_MONTHS = 12  # of acts of the audit: logs must last a year
SealingKey = Annotated[SecretStr, AfterValidator(_key)]
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,80}$")]
# Justification of an unencrypted connection that leaves the machine: a leased line, a VPN.
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=300)]


def webhook_secret(secret: SecretStr) -> SecretStr:
    """Require a Standard Webhooks secret: whsec_ and 24 to 64 bytes in base64."""
    prefix, _, text = secret.get_secret_value().rpartition("_")
    try:
        size = len(b64decode(text, validate=True)) if prefix == "whsec" else 0
    except ValueError:
        size = 0
    if not 24 <= size <= 64:
        raise ValueError(
            "must be whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)"
        )
    return secret


_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label is not all digits, so 10.0.0.300 is not a name either.
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*(?![0-9]+$){_LABEL}")


def _host(text: str) -> str:
    """Require an IP address in its usual form or a host name, and nothing else."""
    try:
        return str(ip_address(text))
    except ValueError:
        if _HOST_NAME.fullmatch(text):
            return text
    raise ValueError(
        "must be an IP address or a host name such as loa.example.vn, without port, path or trailing dot"
    )


def _log_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _host(parts.hostname or "")
        good = re.fullmatch(r"(tls|tcp)://[^/?#@\s]+", text) and (parts.port or 0) > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            "must be tls://host:6514 or tcp://host:601, with a host name or an IP address (IPv6 in "
            "brackets) and a port from 1 to 65535"
        )
    return text


_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:?]*)(:\d{1,5})?(\?.*)?")  # host, port and options
_SERVERS = ("postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2")


def database_url(text: str) -> str:
    """Require an unambiguous URL of PostgreSQL or a SQLite file; errors never repeat it."""
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite":
        return text
    authority = rest.partition("/")[0]
    login, at, host = authority.rpartition("@")
    spoilt = "@" in login or (not at and "@" in rest.partition("?")[0])
    if scheme in _SERVERS and not spoilt and "," in host.partition("?")[0]:
        raise ValueError(
            "must list several servers as postgresql://ACCOUNT@/name?host=a,b&port=5432,5432"
            "&target_session_attrs=read-write"
        )
    if scheme not in _SERVERS or spoilt or not _SERVER.fullmatch(host):
        raise ValueError(
            "must be postgresql://ACCOUNT@host:5432/name, where ACCOUNT is the user, a colon and the "
            "password; in the password write @ as %40, / as %2F, : as %3A, ? as %3F and % as %25"
        )
    return text


def _day_time(text: str) -> str:
    if not clock.is_time(text):
        raise ValueError("must be a time of day as HH:MM, from 00:00 to 24:00")
    return text


def _event_kind(text: str) -> str:
    if text != "*" and text not in EVENT_KINDS:
        near = meant(text, EVENT_KINDS)
        hint = f"Did you mean {near}?" if near else f"Use * or some of: {', '.join(EVENT_KINDS)}."
        raise ValueError(f"is not a kind of event. {hint}")
    return text


# Kinds of events that endpoints may subscribe to; * is all of them.
EVENT_KINDS = (
    *("run.started", "run.paused", "run.suspended", "run.resumed", "run.sent", "run.finished", "link.halted"),
    *("report.frozen", "deadline.at_risk", "directive.due", "audit.head"),
)
_MOST_PICTURE = 100_000


def _picture(file: Path) -> Path:
    if file.suffix not in (".svg", ".png"):
        raise ValueError(f"{file} is not an .svg or .png file")
    if not file.is_file() or file.stat().st_size > _MOST_PICTURE:
        raise ValueError(
            f"{file} does not exist or is larger than 100 kB, which every visitor would have to load"
        )
    return file


Picture = Annotated[Path, AfterValidator(_picture)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
DayTime = Annotated[str, AfterValidator(_day_time)]
Days = tuple[date, ...]
EventKind = Annotated[str, AfterValidator(_event_kind)]
Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[
    str, StringConstraints(pattern=r"^[^@\s<>,;\x00-\x1f]+@[^@\s<>,;\x00-\x1f]+$", max_length=254)
]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:-]{1,253}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$", max_length=500)]
LogUrl = Annotated[str, AfterValidator(_log_url)]
WebhookSecret = Annotated[SecretStr, AfterValidator(webhook_secret)]


def ledger_name(url: str) -> str:
    """Return the database of this URL without account or options: host:port/name, or the file's name."""
    said = urlsplit(url)
    name = said.path.rpartition("/")[2]
    if said.scheme.startswith("sqlite"):
        return name
    hosts = parse_qs(said.query).get("host", [])
    return quote(f"{','.join(hosts) or said.hostname or ''}:{said.port or 5432}/{name}", safe=":/,")
