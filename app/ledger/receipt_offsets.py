"""By how much a link's receipts state their times too early, learnt from those that were matched by id.

A centre that stamps UTC where the link's receipt_zone says +07:00 states every event seven hours too early,
so that no receipt fits the time of an unknown message. Only what is beyond doubt is learnt: whole quarters of
an hour, on which every receipt agrees that came soon after its message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, select, update

from app.database.models import deliveries, links, receipts, runs
from app.ledger.receipt_matching import ReceiptRow

_STEP_MS = 900_000  # zones differ by whole quarters of an hour
_NEAR_MS = 300_000  # clocks and delays within this of a quarter leave no doubt which one it is
_MOST_MS = 14 * 3_600_000
_FEWEST = 20  # receipts that agree
_READ = 500  # before and after the moment
_SPAN_MS = 6 * 3_600_000  # so far from the moment: centres change their clocks


class _Sample(NamedTuple):
    """A receipt that its id has matched: when it came, the time that it states, when its message was sent."""

    received_at: int
    done_at: int
    submitted_at: int


def learnt(connection: Connection, link_id: int, campaign_id: int, at_ms: int) -> int | None:
    """Return by how many ms the link stated its times too early around `at_ms`; None if that is not sure.

    From the receipts of one campaign: on PostgreSQL each has a table of its own.
    """
    return _offset([*_samples(connection, link_id, campaign_id, at_ms)])


def in_time(one: ReceiptRow, early_ms: int | None) -> ReceiptRow:
    """Return the receipt with the true time of its event, where it shows the link's offset itself.

    One that came long after the time that it states is left as it is: the centre's clock may have been set.
    """
    if not early_ms or one.done_at is None or shown(one) != early_ms:
        return one
    return one._replace(done_at=min(one.done_at + early_ms, one.received_at))


def shown(one: ReceiptRow) -> int | None:
    """Return by how many ms the receipt itself seems to state its time too early; None if it does not."""
    if one.done_at is None or not one.stated:
        return None
    return _nearest(one.received_at - one.done_at) or None


def found(connection: Connection, now_ms: int) -> dict[int, int]:
    """Return by link by how many minutes its receipts state their times too early, where that is news."""
    k, r, news = links.c, runs.c, dict[int, int]()
    for link in connection.execute(select(k.id, k.carrier, k.receipts_early_min).where(k.left_at.is_(None))):
        newest = select(r.campaign_id).where(r.carrier == link.carrier, r.started_at.is_not(None))
        campaign_id = connection.execute(newest.order_by(r.started_at.desc()).limit(1)).scalar()
        early_ms = None if campaign_id is None else learnt(connection, link.id, campaign_id, now_ms)
        if early_ms is not None and early_ms // 60_000 != (link.receipts_early_min or 0):
            news[link.id] = early_ms // 60_000
    return news


def note(connection: Connection, link_id: int, minutes: int) -> None:
    row = update(links).where(links.c.id == link_id)
    connection.execute(row.values(receipts_early_min=minutes or None))


def _samples(connection: Connection, link_id: int, campaign_id: int, at_ms: int) -> Sequence[_Sample]:
    r, d = receipts.c, deliveries.c
    same = and_(d.campaign_id == r.campaign_id, d.batch_id == r.batch_id, d.seq == r.seq)
    query = select(r.received_at, r.done_at, d.submitted_at).join(deliveries, same)
    by_id = and_(r.reference.is_not(None), r.matched_at.is_(None))
    own = (r.campaign_id == campaign_id, r.link_id == link_id, by_id)
    query = query.where(*own, r.done_at.is_not(None), d.submitted_at.is_not(None)).limit(_READ)
    before = query.where(r.received_at <= at_ms, r.received_at > at_ms - _SPAN_MS)
    after = query.where(r.received_at > at_ms, r.received_at < at_ms + _SPAN_MS)
    rows = [
        *connection.execute(before.order_by(r.received_at.desc())).all(),
        *connection.execute(after.order_by(r.received_at)).all(),
    ]
    return [_Sample(*row) for row in rows]


def _offset(samples: Sequence[_Sample]) -> int | None:
    """Return the one offset that all of them have; None if they are few, or any of them has another."""
    soon = [each for each in samples if 0 <= each.received_at - each.submitted_at <= _NEAR_MS]
    found = {_nearest(each.received_at - each.done_at) for each in soon}
    early = found.pop() if len(found) == 1 else None
    if early is None or len(soon) < _FEWEST:
        return None
    agree = all(
        each.submitted_at - _NEAR_MS <= each.done_at + early <= each.received_at + _NEAR_MS
        for each in samples
    )
    return early if agree else None


def _nearest(apart_ms: int) -> int | None:
    """Return the whole quarters of an hour in this time; None if it is none of them, or too much."""
    quarters = round(apart_ms / _STEP_MS) * _STEP_MS
    return quarters if abs(apart_ms - quarters) <= _NEAR_MS and 0 <= quarters <= _MOST_MS else None
