"""The API's web server: its address taken early, a bound on connections, and signals left to others."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from app.api.connections import Bounds, Callers, Connection
from app.core import gc_tuning
from app.core.config import Settings
from app.core.errors import SetupError

log = structlog.get_logger(__name__)

_BACKLOG = 128
# Taken at one turn of the loop, which also sends: who comes in crowds waits in the kernel meanwhile.
_AT_ONCE = 16
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SHORT_PAUSE_S = 0.5


class SocketListener:
    """Takes connections on one address, as many as the bounds allow; asyncio's own has no bounds.

    When descriptors run out that one writes a traceback for each connection that waits, and tries again.
    """

    def __init__(
        self,
        door: socket.socket,
        callers: Callers,
        make: Callable[[socket.socket], Connection],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._door = door
        self._callers = callers
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._watch = self._loop.create_task(self._look())
        self._connecting: set[asyncio.Task[None]] = set()
        self._open = True
        door.setblocking(False)
        door.listen(_BACKLOG)
        self._listen()

    def close(self) -> None:
        """Take no more."""
        self._open = False
        self._loop.remove_reader(self._door)

    def end(self) -> None:
        """Look no more after those that there are."""
        self._watch.cancel()

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._door, self._take)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                line, _address = self._door.accept()
            except OSError as error:
                if error.errno in _SHORT:
                    self._pause(error)
                return
            self._admit(line)

    def _pause(self, error: OSError) -> None:
        """Descriptors or memory ran out: let one connection go, and look again a little later."""
        self._callers.say("connections can't be taken", why=error.strerror, open=len(self._callers.held))
        self._callers.cut_longest()
        self._loop.remove_reader(self._door)
        self._loop.call_later(_SHORT_PAUSE_S, self._listen)

    def _admit(self, line: socket.socket) -> None:
        if not self._callers.make_room():
            line.close()
            return
        line.setblocking(False)
        task = self._loop.create_task(self._connect(self._make(line), line))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: Connection, line: socket.socket) -> None:
        try:
            limit = self._callers.bounds.request_s if self._tls else None
            await self._loop.connect_accepted_socket(
                lambda: connection, line, ssl=self._tls, ssl_handshake_timeout=limit
            )
        except OSError:  # it is gone, speaks no TLS, or was cut off
            self._callers.drop(connection)

    async def _look(self) -> None:
        pause = min(1.0, self._callers.bounds.request_s / 4)
        while True:
            await asyncio.sleep(pause)
            self._callers.look()


class Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again at its end, which would kill lanes that drain."""

    def __init__(self, config: uvicorn.Config, bounds: Bounds) -> None:
        super().__init__(config)
        self.callers = Callers(bounds)
        self._listeners: list[SocketListener] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections by a listener of ours; uvicorn's would take any number."""
        await self.lifespan.startup()

        def make(line: socket.socket) -> Connection:
            return Connection(self.callers, line, self.config, self.server_state, self.lifespan.state)

        tls = self.config.ssl
        self._listeners = [SocketListener(door, self.callers, make, tls) for door in sockets or ()]
        self.servers = list(self._listeners)  # type: ignore[arg-type]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events first: nothing else would end them, and they are waited for."""
        state = self.config.app.state  # type: ignore[union-attr]
        for hub in (state.hub, state.overview, state.followed):
            hub.close()
        await super().shutdown(sockets)
        for listener in self._listeners:
            listener.end()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """The API's address, taken before anything is sent or imported; SetupError where that can't be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SetupError(
            f"Loa can't listen on {host} port {port} ({error.strerror}). Stop the program that uses it, "
            "or set LOA_HOST and LOA_PORT to an address that is free."
        ) from None
    # Head and body of an answer go out one after the other. Without this the body waits for the caller's
    # delayed acknowledgement of the head, 40 ms; asyncio sets it on doors that it has made itself only.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    log.info("listening", host=host, port=door.getsockname()[1])
    return door


def server_of(
    application: FastAPI, tls: ssl.SSLContext | None = None, bounds: Bounds | None = None
) -> Server:
    """The server for a door of listen(): `server.serve([door])`, until should_exit; by TLS or plain."""
    options = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,  # it would believe X-Forwarded-For; trusted_proxies says whose to believe
        timeout_graceful_shutdown=10,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return Server(options, bounds or bounds_of(application.state.settings))


def bounds_of(settings: Settings) -> Bounds:
    """What callers may hold: at the most half of the descriptors, since sending and the ledger need some."""
    connections = min(settings.connection_limit, gc_tuning.descriptors() // 2)
    largest = settings.webhook_limit_kb * 1024
    usual = Bounds()
    return Bounds(
        connections,
        min(usual.bodies, connections),
        max(usual.body_bytes, 2 * largest),
        settings.request_seconds,
    )
