"""Outgoing webhooks by the Standard Webhooks specification: signed, to a pinned address, no redirects."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.core import clock
from app.core.config import EndpointSettings
from app.notifications.outbox import Later, Never, Notice, Outcome, Sent
from carriers.causes import cause_of

_NAT64 = IPv6Network("64:ff9b::/96")
# Notations of IPv4, internal and special addresses that is_global misses in some Python versions (RFC 6890,
# RFC 7526), and two where clouds tell a machine its secrets.
_NEWER = ("3fff::/20", "5f00::/16")  # documentation and SIDs of segment routing, unknown to older Pythons
_ODD = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10", *_NEWER)))
_ODD_4 = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "100.100.100.200/32")))


class AddressRefused(Exception):
    """The host resolves to an address that endpoints may not have; the message says which."""


async def resolve(host: str, port: int, *, private: bool) -> str:
    """Resolve the host to the address to connect to; resolving it again could give another one.

    Raises AddressRefused for internal addresses unless `private`, OSError if there is no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    for address in addresses:
        if not (private or is_open(ip_address(address))):
            raise AddressRefused(
                f"{host} leads to {address}, an inner address; set private_endpoints if it is your own."
            )
    return addresses[0]


def is_open(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is public; an IPv4 address embedded in IPv6 is judged itself."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            within = IPv4Address(int(address) & 0xFFFFFFFF)
        if within is not None:
            return is_open(within)
        if address.teredo is not None or any(address in network for network in _ODD):
            return False
    elif any(address in network for network in _ODD_4):
        return False
    return address.is_global and not address.is_multicast


TIMEOUT_S = 15.0
_MOST_AFTER_S = 86_400.0


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature `v1,...` of id, time (s since 1970) and body; secret: whsec_ and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def message_id(notice: Notice) -> str:
    """Return an id that stays the same for every attempt, so that receivers recognize repetitions."""
    return f"msg_{hashlib.sha256(notice.key.encode()).hexdigest()[:32]}"


def body_of(notice: Notice) -> bytes:
    """Return the bytes to sign and send: type, timestamp and data."""
    return json.dumps(notice.payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


async def post(endpoint: EndpointSettings, notice: Notice, *, private: bool) -> Outcome:
    """Try once. 200 to 299 is accepted, 410 is refused for good, anything else is retried."""
    try:
        answer = await _answer(endpoint, notice, private)
    except AddressRefused as error:  # for us to correct, so it is tried again
        return Later(str(error))
    except (httpx.HTTPError, OSError) as error:
        return Later(f"The endpoint did not answer: {cause_of(error)}")
    if answer.is_success:
        return Sent()
    sentence = f"The endpoint answers {answer.status_code}."
    return Never(sentence) if answer.status_code == 410 else Later(sentence, _retry_after(answer))


async def _answer(endpoint: EndpointSettings, notice: Notice, private: bool) -> httpx.Response:
    parts, body = urlsplit(endpoint.url), body_of(notice)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = await resolve(host, port, private=private)
    url = httpx.URL(endpoint.url).copy_with(host=address)
    headers = _headers(endpoint, notice, body) | {"Host": parts.netloc}
    # The certificate is checked against the host name although the connection uses the pinned address.
    extensions: dict[str, Any] = {"sni_hostname": host}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client,
        client.stream("POST", url, content=body, headers=headers, extensions=extensions) as answer,
    ):
        return answer  # only the status counts; the body may be endless and is not read


def _headers(endpoint: EndpointSettings, notice: Notice, body: bytes) -> dict[str, str]:
    own_id, now = message_id(notice), clock.now_ms() // 1000
    return {
        "Content-Type": "application/json",
        "User-Agent": "Loa",
        "webhook-id": own_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(endpoint.secret.get_secret_value(), own_id, now, body),
    }


def _retry_after(answer: httpx.Response) -> float:
    """Return the seconds that the endpoint asks to wait, at most a day; 0 if it does not."""
    said = answer.headers.get("Retry-After", "")
    return min(float(said), _MOST_AFTER_S) if said.isascii() and said.isdigit() else 0.0
