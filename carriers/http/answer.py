"""Read one HTTP response within bounds, and decide what its status says about messages."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import httpx

from carriers.contract import Deferred, Halted, Rejected, Unknown
from carriers.phrases import Phrase

# How long a throttled or absent carrier is left alone if it names no time.
PAUSE_S = 1.0
_LONGEST_PAUSE_S = 3600.0
LONGEST_QUOTE = 80
# Digits in a row, or spaced like a phone number; not within a hexadecimal word such as a request id.
_NUMBER = re.compile(r"(?<![0-9A-Fa-f])(?:(?:84|0)(?:[ .-]?[0-9]){9,10}|\d{6,})(?![0-9A-Fa-f])")
_ANY_FORMAT = zlib.MAX_WBITS | 32  # zlib detects gzip and deflate by their headers


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole response; `retry_after_s` as in its header, None without one.

    own: the link's own word for this status (setting `http_statuses`), "" if it has none.
    """

    status: int
    body: bytes
    content_type: str = ""
    retry_after_s: float | None = None
    own: str = ""

    @property
    def text(self) -> str:
        """The body as UTF-8 without a byte order mark; invalid bytes become replacement characters."""
        return self.body.decode("utf-8-sig", "replace")


# Why there is no answer to read: certainly not taken (Deferred, Halted, Rejected), or perhaps (Unknown).
Failure = Deferred | Halted | Rejected | Unknown


# Statuses given before a request is processed: about our account, our address, or the request's form.
_ACCOUNT = frozenset({401, 403, 407})
_ADDRESS = frozenset({404, 405, 410, 421})
_FORM = frozenset({400, 402, 411, 413, 414, 415, 417, 422, 426, 428, 431, 451})
# The words that the setting http_statuses may use.
NOT_TAKEN_WORDS = ("deferred", "throttled", "halted")
STATUS_WORDS = (*NOT_TAKEN_WORDS, "unknown")


def failure_of(answer: HttpAnswer) -> Failure | None:
    """Return what the HTTP status says about messages; None for 200, whose body says more.

    The link's own word for a status comes first. Certainly not taken: 401, 403 and 407 (our account), 404 and
    405 (our address), 400 and the like (the request's form). No carrier refuses a single message by status:
    what refuses one would refuse all, so a person has to look.

    Perhaps taken: everything else. A gateway answers 503 as well as 502 and 504 when it loses its backend's
    answer, 408 when it waited too long, 409 when it sent the request twice; a page that has done its work
    redirects (3xx), and a server that finds no representation for its answer says 406 after the work is done.
    A gateway that counts requests after it has passed them on says 429 of a message that was taken.
    """
    status = answer.status
    if answer.own or status == 200:
        return _by_settings(answer) if answer.own else None
    if status in _ACCOUNT:
        return Halted(f"http {status}", "The carrier rejects the account or this server's address.")
    if status in _ADDRESS:
        return Halted(f"http {status}", "The carrier does not know this address. Check base_url.")
    if status in _FORM:
        return Halted(f"http {status}", "The carrier does not accept these requests. Check base_url.")
    return Unknown(Phrase("the carrier answered with HTTP {status}", status=status), throttled=status == 429)


def _by_settings(answer: HttpAnswer) -> Failure:
    code = f"http {answer.status}"
    if answer.own == "unknown":
        return Unknown(
            Phrase("the carrier answered with HTTP {status}", status=answer.status),
            throttled=answer.status == 429,
        )
    if answer.own == "halted":
        return Halted(code, "The link halted on this status, as its setting http_statuses requires.")
    throttled = answer.own == "throttled"
    return Deferred(code, pause(answer), counts=not throttled, throttled=throttled)


def redirected(answer: HttpAnswer) -> Halted | None:
    """Return the halt that a redirect causes for the link, whatever becomes of its message."""
    if answer.own or not 300 <= answer.status < 400:
        return None
    return Halted(f"http {answer.status}", "The carrier redirects to another address. Check base_url.")


def pause(answer: HttpAnswer) -> float:
    return min(answer.retry_after_s or PAUSE_S, _LONGEST_PAUSE_S)


def _seconds(header: str | None) -> float | None:
    """Parse Retry-After in seconds; no carrier we know uses its date form."""
    return float(header) if header and header.isascii() and header.isdecimal() else None


async def read_answer(
    response: httpx.Response, longest_kb: int, words: Mapping[int, str] = MappingProxyType({})
) -> HttpAnswer | Failure:
    """Read the whole response, at most `longest_kb`; Unknown if it can't be read. words: of statuses."""
    headers, longest = response.headers, longest_kb * 1024
    body = await _body(response, longest)
    if body is None:
        return Unknown("the answer's compression cannot be read")
    if len(body) > longest:
        return Unknown(Phrase("the answer is longer than {n} kB", n=longest_kb))
    retry_after_s = _seconds(headers.get("retry-after"))
    status = response.status_code
    return HttpAnswer(status, body, headers.get("content-type", ""), retry_after_s, words.get(status, ""))


async def _body(response: httpx.Response, longest: int) -> bytes | None:
    """Read the body, at most a little more than `longest` bytes; None if its encoding can't be read.

    Decompressed here because httpx would unpack a whole compressed chunk before the limit could apply.
    """
    packing = response.headers.get("content-encoding", "identity").lower()
    if packing not in ("identity", "gzip", "x-gzip", "deflate"):
        return None
    unpack = None if packing == "identity" else zlib.decompressobj(_ANY_FORMAT)
    body = bytearray()
    # httpx's own iterators would return the connection to the pool at the end of the body.
    stream = cast(httpx.AsyncByteStream, response.stream)
    try:
        async for piece in stream:
            body += piece if unpack is None else unpack.decompress(piece, longest + 1 - len(body))
            if len(body) > longest:
                break
    except zlib.error:
        return None
    if unpack is not None and not unpack.eof and len(body) <= longest:
        return None  # the end is missing
    return bytes(body)


def quoted(words: str, *secrets: str) -> str:
    """Make a carrier's words fit to keep and show: one short line without our secrets and numbers."""
    for secret in filter(None, secrets):
        words = words.replace(secret, "[redacted]")
    line = "".join(character if character.isprintable() else " " for character in words)
    return " ".join(_NUMBER.sub("[number]", line).split())[:LONGEST_QUOTE]
