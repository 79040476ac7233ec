"""Whether an answer was the message's own, asked of the connection that brought it before it is believed.

A server that answers a request twice shifts its answers by one (the connection is desynchronised): a
refusal of the request before, read as the next one's, would have a message that was taken sent a second
time. The next one's own answer then follows on the same connection. So a connection that was used before is
kept after a refusal and listened to for a while; what answers its first request has no other to answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpcore
import httpx

from carriers.contract import Permit

# ---- How far one request got, as the HTTP library tells it: begun, told to the carrier, answered too early


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


# So long at the least; else as many times as long as this carrier's answers have lately taken.
_SHORTEST_S = 0.25
_TIMES = 4.0
_FADES = 0.98  # what took long is forgotten with so many answers


class AnswerTimes:
    """How long the answers of a carrier take, the slow ones of late."""

    def __init__(self) -> None:
        self._slowest_s = 0.0

    def note(self, seconds: float) -> None:
        """One answer took so long."""
        self._slowest_s = max(seconds, _FADES * self._slowest_s)

    @property
    def patience_s(self) -> float:
        """After so long no further answer is to be expected."""
        return max(_SHORTEST_S, _TIMES * self._slowest_s)


class KeptConnection:
    """The connection of the newest answer to a message, while nobody knows yet what the answer means."""

    def __init__(self) -> None:
        self._response: httpx.Response | None = None
        self._task = asyncio.current_task()

    @property
    def is_own(self) -> bool:
        """Whether the message's own task asks: a login that it began goes on without it, for others."""
        return asyncio.current_task() is self._task

    def keep(self, response: httpx.Response) -> None:
        """Nobody else may use its connection until `release`."""
        self._response = response

    async def release(self) -> None:
        """The connection is free for the next request, unless it was closed."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def brings_more(self, for_s: float) -> bool:
        """Whether another answer follows; the connection is closed afterwards in any case."""
        response = self._response
        if response is None:
            return False
        stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        try:
            return bool(_left_over(response) or await stream.read(1, timeout=max(for_s, _SHORTEST_S)))
        except httpcore.TimeoutException:
            return False  # nothing came
        except (httpcore.NetworkError, OSError):
            return False  # it broke
        finally:
            await asyncio.shield(stream.aclose())


def _left_over(response: httpx.Response) -> bytes:
    """What was read from the network together with the answer, and is none of it.

    httpx shows it nowhere, so it is asked of the parser of its connection. Where that can't be found nobody
    knows, and it counts as more.
    """
    inner: object = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        inner = getattr(inner, name, None)
    data, _ = getattr(inner, "trailing_data", (b"?", False))
    return bytes(data)
