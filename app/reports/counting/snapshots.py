"""Snapshots: the measured figures of runs and the reach of directives, kept as they were at a moment.

A report is of now, or of such a moment: nothing counts a past one again from the journals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    Table,
    and_,
    case,
    func,
    insert,
    select,
    union_all,
    update,
)

from app.core import clock
from app.core.errors import Conflict, Invalid
from app.core.states import DeliveryState
from app.database.connection import shared_ms
from app.database.models import deliveries, receipts, runs, snapshots, state_events, submissions
from app.database.records import from_json
from app.ledger import erasure
from app.reports.counting.scope import Scope
from app.reports.figures import tally
from app.reports.figures.figures import BY_REASON, CarrierReport
from app.reports.frozen.archive import ReportSubject, Spoilt, SubjectKind

LATE_MS = 5 * 60_000  # a snapshot taken so long after it was due no longer answers for that moment
_S = snapshots.c


class Seen(NamedTuple):
    """What a snapshot has certainly seen: the time of its last change, and how many changes there were by it.

    Changes are only ever added, so the changes up to that time are exactly those that it had seen as long as
    their number stays the same, whatever the clock did. changes: None in snapshots that did not count them.
    """

    until_ms: int
    changes: int | None = None


NOTHING = -1  # the time of the last change that was seen where none can be told


class SnapshotCause(StrEnum):
    MIDNIGHT = "midnight"
    DEADLINE = "deadline"
    FREEZE = "freeze"
    ERASURE = "erasure"  # the last one of a run; later reports are printed from it


# ---- Which moments there are


def moment(connection: Connection, subject: ReportSubject, asked_ms: int) -> int:
    """Return the moment of the snapshot that answers for the asked one, both ms since 1970.

    It is the same second, or was due then and taken in time. Raises Invalid for a moment to come, and
    for one without a snapshot in words that name the nearest ones.
    """
    if asked_ms > shared_ms(connection):
        raise Invalid(
            "The cut-off is in the future. Choose a time in the past, or leave the field empty to use the "
            "current time.",
            field="cut_off_at",
        )
    rows = moments(connection, subject)
    for row in rows:
        if row.cutoff_at // 1000 == asked_ms // 1000 or (
            row.due_at == asked_ms and row.cutoff_at - row.due_at <= LATE_MS
        ):
            return int(row.cutoff_at)
    late = next((row for row in rows if row.due_at == asked_ms), None)
    if late is not None:
        raise Invalid(
            "The snapshot due at {asked} was taken at {taken} because no worker was running. Use "
            "that time, or leave the cut-off empty for now.",
            asked=said(asked_ms),
            taken=said(late.cutoff_at),
            field="cut_off_at",
        )
    if not rows:
        raise Invalid(
            "There is no snapshot of this report yet. Snapshots are taken at midnight, at the "
            "deadline and when a report is frozen. Leave the cut-off empty for now.",
            field="cut_off_at",
        )
    before = [row.cutoff_at for row in rows if row.cutoff_at < asked_ms]
    after = [row.cutoff_at for row in rows if row.cutoff_at > asked_ms]
    near = ", ".join(said(at) for at in (*before[:1], *after[-1:]))
    raise Invalid(
        "There is no snapshot of this report at {asked}. The nearest: {near}. Use the time of a "
        "snapshot (midnight, the deadline, a freeze), or leave the cut-off empty for now.",
        asked=said(asked_ms),
        near=near,
        field="cut_off_at",
    )


def moments(connection: Connection, subject: ReportSubject) -> list[Row[Any]]:
    """Return the snapshots of a subject, the newest first, without their figures."""
    query = select(_S.cutoff_at, _S.due_at, _S.cause).where(*_of(subject), _S.set_aside_at.is_(None))
    return list(connection.execute(query.order_by(_S.cutoff_at.desc())))


def now(connection: Connection) -> int:
    """Return a time (ms since 1970) that nothing which this transaction sees is later than."""
    connection.execute(select(runs.c.id).limit(1))  # SQLite looks at the database only now
    return shared_ms(connection)


def said(at_ms: int) -> str:
    return f"{clock.moment(at_ms):%d/%m/%Y %H:%M:%S}"


def _of(subject: ReportSubject) -> list[ColumnElement[bool]]:
    return [_S.kind == subject.kind.value, _S.subject_id == subject.id]


# ---- Keeping and reading


def keep(
    connection: Connection,
    subject: ReportSubject,
    figures: CarrierReport | Mapping[str, Any],
    cutoff_ms: int,
    cause: SnapshotCause,
    *,
    seen: Seen | None = None,
    due_ms: int | None = None,
) -> None:
    """Keep a run's report or a directive's reach, unless that moment is kept already.

    seen: the changes that are certainly in it; what was recorded between them and the cut-off may be in it.
    """
    if connection.execute(select(_S.cutoff_at).where(*_of(subject), _S.cutoff_at == cutoff_ms)).first():
        return
    text = json.dumps(asdict(figures) if isinstance(figures, CarrierReport) else figures, ensure_ascii=False)
    row = {
        "kind": subject.kind.value,
        "subject_id": subject.id,
        "cutoff_at": cutoff_ms,
        "settled_at": seen.until_ms if seen else cutoff_ms,
        "changes_seen": seen.changes if seen else None,
        "due_at": due_ms,
        "cause": cause.value,
        "mark": mark(connection, subject.id) if subject.kind is SubjectKind.RUN else "",
        "figures": text,
        "sha256": _hash(text),
    }
    connection.execute(insert(snapshots).values(row))


def mark(connection: Connection, run_id: int) -> str:
    """Return a hash that changes with the run's state and with the sums of its tallies."""
    r = runs.c
    run = connection.execute(
        select(r.state, r.closing, r.started_at, r.ended_at, r.finished_at).where(r.id == run_id)
    ).one()
    counts = [list(each) for each in tally.of_run(connection, run_id)]
    return _hash(json.dumps([list(run), counts]))


def of_run(connection: Connection, run_id: int, cutoff_ms: int) -> CarrierReport | None:
    """Return the report of a run at the moment of a snapshot, or of one whose rows are erased; else None.

    Raises Conflict for another moment before the erasure, and once the totals are erased too.
    """
    campaign_id = connection.execute(select(runs.c.campaign_id).where(runs.c.id == run_id)).scalar()
    if campaign_id is not None:
        erasure.require_totals(connection, campaign_id)
    run = ReportSubject(SubjectKind.RUN, run_id)
    query = select(snapshots).where(*_of(run))
    if row := connection.execute(query.where(_S.cutoff_at == cutoff_ms)).first():
        return _read(row)
    row = connection.execute(query.where(_S.cause == SnapshotCause.ERASURE)).first()
    if row is None:
        return None
    if cutoff_ms < row.cutoff_at:
        raise Conflict(
            "The rows of run {run} have been erased, so its report cannot be created for a time "
            "before {at}. Reports already frozen are unchanged.",
            run=run_id,
            at=said(row.cutoff_at),
            field="cut_off_at",
        )
    report = _read(row)
    return replace(report, header=replace(report.header, cutoff_ms=cutoff_ms))


def of_directive(connection: Connection, directive_id: int, cutoff_ms: int) -> dict[str, Any] | None:
    """Return the reach that a snapshot of this moment has, as `keep` was given it; None without one."""
    where = _of(ReportSubject(SubjectKind.DIRECTIVE, directive_id))
    row = connection.execute(select(snapshots).where(*where, _S.cutoff_at == cutoff_ms)).first()
    if row is None:
        return None
    reach: dict[str, Any] = json.loads(_text(row))
    return reach


def last_of_directive(connection: Connection, directive_id: int) -> dict[str, Any]:
    """Return what the directive's last snapshot has, as `keep` was given it; nothing without one."""
    where = _of(ReportSubject(SubjectKind.DIRECTIVE, directive_id))
    row = connection.execute(select(snapshots).where(*where).order_by(_S.cutoff_at.desc()).limit(1)).first()
    return json.loads(_text(row)) if row else {}


def is_erased(connection: Connection, run_id: int) -> bool:
    """Return whether the run has the snapshot of its erasure."""
    where = (*_of(ReportSubject(SubjectKind.RUN, run_id)), _S.cause == SnapshotCause.ERASURE)
    return connection.execute(select(_S.cutoff_at).where(*where)).first() is not None


def intact(connection: Connection, run_id: int, sha256: str | None = None) -> bool:
    """Return whether the run's last report exists and is unaltered; with `sha256`, that it has this hash."""
    where = (*_of(ReportSubject(SubjectKind.RUN, run_id)), _S.cause == SnapshotCause.ERASURE)
    row = connection.execute(select(_S.figures, _S.sha256).where(*where)).first()
    return row is not None and _hash(row.figures) == row.sha256 and sha256 in (None, row.sha256)


class KeptReport(NamedTuple):
    """A run's report as a snapshot has it, with what it had seen; taken_ms: its cut-off."""

    taken_ms: int
    seen: Seen
    report: CarrierReport


def all_of_run(connection: Connection, run_id: int) -> list[KeptReport]:
    """Return every snapshot of a run that no repair has set aside, the earliest first."""
    query = select(snapshots).where(*_of(ReportSubject(SubjectKind.RUN, run_id)), _S.set_aside_at.is_(None))
    rows = connection.execute(query.order_by(_S.cutoff_at))
    return [KeptReport(row.cutoff_at, Seen(row.settled_at, row.changes_seen), _read(row)) for row in rows]


def last_seen(connection: Connection, scope: Scope, cutoff_ms: int) -> int:
    """Return the time of the last change that the run's snapshot of this moment has certainly seen.

    The moment itself without a snapshot; NOTHING where its order cannot be told.
    """
    where = (*_of(ReportSubject(SubjectKind.RUN, scope.run.id)), _S.cutoff_at == cutoff_ms)
    row = connection.execute(select(_S.settled_at, _S.changes_seen, _S.set_aside_at).where(*where)).first()
    if row is None:
        return cutoff_ms
    seen = Seen(row.settled_at, row.changes_seen)
    if row.set_aside_at is not None or overtaken(connection, scope, [seen])[0]:
        return NOTHING
    return seen.until_ms


def set_aside(connection: Connection, run_id: int, cutoff_ms: int) -> bool:
    """Offer and recount this snapshot no more; False if it was set aside before. Frozen reports keep it."""
    where = (*_of(ReportSubject(SubjectKind.RUN, run_id)), _S.cutoff_at == cutoff_ms)
    change = update(snapshots).where(*where, _S.set_aside_at.is_(None))
    return bool(connection.execute(change.values(set_aside_at=shared_ms(connection))).rowcount)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(row: Row[Any]) -> str:
    text: str = row.figures
    if _hash(text) != row.sha256:
        raise Spoilt(
            "The snapshot of {kind} {id} differs from what was stored, so it is not shown. The "
            "database was altered. Compare it with a backup.",
            kind=row.kind,
            id=row.subject_id,
        )
    return text


def _read(row: Row[Any]) -> CarrierReport:
    kept = json.loads(_text(row))
    kept.pop("rules", None)  # those of now
    kept["general"] = _by_reason(kept) | kept["general"]
    for time in (*kept["days"], *kept["steps"]):
        if "figures" not in time:  # in older snapshots they stand beside it
            time["figures"] = {key: time.pop(key) for key in ("sent", "delivered", "relayed")}
    return from_json(CarrierReport, kept)


def _by_reason(stored: Mapping[str, Any]) -> dict[str, int]:
    """Return what form 4 has of figures that older snapshots lack."""
    known = {cause["key"]: cause["n"] for cause in stored["reasons"]}
    return {key: known.get(reason.name.lower(), 0) for key, reason in BY_REASON.items()}


# ---- What has happened since a moment


class Unkept(Conflict):
    """No snapshot was kept of the moment, and something has changed since."""


def require_unchanged(connection: Connection, scope: Scope, cutoff_ms: int) -> None:
    """Raise Unkept where something has happened to the run or its messages after the moment."""
    late = last_changes(scope)
    first = connection.execute(select(late.c.seq).where(late.c.at > cutoff_ms).limit(1)).first()
    moved = [at for at in (scope.run.started_at, scope.run.ended_at) if at is not None and at > cutoff_ms]
    if moved or first is not None:
        raise Unkept(
            "Run {run} has changed since {at} and there is no snapshot of that time, so its report "
            "cannot be created again. The frozen report is unchanged. Freeze a new version.",
            run=scope.run.id,
            at=said(cutoff_ms),
            field="cut_off_at",
        )


def seen_by_now(connection: Connection, scope: Scope, settled_ms: int) -> Seen:
    """Return what this transaction sees of a run's changes up to a time by which all are committed."""
    changes = last_changes(scope)
    last = connection.execute(select(func.max(changes.c.at)).where(changes.c.at <= settled_ms)).scalar()
    moved = (at for at in (scope.run.started_at, scope.run.ended_at) if at is not None and at <= settled_ms)
    until_ms = max((last or 0, *moved))
    return Seen(until_ms, _numbers(connection, scope, [until_ms])[0])


def overtaken(connection: Connection, scope: Scope, seen: Sequence[Seen]) -> list[int]:
    """Return, for each, how many changes were recorded later and nevertheless have an earlier time."""
    counted = [each.changes for each in seen]
    if all(changes is None for changes in counted):
        return [0] * len(seen)
    numbers = _numbers(connection, scope, [each.until_ms for each in seen])
    pairs = zip(numbers, counted, strict=True)
    return [0 if changes is None else max(number - changes, 0) for number, changes in pairs]


def _numbers(connection: Connection, scope: Scope, times: Sequence[int]) -> list[int]:
    """Return how many changes have each of these times or an earlier one; of what is only ever added."""
    changes = _journals(scope)
    ascending = sorted(set(times))
    later = [(changes.c.at > at, place + 1) for place, at in reversed(list(enumerate(ascending)))]
    place = case(*later, else_=0).label("place")
    rows = connection.execute(select(place, func.count()).select_from(changes).group_by(place)).all()
    by_place = {int(row[0]): int(row[1]) for row in rows}
    total = dict(zip(ascending, accumulate(by_place.get(n, 0) for n in range(len(ascending))), strict=True))
    return [total[at] for at in times]


def last_changes(scope: Scope) -> Subquery:
    """Select (batch_id, seq, at) of everything that has changed deliveries, at ms since 1970."""
    d = deliveries.c
    sent = select(d.batch_id, d.seq, d.submitted_at.label("at"))
    journals = _journals(scope)
    return union_all(
        select(journals.c.batch_id, journals.c.seq, journals.c.at),
        sent.where(*scope.within(deliveries), d.submitted_at.is_not(None)),
    ).subquery("changes")


def _journals(scope: Scope) -> Subquery:
    """Select (batch_id, seq, at) of the changes that stay as they were recorded."""
    r, d = receipts.c, deliveries.c
    times: Collection[tuple[Table, ColumnElement[int], ColumnElement[bool]]] = (
        (receipts, func.coalesce(r.matched_at, r.received_at), r.seq.is_not(None)),
        (submissions, submissions.c.at, submissions.c.at.is_not(None)),
        (state_events, state_events.c.at, state_events.c.at.is_not(None)),
        (deliveries, d.done_at, and_(d.state == DeliveryState.NOT_SENT, d.done_at.is_not(None))),
    )
    parts: list[Select[Any]] = [
        select(table.c.batch_id, table.c.seq, at.label("at")).where(*scope.within(table), known)
        for table, at, known in times
    ]
    return union_all(*parts).subquery("journals")
