"""Settings shared by every link over HTTP: address, deadlines, proxy, TLS."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from carriers import refusal_streak
from carriers.contract import LinkError, LinkOptions
from carriers.http.answer import STATUS_WORDS
from carriers.options import by, number, seconds, string, whole


def url(value: object) -> str:
    """Read an http(s) address with a host and without query, fragment or password."""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not _is_sound(str(value)) or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://sms.example.vn:8443/path")
    if parts.username or parts.password:
        raise ValueError("must hold no user name and no password; they have settings of their own")
    return str(value).rstrip("/")


def proxy(value: object) -> str:
    """Read the address of the HTTP proxy to the carrier; it may hold a login."""
    if urlsplit(str(value)).scheme not in ("http", "https") or not _is_sound(str(value)):
        raise ValueError("must be the address of an HTTP proxy, such as http://proxy.example.vn:3128")
    return str(value)


def http_statuses(value: object) -> Mapping[int, str]:
    """Read the meaning of HTTP statuses by the carrier's contract, such as {"503" = "deferred"}."""
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(STATUS_WORDS):
        raise ValueError(f"must be a table of HTTP statuses with words out of: {', '.join(STATUS_WORDS)}")
    if not all(re.fullmatch(r"[2-5]\d\d", str(status)) and str(status) != "200" for status in value):
        raise ValueError("must name HTTP statuses from 201 to 599; 200 is an answer, and its body says which")
    return {int(str(status)): str(word) for status, word in value.items()}


def _is_sound(address: str) -> bool:
    """Whether host and port are valid: checked now, not at the first message."""
    try:
        return bool(httpx.URL(address).host) and urlsplit(address).port != 0
    except (httpx.InvalidURL, ValueError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Settings shared by every link over HTTP; an adapter's own settings inherit from it."""

    base_url: str = field(metadata=by(url))
    password: str = field(repr=False, metadata=by(string(200, 1)))
    # Requests in flight at once; as many connections are kept.
    in_flight: int = field(default=8, metadata=by(whole(1, 500)))
    connect_timeout_s: float = field(default=5.0, metadata=by(seconds(0.05, 120)))
    write_timeout_s: float = field(default=10.0, metadata=by(seconds(0.05, 120)))
    # Deadline for the whole answer; afterwards the messages are unknown.
    answer_timeout_s: float = field(default=30.0, metadata=by(seconds(0.05, 600)))
    # Shorter than carriers keep idle connections: if they close one under a request, it is unknown.
    keep_alive_s: float = field(default=4.0, metadata=by(seconds(0, 600)))
    longest_answer_kb: int = field(default=1024, metadata=by(whole(1, 100_000)))
    # Statuses that the contract defines otherwise than answer.failure_of reads them.
    http_statuses: Mapping[int, str] = field(default_factory=dict, metadata=by(http_statuses))
    ca_file: str = field(default="", metadata=by(string(400)))
    client_cert: str = field(default="", metadata=by(string(400)))
    client_key: str = field(default="", metadata=by(string(400)))
    proxy: str = field(default="", repr=False, metadata=by(proxy))
    max_segments: int = field(default=4, metadata=by(whole(1, 15)))
    queries_per_second: float = field(default=1.0, metadata=by(number(0.01, 1000)))
    # Refusals in a row for a reason of ours until the link halts; for the carrier's own, until it pauses.
    strange_in_a_row: int = field(default=refusal_streak.DEFAULT, metadata=by(whole(1, 1_000_000)))


def tls_context(link: LinkOptions, settings: HttpSettings) -> ssl.SSLContext:
    """Build the TLS context: verification is always on; a private CA and a client certificate may be set."""
    for name in ("ca_file", "client_cert", "client_key"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            raise LinkError(f"Link {link.name}: {name} names a file that is not there.")
    if settings.client_key and not settings.client_cert:
        raise LinkError(f"Link {link.name}: client_key needs client_cert beside it.")
    if not settings.ca_file and not settings.client_cert:
        return _of_this_host()
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.client_cert:
            # Without a password argument, OpenSSL would prompt at the terminal.
            context.load_cert_chain(settings.client_cert, settings.client_key or None, password="")
    except OSError:
        raise LinkError(
            f"Link {link.name}: a certificate or its key cannot be read. Both must be PEM without a password."
        ) from None
    return context


@cache
def _of_this_host() -> ssl.SSLContext:
    """Trust the authorities that this host trusts; they are read once for all links, which takes 20 ms."""
    return ssl.create_default_context()
