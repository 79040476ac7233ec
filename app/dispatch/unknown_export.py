"""The list of unknown deliveries for the carrier: what it needs to say which of them it has taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from app.core import clock
from app.core.phone import mask
from app.database.connection import Database
from app.database.models import campaigns, links, runs, submissions, unknowns
from app.dispatch import unknown_decisions
from app.file_import.cells import csv_pieces, safe

SLICE = 1000
# The carrier fills in the last column. Its people read Vietnamese, and so do those who send it. Of an answer
# that was lost only its end is known, so that a message was sent at that time at the latest.
HEADER = (
    *("số thuê bao", "tên định danh", "kết nối", "gửi chậm nhất lúc", "mã tham chiếu", "lô", "dòng"),
    "nhà mạng đã nhận? (có/không)",
)
_Place = tuple[int, int]


def count(connection: Connection, run_id: int) -> int:
    """Return how many numbers the list has."""
    u, run = unknowns.c, unknown_decisions.find_run(connection, run_id)
    own = (u.campaign_id == run.campaign_id, u.run_id == run_id, u.written_off_by.is_(None))
    return connection.execute(select(func.count()).select_from(unknowns).where(*own)).scalar_one()


def carrier_list(db: Database, run_id: int, *, whole: bool) -> Iterator[str]:
    """Yield what nobody has decided on yet as CSV for Excel, in pieces read slice by slice."""
    return csv_pieces(HEADER, _rows(db, run_id, whole=whole))


def _rows(db: Database, run_id: int, *, whole: bool) -> Iterator[Sequence[object]]:
    after: _Place | None = (0, 0)
    while after is not None:
        rows, after = db.read(_slice, run_id, after, whole)
        yield from rows


def _slice(
    connection: Connection, run_id: int, after: _Place, whole: bool
) -> tuple[list[Sequence[object]], _Place | None]:
    listed: list[Any] = list(unknown_decisions.listed(connection, run_id, after, SLICE))
    open_ = [row for row in listed if row.written_off_by is None]
    found = references(connection, open_)
    names = {row.id: row.name for row in connection.execute(select(links.c.id, links.c.name))}
    own = select(campaigns.c.sender).join(runs, runs.c.campaign_id == campaigns.c.id)
    sender = safe(connection.execute(own.where(runs.c.id == run_id)).scalar_one())
    rows: list[Sequence[object]] = [
        (
            row.phone if whole else mask(row.phone),
            sender,
            safe(names.get(row.link_id, "")),
            f"{clock.local(clock.from_ms(row.since)):%d/%m/%Y %H:%M:%S}",
            found.get((row.batch_id, row.seq), ""),
            *(row.batch_id, row.seq, ""),
        )
        for row in open_
    ]
    return rows, (listed[-1].batch_id, listed[-1].seq) if len(listed) == SLICE else None


def references(connection: Connection, rows: Sequence[Any]) -> dict[_Place, str]:
    """Return the carrier's references of parts that it answered for."""
    s, keys = submissions.c, [(row.campaign_id, row.batch_id, row.seq) for row in rows]
    query = select(s.batch_id, s.seq, s.reference).where(
        tuple_(s.campaign_id, s.batch_id, s.seq).in_(keys), s.reference.is_not(None)
    )
    by_place: dict[_Place, list[str]] = {}
    for row in connection.execute(query.order_by(s.attempt, s.part)) if keys else ():
        by_place.setdefault((row.batch_id, row.seq), []).append(str(row.reference))
    return {place: safe(" ".join(references)) for place, references in by_place.items()}
