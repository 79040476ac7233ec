"""Requests and replies of a simulated carrier, and the connection, which can be broken on purpose."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from carriers.simulators.web.behaviour import HttpTrouble
from carriers.simulators.web.webhook import WebMessage

HUGE = 10_000_000
HTML = "text/html; charset=UTF-8"
PAGE = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>The server is not available"
    b"</h1><p>Apache Tomcat/7.0</p></body></html>"
)
ERRORS = {HttpTrouble.ERROR_500: 500, HttpTrouble.ERROR_502: 502}


@dataclass(frozen=True)
class SimulatedRequest:
    """A whole request; `taken` collects the messages that it hands over."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""
    taken: list[WebMessage] = field(default_factory=list)

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """Query and form together, as JSP reads them."""
        is_form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        form = self.body.decode("utf-8", "replace") if is_form else ""
        return {name: value for text in (form, self.query_string) for name, value in parse_qsl(text, True)}


@dataclass(frozen=True, slots=True)
class SimulatedReply:
    """A reply; `code` is the carrier's own code, which the report counts."""

    body: bytes
    code: str
    status: int = 200
    content_type: str = "text/plain; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND = SimulatedReply(b"<html><body>HTTP Status 404</body></html>", "http 404", 404, HTML)


class Connection:
    """One client's connection: HTTP/1.1 with keep-alive, for requests that say their length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def head(self) -> SimulatedRequest:
        """Read a request without its body; IncompleteReadError when there is no more."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        path, _, query = target.partition("?")
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return SimulatedRequest(method, unquote(path), query, headers)

    async def whole(self, head: SimulatedRequest) -> SimulatedRequest:
        return replace(head, body=await self._reader.readexactly(int(head.headers.get("content-length", 0))))

    async def answer(self, reply: SimulatedReply, pieces: int = 1) -> None:
        """Send the reply; in several pieces it is chunked and has no length."""
        if pieces == 1:
            return await self._send(reply, ("content-length", str(len(reply.body))), reply.body)
        step = max(1, -(-len(reply.body) // pieces))
        parts = [reply.body[at : at + step] for at in range(0, len(reply.body), step)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
        return await self._send(reply, ("transfer-encoding", "chunked"), chunks)

    async def _send(self, reply: SimulatedReply, length: tuple[str, str], body: bytes) -> None:
        named = [("content-type", reply.content_type), *reply.headers, length]
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in named]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await self._writer.drain()

    async def break_off(self, trouble: HttpTrouble, reply: SimulatedReply, seed: int) -> None:
        """Leave the request without a complete response."""
        match trouble:
            case HttpTrouble.HANG:
                while await self._reader.read(65_536):
                    pass
            case HttpTrouble.CUT:
                length = ("content-length", str(len(reply.body) or 1))
                await self._send(reply, length, reply.body[: len(reply.body) // 2])
            case HttpTrouble.NOISE:
                self._writer.write(b"\xff" + random.Random(seed).randbytes(4096))  # noqa: S311 - no secret
            case _:
                self.drop()

    def drop(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


def with_trouble(trouble: HttpTrouble, reply: SimulatedReply, seed: int) -> SimulatedReply:
    """Return what the trouble makes of the right reply."""
    match trouble:
        case HttpTrouble.ERROR_500 | HttpTrouble.ERROR_502:
            return SimulatedReply(PAGE, f"http {ERRORS[trouble]}", ERRORS[trouble], HTML)
        case HttpTrouble.PAGE:
            return SimulatedReply(PAGE, "page", content_type=HTML)
        case HttpTrouble.EMPTY:
            return replace(reply, body=b"", code="empty")
        case HttpTrouble.GARBAGE:
            noise = random.Random(seed).randbytes(512)  # noqa: S311 - no secret
            return replace(reply, body=noise, code="garbage")
        case HttpTrouble.HUGE:
            return replace(reply, body=reply.body + b" " * HUGE)
        case HttpTrouble.GZIP:
            packed = (*reply.headers, ("content-encoding", "gzip"))
            return replace(reply, body=gzip.compress(reply.body), headers=packed)
    return reply
