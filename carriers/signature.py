"""Webhook authentication in constant time: HMAC-SHA256 over timestamp and body, and comparison of secrets."""

from __future__ import annotations

import hashlib
import hmac
import re

_SECONDS = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"(sha256=)?[0-9a-f]{64}")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return HMAC-SHA256 of timestamp, a full stop and the body, as hex.

    timestamp: as in the header, in seconds since 1970.
    """
    signed = timestamp.encode("utf-8", "surrogatepass") + b"." + body
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def signed(secret: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Check a signature; upper case and a leading `sha256=` are accepted."""
    given = signature.lower().removeprefix("sha256=").encode("utf-8", "surrogatepass")
    # Every right signature has one length, so comparing the texts themselves tells nothing.
    return hmac.compare_digest(given, sign(secret, timestamp, body).encode())


def is_signature(text: str) -> bool:
    """Whether the text has the form of a signature, valid or not."""
    return _SIGNATURE.fullmatch(text.lower()) is not None


def fresh(timestamp: str, now: float, window_s: float) -> bool:
    """Whether the timestamp is within the replay window of now (both in seconds since 1970), either side."""
    return bool(_SECONDS.fullmatch(timestamp)) and abs(int(timestamp) - now) <= window_s


def seconds_of(timestamp: str) -> int | None:
    """Parse a timestamp in seconds since 1970; None if it is malformed."""
    return int(timestamp) if _SECONDS.fullmatch(timestamp) else None


def same(secret: str, expected: str) -> bool:
    """Compare two secrets in constant time, without leaking their lengths."""
    return is_secret(secret, digest(expected))


def is_secret(secret: str, expected: bytes) -> bool:
    """Compare with the digest of a secret, in constant time."""
    return hmac.compare_digest(digest(secret), expected)


def digest(text: str) -> bytes:
    """Return what secrets are compared by: their digests have one length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
