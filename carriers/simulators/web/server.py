"""A simulated carrier over HTTP on one port."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import gzip
import random
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from carriers.options import VIETNAM
from carriers.simulators.web.behaviour import WebBehaviour
from carriers.simulators.web.exchange import SimulatedReply, SimulatedRequest
from carriers.simulators.web.faults import BROKEN_OFF, ERRORS, UNTAKEN, HttpTrouble
from carriers.simulators.web.http_server import BreakableConnection, Listener
from carriers.simulators.web.messages import WebMessage
from carriers.simulators.web.state import CarrierState
from carriers.simulators.web.webhook import Webhook

HUGE = 10_000_000
HTML = "text/html; charset=UTF-8"
PAGE = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>The server is not available"
    b"</h1><p>Apache Tomcat/7.0</p></body></html>"
)


async def write_response(
    connection: BreakableConnection, trouble: HttpTrouble, reply: SimulatedReply | None, state: CarrierState
) -> None:
    """Send the reply, or what the trouble makes of it (None: nothing was taken)."""
    delay_s = state.answer_delay_s()
    if delay_s:
        await asyncio.sleep(delay_s)
    if await _is_broken_off(connection, trouble, reply, state):
        state.tally.never_answered += 1
        return
    said = _with_trouble(trouble, reply or SimulatedReply(b"", ""), state)
    state.tally.answer(said.code)
    await connection.answer(said, 3 if trouble is HttpTrouble.CHUNKED else 1)


async def _is_broken_off(
    connection: BreakableConnection, trouble: HttpTrouble, reply: SimulatedReply | None, state: CarrierState
) -> bool:
    match trouble:
        case HttpTrouble.HANG:
            await connection.gone()
        case HttpTrouble.BREAK_BEFORE | HttpTrouble.BREAK_AFTER:
            state.tally.connections_dropped += 1
            await connection.drop()
        case HttpTrouble.CUT:
            await connection.cut(reply or SimulatedReply(PAGE, "cut"))
        case HttpTrouble.NOISE:
            await connection.noise(state.tally.requests)
        case _:
            return False
    return True


def _with_trouble(trouble: HttpTrouble, reply: SimulatedReply, state: CarrierState) -> SimulatedReply:
    if trouble in ERRORS:
        return SimulatedReply(PAGE, f"http {ERRORS[trouble]}", ERRORS[trouble], HTML)
    match trouble:
        case HttpTrouble.UNAVAILABLE | HttpTrouble.TOO_MANY:
            status = 503 if trouble is HttpTrouble.UNAVAILABLE else 429
            later = (("retry-after", str(state.behaviour.retry_after_s)),)
            return SimulatedReply(PAGE, f"http {status}", status, HTML, later)
        case HttpTrouble.REDIRECT:
            return SimulatedReply(b"", "http 302", 302, HTML, (("location", "/elsewhere"),))
        case HttpTrouble.PAGE:
            return SimulatedReply(PAGE, "page", content_type=HTML)
        case HttpTrouble.EMPTY:
            return replace(reply, body=b"", code="empty")
        case HttpTrouble.GARBAGE:
            noise = random.Random(state.tally.requests).randbytes(512)  # noqa: S311 - no secret
            return replace(reply, body=noise, code="garbage")
    return _wrapped(trouble, reply)


def _wrapped(trouble: HttpTrouble, reply: SimulatedReply) -> SimulatedReply:
    """Change how the right reply is packaged."""
    match trouble:
        case HttpTrouble.HUGE:
            return replace(reply, body=reply.body + b" " * HUGE)
        case HttpTrouble.GZIP | HttpTrouble.BOMB:
            return _packed(reply, HUGE if trouble is HttpTrouble.BOMB else 0)
        case HttpTrouble.WRONG_TYPE:
            return replace(reply, content_type="image/png")
    return reply


def _packed(reply: SimulatedReply, blanks: int) -> SimulatedReply:
    body = gzip.compress(reply.body + b" " * blanks, 6)
    return replace(reply, body=body, headers=(*reply.headers, ("content-encoding", "gzip")))


KEPT_REQUESTS = 1000


class WebSimulator(ABC):
    """One carrier on one TCP port; subclasses implement `handle`, and perhaps `is_submit`."""

    name: ClassVar[str]
    port_by_default: ClassVar[int]
    path: ClassVar[str] = ""  # what a link's base_url has after host and port
    behaviour_type: ClassVar[type[WebBehaviour]] = WebBehaviour

    def __init__(
        self,
        behaviour: WebBehaviour | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._behaviour = behaviour or self.behaviour_type()
        self._tls, self._webhook = tls, webhook
        self._listener: Listener
        self.state: CarrierState
        self.requests: deque[SimulatedRequest] = deque(maxlen=KEPT_REQUESTS)

    # For subclasses

    @abstractmethod
    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Return the carrier's reply; take, refuse and throttle messages through self.state."""

    def is_submit(self, path: str) -> bool:
        """Whether requests to this path hand over messages, for `trouble_on`."""
        return True

    # For tests and commands

    async def __aenter__(self) -> Self:
        self.state = CarrierState(self._behaviour, self._webhook)
        self._listener = Listener(self._serve_request, self._connected, self._tls)
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.end()
        await self.state.close()

    @property
    def url(self) -> str:
        """The base_url of a link to this carrier."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}{self.path}"

    async def start_accepting(self) -> None:
        """Listen, on the same port again after stop_accepting()."""
        self._listener.keep_alive(self.behaviour.keep_alive_s)
        self.port = await self._listener.open(self.host, self.port)

    def stop_accepting(self) -> None:
        """Refuse new connections; existing ones stay."""
        self._listener.close()

    def drop_all(self) -> None:
        self.state.tally.connections_dropped += self._listener.drop_all()

    @property
    def behaviour(self) -> Any:
        return self._behaviour

    def change(self, **behaviour: Any) -> None:
        self._behaviour = dataclasses.replace(self._behaviour, **behaviour)
        self._listener.keep_alive(self._behaviour.keep_alive_s)
        self.state.behave(self._behaviour)

    def next(self, trouble: HttpTrouble, count: int = 1) -> None:
        """Force a trouble on the next requests, whatever the shares say."""
        self.state.next_troubles.extend([trouble] * count)

    def report(self) -> dict[str, Any]:
        return self.state.report()

    @property
    def messages(self) -> Sequence[WebMessage]:
        return self.state.book.messages

    def copies(self, phone: str) -> int:
        return len(self.state.book.of(phone))

    def numbers(self) -> Iterator[str]:
        return self.state.book.numbers()

    def idle_s(self) -> float:
        """Return the seconds since the last request; 0 before the first submit and while receipts are due."""
        return self.state.idle_s()

    def write_results(self, file: Path) -> None:
        """Write the carrier's result file: number, status, error and time of every message."""
        with file.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(("number", "status", "error", "time"))
            for each in self.messages:
                at = (each.done_at or each.taken_at).astimezone(VIETNAM)
                rows.writerow(
                    (each.phone, each.outcome.status, each.outcome.error, f"{at:%Y-%m-%d %H:%M:%S}")
                )

    # One request

    def _connected(self) -> None:
        self.state.tally.connections += 1

    async def _serve_request(self, connection: BreakableConnection) -> None:
        trouble = self.state.heard(self.is_submit(connection.path))
        if not self._is_untaken(trouble):
            await self._handle_and_answer(connection, trouble)
            return
        if trouble is not HttpTrouble.BREAK_BEFORE:
            await connection.read()
        await write_response(connection, trouble, None, self.state)

    async def _handle_and_answer(self, connection: BreakableConnection, trouble: HttpTrouble) -> None:
        """Read, handle and answer a request; the outcomes of its messages start after the answer."""
        request = await connection.read()
        self.requests.append(request)
        reply = self.handle(request)
        await self.state.report_early(request.taken)
        if trouble in BROKEN_OFF:  # there is no answer to wait for
            self.state.report_later(request.taken)
            await write_response(connection, trouble, reply, self.state)
        else:
            await write_response(connection, trouble, reply, self.state)
            self.state.report_later(request.taken)

    def _is_untaken(self, trouble: HttpTrouble) -> bool:
        return trouble in UNTAKEN or (trouble in ERRORS and not self.behaviour.errors_taken)
