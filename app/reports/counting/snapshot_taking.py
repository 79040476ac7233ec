"""Takes snapshots: on demand, each midnight in Vietnam of what is live or has changed, at each deadline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, Row, Select, exists, select

from app.core import clock
from app.core.clock import DAY_MS, VIETNAM_OFFSET_MS
from app.core.states import ENDED, RunState
from app.database import clock_leaps, jobs
from app.database.connection import Database, shared_ms
from app.database.jobs import Job
from app.database.models import campaigns, directives, erasures, runs
from app.database.models import snapshots as kept
from app.reports.counting import carrier_report, consolidated, scope, snapshots
from app.reports.counting.snapshots import Seen, SnapshotCause
from app.reports.figures.figures import CarrierReport
from app.reports.frozen.archive import ReportSubject, SubjectKind

SNAPSHOT = "snapshot"  # the kind of jobs
_WEEK_MS = 7 * DAY_MS  # what was due before is not taken any more
_LIVE = (RunState.RUNNING.value, RunState.PAUSED.value, RunState.CANCELLING.value, RunState.SENT.value)
log = structlog.get_logger(__name__)


def take(
    db: Database, subjects: Sequence[ReportSubject], cause: SnapshotCause, due_ms: int | None = None
) -> int:
    """Keep a snapshot of now of these subjects, directives with all their runs; return its moment.

    due_ms: the moment that it is for; it is kept with the one at which it was really taken.
    """
    settled = db.wait_for_commits(None)

    def look(
        connection: Connection,
    ) -> tuple[int, dict[ReportSubject, CarrierReport | dict[str, Any]], dict[ReportSubject, Seen]]:
        at = snapshots.now(connection)
        found = figures_at(connection, subjects, at)
        measured = [subject for subject in found if subject.kind is SubjectKind.RUN]
        scopes = {subject: scope.of_run(connection, subject.id) for subject in measured}
        seen = {subject: snapshots.seen_by_now(connection, of, settled) for subject, of in scopes.items()}
        return at, found, seen

    cutoff_ms, found, seen = db.read(look)

    def keep(connection: Connection) -> None:
        for subject, figures in found.items():
            snapshots.keep(
                connection, subject, figures, cutoff_ms, cause, seen=seen.get(subject), due_ms=due_ms
            )

    db.write(keep)
    return cutoff_ms


def figures_at(
    connection: Connection, subjects: Sequence[ReportSubject], cutoff_ms: int
) -> dict[ReportSubject, CarrierReport | dict[str, Any]]:
    """Return what a snapshot of these subjects keeps."""
    found: dict[ReportSubject, CarrierReport | dict[str, Any]] = {}
    for subject in subjects:
        if subject.kind is SubjectKind.RUN:
            found[subject] = carrier_report.build(connection, subject.id, cutoff_ms)
        else:
            report = consolidated.build(connection, subject.id, cutoff_ms)
            found[subject] = asdict(report.reach) if report.reach else {}
            found |= {ReportSubject(SubjectKind.RUN, line.run_id): line.report for line in report.lines}
    return found


# ---- What is due


class _Due(NamedTuple):
    subject: ReportSubject
    cause: SnapshotCause
    due_ms: int


@dataclass(slots=True)
class SnapshotPlan:
    """Makes a job of each snapshot that is due; what was due while no worker was running is taken late."""

    db: Database
    _midnight: int = 0  # all that was due then has a job

    async def plan(self) -> None:
        """Make the jobs; after a leap of the clock only once its time is trusted."""
        if not await self.db.read_with_retry(clock_leaps.may_be_irreversible):
            return
        midnight, found = await self.db.read_with_retry(due, self._midnight)
        if found:
            named = (
                f"{one.kind} {one.id} {cause} {clock.moment(at).isoformat()}" for one, cause, at in found
            )
            await self.db.write_with_retry(jobs.add, SNAPSHOT, *named)
        self._midnight = midnight


def take_due(db: Database, job: Job) -> None:
    """Take the job's snapshot, unless there is one or its time is over."""
    kind, number, name, at = job.subject.split()
    subject, cause = ReportSubject(SubjectKind(kind), int(number)), SnapshotCause(name)
    due_ms, now = clock.to_ms(datetime.fromisoformat(at)), db.read(shared_ms)
    oldest = _last_midnight(now) if cause is SnapshotCause.MIDNIGHT else now - _WEEK_MS
    if due_ms < oldest or db.read(_taken, subject, cause, due_ms):
        return
    taken = take(db, [subject], cause, due_ms)
    if taken - due_ms > snapshots.LATE_MS:
        log.warning("snapshot taken late", subject=job.subject, taken=snapshots.said(taken))


def _last_midnight(now: int) -> int:
    return (now + VIETNAM_OFFSET_MS) // DAY_MS * DAY_MS - VIETNAM_OFFSET_MS


def due(connection: Connection, done: int = 0) -> tuple[int, list[_Due]]:
    """Return the last midnight (ms since 1970) and what is due; done: the midnight that is taken already."""
    now = shared_ms(connection)
    midnight = _last_midnight(now)
    found = list(_deadlines(connection, now))
    if midnight != done:
        for subject, own in _subjects(connection, midnight).items():
            if not _taken(connection, subject, SnapshotCause.MIDNIGHT, midnight) and any(
                run.state in _LIVE or _has_changed(connection, run, midnight) for run in own
            ):
                found.append(_Due(subject, SnapshotCause.MIDNIGHT, midnight))
    return midnight, found


def _deadlines(connection: Connection, now: int) -> list[_Due]:
    d = directives.c
    past = (d.report_deadline <= now, d.report_deadline > now - _WEEK_MS, d.report_deadline > d.created_at)
    rows = connection.execute(select(d.id, d.report_deadline).where(*past).order_by(d.id)).all()
    found = [(ReportSubject(SubjectKind.DIRECTIVE, row.id), row.report_deadline) for row in rows]
    cause = SnapshotCause.DEADLINE
    return [_Due(one, cause, at) for one, at in found if not _taken(connection, one, cause, at)]


def _subjects(connection: Connection, midnight: int) -> dict[ReportSubject, list[Row[Any]]]:
    """Return runs begun before midnight whose rows are there, by directive or each alone."""
    r, c, e = runs.c, campaigns.c, erasures.c
    columns = (r.id, r.state, r.ended_at, c.directive_id)
    gone = exists().where(e.kind == "campaign", e.subject_id == c.id)
    query: Select[Any] = (
        select(*columns).join(campaigns, c.id == r.campaign_id).where(r.started_at < midnight, ~gone)
    )
    found: defaultdict[ReportSubject, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query.where(r.state.in_([*_LIVE, *ENDED])).order_by(r.id)):
        alone = row.directive_id is None
        kind = SubjectKind.RUN if alone else SubjectKind.DIRECTIVE
        found[ReportSubject(kind, row.id if alone else row.directive_id)].append(row)
    return found


def _taken(connection: Connection, subject: ReportSubject, cause: SnapshotCause, due_ms: int) -> bool:
    k = kept.c
    own = (k.kind == subject.kind.value, k.subject_id == subject.id, k.cause == cause, k.due_at == due_ms)
    kept_ones = select(k.due_at).where(*own, k.set_aside_at.is_(None))
    return connection.execute(kept_ones.limit(1)).first() is not None


def _has_changed(connection: Connection, run: Row[Any], midnight: int) -> bool:
    """Return whether a run that is over differs from its last snapshot, or ended lately and has none."""
    k = kept.c
    own = (k.kind == SubjectKind.RUN.value, k.subject_id == run.id, k.set_aside_at.is_(None))
    last = select(k.mark).where(*own)
    mark = connection.execute(last.order_by(k.cutoff_at.desc()).limit(1)).scalar()
    if mark is None:
        return run.ended_at is not None and bool(run.ended_at > midnight - _WEEK_MS)
    return bool(mark != snapshots.mark(connection, run.id))
