"""Read carriers' failure lists every hour, each list by one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Protocol

import structlog

from app.core.errors import DatabaseUnavailable
from app.ledger.contract import Link
from app.receipts import failure_list
from app.receipts.link_jobs import JobLease, link_ready
from app.receipts.receipt_writer import Inbox
from carriers.contract import Carrier, ListedFailures, ReadError

log = structlog.get_logger(__name__)

_READY_S = 1.0


class Lists(Carrier, ListedFailures, Protocol):
    """A link with lists of failures."""


@dataclass(slots=True)
class Reconciliation:
    """Read the failure lists of one link until stop(), each in one process at a time."""

    link: Link
    carrier: Lists
    inbox: Inbox
    lease_s: float
    every_s: float = 3600.0
    look_s: float = 60.0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _over: bool = False  # this call of run() has ended; a fault ends it, and run() is called again

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        self._over = False
        reading = asyncio.create_task(self._read_again_and_again())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            # A list that was not read to its end is read again. HTTP clients sometimes swallow a
            # cancellation, so the flag decides.
            self._over = True
            reading.cancel()
            stopped.cancel()
            await asyncio.gather(reading, stopped, return_exceptions=True)

    async def _read_again_and_again(self) -> None:
        while not (self._over or self._stopping.is_set()):
            await self._read_all()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self.look_s)

    async def _read_all(self) -> None:
        try:
            if await link_ready(self.carrier, _READY_S):
                for sender, day in await self.inbox.db.aread(failure_list.due, self.link):
                    if not (self._over or self._stopping.is_set()):
                        await self._read(sender, day)
        except DatabaseUnavailable:
            return

    async def _read(self, sender: str, day: date) -> None:
        box = self.inbox
        lease = JobLease(box.db, box.ledger, self.link.id, f"failures {sender} {day}", self.lease_s)
        if not await lease.hold():
            return
        try:
            found = await lease.during(self.carrier.failures(day, sender))
        except ReadError as error:
            log.warning("a list of failures can't be read", link=self.link.name, day=str(day), why=str(error))
        else:
            counts = await failure_list.tell(box, self.link, (sender, day), found)
            log.info("list of failures read", link=self.link.name, day=str(day), **asdict(counts))
        await lease.leave(self.every_s)
