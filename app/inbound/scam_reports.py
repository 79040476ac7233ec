"""Scams that citizens report to us: counted by day and area, and exported for those who investigate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from app.core import areas, clock
from app.core.masking import mask_written
from app.core.phone import mask
from app.database.connection import Database
from app.database.models import campaigns, deliveries, inbound_messages, links
from app.file_import.cells import csv_pieces, safe
from app.inbound.reply_kinds import ReplyKind, report
from app.observability.logs import masked

SLICE = 1000
HEADER = ("thời điểm", "nhà mạng", "số người báo", "địa bàn", "loại", "số bị báo", "nội dung", "mã tin")
_M = inbound_messages.c


@dataclass(frozen=True, slots=True)
class ScamReportCount:
    """Reports of one day from one area. form: LD (scam), S (spam message) or V (spam call).

    day: ISO date, Vietnam; area: where the carrier's list has the reporter, null if no list has it. What the
    carrier has brought twice counts once.
    """

    day: str
    area: str | None
    area_name: str | None
    form: str
    reports: int


def counts(connection: Connection, carrier: str | None = None) -> list[ScamReportCount]:
    """Count all reports that are kept, the newest day first."""
    found: Counter[tuple[str, str | None, str]] = Counter()
    after = 0
    while rows := _slice(connection, after, carrier):
        where = _areas(connection, rows)
        for row in rows:
            scam = report(row.text)
            if scam is not None and row.repeat_of is None:
                day = clock.moment(row.received_at).date().isoformat()
                found[day, where.get(row.phone), scam.form] += 1
        after = rows[-1].id
    order = sorted(found, key=lambda key: (key[1] or "~", key[2]))
    return [
        ScamReportCount(day, area, _name(area), form, found[day, area, form])
        for day, area, form in sorted(order, key=lambda key: key[0], reverse=True)
    ]


def count(connection: Connection, carrier: str | None = None) -> int:
    """Return how many reports an export has."""
    query = select(func.count()).select_from(_query(carrier).order_by(None).subquery())
    return int(connection.execute(query).scalar_one())


def export(db: Database, carrier: str | None = None, *, whole: bool) -> Iterator[str]:
    """Yield the reports as CSV for Excel, in pieces read slice by slice. whole: numbers are not masked."""
    return csv_pieces(HEADER, _rows(db, carrier, whole))


def _rows(db: Database, carrier: str | None, whole: bool) -> Iterator[Sequence[object]]:
    after = 0
    while True:
        rows, where = db.read(_read, after, carrier)
        yield from (_row(row, where.get(row.phone), whole) for row in rows)
        if len(rows) < SLICE:
            return
        after = rows[-1].id


def _read(
    connection: Connection, after: int, carrier: str | None
) -> tuple[Sequence[Row[Any]], dict[int, str | None]]:
    rows = _slice(connection, after, carrier)
    return rows, _areas(connection, rows)


def _row(row: Row[Any], area: str | None, whole: bool) -> Sequence[object]:
    scam, at = report(row.text), clock.moment(row.received_at)
    sender = str(row.phone) if row.phone is not None else row.source or ""
    form, number, content = scam if scam is not None else ("", "", row.text)
    if not whole:
        sender, number = mask(row.phone if row.phone is not None else sender), mask(number)
        content = mask_written(masked(content, row.phone))
    again = f"{row.id} (trùng {row.repeat_of})" if row.repeat_of else row.id
    shown = (safe(sender), safe(_name(area) or ""), form, safe(number), safe(content), again)
    return f"{at:%d/%m/%Y %H:%M:%S}", safe(row.carrier), *shown


def _query(carrier: str | None) -> Select[Any]:
    query = select(inbound_messages, links.c.carrier).join(links, links.c.id == _M.link_id)
    query = query.where(_M.kind == ReplyKind.REPORT.value).order_by(_M.id)
    return query if carrier is None else query.where(links.c.carrier == carrier)


def _slice(connection: Connection, after: int, carrier: str | None) -> Sequence[Row[Any]]:
    return connection.execute(_query(carrier).where(_M.id > after).limit(SLICE)).all()


def _areas(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, str | None]:
    """Return where the newest message to each sender went, by the list that it came from."""
    d, phones = deliveries.c, sorted({row.phone for row in rows if row.phone is not None})
    found: dict[int, str | None] = {}
    every = select(campaigns.c.id).order_by(campaigns.c.id)
    for campaign in connection.execute(every).scalars().all() if phones else ():
        query = select(d.phone, d.area).where(d.campaign_id == campaign, d.phone.in_(phones))
        found.update({row.phone: row.area for row in connection.execute(query) if row.area})
    return found


def _name(area: str | None) -> str | None:
    return None if area is None else areas.name(area, clock.local(clock.now()).date())
