"""Unencrypted outbound connections and their justification; server TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import zip_longest
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url

from app.core.config import LinkSettings, Settings
from app.core.errors import SetupError
from carriers import registry
from carriers.contract import LinkError, PlainLine

_CHECKED = ("verify-ca", "verify-full")
# Python's own default: TLS 1.2 only with forward secrecy. Debian's Python takes all that OpenSSL has.
_SUITES = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"


class PlainConnection(NamedTuple):
    """A plain connection: its name, the remedy, the setting that justifies it, and that setting's value."""

    what: str
    remedy: str
    setting: str
    why: str | None

    @property
    def fault(self) -> str:
        return (
            f"{self.what} is not protected by TLS. {self.remedy}, or explain in {self.setting} "
            "why it need not "
            "be: a leased line, a VPN, a network that is closed to all others."
        )


def is_here(host: str) -> bool:
    """Return whether traffic to this host or address stays on the machine; a path is a Unix socket."""
    if host in ("localhost", "") or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def open_to_others(settings: Settings) -> bool:
    """Return whether other machines can reach us, directly or by a proxy."""
    return settings.behind_tls or not is_here(settings.host)


def plain(settings: Settings) -> Iterator[PlainConnection]:
    """Yield every connection of these settings that leaves the machine without TLS, justified or not."""
    yield from _callers(settings)
    yield from _database(settings)
    for name, link in settings.links.items():
        for host in _plain_hosts(name, link):
            what, remedy = (
                f"The connection of link {name} to {host}",
                "Set tls, or an address with https, for it",
            )
            yield PlainConnection(what, remedy, f"links.{name}.private_line", link.private_line)
    for name, endpoint in settings.endpoints.items():
        host = urlsplit(endpoint.url).hostname or ""
        if endpoint.url.startswith("http:") and not is_here(host):
            what, remedy = f"The connection to the endpoint {name}", "Use an https address"
            yield PlainConnection(what, remedy, f"endpoints.{name}.private_line", endpoint.private_line)
    mail = settings.mail
    if mail and mail.security == "none" and not is_here(mail.host):
        what, remedy = (
            f"The connection to the mail server {mail.host}",
            'Set mail.security to "starttls" or "tls"',
        )
        yield PlainConnection(what, remedy, "mail.private_line", mail.private_line)
    logs = urlsplit(settings.log_to or "")
    if logs.scheme == "tcp" and not is_here(logs.hostname or ""):
        what, remedy = f"The log connection to {logs.hostname}", "Use tls:// in log_to"
        yield PlainConnection(what, remedy, "private_lines.logs", settings.private_lines.get("logs"))


def _callers(settings: Settings) -> Iterator[PlainConnection]:
    """Yield the API's and metrics' own addresses if other machines can reach them."""
    if settings.tls_certificate or is_here(settings.host):
        return
    tls, why = "Set tls_certificate and tls_key", settings.private_lines
    if settings.behind_tls:
        what = f"The connection from the proxy to the API on {settings.host}"
        yield PlainConnection(what, tls, "private_lines.api", why.get("api"))
    else:
        what = f"The API on {settings.host}, which other machines can reach,"
        yield PlainConnection(
            what, tls, "behind_tls that a proxy before it speaks TLS, and private_lines.api", None
        )
    if settings.metrics_port:
        what = f"metrics_port {settings.metrics_port} on {settings.host}"
        yield PlainConnection(what, tls, "private_lines.metrics", why.get("metrics"))


def _database(settings: Settings) -> Iterator[PlainConnection]:
    """Yield PostgreSQL on other machines, also with `require`, which encrypts but authenticates nobody."""
    remedy = "Add sslmode=verify-full and sslrootcert to its address"
    named = {"database_url": settings.url, "migration_database_url": settings.migration_url}
    for name in [each for each in named if getattr(settings, each)]:
        url = make_url(named[name])
        away = _plain_servers(url) if url.get_backend_name() == "postgresql" else []
        if away:
            what = f"The connection to PostgreSQL on {', '.join(away)} ({name})"
            yield PlainConnection(
                what, remedy, "private_lines.database", settings.private_lines.get("database")
            )


def _plain_servers(url: URL) -> list[str]:
    """Return the remote hosts of this address and libpq's variables that the driver does not authenticate."""
    _, given = url.get_dialect()().create_connect_args(url)

    def said(parameter: str) -> str:
        return str(given.get(parameter) or os.environ.get(f"PG{parameter.upper()}", ""))

    # A service is an entry of a file that we do not read: it may set any server and any sslmode.
    service = said("service")
    if (given.get("sslmode") if service else said("sslmode")) in _CHECKED:
        return []
    pairs = zip_longest(said("hostaddr").split(","), said("host").split(","), fillvalue="")
    hosts = [address or host for address, host in pairs]
    return [*(host for host in hosts if not is_here(host)), *([f"the service {service}"] if service else ())]


def _plain_hosts(name: str, link: LinkSettings) -> list[str]:
    """Return remote hosts that the link reaches without TLS; wrong settings are reported elsewhere."""
    try:
        made = registry.build(link.kind, link.options(name))
    except LinkError:
        return []
    return [host for host in (made.plain_hosts if isinstance(made, PlainLine) else ()) if not is_here(host)]


def exposed(settings: Settings) -> Iterator[str]:
    """Yield settings that are dangerous once other machines can reach us."""
    if settings.behind_tls and not settings.trusted_proxies:
        yield (
            "behind_tls is set, but trusted_proxies does not name the proxy: every "
            "caller would appear as the proxy, one stranger's wrong passwords would lock everyone out, and "
            'the audit log would show no addresses. Set trusted_proxies, for example to ["127.0.0.1"].'
        )
    if settings.environment == "development" and open_to_others(settings):
        yield (
            "environment is development, where webhooks may be open and second factors are not required, "
            "but other machines can reach Loa. Set host to 127.0.0.1 without behind_tls, or use production."
        )


def faults(settings: Settings) -> Iterator[str]:
    """Yield what keeps a service from starting: in production every plain connection without a reason."""
    try:
        server_tls(settings)
    except SetupError as error:
        yield error.detail
    yield from exposed(settings)
    if settings.environment == "production":
        yield from dict.fromkeys(line.fault for line in plain(settings) if not line.why)


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return our server TLS, 1.2 and newer by our certificate; None for plain HTTP. Raises SetupError."""
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    try:
        # Without a password OpenSSL would prompt for one.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror
        raise SetupError(
            "Cannot use tls_certificate and tls_key ({why}). Name a PEM file with the certificate "
            "and its chain, and one with its key, without a password.",
            why=why,
        ) from None
    return context
