"""The list of failed deliveries for the carrier's own operator: what it needs to follow each of them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from app.core import clock
from app.core.errors import Conflict
from app.core.states import FAILED, DeliveryState
from app.database.connection import Database
from app.database.models import audiences, campaigns, deliveries, links, run_batches
from app.dispatch.unknown_export import references
from app.file_import.cells import csv_pieces, safe
from app.ledger import erasure

SLICE = 5000  # lines of a batch that one reading looks through
HEADER = (
    *("số thuê bao", "tên định danh", "kết nối", "gửi lúc", "có kết quả lúc", "kết quả"),
    *("mã tham chiếu", "lô", "dòng"),
)
_RESULTS = {
    DeliveryState.REJECTED: "nhà mạng từ chối",
    DeliveryState.UNDELIVERED: "không nhận được",
    DeliveryState.EXPIRED: "hết hạn trước khi nhận",
}


def count(connection: Connection, run: Row[Any]) -> int:
    """Return how many numbers the list has.

    Raises Conflict once the campaign's numbers are erased, and where the carrier sends to its own base.
    """
    if connection.execute(select(audiences.c.run_id).where(audiences.c.run_id == run.id)).first():
        raise Conflict(
            "The carrier of run {run_id} sends to its own subscribers, so Loa has none of their numbers. "
            "Take them from the carrier's own system.",
            run_id=run.id,
        )
    erasure.require_rows(connection, run.campaign_id)
    query = select(func.count()).select_from(deliveries).where(*_of(run))
    return connection.execute(query).scalar_one()


def carrier_list(db: Database, run: Row[Any]) -> Iterator[str]:
    """Yield the run's rejected, undelivered and expired messages as CSV for Excel, read slice by slice."""
    return csv_pieces(HEADER, _rows(db, run))


def _of(run: Row[Any]) -> tuple[ColumnElement[bool], ...]:
    d = deliveries.c
    return d.campaign_id == run.campaign_id, d.run_id == run.id, d.state.in_(FAILED)


def _rows(db: Database, run: Row[Any]) -> Iterator[Sequence[object]]:
    for batch, last in db.read(_batches, run):
        for after in range(0, last, SLICE):
            yield from db.read(_slice, run, batch, after)


def _batches(connection: Connection, run: Row[Any]) -> list[tuple[int, int]]:
    """Return the run's batches, each with its last line that is a delivery."""
    r, d = run_batches.c, deliveries.c
    end = select(func.max(d.seq)).where(d.campaign_id == r.campaign_id, d.batch_id == r.batch_id)
    query = select(r.batch_id, func.coalesce(end.scalar_subquery(), 0))
    own = (r.campaign_id == run.campaign_id, r.run_id == run.id)
    return [(batch, last) for batch, last in connection.execute(query.where(*own).order_by(r.batch_id))]


def _slice(connection: Connection, run: Row[Any], batch: int, after: int) -> list[Sequence[object]]:
    d, c = deliveries.c, campaigns.c
    own = (*_of(run), d.batch_id == batch, d.seq > after, d.seq <= after + SLICE)
    rows = connection.execute(select(deliveries).where(*own).order_by(d.seq)).all()
    if not rows:
        return []
    parts = references(connection, rows)
    names = {row.id: row.name for row in connection.execute(select(links.c.id, links.c.name))}
    sender = safe(connection.execute(select(c.sender).where(c.id == run.campaign_id)).scalar_one())
    return [
        (
            *(row.phone, sender, safe(names.get(row.link_id, ""))),
            *(_time(row.submitted_at), _time(row.done_at), _RESULTS[DeliveryState(row.state)]),
            *(parts.get((row.batch_id, row.seq), ""), row.batch_id, row.seq),
        )
        for row in rows
    ]


def _time(ms: int | None) -> str:
    return "" if ms is None else f"{clock.local(clock.from_ms(ms)):%d/%m/%Y %H:%M:%S}"
