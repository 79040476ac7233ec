"""A simulated carrier over HTTP on one port: started, told how to behave, and asked what it saw."""

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

# ---- Says a simulated carrier's answer, in order or with the trouble that was drawn for it

HUGE = 10_000_000
HTML = "text/html; charset=UTF-8"
PAGE = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>The server is not available"
    b"</h1><p>Apache Tomcat/7.0</p></body></html>"
)


async def write_response(
    line: BreakableConnection, trouble: HttpTrouble, reply: SimulatedReply | None, desk: CarrierState
) -> None:
    """Answer with `reply`, or with what the trouble makes of it (None: nothing was taken)."""
    delay_s = desk.answer_delay_s()
    if delay_s:
        await asyncio.sleep(delay_s)
    if await _is_broken_off(line, trouble, reply, desk):
        desk.tally.never_answered += 1
        return
    said = _spoilt(trouble, reply or SimulatedReply(b"", ""), desk)
    desk.tally.answer(said.code)
    await line.answer(said, 3 if trouble is HttpTrouble.CHUNKED else 1)


async def _is_broken_off(
    line: BreakableConnection, trouble: HttpTrouble, reply: SimulatedReply | None, desk: CarrierState
) -> bool:
    match trouble:
        case HttpTrouble.HANG:
            await line.gone()
        case HttpTrouble.BREAK_BEFORE | HttpTrouble.BREAK_AFTER:
            desk.tally.connections_dropped += 1
            await line.drop()
        case HttpTrouble.CUT:
            await line.cut(reply or SimulatedReply(PAGE, "cut"))
        case HttpTrouble.NOISE:
            await line.noise(desk.tally.requests)
        case _:
            return False
    return True


def _spoilt(trouble: HttpTrouble, reply: SimulatedReply, desk: CarrierState) -> SimulatedReply:
    """What another status, or another body, makes of the answer."""
    if trouble in ERRORS:
        return SimulatedReply(PAGE, f"http {ERRORS[trouble]}", ERRORS[trouble], HTML)
    match trouble:
        case HttpTrouble.UNAVAILABLE | HttpTrouble.TOO_MANY:
            status = 503 if trouble is HttpTrouble.UNAVAILABLE else 429
            later = (("retry-after", str(desk.manners.retry_after_s)),)
            return SimulatedReply(PAGE, f"http {status}", status, HTML, later)
        case HttpTrouble.REDIRECT:
            return SimulatedReply(b"", "http 302", 302, HTML, (("location", "/elsewhere"),))
        case HttpTrouble.PAGE:
            return SimulatedReply(PAGE, "page", content_type=HTML)
        case HttpTrouble.EMPTY:
            return replace(reply, body=b"", code="empty")
        case HttpTrouble.GARBAGE:
            noise = random.Random(desk.tally.requests).randbytes(512)  # noqa: S311 - no secret
            return replace(reply, body=noise, code="garbage")
    return _wrapped(trouble, reply)


def _wrapped(trouble: HttpTrouble, reply: SimulatedReply) -> SimulatedReply:
    """The right answer, in another guise."""
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
    """One carrier on one TCP port. A carrier of its own writes `handle`, and perhaps `is_submit`."""

    name: ClassVar[str]
    port_by_default: ClassVar[int]
    path: ClassVar[str] = ""  # what a link's base_url has after host and port
    manners_type: ClassVar[type[WebBehaviour]] = WebBehaviour

    def __init__(
        self,
        manners: WebBehaviour | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._manners = manners or self.manners_type()
        self._tls, self._webhook = tls, webhook
        self._listener: Listener
        self.desk: CarrierState
        self.requests: deque[SimulatedRequest] = deque(maxlen=KEPT_REQUESTS)

    # ---- what a carrier writes

    @abstractmethod
    def handle(self, asked: SimulatedRequest) -> SimulatedReply:
        """The carrier's own answer; messages are taken, refused and throttled through self.desk."""

    def is_submit(self, path: str) -> bool:
        """Whether requests to this path hand over messages: for `trouble_on`."""
        return True

    # ---- what tests and commands use

    async def __aenter__(self) -> Self:
        self.desk = CarrierState(self._manners, self._webhook)
        self._listener = Listener(self._speak, self._connected, self._tls)
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.end()
        await self.desk.close()

    @property
    def url(self) -> str:
        """The base_url of a link to this carrier."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}{self.path}"

    async def start_accepting(self) -> None:
        """Listen; again on the same port after stop_accepting()."""
        self._listener.keep_alive(self.manners.keep_alive_s)
        self.port = await self._listener.open(self.host, self.port)

    def stop_accepting(self) -> None:
        """Refuse new connections; those that are there stay."""
        self._listener.close()

    def drop_all(self) -> None:
        """Break every connection at once, without a word."""
        self.desk.tally.connections_dropped += self._listener.drop_all()

    @property
    def manners(self) -> Any:
        """How the carrier behaves; may be replaced at any time."""
        return self._manners

    def change(self, **manners: Any) -> None:
        """Replace some manners, by the names of their fields."""
        self._manners = dataclasses.replace(self._manners, **manners)
        self._listener.keep_alive(self._manners.keep_alive_s)
        self.desk.behave(self._manners)

    def next(self, trouble: HttpTrouble, count: int = 1) -> None:
        """What the next requests meet, whatever the shares say."""
        self.desk.next_troubles.extend([trouble] * count)

    def report(self) -> dict[str, Any]:
        """What the carrier saw and did until now; names say the unit."""
        return self.desk.report()

    @property
    def messages(self) -> Sequence[WebMessage]:
        """Everything taken, in order."""
        return self.desk.book.messages

    def copies(self, phone: str) -> int:
        """How many messages were taken for a number."""
        return len(self.desk.book.of(phone))

    def numbers(self) -> Iterator[str]:
        """Every number that anything was taken for."""
        return self.desk.book.numbers()

    def idle_s(self) -> float:
        """Seconds since anything was asked; 0 before the first submit and while receipts are due."""
        return self.desk.idle_s()

    def write_results(self, file: Path) -> None:
        """The carrier's own list of what became of everything it took: number, status, time."""
        with file.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(("number", "status", "error", "time"))
            for each in self.messages:
                at = (each.done_at or each.taken_at).astimezone(VIETNAM)
                rows.writerow(
                    (each.phone, each.outcome.status, each.outcome.error, f"{at:%Y-%m-%d %H:%M:%S}")
                )

    # ---- one request

    def _connected(self) -> None:
        self.desk.tally.connections += 1

    async def _speak(self, line: BreakableConnection) -> None:
        trouble = self.desk.heard(self.is_submit(line.path))
        if not self._is_untaken(trouble):
            await self._hear(line, trouble)
            return
        if trouble is not HttpTrouble.BREAK_BEFORE:
            await line.read()
        await write_response(line, trouble, None, self.desk)

    async def _hear(self, line: BreakableConnection, trouble: HttpTrouble) -> None:
        """Read, handle and answer a request, and let the fates of its messages run from the answer on."""
        asked = await line.read()
        self.requests.append(asked)
        reply = self.handle(asked)
        await self.desk.report_early(asked.taken)
        if trouble in BROKEN_OFF:  # there is no answer to wait for
            self.desk.report_later(asked.taken)
            await write_response(line, trouble, reply, self.desk)
        else:
            await write_response(line, trouble, reply, self.desk)
            self.desk.report_later(asked.taken)

    def _is_untaken(self, trouble: HttpTrouble) -> bool:
        return trouble in UNTAKEN or (trouble in ERRORS and not self.manners.errors_taken)
