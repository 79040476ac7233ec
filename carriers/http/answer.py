"""One answer over HTTP: read within bounds, and what its status says of messages."""

from __future__ import annotations

import re
import ssl
import zlib
from dataclasses import dataclass

import httpx

from carriers.contract import Deferred, Halted, Rejected, Unknown

# A throttled or absent carrier that names no time is left alone for so long.
PAUSE_S = 1.0
_LONGEST_PAUSE_S = 3600.0
LONGEST_QUOTE = 80
_LONGEST_CHAIN = 10  # causes of causes may lead in a circle
_NUMBER = re.compile(r"\d{6,}")
_ANY_FORMAT = zlib.MAX_WBITS | 32  # of zlib: gzip and deflate, told apart by their heads


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the carrier; `retry_after_s` as its header says, None where it says nothing."""

    status: int
    body: bytes
    content_type: str = ""
    retry_after_s: float | None = None

    @property
    def text(self) -> str:
        """The body as UTF-8, without a byte order mark; what is none becomes replacement characters."""
        return self.body.decode("utf-8-sig", "replace")


# Why there is no answer to read: certainly not taken (Deferred, Halted, Rejected), or perhaps (Unknown).
Failure = Deferred | Halted | Rejected | Unknown


def failure_of(answer: Answer) -> Failure | None:
    """What an answer's HTTP status says of messages, for all carriers; None for 200, whose body says more.

    Not taken for certain: 429 and 503 (too fast, or not now), 408 and 425 (not heard to the end), 401 and
    403 (our account), 404 and 405 (our address), 3xx and other 4xx (our way of asking). No carrier refuses a
    single message by a status, so what refuses by one would refuse all: a person has to look. Perhaps
    taken: 500, 502 and 504, since what stands behind a gateway may have read the request before it failed.
    """
    match answer.status:
        case 200:
            return None
        case 429:
            return Deferred("http 429", pause(answer), throttled=True)
        case 408 | 425 | 503:
            return Deferred(f"http {answer.status}", pause(answer), counts=True)
        case 401 | 403 | 407:
            return Halted(f"http {answer.status}", "The carrier refuses our account or our address.")
        case 404 | 405 | 410 | 421:
            return Halted(f"http {answer.status}", "The carrier knows no such address: check base_url.")
        case status if 300 <= status < 400:
            return Halted(f"http {status}", "The carrier sends us to another address: check base_url.")
        case status if 400 <= status < 500:
            return Halted(f"http {status}", "The carrier does not take our requests: check base_url.")
        case status:
            return Unknown(f"the carrier answered with HTTP {status}")


def pause(answer: Answer) -> float:
    """For how many seconds the carrier wants to be left alone."""
    return min(answer.retry_after_s or PAUSE_S, _LONGEST_PAUSE_S)


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; its form with a date is not used by any carrier we know."""
    return float(header) if header and header.isascii() and header.isdecimal() else None


async def read_answer(response: httpx.Response, longest_kb: int) -> Answer | Unknown:
    """The whole answer, of at most so many kB; Unknown where it can't be read."""
    headers, longest = response.headers, longest_kb * 1024
    body = await _body(response, longest)
    if body is None:
        return Unknown("the answer is packed in a way that can't be read")
    if len(body) > longest:
        return Unknown(f"the answer is longer than {longest_kb} kB")
    retry_after_s = _seconds(headers.get("retry-after"))
    return Answer(response.status_code, body, headers.get("content-type", ""), retry_after_s)


async def _body(response: httpx.Response, longest: int) -> bytes | None:
    """The body, up to `longest` bytes and some more; None where it is packed in a way that can't be read.

    Unpacked here, since a library would unpack all that a packet holds before anybody can say stop.
    """
    packing = response.headers.get("content-encoding", "identity").lower()
    if packing not in ("identity", "gzip", "x-gzip", "deflate"):
        return None
    unpack = None if packing == "identity" else zlib.decompressobj(_ANY_FORMAT)
    body = bytearray()
    try:
        async for piece in response.aiter_raw():
            body += piece if unpack is None else unpack.decompress(piece, longest + 1 - len(body))
            if len(body) > longest:
                break
    except zlib.error:
        return None
    if unpack is not None and not unpack.eof and len(body) <= longest:
        return None  # the end is missing
    return bytes(body)


def quoted(words: str, *secrets: str) -> str:
    """A carrier's own words as they may be kept and shown: a short line without our secrets and numbers."""
    for secret in filter(None, secrets):
        words = words.replace(secret, "[redacted]")
    line = "".join(character if character.isprintable() else " " for character in words)
    return " ".join(_NUMBER.sub("[number]", line).split())[:LONGEST_QUOTE]


def why(error: BaseException | None) -> str:
    """The failure in a few words without any address: the verdict on a certificate, or the kind of error."""
    kind = type(error).__name__
    for _ in range(_LONGEST_CHAIN):
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the carrier's certificate is not trusted ({error.verify_message})"
        if isinstance(error, ssl.SSLError) and error.reason:
            return f"TLS: {error.reason.lower().replace('_', ' ')}"
        error = error and (error.__cause__ or error.__context__)
    return kind
