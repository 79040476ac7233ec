"""A server that does what a test tells it with each request, and the plainest adapter there can be."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from carriers.contract import Accepted, LinkOptions, OutboundSms, SubmitResult, Unknown
from carriers.http import HttpAnswer, HttpCarrier, HttpSettings, failure_of
from carriers.options import read_options

# Well under a second where a test is of a deadline; no test of anything else may meet one on a busy machine.
QUICK = {"connect_timeout_s": 0.3, "write_timeout_s": 0.3, "answer_timeout_s": 0.3}
PATIENT = {"connect_timeout_s": 10, "write_timeout_s": 10, "answer_timeout_s": 10}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection of the peer."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number, self.reader, self.writer = number, reader, writer

    async def read(self) -> Request | None:
        """The next whole request; None where the other side has left."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Request(self.number, head[0], headers, body)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def gone(self) -> None:
        """Say nothing until the other side has left."""
        while await self.reader.read(65536):
            pass

    def close(self) -> None:
        self.writer.close()


Handle = Callable[[Wire, Request], Awaitable[None]]


async def ok(wire: Wire, request: Request) -> None:
    wire.send(OK)


async def silent(wire: Wire, request: Request) -> None:
    await wire.gone()


def answering(data: bytes, *, then_close: bool = False) -> Handle:
    """The same bytes as the answer to each request."""

    async def handle(wire: Wire, request: Request) -> None:
        wire.send(data)
        if then_close:
            wire.close()

    return handle


def page(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Peer:
    """The server; `handle` may be changed at any time. `requests` are those that were read to their end."""

    def __init__(self, handle: Handle = ok, tls: ssl.SSLContext | None = None, reads: bool = True) -> None:
        self.handle, self._tls, self._reads = handle, tls, reads
        self.requests: list[Request] = []
        self.connections = 0
        self._wires: dict[asyncio.Task[None], Wire] = {}
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        # A small buffer, so that whoever is not read notices soon.
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**22)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self._over.set()
        for wire in self._wires.values():
            wire.writer.transport.abort()
        await asyncio.gather(*self._wires)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        wire = self._wires[task] = Wire(self.connections, reader, writer)
        try:
            if not self._reads:
                writer.transport.pause_reading()
                await self._over.wait()
            while (request := await wire.read()) is not None:
                self.requests.append(request)
                await self.handle(wire, request)
        except ConnectionError:
            pass
        finally:
            del self._wires[task]
            writer.transport.abort()


class PlainCarrier(HttpCarrier):
    """An adapter that hands its messages over as JSON and takes "ok" for an answer."""

    def __init__(self, link: LinkOptions) -> None:
        options = dict(link.options)
        per_submit = options.pop("per_submit", 1)
        settings = read_options(LinkOptions(link.name, "x", 1.0, options), HttpSettings, "a plain link")
        super().__init__(link, settings, int(str(per_submit)))

    async def hand_over(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        said = {"to": [sms.phone for sms in some], "text": some[0].text}
        answer = await self.exchange("POST", "/send", json=said)
        if not isinstance(answer, HttpAnswer):
            return [answer] * len(some)
        failed = failure_of(answer)
        if failed is not None:
            return [failed] * len(some)
        return [Accepted() if answer.text.strip() == "ok" else Unknown("strange")] * len(some)


@asynccontextmanager
async def link(base_url: str, **options: object) -> AsyncIterator[PlainCarrier]:
    """An open link."""
    every = {**PATIENT, **options, "base_url": base_url, "password": "s3cr3t-w0rd"}
    carrier = PlainCarrier(LinkOptions("plain-1", "plain", 100.0, every))
    await carrier.open()
    try:
        yield carrier
    finally:
        await carrier.close()


def letters(count: int, text: str = "Canh bao lua dao", **more: Any) -> list[OutboundSms]:
    return [OutboundSms(f"8491234{number:04d}", text, "CONGAN", **more) for number in range(count)]
