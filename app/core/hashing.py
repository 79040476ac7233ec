"""Hash algorithms by name: a digest says by which it was made; another can follow, and old ones hold."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

# In the order in which they follow one another; all of 256 bits, which the columns have room for.
ALGORITHMS: dict[str, Any] = {"sha256": hashlib.sha256, "sha3-256": hashlib.sha3_256}
FIRST = "sha256"  # in hexadecimal and without its name, as every digest was before there was another
PATTERN = "^([0-9a-f]{64}|sha3-256:[A-Za-z0-9_-]{43})$"


def digest(content: bytes, algorithm: str = FIRST) -> str:
    """The digest as it is stored and shown: `sha3-256:...`, or bare for the first one."""
    found = ALGORITHMS[algorithm](content)
    if algorithm == FIRST:
        return str(found.hexdigest())
    return f"{algorithm}:{base64.urlsafe_b64encode(found.digest()).decode().rstrip('=')}"


def algorithm_of(stored: str) -> str:
    """By which it was made; a name that is none where it is altered."""
    name, mark, _ = stored.partition(":")
    return name if mark else FIRST


def rank(algorithm: str) -> int:
    """Its place in the order, -1 for one that nobody knows."""
    return list(ALGORITHMS).index(algorithm) if algorithm in ALGORITHMS else -1
