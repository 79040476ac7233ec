"""Digests of what is approved and of the audit's rows: SHA-256.

Ledgers whose audit once went over to SHA-3 have digests named `sha3-256:...` besides, which still verify.
"""

from __future__ import annotations

import base64
import hashlib

PATTERN = "^([0-9a-f]{64}|sha3-256:[A-Za-z0-9_-]{43})$"
_OLDER = "sha3-256:"


def digest(content: bytes, like: str = "") -> str:
    """Return the digest as stored and shown. like: a stored digest to compare with, which may be SHA-3."""
    if not like.startswith(_OLDER):
        return hashlib.sha256(content).hexdigest()
    return _OLDER + base64.urlsafe_b64encode(hashlib.sha3_256(content).digest()).decode().rstrip("=")
