"""The API's web server: binds early, limits connections, leaves signals to the caller."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import h11
import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from app.api import security_headers
from app.api.uploads import LIMIT
from app.core import clock, gc_tuning
from app.core.config import Settings
from app.core.errors import SetupError


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


log = structlog.get_logger(__name__)

_BACKLOG = 128
# Accepted per turn of the event loop, which also sends: a crowd waits in the kernel meanwhile.
_AT_ONCE = 16
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SHORT_PAUSE_S = 0.5


class SocketListener:
    """Accept connections on one address within bounds, which asyncio's own server lacks.

    When descriptors run out, that one logs a traceback for each waiting connection, and tries again.
    """

    def __init__(
        self,
        listener: socket.socket,
        callers: Callers,
        make: Callable[[socket.socket], Connection],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._socket = listener
        self._callers = callers
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._watch = self._loop.create_task(self._look())
        self._connecting: set[asyncio.Task[None]] = set()
        self._open = True
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._listen()

    def close(self) -> None:
        self._open = False
        self._loop.remove_reader(self._socket)

    def end(self) -> None:
        self._watch.cancel()

    async def wait_closed(self) -> None:
        """Return at once: uvicorn awaits this, and there is nothing to wait for."""

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._socket, self._take)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, _address = self._socket.accept()
            except OSError as error:
                if error.errno in _SHORT:
                    self._pause(error)
                return
            self._admit(client)

    def _pause(self, error: OSError) -> None:
        """Out of descriptors or memory: close one connection, and accept again a little later."""
        self._callers.say("connections cannot be accepted", why=error.strerror, open=len(self._callers.held))
        self._callers.cut_longest()
        self._loop.remove_reader(self._socket)
        self._loop.call_later(_SHORT_PAUSE_S, self._listen)

    def _admit(self, client: socket.socket) -> None:
        if not self._callers.make_room():
            client.close()
            return
        client.setblocking(False)
        task = self._loop.create_task(self._connect(self._make(client), client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: Connection, client: socket.socket) -> None:
        try:
            limit = self._callers.bounds.request_s if self._tls else None
            await self._loop.connect_accepted_socket(
                lambda: connection, client, ssl=self._tls, ssl_handshake_timeout=limit
            )
        except OSError:  # gone, without TLS, or cut off
            self._callers.drop(connection)

    async def _look(self) -> None:
        pause = min(1.0, self._callers.bounds.request_s / 4)
        while True:
            await asyncio.sleep(pause)
            self._callers.look()


class Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again at its end, which would kill draining links."""

    def __init__(self, config: uvicorn.Config, bounds: Bounds) -> None:
        super().__init__(config)
        self.callers = Callers(bounds)
        self._listeners: list[SocketListener] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections by our own listener; uvicorn's has no limit."""
        await self.lifespan.startup()

        def make(client: socket.socket) -> Connection:
            return Connection(self.callers, client, self.config, self.server_state, self.lifespan.state)

        tls = self.config.ssl
        self._listeners = [SocketListener(listener, self.callers, make, tls) for listener in sockets or ()]
        self.servers = list(self._listeners)  # type: ignore[arg-type]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End event streams first: nothing else would end them, and uvicorn waits for them."""
        state = self.config.app.state  # type: ignore[union-attr]
        for hub in (state.hub, state.overview, state.followed):
            hub.close()
        await super().shutdown(sockets)
        for listener in self._listeners:
            listener.end()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Bind the API's address, before anything is sent or imported. Raises SetupError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SetupError(
            "Loa cannot listen on {host} port {port} ({strerror}). Stop the program that uses the "
            "port, or set LOA_HOST and LOA_PORT to a free address.",
            host=host,
            port=port,
            strerror=error.strerror,
        ) from None
    # The body of an answer follows its head. Without this it waits for the caller's delayed acknowledgement
    # of the head, 40 ms; asyncio sets it only on sockets of its own.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    log.info("listening", host=host, port=listener.getsockname()[1])
    return listener


def server_of(
    application: FastAPI, tls: ssl.SSLContext | None = None, bounds: Bounds | None = None
) -> Server:
    """Return a server for a socket of listen(): `server.serve([socket])`, until should_exit."""
    options = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,  # uvicorn would trust any X-Forwarded-For; we use trusted_proxies
        timeout_graceful_shutdown=10,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return Server(options, bounds or bounds_of(application.state.settings))


def bounds_of(settings: Settings) -> Bounds:
    """Return the bounds for callers: at most half the descriptors, as sending and the ledger need some."""
    connections = min(settings.connection_limit, gc_tuning.descriptors() // 2)
    largest = settings.webhook_limit_kb * 1024
    usual = Bounds()
    return Bounds(
        connections,
        min(usual.bodies, connections),
        max(usual.body_bytes, 2 * largest),
        settings.request_seconds,
    )
