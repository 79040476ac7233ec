"""Client of Loa's API: `LoaClient`, or `AsyncLoaClient` under asyncio; docs/client.md has examples."""

from loa_client.client import AsyncLoaClient, LoaClient
from loa_client.operation import Event
from loa_client.problems import (
    Conflict,
    Forbidden,
    Invalid,
    LoaError,
    NotFound,
    Problem,
    TooOften,
    Unauthorised,
    Unavailable,
    Unreachable,
    VersionChanged,
)

__all__ = [
    "AsyncLoaClient",
    "Conflict",
    "Event",
    "Forbidden",
    "Invalid",
    "LoaClient",
    "LoaError",
    "NotFound",
    "Problem",
    "TooOften",
    "Unauthorised",
    "Unavailable",
    "Unreachable",
    "VersionChanged",
]
