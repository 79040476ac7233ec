"""Limits on client connections: their number, their time for headers and body, and unread body bytes.

Idle connections never lock out new ones: at a limit, the one that has kept us waiting longest is closed.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import h11
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from app.api import security_headers
from app.api.uploads import LIMIT
from app.core import clock

log = structlog.get_logger(__name__)


def _refusal(status: bytes, words: bytes) -> bytes:
    """Build a response to bytes that never became a request, with the security headers of all others."""
    head = {**security_headers.HEADERS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
    lines = [f"{name}: {value}\r\n".encode() for name, value in head.items()]
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, b"".join(lines), len(words), words)


_TOO_SLOW = _refusal(b"408 Request Timeout", b"The request did not come in time.")
_NO_HTTP = _refusal(b"400 Bad Request", b"The request is no HTTP that can be read.")
_LOG_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on all connections of one process.

    connections: open ones; bodies, body_bytes: incomplete request bodies and their bytes received so far;
    request_s: time for the headers, and again for the body; stalled_s: time for a client to read a response.
    An upload by an admitted caller counts as a connection only, and may last as long as it never pauses for
    three times request_s.
    """

    connections: int = 1000
    bodies: int = 128
    body_bytes: int = 16 * 1024**2
    request_s: float = 10.0
    stalled_s: float = 30.0


class Stage(Enum):
    """What a connection is waiting for."""

    HANDSHAKE = auto()  # TLS
    HEAD = auto()  # the request line and headers
    BODY = auto()  # the rest of a body
    UPLOAD = auto()  # the rest of an upload by a caller who may send it
    REST = auto()  # the rest of a body that was answered early
    ANSWER = auto()  # our response, or the client reading it


_KEEPS_US_WAITING = (Stage.HANDSHAKE, Stage.HEAD, Stage.BODY, Stage.REST)


class Callers:
    """All connections of one server, the longest quiet one first."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.held: OrderedDict[Connection, None] = OrderedDict()
        self.ending: set[Connection] = set()  # being closed, but not closed yet
        self._bodies: OrderedDict[Connection, int] = OrderedDict()
        self._bytes = 0
        self._logged_at = -_LOG_EVERY_S

    def make_room(self) -> bool:
        """Return whether another connection fits, closing one that keeps us waiting if necessary."""
        if len(self.held) < self.bounds.connections:
            return True
        self.say("connections are at their limit", limit=self.bounds.connections)
        return self.cut_longest()

    def cut_longest(self) -> bool:
        found = next((each for each in self.held if each.stage in _KEEPS_US_WAITING), None)
        if found is not None:
            found.cut()
        return found is not None

    def say(self, what: str, **more: object) -> None:
        """Log a warning, at most once a minute."""
        now = clock.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            log.warning(what, **more)

    def drop(self, connection: Connection) -> None:
        self.held.pop(connection, None)
        self.ending.discard(connection)
        self.forget_body(connection)

    def forget_body(self, connection: Connection) -> None:
        """Stop counting a body that is complete or exempt."""
        self._bytes -= self._bodies.pop(connection, 0)

    def count_body(self, connection: Connection, size: int) -> None:
        """Count `size` bytes of an incomplete body; close the oldest ones while a limit is exceeded."""
        self._bytes += size - self._bodies.get(connection, 0)
        self._bodies[connection] = size
        while len(self._bodies) > self.bounds.bodies or self._bytes > self.bounds.body_bytes:
            oldest = next(iter(self._bodies))
            self.forget_body(oldest)
            if oldest.owes_body:
                self.say("bodies on their way are at their limit", bodies=self.bounds.bodies)
                oldest.cut()

    def look(self) -> None:
        """Close connections that are out of time, and abort those that were closed and linger."""
        now = clock.monotonic()
        for connection in list(self.ending):
            connection.transport.abort()
        for connection in list(self.held):
            connection.look(now)


class Connection(H11Protocol):
    """uvicorn's protocol with time limits; uvicorn itself only limits idling between requests."""

    def __init__(
        self,
        callers: Callers,
        line: socket.socket,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config, state, app_state)
        self.callers = callers
        self._socket = line  # there is no transport to close until TLS is established
        self._requests = 0
        self._received = 0  # bytes received since the last response
        self._seen: tuple[Stage, int, int] = (Stage.HANDSHAKE, 0, 0)
        self._since = clock.monotonic()
        self._stalled: float | None = None
        callers.held[self] = None

    @property
    def stage(self) -> Stage:
        if self.transport is None:
            return Stage.HANDSHAKE
        coming = self.conn.their_state is h11.SEND_BODY
        if self.cycle is None or self.cycle.response_complete:
            return Stage.REST if coming else Stage.HEAD
        if not coming or self.flow.read_paused:
            return Stage.ANSWER
        return Stage.UPLOAD if LIMIT in self.scope else Stage.BODY

    @property
    def owes_body(self) -> bool:
        """Whether part of a counted body is missing, even while reading is paused."""
        if self.cycle is None or self.cycle.response_complete or LIMIT in self.scope:
            return False
        return self.conn.their_state is h11.SEND_BODY

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        if self.owes_body:
            self.callers.count_body(self, self._received)
        else:
            self.callers.forget_body(self)

    def send_400_response(self, msg: str) -> None:
        self.transport.write(_NO_HTTP)
        self.transport.close()

    def on_response_complete(self) -> None:
        self._requests, self._received = self._requests + 1, 0
        self.callers.forget_body(self)
        if self in self.callers.held:
            self.callers.held.move_to_end(self)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.callers.drop(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._stalled = clock.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = None
        super().resume_writing()

    def look(self, now: float) -> None:
        if self._stalled is not None and now - self._stalled > self.callers.bounds.stalled_s:
            self.transport.abort()
            return
        stage = self.stage
        admitted = stage in (Stage.UPLOAD, Stage.REST) and LIMIT in self.scope
        moved = self._received if admitted else 0
        seen = (stage, self._requests, moved)
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif stage is not Stage.ANSWER and now - self._since > self._patience_s(admitted=admitted):
            self.cut()

    def _patience_s(self, *, admitted: bool) -> float:
        """Return how long nothing may come: three times as long for an admitted upload, over a weak link."""
        return (3 if admitted else 1) * self.callers.bounds.request_s

    def cut(self) -> None:
        """Close the connection, explaining why if a request is under way."""
        waited = self.stage is Stage.HEAD or self.owes_body
        self.callers.drop(self)
        if self.transport is None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            return
        self.callers.ending.add(self)
        begun = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if waited and self._received and not begun:
            self.transport.write(_TOO_SLOW)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()
