"""The worker: open the links, run a send loop for each, receive and poll for receipts, and sweep."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection

from app.api import idempotency_store
from app.batches import follow_up_job
from app.core.clock import DAY_MS
from app.core.config import LinkSettings, Settings
from app.core.errors import DatabaseUnavailable, SetupError
from app.database import audit_heads, clock_leaps
from app.database.connection import Database
from app.directives.notification_loop import NotificationLoop
from app.dispatch import link_store, suspend_sweep
from app.dispatch.claims import SendContext
from app.dispatch.fan_out_job import FanOutJob
from app.dispatch.link_store import HealthSweep, OpenLink
from app.dispatch.run_sweeps import advance_due, close_due, expire_leases
from app.dispatch.send_loop import SendLoop
from app.file_import.leased_import import FOLLOW_UP
from app.inbound.inbound_writer import InboundWriter
from app.ledger import late_references
from app.ledger.ledger import Ledger
from app.observability.faults import Aside, Faults, Supervisor
from app.observability.metrics import Metrics
from app.observability.send_rate import EVERY_MS, count, is_due
from app.privacy import certificates
from app.privacy.erasable import RetentionTerms
from app.privacy.eraser import Eraser
from app.receipts.failure_list import Reconciliation
from app.receipts.poll import Poll, askers
from app.receipts.receipt_writer import Inbox, match_quarantined
from app.reports.counting.snapshot_taking import SNAPSHOT, SnapshotPlan, take_due
from app.runtime.clock_steps import ClockSteps
from app.runtime.job_loop import JobKind, JobLoop
from app.security import audit
from carriers import registry
from carriers.contract import Carrier, LinkError, StreamReceipts
from carriers.inbound import InboundMessages

# ---- Recurring work


@dataclass(slots=True)
class Sweep:
    """Run `step` again and again until stop(): at once if it returns True, else after `every_s` or a wake.

    Each sweep has its own task, so that a long one delays no other. Every step is safe to run twice, and in
    several processes at once.
    """

    name: str
    step: Callable[[], Awaitable[bool]]
    every_s: float = 1.0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    async def run(self) -> None:
        while not self._stopping:
            self.wake.clear()
            if self._stopping or await self.step():
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), self.every_s)

    def stop(self) -> None:
        self._stopping = True
        self.wake.set()


log = structlog.get_logger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]

_FOLD_EVERY_S = 5.0
_MINUTE_S = 60.0
_WITHOUT = (
    "The database did not come back within {seconds} s of the order to stop. The answers to {messages} "
    "messages are not recorded: these messages will be unknown. {receipts} receipts were not taken: their "
    "carriers bring them again."
)


@dataclass(slots=True)
class Worker:
    """All that sends and receives in one process; `only` limits it to one carrier's links."""

    db: Database
    ledger: Ledger
    settings: Settings
    metrics: Metrics
    only: str | None = None
    loops: list[SendLoop] = field(default_factory=list)
    askers: list[Poll | Reconciliation] = field(default_factory=list)
    inbox: Inbox = field(init=False)
    sweeps: list[Sweep] = field(init=False)
    jobs: JobLoop = field(init=False)
    inbound: InboundWriter = field(init=False)
    _health: HealthSweep = field(init=False)
    _clock: ClockSteps = field(init=False)
    faults: Faults = field(init=False)
    _fan_out: FanOutJob = field(init=False)
    _notifications: NotificationLoop = field(init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        s, db, ledger, self.faults = self.settings, self.db, self.ledger, Faults(self.db, self.metrics)
        self._fan_out = FanOutJob(db, ledger, Aside(self.faults, "queueing"))
        closing, runs = Aside(self.faults, "closing"), Aside(self.faults, "runs")
        self.inbox = Inbox(self.db, self.ledger, self.metrics, s.receipts_group, s.receipts_wait_ms / 1000)
        self._clock, self._health = ClockSteps(db), HealthSweep(db, self._links, list(s.links))
        fold, note_last = (ledger.to_fold, ledger.fold_tallies), (ledger.to_note, ledger.note_last)
        look = (suspend_sweep.is_due, suspend_sweep.look, s.suspend, db)
        self.sweeps = [
            Sweep("queueing", self._queue),
            Sweep("closing", lambda: close_due(db, ledger, closing)),
            Sweep("runs", lambda: advance_due(db, ledger, runs, s.receipt_days * DAY_MS)),
            Sweep("quarantine", self._match_quarantined),
            Sweep("tallies", lambda: self._where_due(*fold), _FOLD_EVERY_S),
            Sweep("last messages", lambda: self._where_due(*note_last, more=True), _FOLD_EVERY_S),
            Sweep("leases", lambda: expire_leases(db, ledger, runs), _FOLD_EVERY_S),
            Sweep("links", self._health.step),
            Sweep("clock", self._clock.step),
            Sweep("rates", lambda: self._where_due(is_due, count), EVERY_MS / 1000),
            Sweep("suspension", lambda: self._where_due(*look), suspend_sweep.EVERY_MS / 1000),
        ]
        eraser = Eraser(db, ledger, RetentionTerms(s.retention_days, s.records_months))
        self._notifications, snapshots = NotificationLoop(db, s), SnapshotPlan(db)
        kinds = {
            SNAPSHOT: JobKind(lambda job: asyncio.to_thread(take_due, db, job)),
            "snapshots": JobKind(lambda _: snapshots.plan(), 15.0),
            "zones": JobKind(lambda _: self._note_zones(), _MINUTE_S),
            "answers": JobKind(lambda _: self._forget_answers(), _MINUTE_S),
            FOLLOW_UP: JobKind(lambda job: asyncio.to_thread(follow_up_job.make, db, job)),
            certificates.JOB: JobKind(lambda job: eraser.erase(job, self._stopping), 300.0),
        }
        if s.mail or s.endpoints:
            kinds["reminders"] = JobKind(lambda _: self._notifications.plan(), _MINUTE_S)
        self.jobs = JobLoop(db, self.faults, kinds)
        self.inbound = InboundWriter(db, ledger, self.metrics, words=s.replies)

    def stop(self) -> None:
        """Stop sending; run() returns once all that is under way is recorded."""
        self.db.end_within(self.settings.stop_patience_s)
        self._stopping.set()
        for each in (*self.askers, *self.loops, *self.sweeps, self.jobs):
            each.stop()

    async def run(self) -> None:
        """Send and receive until stop(); then leave no lease behind and drop nothing in flight.

        Raises DatabaseUnavailable, with what that leaves open, if the database does not come back in time.
        """
        await self._open()
        background = self._supervised(self._background())
        # These use the links, so they end before the links are closed.
        users = self._supervised(self._link_users())
        if self._stopping.is_set():
            self.stop()
        try:
            await _all_or_first_failure([*users, *background], self._stopping)
        finally:
            self.stop()
            ends: list[object] = [*await asyncio.gather(*users, return_exceptions=True)]
            await asyncio.gather(*(loop.carrier.close() for loop in self.loops), return_exceptions=True)
            self.inbox.stop()
            self.inbound.stop()
            ends += await asyncio.gather(*background, return_exceptions=True)
            # No later process can see a step that happens now; this one may be the last for days.
            ends += await asyncio.gather(self._clock.step(), return_exceptions=True)
            ends += await asyncio.gather(self._health.close(), return_exceptions=True)
        self._raise_failures(ends)

    def _supervised(self, works: Mapping[str, Work]) -> list[asyncio.Task[None]]:
        """Run each in a task of its own: an unforeseen fault ends only that one, and it is restarted."""
        supervisor = Supervisor(self.faults, self._stopping)
        return [asyncio.create_task(supervisor.keep(name, work)) for name, work in works.items()]

    def _background(self) -> dict[str, Work]:
        works: dict[str, Work] = {sweep.name: sweep.run for sweep in self.sweeps}
        return works | {
            "jobs": self.jobs.run,
            "receipts": self.inbox.run,
            "inbound messages": self.inbound.run,
            "audit": self._keep_audit_head,
            "notices": lambda: self._notifications.run(self._stopping),
        }

    def _link_users(self) -> dict[str, Work]:
        works: dict[str, Work] = {f"sending by {loop.link.name}": loop.run for loop in self.loops}
        return works | {f"{_purpose(each)} {each.link.name}": each.run for each in self.askers}

    def _raise_failures(self, ends: Sequence[object]) -> None:
        """Raise what kept a part from ending in order; DatabaseUnavailable says what was not recorded."""
        if any(isinstance(end, DatabaseUnavailable) for end in ends):
            messages, receipts = (
                sum(loop.unrecorded for loop in self.loops),
                self.inbox.refused + self.inbound.refused,
            )
            log.error("stopped without the database", unrecorded=messages, receipts=receipts)
            seconds = f"{self.settings.stop_patience_s:g}"
            raise DatabaseUnavailable(_WITHOUT, seconds=seconds, messages=messages, receipts=receipts)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _open(self) -> None:
        if self.db.sqlite:
            # The folder's lock proves that no other process sends: every lease is a dead one's.
            await self.db.write_with_retry(self.ledger.reclaim)
        context = SendContext(
            self.db, self.ledger, self.metrics, self.settings.sub_batch, self.settings.lease_seconds
        )
        for name, own in self.settings.links.items():
            if self.only in (None, own.carrier):
                carrier = build(name, own)
                link = await self.db.write_with_retry(link_store.register, facts(name, own, carrier))
                self.loops.append(SendLoop(link, carrier, context))
                self.askers += askers(link, carrier, own, self.inbox, self.settings.lease_seconds)
                if isinstance(carrier, StreamReceipts):
                    carrier.deliver_to(self.inbox.sink(link))
                if isinstance(carrier, InboundMessages):
                    carrier.messages_to(self.inbound.sink(link))
                await carrier.open()
        loop = asyncio.get_running_loop()
        self.db.on_wake(lambda: _call_soon(loop, self._wake_all))

    def _wake_all(self) -> None:
        self._wake_links()
        for sweep in self.sweeps:
            sweep.wake.set()
        self.jobs.wake.set()

    # ---- Steps of the sweeps: each returns whether there is more to do at once

    async def _queue(self) -> bool:
        more = await self._fan_out.next()
        if more:
            self._wake_links()
        return more

    async def _match_quarantined(self) -> bool:
        await match_quarantined(self.db, self.ledger, self.faults)
        return False

    async def _where_due(
        self,
        is_due: Callable[[Connection], object],
        act: Callable[..., object],
        *arguments: object,
        more: bool = False,
    ) -> bool:
        """Act where a reader finds it is_due: the writer is asked for nothing else. more: again at once."""
        if not await self.db.read_with_retry(is_due):
            return False
        await self.db.write_with_retry(act, *arguments)
        return more

    async def _note_zones(self) -> None:
        """Note which links' receipts state their times in another zone than the settings say."""
        now = await self.db.read_with_retry(self.ledger.now_ms)
        for link_id, minutes in (await self.db.read_with_retry(late_references.offsets_found, now)).items():
            await self.db.write_with_retry(late_references.note_offset, link_id, minutes)

    async def _forget_answers(self) -> None:
        if not await self.db.read_with_retry(clock_leaps.may_be_irreversible):
            return
        while await self.db.write_with_retry(idempotency_store.sweep, self.settings.idempotency_ms):
            pass

    def _links(self) -> list[OpenLink]:
        return [(loop.link.id, loop.owner, loop.carrier) for loop in self.loops]

    async def _keep_audit_head(self) -> None:
        """Log and store the head of the audit's chain regularly: a truncated chain shows by it."""
        every_s = self.settings.audit_head_minutes * 60
        while every_s and not self._stopping.is_set():
            head = await self.db.read_with_retry(audit.head)
            audit_heads.say(self.settings.audit_heads, head, self.settings.ledger_name)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), every_s)
        await self._stopping.wait()

    def _wake_links(self) -> None:
        for loop in self.loops:
            loop.wake.set()


def _purpose(asker: Poll | Reconciliation) -> str:
    return "asking" if isinstance(asker, Poll) else "reading failures of"


def build(name: str, link: LinkSettings) -> Carrier:
    """Return the link's adapter. Raises SetupError in the adapter's words."""
    try:
        return registry.build(link.kind, link.options(name))
    except LinkError as error:
        raise SetupError(str(error)) from None


def faults(settings: Settings) -> Iterator[str]:
    for name, link in settings.links.items():
        try:
            build(name, link)
        except SetupError as error:
            yield error.detail


def facts(name: str, link: LinkSettings, carrier: Carrier) -> link_store.LinkRecord:
    group = link.receipt_group or name
    limits = carrier.limits
    return link_store.LinkRecord(
        name,
        link.carrier,
        group,
        link.segments_per_second,
        carrier.receipt_level,
        limits.one_receipt,
        account(link),
        content_hash(link),
        link.receipt_level_source,
        link.receipt_level_on,
        link.sender_in_text,
        link.needs_template_code,
    )


def content_hash(link: LinkSettings) -> str:
    """Return a hash of what the link's settings make of a text: an approval holds only for that."""
    own = registry.content_options(link.kind, link.model_extra or {})
    content = json.dumps({"kind": link.kind} | own, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def account(link: LinkSettings) -> str | None:
    """Return where the link connects and as whom, None if its adapter's settings do not tell.

    Names of hosts know no case.
    """
    own = link.model_extra or {}
    place = own.get("base_url") or (own.get("host") and f"{own['host']}:{own.get('port')}")
    who = own.get("system_id") or own.get("user")
    return f"{link.kind} {who}@{str(place).lower()}"[:200] if place and who else None


async def _all_or_first_failure(tasks: list[asyncio.Task[None]], stopping: asyncio.Event) -> None:
    """Return at stop(); raise what ended a task before that, so that no link dies silently."""
    stopped = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done - {stopped}:
        task.result()


def _call_soon(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(work)
