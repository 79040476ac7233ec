"""Named hash algorithms: each digest tells its algorithm, so a new one can follow while old digests hold."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

# In order of succession; all have 256 bits, for which the columns have room.
ALGORITHMS: dict[str, Any] = {"sha256": hashlib.sha256, "sha3-256": hashlib.sha3_256}
FIRST = "sha256"  # written in hexadecimal without its name, as all digests were before there was another
PATTERN = "^([0-9a-f]{64}|sha3-256:[A-Za-z0-9_-]{43})$"


def digest(content: bytes, algorithm: str = FIRST) -> str:
    """Return the digest as stored and shown: `sha3-256:...`, or bare for the first algorithm."""
    found = ALGORITHMS[algorithm](content)
    if algorithm == FIRST:
        return str(found.hexdigest())
    return f"{algorithm}:{base64.urlsafe_b64encode(found.digest()).decode().rstrip('=')}"


def algorithm_of(stored: str) -> str:
    """Return the name of the digest's algorithm; an unknown name if the digest was altered."""
    name, mark, _ = stored.partition(":")
    return name if mark else FIRST


def rank(algorithm: str) -> int:
    """Return the algorithm's place in the order of succession, -1 if unknown."""
    return list(ALGORITHMS).index(algorithm) if algorithm in ALGORITHMS else -1
