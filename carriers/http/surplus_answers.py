"""Detect surplus answers: check that an answer belongs to its message before believing a refusal.

A server that answers a request twice shifts all later answers on that connection by one (desynchronisation).
A refusal of the previous request, read as this one's, would have a message that was taken sent a second time.
The message's own answer then follows on the same connection. So after a refusal on a reused connection, the
connection is kept and listened to for a while; the first request of a connection has no earlier answer to
receive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpcore
import httpx

from carriers.contract import Permit


class PermitEndedError(Exception):
    """Raised before the first byte of a request is written: nothing of it was sent."""


class Progress:
    """Tracks by httpcore's trace how far a request got: unwritten, written, or answered too early."""

    def __init__(self, permit: Permit | None) -> None:
        self._permit = permit
        self._has_started = self._is_written = self._has_waited = False
        self._is_first = False  # whether it is the first request of its connection
        self.is_stale = False  # whether an answer was there before anything could come from the network

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        self._has_started = True
        self._is_first |= event.startswith("connection.connect")
        if event.endswith("send_request_headers.started"):
            if self._permit is not None and not self._permit.stands:
                raise PermitEndedError
            # CONNECT goes to the proxy only.
            self._is_written = info["request"].method != b"CONNECT"
        elif event.endswith("receive_response_headers.started"):
            self._has_waited = False
            asyncio.get_running_loop().call_soon(self._wait)
        elif event.endswith("receive_response_headers.complete"):
            # Reading from the socket takes at least one turn of the event loop. An answer without one was
            # already in the connection's buffer: a surplus answer to an earlier request.
            self.is_stale |= not self._has_waited

    def _wait(self) -> None:
        self._has_waited = True

    @property
    def is_unwritten(self) -> bool:
        """Whether nothing was written to the carrier; False if httpcore reported nothing."""
        return self._has_started and not self._is_written

    @property
    def is_reused(self) -> bool:
        return self._has_started and not self._is_first


# Listen at least _SHORTEST_S, else _TIMES as long as recent answers took; _FADES per answer forgets old ones.
_SHORTEST_S = 0.25
_TIMES = 4.0
_FADES = 0.98


class AnswerTimes:
    """Tracks how long a carrier's answers take, weighted towards recent slow ones."""

    def __init__(self) -> None:
        self._slowest_s = 0.0

    def note(self, seconds: float) -> None:
        self._slowest_s = max(seconds, _FADES * self._slowest_s)

    @property
    def patience_s(self) -> float:
        return max(_SHORTEST_S, _TIMES * self._slowest_s)


class KeptConnection:
    """The connection of the latest answer to a message, held until the answer is understood."""

    def __init__(self) -> None:
        self._response: httpx.Response | None = None
        self._task = asyncio.current_task()

    @property
    def is_own(self) -> bool:
        """Whether the message's own task asks: a login that it started runs on without it, for others."""
        return asyncio.current_task() is self._task

    def keep(self, response: httpx.Response) -> None:
        """Keep its connection out of the pool until `release`."""
        self._response = response

    async def release(self) -> None:
        """Return the connection to the pool, unless it was closed."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def brings_more(self, for_s: float) -> bool:
        """Whether another answer follows; closes the connection in any case."""
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
    """Return bytes received together with the answer that are not part of it.

    httpx does not expose them, so they are read from its connection's parser. If that can't be found, assume
    that there are some.
    """
    inner: object = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        inner = getattr(inner, name, None)
    data, _ = getattr(inner, "trailing_data", (b"?", False))
    return bytes(data)
