"""Match a carrier's failure list to deliveries and pass each new entry to the ledger once, as a receipt.

A number that is not on the list is not thereby delivered, so a list never proves a success.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Row, and_, exists, or_, select

from app.core import clock
from app.core.clock import DAY_MS
from app.core.errors import DatabaseUnavailable
from app.core.states import SENT, LinkState, RunState
from app.database import jobs
from app.database.jobs import Job, new_owner
from app.database.models import campaigns, deliveries, links, receipts, runs
from app.ledger.contract import Arrival, DeliveryKey, Link
from app.receipts.receipt_writer import Inbox
from carriers.contract import Carrier, ListedFailures, ReadError, Receipt, ReceiptStatus

# A list may still grow while the carrier retries.
_DAYS = timedelta(days=3)
_AT_ONCE = 500
_FAILURES = (ReceiptStatus.UNDELIVERED.value, ReceiptStatus.EXPIRED.value)


@dataclass(frozen=True, slots=True)
class FailureListCounts:
    """Entries of one list: all, new to the ledger, known already, not ours, ambiguous."""

    entries: int = 0
    new: int = 0
    known: int = 0
    foreign: int = 0
    unclear: int = 0


def due(connection: Connection, link: Link) -> list[tuple[str, date]]:
    """Return (sender ID, day) of the lists that may still grow: of each day of a run, for three days."""
    state = connection.execute(select(links.c.state).where(links.c.id == link.id)).scalar()
    if state != LinkState.RUNNING:
        return []
    today = clock.local(clock.now()).date()
    wanted: set[tuple[str, date]] = set()
    for sender, first, last in _runs(connection, link.carrier):
        begin = max(_day(first), today - _DAYS)
        end = today if last is None else min(_day(last), today)
        wanted |= {(sender, begin + timedelta(days=n)) for n in range((end - begin).days + 1)}
    return sorted(wanted)


def _runs(connection: Connection, carrier: str) -> list[tuple[str, int, int | None]]:
    """Return (sender ID, start, end) of runs that ended at most four days ago; times in ms."""
    oldest = clock.now_ms() - 4 * DAY_MS
    query = (
        select(campaigns.c.sender, runs.c.started_at, runs.c.ended_at)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(runs.c.carrier == carrier, runs.c.started_at.is_not(None))
        .where(or_(runs.c.ended_at.is_(None), runs.c.ended_at >= oldest))
    )
    return [(row.sender, row.started_at, row.ended_at) for row in connection.execute(query)]


def _day(ms: int) -> date:
    return clock.local(clock.from_ms(ms)).date()


async def tell(
    inbox: Inbox, link: Link, what: tuple[str, date], receipts: Sequence[Receipt]
) -> FailureListCounts:
    """Store those entries of the list of (sender ID, day) that are ours and new."""
    by_phone = {receipt.phone: receipt for receipt in receipts if receipt.phone}
    arrivals: list[Arrival] = []
    known = foreign = unclear = 0
    phones = list(by_phone)
    for some in (phones[start : start + _AT_ONCE] for start in range(0, len(phones), _AT_ONCE)):
        owners = await inbox.db.aread(_owners, link, what, some)
        for phone in some:
            mine = owners.get(int(phone), ())
            foreign += not mine
            unclear += len(mine) > 1
            known += len(mine) == 1 and mine[0].reported
            if len(mine) == 1 and not mine[0].reported:
                key = DeliveryKey(mine[0].campaign_id, mine[0].batch_id, mine[0].seq)
                arrivals.append(Arrival(link, by_phone[phone], key))
    for start in range(0, len(arrivals), _AT_ONCE):
        await inbox.put(arrivals[start : start + _AT_ONCE])
    return FailureListCounts(len(by_phone), len(arrivals), known, foreign, unclear)


def _owners(
    connection: Connection, link: Link, what: tuple[str, date], phones: Sequence[str]
) -> dict[int, list[Row[Any]]]:
    """Return by phone the deliveries an entry may mean: sent over the group's links in the last days."""
    sender, day = what
    d, r = deliveries.c, receipts.c
    reported = exists().where(
        and_(r.campaign_id == d.campaign_id, r.batch_id == d.batch_id, r.seq == d.seq),
        and_(r.link_id == link.id, r.reference.is_(None), r.status.in_(_FAILURES)),
        r.received_at >= d.submitted_at,
    )
    of_group = select(links.c.id).where(links.c.group_id == link.group_id)
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for campaign_id in _campaigns(connection, link.carrier, sender):
        query = select(deliveries, reported.label("reported")).where(
            d.campaign_id == campaign_id, d.phone.in_([int(phone) for phone in phones])
        )
        sent = (d.state.in_(SENT), d.submitted_at.is_not(None), d.link_id.in_(of_group))
        for row in connection.execute(query.where(*sent)):
            if day - _DAYS <= _day(row.submitted_at) <= day:
                found[row.phone].append(row)
    return {phone: _nearest(rows, day) for phone, rows in found.items()}


def _nearest(rows: Sequence[Row[Any]], day: date) -> list[Row[Any]]:
    same = [row for row in rows if _day(row.submitted_at) == day]
    return same or list(rows)


def _campaigns(connection: Connection, carrier: str, sender: str) -> Sequence[int]:
    query = (
        select(runs.c.campaign_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(runs.c.carrier == carrier, campaigns.c.sender == sender)
        .where(runs.c.state != RunState.PLANNED.value)
        .order_by(runs.c.campaign_id)
    )
    return connection.execute(query).scalars().all()


log = structlog.get_logger(__name__)

# ---- Read the lists every hour, each by one process at a time

_READY_S = 1.0


class Lists(Carrier, ListedFailures, Protocol):
    """A link with lists of failures."""


async def link_ready(carrier: Carrier, within_s: float) -> bool:
    """Return whether the link can be asked now; not if it is halted, closed or down."""
    if carrier.halted() is not None:
        return False
    try:
        await asyncio.wait_for(carrier.ready(), within_s)
    except TimeoutError:
        return False
    return carrier.halted() is None


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
                for sender, day in await self.inbox.db.aread(due, self.link):
                    if not (self._over or self._stopping.is_set()):
                        await self._read(sender, day)
        except DatabaseUnavailable:
            return

    async def _read(self, sender: str, day: date) -> None:
        box, subject = self.inbox, f"link/{self.link.id}/{sender}/{day}"
        wanted = Job("failures", subject, new_owner(), lease_ms=round(self.lease_s * 1000))
        job = await box.db.awrite(jobs.take, wanted)
        if job is None:
            return
        try:
            found = await jobs.kept(box.db, job, self.carrier.failures(day, sender))
        except ReadError as error:
            log.warning(
                "a list of failures cannot be read", link=self.link.name, day=str(day), why=str(error)
            )
        else:
            counts = await tell(box, self.link, (sender, day), found)
            log.info("list of failures read", link=self.link.name, day=str(day), **asdict(counts))
        await box.db.awrite(jobs.release, job, self.every_s)
