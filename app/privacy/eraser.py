"""Carry out erasures in small steps, each a transaction of its own, so that senders never wait.

What is due, and when: retention_due.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Row, Table, delete, exists, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.errors import Conflict, DatabaseUnavailable
from app.core.states import BatchState
from app.database import clock_leaps, jobs
from app.database.connection import Database, shared_ms
from app.database.jobs import Job, new_owner
from app.database.models import (
    bad_lines,
    batches,
    erasures,
    inbound_messages,
    quarantine,
    receipt_files,
    receipt_lines,
    run_batches,
    runs,
    subscribers,
)
from app.ledger.ledger import Ledger
from app.ledger.row_locking import lock_batches
from app.privacy import certificates, terms_in_force, totals_retention
from app.privacy.certificates import EraserIdentity
from app.privacy.erasable import ErasureKind, RetentionTerms
from app.privacy.retention_due import due, together
from app.reports.counting import carrier_report, clock_check, snapshots, unique_reach
from app.reports.counting.snapshots import SnapshotCause
from app.reports.figures.figures import Unbalanced
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.verification import verify
from app.telephone_panel import answers

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Small steps, each followed by a pause as long as it took: SQLite has one writer for all.
_CHUNKS = 1
_ROWS = 2000
_LEAST_PAUSE_S = 0.005
_BY_AGE = {ErasureKind.QUARANTINE: quarantine, ErasureKind.INBOUND: inbound_messages}
_AGAIN_S = 0.5  # after a lock that was not free


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases in one process. by: on whose behalf.

    terms: those of the settings; shorter ones wait for a confirmation (terms_in_force.py).
    """

    db: Database
    ledger: Ledger
    terms: RetentionTerms
    by: str = "retention"

    async def run(self, stopping: asyncio.Event) -> int:
        """Erase all that is due, unless another process does; return how many certificates that made."""
        wanted, done = Job(certificates.JOB, "", new_owner()), 0
        job = await self.db.write_with_retry(jobs.take, wanted, early=True)
        if job is not None:
            done = await jobs.kept(self.db, job, self.erase(job, stopping))
            await self.db.write_with_retry(jobs.release, job)
        return done

    async def erase(self, job: Job, stopping: asyncio.Event) -> int:
        """Erase all that is due under this job; return how many certificates that made."""
        if not await self.db.aread(clock_leaps.may_be_irreversible):
            return 0
        done, terms = 0, await self.db.aread(terms_in_force.in_force, self.terms)
        await self.db.write_with_retry(answers.forget_old, terms.terms.days)
        while not stopping.is_set() and await self.one(job, stopping):
            done += 1
        return done

    async def one(self, job: Job, stopping: asyncio.Event) -> bool:
        """Complete one erasure; False if there is none, or `stopping` came before."""
        if not await self.db.aread(terms_in_force.noted, self.terms):
            await self.db.write_with_retry(terms_in_force.note, self.terms)
        terms = (await self.db.aread(terms_in_force.in_force, self.terms)).terms
        unsound = await self._unsound(terms)
        identity = EraserIdentity(job, self.by, terms, unsound)
        if not await self.db.aread(certificates.waiting, identity):
            return False
        number = await self.db.write_with_retry(certificates.begin, identity)
        if number is None:
            return False
        work = _Work(self, number, identity)
        if not await work.prepare(stopping):
            return False
        while not stopping.is_set():
            started = clock.monotonic()
            if not await work.write(work.step):
                return True
            await asyncio.sleep(max(_LEAST_PAUSE_S, clock.monotonic() - started))
        return False

    async def _unsound(self, terms: RetentionTerms) -> frozenset[tuple[ErasureKind, int | None]]:
        """Return due campaigns whose figures do not balance: their rows are needed to find out why.

        Those as well of which something has a time in the future: the report that is kept would leave it out.
        """
        found, now = set[tuple[ErasureKind, int | None]](), await self.db.aread(shared_ms)
        while subject := await self.db.aread(due, terms, now, frozenset(found)):
            if subject.kind is not ErasureKind.CAMPAIGN:
                break
            group = await self.db.aread(together, terms, now, subject, frozenset(found))
            unsound = [each for each in group if each.id is not None and not await self._is_sound(each.id)]
            if not unsound:
                break
            found |= {(each.kind, each.id) for each in unsound}
        return frozenset(found)

    async def _is_sound(self, campaign_id: int) -> bool:
        try:
            await self.db.aread(clock_check.require_past, [campaign_id])
            await self.db.aread(_require_balance, campaign_id)
        except (Unbalanced, Conflict) as error:
            log.error(
                "not erased: a correct report cannot be stored", campaign=campaign_id, reason=error.detail
            )
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Work:
    """One erasure, by who holds the job."""

    eraser: Eraser
    number: int
    identity: EraserIdentity

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one transaction, repeated while the database is away: every one is safe to run twice."""
        return await self.eraser.db.write_with_retry(work, *args, **kwargs)

    def _row(self, connection: Connection) -> Row[Any]:
        return certificates.hold(connection, self.number, self.identity)

    async def prepare(self, stopping: asyncio.Event) -> bool:
        """Return whether its rows may be erased from now on: closed to receipts, and the reports kept."""
        row = await self.write(self._row)
        if row.kind != ErasureKind.CAMPAIGN:
            return True
        await self._keep_reports(row.subject_id)
        while not stopping.is_set():
            try:
                await self.eraser.db.awrite(self._detach)
            except DatabaseUnavailable:  # the tables are in use, or the database is away
                await asyncio.sleep(_AGAIN_S)
            else:
                return True
        return False

    async def _keep_reports(self, campaign_id: int) -> None:
        """Keep reports of a moment when every receipt has moved its delivery or found the campaign closed."""
        db = self.eraser.db
        missing = await db.aread(_without_report, campaign_id)
        until = await asyncio.to_thread(db.wait_for_commits, None) if missing else 0
        if missing:
            if (reach := await db.aread(unique_reach.before_erasure, campaign_id, until)) is not None:
                await self.write(snapshots.keep, *reach, until, SnapshotCause.ERASURE)
            counts = await db.aread(unique_reach.to_keep, campaign_id)
            await self.write(unique_reach.keep, counts)
            odd = (await db.aread(verify.contradictions, campaign_id))[1]
        for run_id in missing:
            report = await db.aread(carrier_report.build, run_id, until)
            extra = replace(report.extra, unexplained=odd.get(run_id, 0))
            run, last = ReportSubject(SubjectKind.RUN, run_id), replace(report, extra=extra)
            await self.write(snapshots.keep, run, last, until, SnapshotCause.ERASURE)

    def _detach(self, connection: Connection) -> None:
        row = self._row(connection)
        self.eraser.ledger.detach(connection, row.subject_id)

    def step(self, connection: Connection) -> bool:
        """Erase one slice and count it; at the end make the certificate, and return False."""
        row = self._row(connection)
        counts = self._erase(connection, row)
        if counts:
            certificates.add(connection, row, counts)
            return True
        certificates.end(connection, row)
        log.info("erased", certificate=row.id, kind=row.kind, subject=row.subject_id, rows=dict(row.counts))
        return False

    def _erase(self, connection: Connection, row: Row[Any]) -> dict[str, int]:
        ledger = self.eraser.ledger
        ledger.forget_for_good(connection)
        match ErasureKind(row.kind):
            case ErasureKind.CAMPAIGN:
                return ledger.erase(connection, row.subject_id, _CHUNKS)
            case ErasureKind.BATCH:
                return _erase_batch(connection, row)
            case ErasureKind.RECEIPT_FILE:
                _mark(connection, receipt_files, row.subject_id, applied_upto=None)
                return _slice(connection, receipt_lines, row.subject_id, "file_id", "line")
            case ErasureKind.QUARANTINE | ErasureKind.INBOUND as kind:
                return _erase_old(connection, row, _BY_AGE[kind])
            case ErasureKind.TOTALS:
                return totals_retention.erase_totals(connection, row.subject_id)
            case ErasureKind.NOTICES:
                return totals_retention.erase_notices(connection, row)
            case ErasureKind.AUDIT:
                return totals_retention.erase_acts(connection, row)


def _require_balance(connection: Connection, campaign_id: int) -> None:
    """Raise Unbalanced unless the report of now adds up."""
    carrier_report.build_campaign(connection, campaign_id, shared_ms(connection))


def _without_report(connection: Connection, campaign_id: int) -> list[int]:
    query = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    return [
        run_id for run_id in connection.execute(query).scalars() if not snapshots.intact(connection, run_id)
    ]


def _mark(connection: Connection, table: Table, row_id: int, **values: None) -> None:
    """Mark as erased: nothing builds on it any more, and the same file is imported again."""
    erased = {"state": BatchState.ERASED.value, **values}
    connection.execute(update(table).where(table.c.id == row_id).values(erased))


def _erase_batch(connection: Connection, row: Row[Any]) -> dict[str, int]:
    """Erase subscribers, then bad lines; nothing if a campaign took the batch at the last moment."""
    lock_batches(connection, [row.subject_id])
    if _taken_again(connection, row.subject_id):
        return {}
    _mark(connection, batches, row.subject_id)
    counts = _slice(connection, subscribers, row.subject_id, "batch_id", "seq")
    return counts or _slice(connection, bad_lines, row.subject_id, "batch_id", "line")


def _taken_again(connection: Connection, batch_id: int) -> bool:
    e, b = erasures.c, run_batches.c
    gone = exists().where(
        e.kind == ErasureKind.CAMPAIGN.value, e.subject_id == b.campaign_id, e.ended_at.is_not(None)
    )
    return (
        connection.execute(select(b.run_id).where(b.batch_id == batch_id, ~gone).limit(1)).first() is not None
    )


def _slice(
    connection: Connection, table: Table, owner: int, owner_column: str, number: str
) -> dict[str, int]:
    mine, key = table.c[owner_column] == owner, table.c[number]
    beyond = connection.execute(select(key).where(mine).order_by(key).offset(_ROWS).limit(1)).scalar()
    some = delete(table).where(mine) if beyond is None else delete(table).where(mine, key < beyond)
    n = connection.execute(some).rowcount
    return {table.name: n} if n else {}


def _erase_old(connection: Connection, row: Row[Any], table: Table) -> dict[str, int]:
    t, before = table.c, row.started_at - row.days * DAY_MS
    old = select(t.id).where(t.received_at <= before).order_by(t.id).limit(_ROWS)
    ids = connection.execute(old).scalars().all()
    counts = Counter({table.name: len(ids)})
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        connection.execute(delete(table).where(t.id.in_(some)))
    return {name: n for name, n in counts.items() if n}
