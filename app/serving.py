"""The API's web server: its address taken early, and a server that leaves signals to others."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from app.errors import SetupError

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again at its end, which would kill lanes that drain."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events first: nothing else would end them, and they are waited for."""
        state = self.config.app.state  # type: ignore[union-attr]
        for hub in (state.hub, state.overview, state.followed):
            hub.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """The API's address, taken before anything is sent or imported; SetupError where that can't be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family, backlog=2048)
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


def server_of(application: FastAPI, tls: ssl.SSLContext | None = None) -> Server:
    """The server for a door of listen(): `server.serve([door])`, until should_exit; by TLS or plain."""
    options = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # it would believe X-Forwarded-For; trusted_proxies says whose to believe
        timeout_graceful_shutdown=10,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return Server(options)
