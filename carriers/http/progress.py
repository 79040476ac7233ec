"""How far one request got, as the HTTP library tells it: begun, told to the carrier, answered too early."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from carriers.contract import Permit


class PermitEndedError(Exception):
    """Raised between a connection and the first byte of a request: nothing of it is written."""


class Progress:
    """How far a request got, by httpcore's trace: before its first byte was written nobody has read it."""

    def __init__(self, permit: Permit | None) -> None:
        self._permit = permit
        self._has_begun = self._is_told = self._has_waited = False
        self._is_first = False  # whether it is the first request of its connection
        self.is_stale = False  # whether an answer was there before anything could come from the network

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        """One step of httpcore."""
        self._has_begun = True
        self._is_first |= event.startswith("connection.connect")
        if event.endswith("send_request_headers.started"):
            if self._permit is not None and not self._permit.stands:
                raise PermitEndedError
            # A CONNECT only asks the proxy for the way.
            self._is_told = info["request"].method != b"CONNECT"
        elif event.endswith("receive_response_headers.started"):
            self._has_waited = False
            asyncio.get_running_loop().call_soon(self._wait)
        elif event.endswith("receive_response_headers.complete"):
            # Reading from a socket takes one turn of the event loop at the least. An answer without it stood
            # in the connection's buffer: a server that answers once too often shifts all its answers by one.
            self.is_stale |= not self._has_waited

    def _wait(self) -> None:
        self._has_waited = True

    @property
    def is_untold(self) -> bool:
        """Whether nothing was written to the carrier; False where httpcore has said nothing."""
        return self._has_begun and not self._is_told

    @property
    def is_later(self) -> bool:
        """Whether its connection has served another request before."""
        return self._has_begun and not self._is_first
