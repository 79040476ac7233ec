"""The HTTP server under the simulators: uvicorn with connections that can be broken on purpose."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from carriers.simulators.web.exchange import SimulatedReply, SimulatedRequest

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Speak = Callable[["BreakableConnection"], Awaitable[None]]


class BreakableConnection:
    """One request on its connection."""

    def __init__(
        self, scope: Mapping[str, Any], receive: Receive, send: Send, transport: asyncio.Transport
    ) -> None:
        self._scope, self._receive, self._send, self._transport = scope, receive, send, transport

    @property
    def path(self) -> str:
        return str(self._scope["path"])

    async def read(self) -> SimulatedRequest:
        body, more = bytearray(), True
        while more:
            event = await self._receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._scope["headers"]}
        query = self._scope["query_string"].decode("latin-1")
        return SimulatedRequest(self._scope["method"], self.path, query, headers, bytes(body))

    async def answer(self, reply: SimulatedReply, pieces: int = 1) -> None:
        """Send the reply; in several pieces it is chunked and has no length."""
        length = [] if pieces > 1 else [("content-length", str(len(reply.body)))]
        await self._start(reply, length)
        step = max(1, -(-len(reply.body) // pieces))
        for start in range(0, len(reply.body), step):
            await self._send(_body_event(reply.body[start : start + step], more=True))
        await self._send(_body_event(b"", more=False))

    async def cut(self, reply: SimulatedReply) -> None:
        """Send half of the reply, then close the connection."""
        await self._start(reply, [("content-length", str(len(reply.body) or 1))])
        await self._send(_body_event(reply.body[: len(reply.body) // 2], more=True))
        self._transport.close()
        await self.gone()

    async def noise(self, seed: int) -> None:
        """Send random bytes that are not HTTP, then close the connection."""
        self._transport.write(b"\xff" + random.Random(seed).randbytes(4096))  # noqa: S311 - no secret
        self._transport.close()
        await self.gone()

    async def drop(self) -> None:
        self._transport.abort()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the client has disconnected."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _start(self, reply: SimulatedReply, more: list[tuple[str, str]]) -> None:
        named = [("content-type", reply.content_type), *reply.headers, *more]
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})


def _body_event(piece: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


class _Connection(H11Protocol):
    """uvicorn's connection, exposing its transport to the application."""

    def __init__(self, config: uvicorn.Config, state: ServerState, connected: Callable[[], None]) -> None:
        super().__init__(config, state, {})
        self._connected = connected

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        plain = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await plain({**scope, "transport": transport}, receive, send)

        self.app = app
        self._connected()


class Listener:
    """One port; `speak` is called for each request."""

    def __init__(self, handle: Speak, connected: Callable[[], None], tls: ssl.SSLContext | None) -> None:
        async def app(scope: Any, receive: Receive, send: Send) -> None:
            await handle(BreakableConnection(scope, receive, send, scope["transport"]))

        self._config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
        self._config.load()
        self._state, self._tls, self._connected = ServerState(), tls, connected
        self._server: asyncio.Server | None = None

    def keep_alive(self, seconds: float) -> None:
        """Close idle connections after so long; applies to new connections."""
        self._config.timeout_keep_alive = seconds  # type: ignore[assignment]

    async def open(self, host: str, port: int) -> int:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self._config, self._state, self._connected),
            host,
            port,
            ssl=self._tls,
            backlog=1024,
        )
        return int(self._server.sockets[0].getsockname()[1])

    def _connection(self) -> _Connection:
        return _Connection(self._config, self._state, self._connected)

    def close(self) -> None:
        """Refuse new connections; existing ones stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def drop_all(self) -> int:
        connections = list(self._state.connections)
        for connection in connections:
            connection.transport.abort()
        return len(connections)

    async def end(self) -> None:
        """Stop listening, break all connections and cancel running requests."""
        self.close()
        self.drop_all()
        await asyncio.sleep(0)  # let connection_lost run
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
