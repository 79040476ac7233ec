"""Read a page whose address somebody typed: nothing inside our networks, within a size and a time."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from app.core.errors import Invalid
from app.core.publication_settings import PublicationSettings
from app.notifications.webhook import AddressRefused, resolve
from carriers.causes import cause_of

MOST_BYTES, MOST_SECONDS, MOST_REDIRECTS = 1_000_000, 20.0, 4
LONGEST_URL = 2000  # bytes: an index entry of PostgreSQL has room for 2,704
_URL = re.compile(r"https?://[^\s<>\"'\\^`{}|\x00-\x1f\x7f]+")
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KINDS = ("text/html", "application/xhtml+xml", "text/plain")
_HEADERS = {"User-Agent": "Loa", "Accept": ", ".join(_KINDS), "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class ReadPage:
    """The bytes that were read; status 404 or 410: no page is there. charset: as the server says, or ""."""

    status: int
    body: bytes
    charset: str = ""
    plain: bool = False


@dataclass(frozen=True, slots=True)
class NotRead:
    """Why the page could not be read this time."""

    why: str


def check(url: str, settings: PublicationSettings) -> str:
    """Return the address. Raises Invalid for one that is never read."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = parts.hostname or ""
        host.encode("idna")
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if not host or not _URL.fullmatch(url) or len(url.encode()) > LONGEST_URL:
        raise Invalid("A web address begins with http:// or https:// and has no blanks.", field="url")
    if parts.username is not None or parts.password is not None:
        raise Invalid("A web address has no user name and no password.", field="url")
    if port not in _PORTS.values() and not settings.other_ports:
        raise Invalid("A web address is read at port 80 or 443 only.", field="url")
    return url


async def fetch(url: str, settings: PublicationSettings) -> ReadPage | NotRead:
    """Read the page, following redirects to addresses that may be read too."""
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _follow(url, settings)
    except TimeoutError:
        return NotRead("The server took too long.")
    except (AddressRefused, Invalid):
        return NotRead("The address leads to one that is not read: an inner network, or another port.")
    except (httpx.HTTPError, OSError, UnicodeError, zlib.error, httpx.InvalidURL) as error:
        return NotRead(f"The server did not answer: {cause_of(error)}"[:200])


async def _follow(url: str, settings: PublicationSettings) -> ReadPage | NotRead:
    for _ in range(MOST_REDIRECTS + 1):
        found = await _once(check(url, settings), settings)
        if not isinstance(found, str):
            return found
        url = found
    return NotRead("The server redirects too often.")


async def _once(url: str, settings: PublicationSettings) -> ReadPage | NotRead | str:
    """Return what is there, or the address that it redirects to."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode()
    address = await resolve(host, parts.port or _PORTS[parts.scheme], private=settings.private_addresses)
    # Connected to the address that was judged; the certificate is checked against the name.
    pinned = httpx.URL(url).copy_with(host=address)
    literal = f"[{host}]" if ":" in host else host
    named = literal if parts.port is None else f"{literal}:{parts.port}"
    extensions: dict[str, Any] = {"sni_hostname": host}
    async with (
        httpx.AsyncClient(timeout=MOST_SECONDS, trust_env=False) as client,
        client.stream("GET", pinned, headers=_HEADERS | {"Host": named}, extensions=extensions) as answer,
    ):
        if answer.status_code in _REDIRECTS and "Location" in answer.headers:
            return urljoin(url, answer.headers["Location"])
        return await _answer(answer)


async def _answer(answer: httpx.Response) -> ReadPage | NotRead:
    if answer.status_code in (404, 410):
        return ReadPage(answer.status_code, b"")
    if answer.status_code != 200:
        return NotRead(f"The server answers {answer.status_code}.")
    kind, _, rest = answer.headers.get("Content-Type", "").partition(";")
    if kind.strip().lower() not in _KINDS:
        return NotRead("The address is not that of a web page.")
    body = await _body(answer)
    if isinstance(body, NotRead):
        return body
    charset = re.search(r"charset=\"?([\w.:-]+)", rest, re.IGNORECASE)
    return ReadPage(200, body, charset[1] if charset else "", kind.strip().lower() == "text/plain")


async def _body(answer: httpx.Response) -> bytes | NotRead:
    """Return the bytes, unpacked: some servers compress although they are asked not to."""
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("identity", "", "gzip"):
        return NotRead("The server packs the page in a way that was not asked for.")
    unpack = zlib.decompressobj(wbits=31) if packed == "gzip" else None
    body = b""
    async for piece in answer.aiter_raw():
        body += piece if unpack is None else unpack.decompress(piece, MOST_BYTES + 1 - len(body))
        if len(body) > MOST_BYTES or (unpack is not None and unpack.unconsumed_tail):
            return NotRead("The page is too large.")
    return body
