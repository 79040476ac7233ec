"""Figures as they were at a moment: the present ones, with every delivery that has moved since set back.

What has happened later is found in the journals, and only those deliveries are told again; a report of now
costs one look at the journals, a report of an earlier moment the deliveries that have moved since.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, or_, select, union

from app.core.clock import VIETNAM_OFFSET_MS
from app.core.states import RECEIVED, SENT, DeliveryState
from app.database.models import deliveries, lanes, receipts, submissions, turns
from app.ledger.contract import TallyCount
from app.reports.event_replay import Fixed, PastDelivery, ReceiptEvent, Sub, Turned, tell, unsent
from app.reports.scope import Scope

MINUTE_MS = 60_000
_SLICE = 2000
_MANY = {"yield_per": 10_000}  # rows fetched at once, so that memory does not grow with their number
_SPARSE = 4  # a range of keys is read whole while it holds no more than so many times what is wanted
# Sets of plain numbers: millions of states are looked up in them.
_SENT, _RECEIVED = frozenset(map(int, SENT)), frozenset(map(int, RECEIVED))
_Key = tuple[int, str | None, int, int]  # batch, area, state, reason


class First(NamedTuple):
    """Messages of one batch sent in one minute: how many, and the first and last time (ms since 1970)."""

    n: int
    first_ms: int
    last_ms: int


@dataclass(slots=True)
class Past:
    """What to add to present figures (n may be below zero). Minutes count from 1970, on Viet Nam's clock.

    sent: (minute, batch) of messages whose present row does not tell of it; unsent: of those whose row tells
    of a submission that came later; seqs: the deliveries that have moved, by batch.
    """

    counts: defaultdict[_Key, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    sent: dict[tuple[int, int], First] = field(default_factory=dict)
    unsent: Counter[int] = field(default_factory=Counter)
    received: Counter[tuple[int | None, int]] = field(default_factory=Counter)
    partly: int = 0
    open_ms: int | None = None  # when the oldest of them was sent that waited for its receipt
    seqs: dict[int, array[int]] = field(default_factory=dict)

    def corrected(self, present: Iterable[TallyCount], run_id: int) -> list[TallyCount]:
        """The tallies as they were."""
        sums = {c[1:5]: [c.n, c.segments] for c in present}
        for key, (n, segments) in self.counts.items():
            have = sums.setdefault(key, [0, 0])
            sums[key] = [have[0] + n, have[1] + segments]
        found = [
            TallyCount(run_id, *key, n, segments) for key, (n, segments) in sums.items() if n or segments
        ]
        return sorted(found, key=lambda c: (c.batch_id, c.area or "", c.state, c.reason))

    def moved(self, batch_id: int, seq: int) -> bool:
        """Whether the delivery has moved since."""
        seqs = self.seqs.get(batch_id, array("i"))
        place = bisect_left(seqs, seq)
        return place < len(seqs) and seqs[place] == seq


def past(connection: Connection, scope: Scope, cutoff_ms: int) -> Past:
    """What has changed since `cutoff_ms` (ms since 1970) within the scope."""
    found = Past()
    for batch_id, seq in connection.execute(_late(scope, cutoff_ms), execution_options=_MANY):
        found.seqs.setdefault(batch_id, array("i")).append(seq)
    whole = frozenset(connection.execute(select(lanes.c.id).where(lanes.c.one_receipt)).scalars())
    for batch_id, seqs in found.seqs.items():
        for start in range(0, len(seqs), _SLICE):
            some = seqs[start : start + _SLICE]
            of = _Slice(scope.run.campaign_id, batch_id, some)
            for row, told in _stories(connection, of, cutoff_ms, whole):
                _set_back(found, row, told, cutoff_ms)
    return found


def _late(scope: Scope, cutoff_ms: int) -> Any:
    """(batch, seq) of the deliveries that something has happened to since, in order."""
    r, d = receipts.c, deliveries.c
    matched = func.coalesce(r.matched_at, r.received_at) > cutoff_ms
    closed = and_(d.state == DeliveryState.NOT_SENT, d.done_at > cutoff_ms)
    each = (
        (receipts, matched),
        (submissions, submissions.c.at > cutoff_ms),
        (turns, turns.c.at > cutoff_ms),
        (deliveries, or_(closed, d.submitted_at > cutoff_ms)),
    )
    keys = [
        select(table.c.batch_id, table.c.seq).where(*scope.within(table), condition)
        for table, condition in each
    ]
    late = union(*keys).subquery()
    return select(late.c.batch_id, late.c.seq).order_by(late.c.batch_id, late.c.seq)


class _Slice(NamedTuple):
    """Some deliveries of one batch, in order."""

    campaign_id: int
    batch_id: int
    seqs: array[int]

    def rows(self, connection: Connection, query: Select[Any], table: Table) -> Iterator[Row[Any]]:
        """The rows of the query on a ledger table that belong to these deliveries."""
        seq, first, last = table.c.seq, self.seqs[0], self.seqs[-1]
        own = (table.c.campaign_id == self.campaign_id, table.c.batch_id == self.batch_id)
        if last - first < _SPARSE * len(self.seqs):
            wanted = set(self.seqs)
            found = connection.execute(query.where(*own, seq.between(first, last))).all()
            yield from (row for row in found if row.seq in wanted)
            return
        for start in range(0, len(self.seqs), 500):
            some = seq.in_(self.seqs[start : start + 500].tolist())
            yield from connection.execute(query.where(*own, some)).all()


def _stories(
    connection: Connection, of: _Slice, cutoff_ms: int, whole: frozenset[int]
) -> Iterator[tuple[Row[Any], PastDelivery]]:
    """Each delivery's present row, and where it stood at the cut-off."""
    subs = _events(of.rows(connection, _submitted(cutoff_ms), submissions), Sub)
    said = _events(of.rows(connection, _receipts(cutoff_ms), receipts), ReceiptEvent)
    turned = _events(of.rows(connection, _turns(), turns), Turned)
    d = deliveries.c
    columns = (d.batch_id, d.seq, d.area, d.state, d.reason, d.segments, d.submitted_at, d.done_at)
    masks = (d.delivered, d.relayed, d.lane_id)
    for row in of.rows(connection, select(*columns, *masks), deliveries):
        if not (row.seq in subs or row.seq in said or row.seq in turned):
            yield row, unsent(row.segments)  # most of what has moved since the middle of a sending
            continue
        fixed = Fixed(row.segments, row.reason, row.lane_id or 0, whole)
        known = [turn for turn in turned.get(row.seq, ()) if turn.at <= cutoff_ms]
        told = tell(fixed, subs.get(row.seq, ()), said.get(row.seq, ()), known)
        taken_back = _taken_back(turned.get(row.seq, ()), cutoff_ms)
        yield row, told if taken_back is None else told._replace(submitted_at=taken_back)


def _taken_back(turned: Iterable[Turned], cutoff_ms: int) -> int | None:
    """When the message was sent that a later requeue has taken back, to the millisecond."""
    later = (t for t in turned if t.at > cutoff_ms and t.submitted_at is not None)
    found = next(later, None)
    at = found.submitted_at if found else None
    return at if at is not None and at <= cutoff_ms else None


def _events(rows: Iterable[Row[Any]], make: Any) -> dict[int, list[Any]]:
    """Rows by delivery; their first column is its seq."""
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(make(*row[1:]))
    return found


def _submitted(cutoff_ms: int) -> Select[Any]:
    s = submissions.c
    named = s.reference.is_not(None)
    return select(s.seq, s.at, s.attempt, s.part, s.result, named, s.lane_id).where(s.at <= cutoff_ms)


def _receipts(cutoff_ms: int) -> Select[Any]:
    r = receipts.c
    at, done_at = func.coalesce(r.matched_at, r.received_at), func.coalesce(r.done_at, r.received_at)
    columns = (r.seq, at, r.part, r.changed, r.status, r.level, r.reason, done_at)
    return select(*columns).where(at <= cutoff_ms)


def _turns() -> Select[Any]:
    t = turns.c
    return select(t.seq, t.at, t.kind, t.reason, t.submitted_at).order_by(t.at)


def _set_back(found: Past, row: Row[Any], told: PastDelivery, cutoff_ms: int) -> None:
    """Take the delivery's present out of the figures, and put its past in."""
    then, segments = told.standing, row.segments
    for state, reason, sign in ((row.state, row.reason, -1), (int(then.state), int(then.reason), 1)):
        change = found.counts[row.batch_id, row.area, state, reason]
        change[0] += sign
        change[1] += sign * segments
    if row.state in _RECEIVED:
        found.received[minute_of(row.done_at), row.state] -= 1
    elif row.delivered or row.relayed:
        found.partly -= 1
    if then.state in _RECEIVED:
        found.received[minute_of(told.done_at), int(then.state)] += 1
    elif then.delivered or then.relayed:
        found.partly += 1
    _set_back_sending(found, row, told, cutoff_ms)


def _set_back_sending(found: Past, row: Row[Any], told: PastDelivery, cutoff_ms: int) -> None:
    known = row.state in _SENT and (row.submitted_at is None or row.submitted_at <= cutoff_ms)
    was_sent = told.standing.state in _SENT
    if not (known or was_sent):
        return
    at = row.submitted_at if known else told.submitted_at
    if told.standing.state == DeliveryState.SUBMITTED and at is not None:
        found.open_ms = at if found.open_ms is None else min(found.open_ms, at)
    if was_sent and not known and at is not None:
        key = (minute_of(at) or 0, row.batch_id)
        old = found.sent.get(key, First(0, at, at))
        found.sent[key] = First(old.n + 1, min(old.first_ms, at), max(old.last_ms, at))
    if known and not was_sent and row.submitted_at is not None:
        found.unsent[minute_of(row.submitted_at) or 0] += 1


def minute_of(ms: int | None) -> int | None:
    """The minute in Viet Nam, counted from 1970; None for a lost time."""
    return None if ms is None else (ms + VIETNAM_OFFSET_MS) // MINUTE_MS


def sent_by(cutoff_ms: int) -> ColumnElement[bool]:
    """The condition that a delivery's present row tells of a submission up to the cut-off."""
    d = deliveries.c
    return and_(d.state.in_(SENT), or_(d.submitted_at.is_(None), d.submitted_at <= cutoff_ms))


def oldest(connection: Connection, scope: Scope, cutoff_ms: int, back: Past) -> int | None:
    """When the oldest message without a final receipt was sent, as it stood then; ms since 1970."""
    d = deliveries.c
    waiting = and_(d.state == DeliveryState.SUBMITTED, d.submitted_at <= cutoff_ms)
    query = select(d.batch_id, d.seq, d.submitted_at).where(*scope.within(deliveries), waiting)
    query = query.order_by(d.submitted_at).limit(1 + sum(map(len, back.seqs.values())))
    still = (row.submitted_at for row in connection.execute(query) if not back.moved(row.batch_id, row.seq))
    known = [at for at in (next(still, None), back.open_ms) if at is not None]
    return min(known, default=None)
