"""The receipt log: what carriers reported, newest first, unchanged but for masked numbers."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select

from app.core import clock
from app.core.phone import mask
from app.database import listing
from app.database.models import links, quarantine, receipts, submissions
from app.ledger.receipt_matching import bears_one_of
from app.observability.logs import masked
from carriers.contract import ReceiptLevel

LATEST = 2**53  # later than any receipt (ms since 1970), and above any quarantine ID
_R, _Q = receipts.c, quarantine.c


class QuarantineReason(StrEnum):
    """Why a receipt waits in quarantine."""

    NO_SUCH_REFERENCE = "no_such_reference"  # no submission has it, and no message waits without one
    SEVERAL_HAVE_IT = "several_have_it"  # several messages have the reference, and it has no number
    NO_MESSAGE = "no_message"  # no reference, and none or several messages of these links to its number
    NOTHING_NAMED = "nothing_named"  # neither a reference nor a number


class Before(NamedTuple):
    """Where the log continues: receipts at `at` or earlier, without the first `skip` of that very ms."""

    at: int = LATEST
    skip: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """One receipt, numbers masked in every field. status: in our words; raw: as the carrier wrote it."""

    received_at: datetime
    done_at: datetime | None
    link: str
    carrier: str
    phone: str | None
    status: str
    level: str
    reason: int
    reference: str | None
    code: str | None
    raw: str


@dataclass(frozen=True, slots=True)
class Matched:
    """A matched receipt. changed: it reported something new; matched_at: when it left quarantine."""

    receipt: ReceiptView
    campaign_id: int
    batch_id: int
    line: int
    part: int
    changed: bool
    matched_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuarantinedReceipt:
    """A receipt in quarantine. tries: matches attempted in vain; try_at: the next attempt."""

    id: int
    receipt: ReceiptView
    why: QuarantineReason
    tries: int
    try_at: datetime


Names = dict[int, Row[Any]]


def links_of(connection: Connection, carrier: str | None) -> Names:
    query = select(links).order_by(links.c.id)
    own = query if carrier is None else query.where(links.c.carrier == carrier)
    return {row.id: row for row in connection.execute(own).all()}


def matched(
    connection: Connection, names: Names, before: Before, limit: int, since_ms: int = 0
) -> tuple[list[Matched], Before | None]:
    """Return matched receipts of these links since then, and where the next page begins (None: nowhere)."""
    wanted = before.skip + limit + 1
    each = (_of_link(connection, link_id, (since_ms, before.at), wanted) for link_id in names)
    rows = list(islice(heapq.merge(*each, key=_place), before.skip, wanted))
    shown = rows[:limit]
    following = _following(shown, before) if len(rows) > limit else None
    return [_matched(row, names) for row in shown], following


def _of_link(connection: Connection, link_id: int, times: tuple[int, int], limit: int) -> Sequence[Row[Any]]:
    """Read from the index on link and time no more rows than wanted."""
    order = (_R.received_at.desc(), _R.campaign_id, _R.batch_id, _R.seq, _R.part)
    own = select(receipts).where(_R.link_id == link_id, _R.received_at.between(*times))
    return connection.execute(own.order_by(*order).limit(limit)).all()


def _place(row: Row[Any]) -> tuple[int, ...]:
    """Order receipts of the same ms, since a group has one time, so that pages are stable."""
    return (-row.received_at, row.campaign_id, row.batch_id, row.seq, row.part, row.link_id)


def _following(shown: Sequence[Row[Any]], before: Before) -> Before:
    last = shown[-1].received_at
    same = sum(row.received_at == last for row in shown)
    return Before(last, same + (before.skip if last == before.at else 0))


def how_many(connection: Connection, names: Names, since_ms: int, until_ms: int) -> int:
    """Count matched receipts of these links, by the index, up to one more than listing.COUNTED."""
    found = 0
    for link_id in names:
        own = select(_R.link_id).where(_R.link_id == link_id, _R.received_at.between(since_ms, until_ms))
        found += listing.counted(connection, own)
    return min(found, listing.COUNTED + 1)


def waiting(
    connection: Connection, names: Names, before: int, limit: int, times: tuple[int, int] = (0, LATEST)
) -> tuple[list[QuarantinedReceipt], int | None]:
    """Return quarantined receipts with IDs below `before`, and the next page's `before`, None at the end.

    times: first and last ms at which they came.
    """
    query = _quarantined(names, times).where(_Q.id < before).order_by(_Q.id.desc())
    rows = connection.execute(query.limit(limit + 1)).all()
    shared = _shared(connection, {row.reference for row in rows if row.phone is None and row.reference})
    more = rows[limit - 1].id if len(rows) > limit else None
    return [_waiting(row, names, shared) for row in rows[:limit]], more


def how_many_wait(connection: Connection, names: Names, times: tuple[int, int] = (0, LATEST)) -> int:
    return listing.counted(connection, _quarantined(names, times))


def _quarantined(names: Names, times: tuple[int, int]) -> Select[Any]:
    return select(quarantine).where(_Q.link_id.in_(names), _Q.received_at.between(*times))


def _matched(row: Row[Any], names: Names) -> Matched:
    return Matched(
        receipt=_view(row, names[row.link_id]),
        campaign_id=row.campaign_id,
        batch_id=row.batch_id,
        line=row.seq,
        part=row.part,
        changed=row.changed,
        matched_at=_time(row.matched_at),
    )


def _shared(connection: Connection, references: Collection[str]) -> set[str]:
    if not references:
        return set()
    s = submissions.c
    columns = (s.reference, s.campaign_id, s.batch_id, s.seq)
    query = select(*columns).where(bears_one_of(connection, references))
    messages = query.distinct().subquery()
    counted = select(messages.c.reference).group_by(messages.c.reference).having(func.count() > 1)
    return set(connection.execute(counted).scalars())


def _waiting(row: Row[Any], names: Names, shared: Collection[str]) -> QuarantinedReceipt:
    why = QuarantineReason.SEVERAL_HAVE_IT if row.phone is None and row.reference in shared else _why(row)
    return QuarantinedReceipt(
        row.id, _view(row, names[row.link_id]), why, row.tries, clock.from_ms(row.try_at)
    )


def _why(row: Row[Any]) -> QuarantineReason:
    if row.reference is not None:
        return QuarantineReason.NO_SUCH_REFERENCE
    return QuarantineReason.NO_MESSAGE if row.phone is not None else QuarantineReason.NOTHING_NAMED


def _view(row: Row[Any], link: Row[Any]) -> ReceiptView:
    return ReceiptView(
        received_at=clock.from_ms(row.received_at),
        done_at=_time(row.done_at),
        link=link.name,
        carrier=link.carrier,
        phone=None if row.phone is None else mask(row.phone),
        status=row.status,
        level=ReceiptLevel(row.level).name.lower(),
        reason=row.reason,
        reference=masked(row.reference, row.phone) if row.reference else None,
        code=masked(row.code, row.phone) if row.code else None,
        raw=masked(row.raw or "", row.phone),
    )


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else clock.from_ms(ms)
