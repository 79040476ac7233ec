"""Erasures: begun by who holds their job, counted slice by slice, ended as a certificate with its hash."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from app.core.errors import Conflict, no_such
from app.database import clock_leaps, jobs
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time, shared_ms
from app.database.jobs import Job
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import erasures, kept_reach, runs, snapshots
from app.database.models import jobs as jobs_table
from app.database.records import from_row
from app.privacy import erasable
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms
from app.privacy.retention_due import due, together
from app.reports.counting.snapshots import SnapshotCause
from app.reports.figures import tally
from app.security import audit

JOB = "retention"  # the kind of the one job of those who erase
_HASHED = (
    *("id", "kind", "subject_id", "name", "rule", "days", "due_at", "first_at", "last_at"),
    *("counts", "totals", "by", "started_at", "ended_at"),
)
# Names of tables for people who read a certificate.
WORDS = {
    "deliveries": "tin nhắn gửi từng thuê bao",
    "submissions": "lần chuyển tin cho nhà mạng",
    "receipts": "biên nhận",
    "unknowns": "tin chưa rõ kết quả",
    "status_queries": "câu hỏi gửi nhà mạng",
    "state_events": "diễn biến của tin",
    "chunks": "phần việc gửi",
    "polled_chunks": "phần việc hỏi",
    "left_out": "thuê bao không gửi",
    "recordings": "tệp ghi âm",
    "kept_reach": "số thuê bao đã nhận",
    "subscribers": "thuê bao",
    "bad_lines": "dòng không hợp lệ",
    "receipt_lines": "dòng của tệp kết quả",
    "quarantine": "biên nhận không khớp tin nào",
    "inbound_messages": "tin nhắn đến",
    "answers": "ghi nhận trả lời tin đến",
    "partitions": "phân vùng đã hủy",
    "tallies": "số tổng hợp",
    "kept_reports": "báo cáo giữ lại",
    "snapshots": "số liệu chốt theo thời điểm",
    "notices": "thư, thông báo đã gửi",
    "audit": "dòng nhật ký",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was erased. rows: by table; totals: [state, reason, messages, segments], which stay.

    sha256: over all of it, None during the erasure; months: the term by which it was due, if not days;
    anchor: number and hash of the last erased act of the audit.
    """

    id: int
    kind: ErasureKind
    subject_id: int | None
    name: str
    rule: str
    days: int
    due_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    rows: dict[str, int]
    totals: list[list[int]]
    kept_reports: dict[str, str]
    by: str
    started_at: datetime
    ended_at: datetime | None
    sha256: str | None
    intact: bool
    months: int | None = None
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class EraserIdentity:
    """Who erases, by which terms, and what is skipped though it is due."""

    job: Job
    by: str  # on whose behalf
    terms: RetentionTerms
    but: frozenset[tuple[ErasureKind, int | None]] = frozenset()


def waiting(connection: Connection, identity: EraserIdentity) -> bool:
    """Return whether there is anything to erase; the writer is used only then."""
    left = select(erasures.c.id).where(erasures.c.ended_at.is_(None)).limit(1)
    if connection.execute(left).first():
        return True
    return due(connection, identity.terms, shared_ms(connection), identity.but) is not None


def free_in_ms(connection: Connection) -> int | None:
    """Return in how many ms another process may take over the first open erasure; None if none is open."""
    until = select(jobs_table.c.lease_until).where(jobs_table.c.kind == JOB).scalar_subquery()
    query = select(erasures.c.id, until.label("until")).where(erasures.c.ended_at.is_(None)).limit(1)
    row = connection.execute(query).first()
    return None if row is None else max(0, (row.until or 0) - shared_ms(connection))


def begin(connection: Connection, identity: EraserIdentity) -> int | None:
    """Go on with an abandoned erasure, or begin the next that is due; return its ID, None if none is.

    None as well after a leap of the clock, until its time is trusted.
    """
    one_at_a_time(connection, AdvisoryLock.ERASURE)
    _hold(connection, identity)
    if not clock_leaps.may_be_irreversible(connection):
        return None
    first_open = select(func.min(erasures.c.id)).where(erasures.c.ended_at.is_(None))
    number: int | None = connection.execute(first_open).scalar()
    if number is not None:
        return number
    now = shared_ms(connection)
    subject = due(connection, identity.terms, now, identity.but)
    if subject is None:
        return None
    group = together(connection, identity.terms, now, subject, identity.but)
    if subject.kind is ErasureKind.CAMPAIGN:  # what an earlier version kept while messages still went out
        ids = [each.id for each in group]
        connection.execute(delete(kept_reach).where(kept_reach.c.campaign_id.in_(ids)))
    # A directive's campaigns are all closed to receipts from now on; one after the other is then taken up.
    rows = [_fresh(each, identity) | {"started_at": now} for each in group]
    connection.execute(insert(erasures), rows)
    return int(connection.execute(first_open).scalar_one())


def _fresh(subject: Erasable, identity: EraserIdentity) -> dict[str, Any]:
    said = asdict(subject)
    known = {name: said[name] for name in ("name", "rule", "due_at", "first_at", "last_at", "months")}
    return known | {
        "kind": subject.kind.value,
        "subject_id": subject.id,
        "days": identity.terms.days,
        "counts": {},
        "totals": [],
        "by": identity.by,
    }


def hold(connection: Connection, number: int, identity: EraserIdentity) -> Row[Any]:
    """Return the row and renew the lease. Raises Conflict if another process has taken it over."""
    _hold(connection, identity)
    return connection.execute(select(erasures).where(erasures.c.id == number)).one()


def _hold(connection: Connection, identity: EraserIdentity) -> None:
    if not jobs.renew(connection, identity.job):
        raise Conflict("The erasure was taken over by another process.")


def add(connection: Connection, row: Row[Any], counts: dict[str, int]) -> None:
    total = Counter(row.counts)
    total.update(counts)
    kept = {name: n for name, n in sorted(total.items()) if n}
    connection.execute(update(erasures).where(erasures.c.id == row.id).values(counts=kept))


def end(connection: Connection, row: Row[Any]) -> None:
    """Make it a certificate: with the totals that stay, its hash, and an audit row."""
    mine = erasures.c.id == row.id
    totals = tally.totals(connection, row.subject_id) if row.kind == ErasureKind.CAMPAIGN else []
    values = {"totals": totals, "kept": _kept(connection, row), "ended_at": shared_ms(connection)}
    connection.execute(update(erasures).where(mine).values(values))
    done = connection.execute(select(erasures).where(mine)).one()
    digest = _digest(done)
    connection.execute(update(erasures).where(mine).values(sha256=digest))
    what = f"{row.kind}/{row.subject_id}" if row.subject_id is not None else row.kind
    audit.note(
        connection,
        row.by,
        "erasure",
        what,
        certificate=row.id,
        sha256=digest,
        rows=done.counts,
        rule=row.rule,
        months=row.months,
    )


def _digest(row: Row[Any]) -> str:
    said = {name: getattr(row, name) for name in _HASHED} | {"kept_reports": row.kept}
    # Old certificates have neither, and their hashes must still fit.
    said |= {name: value for name in ("months", "anchor") if (value := getattr(row, name)) is not None}
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _kept(connection: Connection, row: Row[Any]) -> dict[str, str]:
    if row.kind != ErasureKind.CAMPAIGN:
        return {}
    s = snapshots.c
    query = select(s.subject_id, s.sha256).join(runs, runs.c.id == s.subject_id)
    last = (s.kind == "run", s.cause == SnapshotCause.ERASURE)
    own = query.where(runs.c.campaign_id == row.subject_id, *last).order_by(s.subject_id)
    return {str(run_id): sha256 for run_id, sha256 in connection.execute(own)}


# ---- Reading

ORDERS = {"name": without_marks(erasures.c.name), "made": erasures.c.id}


def get(connection: Connection, number: int) -> Certificate:
    row = connection.execute(select(erasures).where(erasures.c.id == number)).first()
    if row is None:
        raise no_such("erasure", number)
    return _certificate(row)


def listed(
    connection: Connection, request: ListRequest | int, limit: int, kind: ErasureKind | None = None
) -> ListPart[Certificate]:
    e = erasures.c
    query = select(erasures) if kind is None else select(erasures).where(e.kind == kind.value)
    columns = ListColumns(e.id, e.started_at, names=[e.name], orders=ORDERS)
    return part(connection, query, columns, request, limit).of(_certificate)


def _certificate(row: Row[Any]) -> Certificate:
    intact = row.ended_at is None or _digest(row) == row.sha256
    return from_row(Certificate, row, rows=dict(row.counts), kept_reports=row.kept, intact=intact)


def text(certificate: Certificate) -> str:
    return "\n".join(_lines(certificate))


def _lines(certificate: Certificate) -> Iterator[str]:
    which = f" {certificate.subject_id}" if certificate.subject_id is not None else ""
    what = "DỮ LIỆU CÁ NHÂN" if certificate.months is None else "SỐ TỔNG HỢP, THÔNG BÁO, NHẬT KÝ"
    term = (
        f"retention_days = {certificate.days}"
        if certificate.months is None
        else f"records_months = {certificate.months}"
    )
    yield f"CHỨNG NHẬN XÓA {what} số {certificate.id}"
    name = erasable.vietnamese(certificate.name) if certificate.subject_id is None else certificate.name
    yield f"Đối tượng ({certificate.kind}{which}): {name}"
    yield f"Quy tắc: {erasable.vietnamese(certificate.rule)} ({term}); đến hạn {_said(certificate.due_at)}"
    yield f"Thời gian của dữ liệu: {_said(certificate.first_at)} - {_said(certificate.last_at)}"
    started, ended = _said(certificate.started_at), _said(certificate.ended_at)
    yield f"Bắt đầu xóa {started}, xong {ended}, bởi {certificate.by}"
    yield "Đã xóa:"
    yield from _rows(certificate.rows.items())
    if certificate.totals:
        messages = sum(each[2] for each in certificate.totals)
        yield f"Giữ lại: số tổng hợp của {messages:,} thuê bao; báo cáo đã chốt; nhật ký."
    for run_id, sha256 in certificate.kept_reports.items():
        yield f"Báo cáo giữ lại của đợt gửi {run_id}: SHA-256 {sha256}"
    if certificate.anchor:
        yield f"Dòng nhật ký cuối cùng đã xóa (số:SHA-256) {certificate.anchor}"
    if certificate.sha256 is None:
        yield "ĐANG XÓA, CHƯA LÀ CHỨNG NHẬN."
    else:
        yield f"SHA-256 {certificate.sha256}" + (
            "" if certificate.intact else " - KHÔNG KHỚP: biên bản đã bị sửa."
        )


def _rows(counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    for table, n in counts:
        yield f"{n:>12,}  {table} ({WORDS.get(table, table)})"


def _said(at: datetime | None) -> str:
    return "-" if at is None else f"{at:%H:%M:%S %d/%m/%Y}"
