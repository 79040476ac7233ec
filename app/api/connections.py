"""Connections of callers, bounded: how many, how long a head or a body may take, how much is on its way.

Nobody is kept out by others who only hold on: where a bound is reached, whoever has kept us waiting longest
is cut off, not whoever comes.
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
    """An answer of our own to what never became a request, as closed to browsers as all others."""
    head = {**security_headers.HEADERS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
    lines = [f"{name}: {value}\r\n".encode() for name, value in head.items()]
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, b"".join(lines), len(words), words)


_TOO_SLOW = _refusal(b"408 Request Timeout", b"The request did not come in time.")
_NO_HTTP = _refusal(b"400 Bad Request", b"The request is no HTTP that can be read.")
_SAY_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What all callers of a process may hold together.

    connections: open ones; bodies: requests of which a part is missing, and the bytes of theirs that have
    come; request_s: for a head, and for a body; stalled_s: for an answer that nobody takes. An upload whose
    caller was let in counts as a connection alone, and may take as long as it keeps coming.
    """

    connections: int = 1000
    bodies: int = 128
    body_bytes: int = 16 * 1024**2
    request_s: float = 10.0
    stalled_s: float = 30.0


class Stage(Enum):
    """What a connection is waiting for."""

    HANDSHAKE = auto()  # TLS is being agreed on
    HEAD = auto()  # the caller has not yet said what it wants
    BODY = auto()  # a part of the body is missing
    UPLOAD = auto()  # a part of an upload is missing, of a caller who may send it
    REST = auto()  # it is answered, and the caller is still sending
    ANSWER = auto()  # the answer is ours to make, or the caller's to take


_WAITS = (Stage.HANDSHAKE, Stage.HEAD, Stage.BODY, Stage.REST)


class Callers:
    """All connections of one server, the one that has been quiet longest first."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.held: OrderedDict[Connection, None] = OrderedDict()
        self.ending: set[Connection] = set()  # cut off, and not closed yet
        self._bodies: OrderedDict[Connection, int] = OrderedDict()
        self._bytes = 0
        self._said_at = -_SAY_EVERY_S

    def make_room(self) -> bool:
        """Whether one more may come: for it another is cut off that has kept us waiting."""
        if len(self.held) < self.bounds.connections:
            return True
        self.say("connections are at their limit", limit=self.bounds.connections)
        return self.cut_longest()

    def cut_longest(self) -> bool:
        """Cut off who has kept us waiting longest; whether there was anybody."""
        found = next((each for each in self.held if each.stage in _WAITS), None)
        if found is not None:
            found.cut()
        return found is not None

    def say(self, what: str, **more: object) -> None:
        """One line of log, however often it happens."""
        now = clock.monotonic()
        if now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            log.warning(what, **more)

    def drop(self, connection: Connection) -> None:
        """It is closed."""
        self.held.pop(connection, None)
        self.ending.discard(connection)
        self.forget_body(connection)

    def forget_body(self, connection: Connection) -> None:
        """Its body is whole, or is none that counts."""
        self._bytes -= self._bodies.pop(connection, 0)

    def count_body(self, connection: Connection, size: int) -> None:
        """So many bytes of its body are here and the rest is not; the oldest is cut off if it is too much."""
        self._bytes += size - self._bodies.get(connection, 0)
        self._bodies[connection] = size
        while len(self._bodies) > self.bounds.bodies or self._bytes > self.bounds.body_bytes:
            oldest = next(iter(self._bodies))
            self.forget_body(oldest)
            if oldest.owes_body:
                self.say("bodies on their way are at their limit", bodies=self.bounds.bodies)
                oldest.cut()

    def look(self) -> None:
        """Cut off whoever has had its time, and end for good who was cut off and does not let go."""
        now = clock.monotonic()
        for connection in list(self.ending):
            connection.transport.abort()
        for connection in list(self.held):
            connection.look(now)


class Connection(H11Protocol):
    """uvicorn's protocol with limits of time, which has none of its own but for idling between requests."""

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
        self._line = line  # the only hold on it until TLS is agreed on
        self._requests = 0
        self._came = 0  # bytes, since the last answer
        self._seen: tuple[Stage, int, int] = (Stage.HANDSHAKE, 0, 0)
        self._since = clock.monotonic()
        self._stalled: float | None = None
        callers.held[self] = None

    @property
    def stage(self) -> Stage:
        """What is being waited for."""
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
        """Whether a part of a body that counts is missing, also while we pause to read what has come."""
        if self.cycle is None or self.cycle.response_complete or LIMIT in self.scope:
            return False
        return self.conn.their_state is h11.SEND_BODY

    def data_received(self, data: bytes) -> None:
        """Count what has come of a body that is not whole."""
        self._came += len(data)
        super().data_received(data)
        if self.owes_body:
            self.callers.count_body(self, self._came)
        else:
            self.callers.forget_body(self)

    def send_400_response(self, msg: str) -> None:
        """What came is no request."""
        self.transport.write(_NO_HTTP)
        self.transport.close()

    def on_response_complete(self) -> None:
        """It is quiet from now on."""
        self._requests, self._came = self._requests + 1, 0
        self.callers.forget_body(self)
        if self in self.callers.held:
            self.callers.held.move_to_end(self)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It holds nothing any more."""
        self.callers.drop(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller does not take what we answer."""
        self._stalled = clock.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It takes it again."""
        self._stalled = None
        super().resume_writing()

    def look(self, now: float) -> None:
        """Cut it off if it has had its time."""
        if self._stalled is not None and now - self._stalled > self.callers.bounds.stalled_s:
            self.transport.abort()
            return
        stage = self.stage
        moved = self._came if stage in (Stage.UPLOAD, Stage.REST) and LIMIT in self.scope else 0
        seen = (stage, self._requests, moved)
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif stage is not Stage.ANSWER and now - self._since > self.callers.bounds.request_s:
            self.cut()

    def cut(self) -> None:
        """End it; who is in the middle of a request hears why."""
        waited = self.stage is Stage.HEAD or self.owes_body
        self.callers.drop(self)
        if self.transport is None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
            return
        self.callers.ending.add(self)
        begun = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if waited and self._came and not begun:
            self.transport.write(_TOO_SLOW)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()
