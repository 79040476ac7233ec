"""The API's web server: binds early, limits connections, leaves signals to the caller."""

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
        self._callers.say("connections can't be taken", why=error.strerror, open=len(self._callers.held))
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
            f"Loa can't listen on {host} port {port} ({error.strerror}). Stop the program that uses it, "
            "or set LOA_HOST and LOA_PORT to an address that is free."
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
