"""A simulated carrier over HTTP on one port: its troubles, messages, their outcomes and receipts."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import dataclasses
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from carriers.options import VIETNAM
from carriers.simulators.process import Simulator, by_copies
from carriers.simulators.randomness import Pace, TimerWheel, outcomes, reportings, unit
from carriers.simulators.web.behaviour import (
    BROKEN_OFF,
    STATUSES,
    HttpTrouble,
    WebBehaviour,
    first_troubles,
    troubles,
)
from carriers.simulators.web.connection import Connection, SimulatedReply, SimulatedRequest, with_trouble
from carriers.simulators.web.webhook import WebCounters, Webhook, WebhookPoster, WebMessage, receipt
from carriers.text import segments

KEPT_REQUESTS = 1000
LONGEST_HEAD = 2**20
CUT_OFF = (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class WebSimulator(Simulator):
    """One carrier on one TCP port; subclasses implement `handle`, and perhaps `is_submit`."""

    path: ClassVar[str] = ""  # what a link's base_url has after host and port
    behaviour_type: ClassVar[type[Any]] = WebBehaviour

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--webhook", metavar="URL", help="post receipts to this URL, which may contain a login (Basic)")
        signed = "sign the receipts: X-Loa-Timestamp and X-Loa-Signature"
        add("--webhook-secret", metavar="SECRET", default="", help=signed)
        results = "write the final outcome of every message to this file (CSV)"
        add("--result-file", type=Path, metavar="FILE", help=results)

    @classmethod
    def from_flags(cls, behaviour: Any, options: argparse.Namespace) -> Self:
        webhook = Webhook(options.webhook, options.webhook_secret) if options.webhook else None
        return cls(
            behaviour, options.port, host=options.host, webhook=webhook, result_file=options.result_file
        )

    def __init__(
        self,
        behaviour: Any = None,  # of behaviour_type
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        webhook: Webhook | None = None,
        result_file: Path | None = None,  # written in the end
    ) -> None:
        self.host, self.port = host, port
        self.behaviour = behaviour or self.behaviour_type()
        self.tally, self._pace = WebCounters(), Pace()
        self.answers: Counter[str] = Counter()  # by the carrier's own code
        self.troubles: Counter[str] = Counter()
        self.messages: list[WebMessage] = []
        self.requests: deque[SimulatedRequest] = deque(maxlen=KEPT_REQUESTS)
        self._copies: Counter[str] = Counter()
        self._next_troubles = deque(first_troubles(self.behaviour))
        self._webhook, self._result_file = webhook, result_file
        self._poster: WebhookPoster | None = None
        self._connections: dict[Connection, asyncio.Task[Any] | None] = {}
        self._pending = 0  # messages without an outcome yet

    # For subclasses

    @abstractmethod
    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Return the carrier's reply; take, refuse and throttle messages by the methods below."""

    def is_submit(self, path: str) -> bool:
        """Whether requests to this path hand over messages, for `trouble_on`."""
        return True

    def is_welcome(self, user: str, password: str) -> bool:
        return self.behaviour.account in ("", f"{user}:{password}")

    def is_refused(self, phone: str) -> bool:
        return bool(self._refused) and phone.endswith(self._refused)

    def is_too_fast(self, submits: int = 1) -> bool:
        """Whether to throttle these messages now; if so, count them as throttled."""
        if unit(self.behaviour.seed, 5, self.tally.submits) >= self.behaviour.throttle:
            return False
        self._count(submits)
        self.tally.throttled += submits
        return True

    def refuse(self, submits: int = 1) -> None:
        self._count(submits)
        self.tally.refused += submits

    def take(
        self, request: SimulatedRequest, phone: str, text: str, sender: str, request_id: str = ""
    ) -> WebMessage:
        """Take one message; its outcome depends on the seed and the number alone."""
        self._count(1)
        seed, number = self.behaviour.seed, int(phone) if phone.isdecimal() else 0
        outcome = self._outcomes.draw(unit(seed, 2, number))
        reporting = self._reportings.draw(unit(seed, 3, number))
        index, now = len(self.messages), datetime.now(UTC)
        message = WebMessage(index, phone, text, sender, request_id, segments(text), outcome, reporting, now)
        self.messages.append(message)
        self._copies[phone] += 1
        self._pending += 1
        request.taken.append(message)
        return message

    def _count(self, submits: int) -> None:
        self.tally.submits += submits
        self._pace.add(self._loop.time(), submits)

    # For tests and commands

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.last_heard_s = self._loop.time()
        self._timers = TimerWheel(self._loop)
        if self._webhook is not None:
            self._poster = WebhookPoster(self._webhook, self.tally, self.behaviour)
        self.change()
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_accepting()
        self.drop_all()
        tasks = [task for task in self._connections.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._timers.close()
        if self._poster is not None:
            await self._poster.close()
        if self._result_file is not None:
            self.write_results(self._result_file)

    @property
    def url(self) -> str:
        """The base_url of a link to this carrier."""
        return f"http://{self.host}:{self.port}{self.path}"

    async def listen(self) -> asyncio.Server:
        where = (self.host, self.port)
        return await asyncio.start_server(self._serve, *where, backlog=1024, limit=LONGEST_HEAD)

    def drop_all(self) -> None:
        for connection in self._connections:
            self.tally.connections_dropped += 1
            connection.drop()

    def change(self, **behaviour: Any) -> None:
        """Change the behaviour; messages taken before keep their outcome."""
        self.behaviour = dataclasses.replace(self.behaviour, **behaviour)
        self._troubles = troubles(self.behaviour)
        self._outcomes = outcomes(self.behaviour, STATUSES, "001")
        self._reportings = reportings(self.behaviour)
        self._refused = tuple(filter(None, self.behaviour.refused.replace(" ", "").split(",")))
        if self._poster is not None:
            self._poster.behaviour = self.behaviour

    def next(self, trouble: HttpTrouble, count: int = 1) -> None:
        """Force a trouble on the next requests, whatever the shares say."""
        self._next_troubles.extend([trouble] * count)

    def copies(self, phone: str) -> int:
        return self._copies[phone]

    def numbers(self) -> Iterator[str]:
        return iter(self._copies)

    def outstanding(self) -> int:
        return self._poster.outstanding() if self._poster is not None else 0

    def idle_s(self) -> float:
        idle = self.tally.submits and not self.outstanding() and not self._pending
        return self._loop.time() - self.last_heard_s if idle else 0.0

    def report(self) -> dict[str, Any]:
        """Return the counts, with the same names as the SMPP simulator; names say the unit."""
        return {
            **dataclasses.asdict(self.tally),
            "answers": dict(self.answers),
            "troubles": dict(self.troubles),
            "messages": len(self.messages),
            "messages_incomplete": 0,  # a request has the whole text
            "messages_en_route": self._pending,
            "segments": sum(message.segments for message in self.messages),
            **by_copies(self._copies.values()),
            "receipts_outstanding": self.outstanding(),
            "submits_per_second_max": self._pace.peak,
        }

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

    # Requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tally.connections += 1
        connection, task = Connection(reader, writer), asyncio.current_task()
        self._connections[connection] = task
        try:
            with contextlib.suppress(*CUT_OFF, asyncio.CancelledError):  # cancelled in the end
                while await self._serve_request(connection):
                    pass
        finally:
            self._connections.pop(connection)
            connection.close()

    async def _serve_request(self, connection: Connection) -> bool:
        """Read, handle and answer a request; False if the connection is over.

        The outcomes of its messages start after the answer, if there is one.
        """
        head = await connection.head()
        trouble = self._trouble(self.is_submit(head.path))
        if trouble is HttpTrouble.BREAK_BEFORE:
            await self._break_off(connection, trouble, SimulatedReply(b"", ""))
            return False
        request = await connection.whole(head)
        self.requests.append(request)
        reply = self.handle(request)
        await self._report_early(request.taken)
        if trouble in BROKEN_OFF:
            self._report_later(request.taken)
            await self._break_off(connection, trouble, reply)
            return False
        try:
            await asyncio.sleep(self.behaviour.answer_delay_s)
            said = with_trouble(trouble, reply, self.tally.requests)
            self.tally.answered += 1
            self.answers[said.code] += 1
            await connection.answer(said, 3 if trouble is HttpTrouble.CHUNKED else 1)
        finally:
            self._report_later(request.taken)
        return head.headers.get("connection", "").lower() != "close"

    def _trouble(self, is_submit: bool) -> HttpTrouble:
        self.tally.requests += 1
        self.last_heard_s = self._loop.time()
        if not {"submits": is_submit, "others": not is_submit, "all": True}[self.behaviour.trouble_on]:
            return HttpTrouble.NONE
        drawn = self._troubles.draw(unit(self.behaviour.seed, 1, self.tally.requests))
        trouble = self._next_troubles.popleft() if self._next_troubles else drawn
        if trouble is not HttpTrouble.NONE:
            self.troubles[trouble.value] += 1
        return trouble

    async def _break_off(self, connection: Connection, trouble: HttpTrouble, reply: SimulatedReply) -> None:
        await asyncio.sleep(self.behaviour.answer_delay_s)
        self.tally.never_answered += 1
        self.tally.connections_dropped += trouble in (HttpTrouble.BREAK_BEFORE, HttpTrouble.BREAK_AFTER)
        await connection.break_off(trouble, reply, self.tally.requests)

    # Outcomes

    async def _report_early(self, messages: Sequence[WebMessage]) -> None:
        """Post the receipts that come before the answer, and wait for that."""
        early = [message for message in messages if message.reporting.early]
        for message in early:
            self._settle(message)
            self.tally.receipts_due += 1
        if self._poster is not None:
            for message in early:
                await self._poster.post([receipt(message)])

    def _report_later(self, messages: Sequence[WebMessage]) -> None:
        """Schedule the outcomes of the others."""
        behaviour = self.behaviour
        for message in messages:
            if message.done_at is None:
                spread_s = behaviour.receipt_spread_s * unit(behaviour.seed, 6, message.index)
                self._timers.call(behaviour.receipt_delay_s + spread_s, self._conclude, message)

    def _settle(self, message: WebMessage) -> None:
        message.done_at = datetime.now(UTC)
        self._pending -= 1

    def _conclude(self, message: WebMessage) -> None:
        self._settle(message)
        self.tally.receipts_due += message.reporting.times
        self.tally.never_reported += not message.reporting.times
        if self._poster is not None:
            self._poster.add(message)
