"""Figures as of a past moment: present figures, with later changes of deliveries undone.

The journals tell which deliveries changed later, and only those are replayed. A report of now costs one query
of the journals; an earlier cut-off also costs the deliveries that changed since.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, or_, select, union

from app.core.clock import VIETNAM_OFFSET_MS
from app.core.states import (
    RECEIVED,
    SENT,
    DeliveryState,
    DeliveryStatus,
    NotSent,
    apply_answer,
    apply_receipt,
    conclude,
    kept_reason,
)
from app.database.models import deliveries, links, receipts, state_events, submissions
from app.ledger.contract import ResultKind, StateEvent, TallyCount
from app.reports.build.scope import Scope
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus

MINUTE_MS = 60_000
_SLICE = 2000
_MANY = {"yield_per": 10_000}  # rows per fetch, so that memory stays bounded
_SPARSE = 4  # a key range is read whole while it holds at most this many times the wanted rows
# Plain ints: millions of states are looked up here, and enum members hash slower.
_SENT, _RECEIVED = frozenset(map(int, SENT)), frozenset(map(int, RECEIVED))
_Key = tuple[int, str | None, int, int]  # batch, area, state, reason


class First(NamedTuple):
    """Messages of one batch sent in one minute: how many, first and last time (ms since 1970)."""

    n: int
    first_ms: int
    last_ms: int


@dataclass(slots=True)
class Past:
    """Corrections to add to present figures (n may be negative). Minutes count from 1970 in Viet Nam time.

    sent: (minute, batch) of messages whose present row no longer shows that submission; unsent: of those
    whose row shows a later submission; seqs: the deliveries changed since, by batch.
    """

    counts: defaultdict[_Key, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    sent: dict[tuple[int, int], First] = field(default_factory=dict)
    unsent: Counter[int] = field(default_factory=Counter)
    received: Counter[tuple[int | None, int]] = field(default_factory=Counter)
    partly: int = 0
    open_ms: int | None = None  # oldest submission time among them that waited for a receipt
    seqs: dict[int, array[int]] = field(default_factory=dict)

    def corrected(self, present: Iterable[TallyCount], run_id: int) -> list[TallyCount]:
        sums = {c[1:5]: [c.n, c.segments] for c in present}
        for key, (n, segments) in self.counts.items():
            have = sums.setdefault(key, [0, 0])
            sums[key] = [have[0] + n, have[1] + segments]
        found = [
            TallyCount(run_id, *key, n, segments) for key, (n, segments) in sums.items() if n or segments
        ]
        return sorted(found, key=lambda c: (c.batch_id, c.area or "", c.state, c.reason))

    def moved(self, batch_id: int, seq: int) -> bool:
        seqs = self.seqs.get(batch_id, array("i"))
        place = bisect_left(seqs, seq)
        return place < len(seqs) and seqs[place] == seq


def past(connection: Connection, scope: Scope, cutoff_ms: int) -> Past:
    """Return what has changed since `cutoff_ms` (ms since 1970) within the scope."""
    found = Past()
    for batch_id, seq in connection.execute(_late(scope, cutoff_ms), execution_options=_MANY):
        found.seqs.setdefault(batch_id, array("i")).append(seq)
    whole = frozenset(connection.execute(select(links.c.id).where(links.c.one_receipt)).scalars())
    for batch_id, seqs in found.seqs.items():
        for start in range(0, len(seqs), _SLICE):
            some = seqs[start : start + _SLICE]
            of = _Slice(scope.run.campaign_id, batch_id, some)
            for row, before in _at_cutoff(connection, of, cutoff_ms, whole):
                _set_back(found, row, before, cutoff_ms)
    return found


def _late(scope: Scope, cutoff_ms: int) -> Any:
    """Select (batch, seq) of the deliveries changed after the cut-off, in order."""
    r, d = receipts.c, deliveries.c
    matched = func.coalesce(r.matched_at, r.received_at) > cutoff_ms
    closed = and_(d.state == DeliveryState.NOT_SENT, d.done_at > cutoff_ms)
    each = (
        (receipts, matched),
        (submissions, submissions.c.at > cutoff_ms),
        (state_events, state_events.c.at > cutoff_ms),
        (deliveries, or_(closed, d.submitted_at > cutoff_ms)),
    )
    keys = [
        select(table.c.batch_id, table.c.seq).where(*scope.within(table), condition)
        for table, condition in each
    ]
    late = union(*keys).subquery()
    return select(late.c.batch_id, late.c.seq).order_by(late.c.batch_id, late.c.seq)


class _Slice(NamedTuple):
    """Some deliveries of one batch; `seqs` ascending."""

    campaign_id: int
    batch_id: int
    seqs: array[int]

    def rows(self, connection: Connection, query: Select[Any], table: Table) -> Iterator[Row[Any]]:
        """Yield the query's rows of a ledger table that belong to these deliveries."""
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


def _at_cutoff(
    connection: Connection, of: _Slice, cutoff_ms: int, whole: frozenset[int]
) -> Iterator[tuple[Row[Any], PastDelivery]]:
    subs = _events(of.rows(connection, _submitted(cutoff_ms), submissions), Sub)
    received = _events(of.rows(connection, _receipts(cutoff_ms), receipts), ReceiptEvent)
    changes = _events(of.rows(connection, _state_changes(), state_events), StateChange)
    d = deliveries.c
    columns = (d.batch_id, d.seq, d.area, d.state, d.reason, d.segments, d.submitted_at, d.done_at)
    masks = (d.delivered, d.relayed, d.link_id, d.resends)
    for row in of.rows(connection, select(*columns, *masks), deliveries):
        if not (row.seq in subs or row.seq in received or row.seq in changes):
            yield row, unsent(row.segments)  # the usual case while a run is being sent
            continue
        again = tuple((one.at, one.reason) for one in changes.get(row.seq, ()) if _was_refused(one))
        fixed = Fixed(row.segments, row.reason, row.link_id or 0, whole, again, row.resends > 0)
        known = [one for one in changes.get(row.seq, ()) if one.at <= cutoff_ms]
        before = replay_events(fixed, subs.get(row.seq, ()), received.get(row.seq, ()), known)
        taken_back = _taken_back(changes.get(row.seq, ()), cutoff_ms)
        yield row, before if taken_back is None else before._replace(submitted_at=taken_back)


def _was_refused(change: StateChange) -> bool:
    return change.kind in (StateEvent.REQUEUED, StateEvent.REFUSED) and change.reason > 0


def _taken_back(changes: Iterable[StateChange], cutoff_ms: int) -> int | None:
    """Return the submission time that a later requeue erased from the row, to the millisecond."""
    later = (t for t in changes if t.at > cutoff_ms and t.submitted_at is not None)
    found = next(later, None)
    at = found.submitted_at if found else None
    return at if at is not None and at <= cutoff_ms else None


def _events(rows: Iterable[Row[Any]], make: Any) -> dict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(make(*row[1:]))
    return found


def _submitted(cutoff_ms: int) -> Select[Any]:
    s = submissions.c
    named = s.reference.is_not(None)
    return select(s.seq, s.at, s.attempt, s.part, s.result, named, s.link_id).where(s.at <= cutoff_ms)


def _receipts(cutoff_ms: int) -> Select[Any]:
    r = receipts.c
    at, done_at = func.coalesce(r.matched_at, r.received_at), func.coalesce(r.done_at, r.received_at)
    columns = (r.seq, at, r.part, r.changed, r.status, r.level, r.reason, done_at)
    return select(*columns).where(at <= cutoff_ms)


def _state_changes() -> Select[Any]:
    t = state_events.c
    return select(t.seq, t.at, t.kind, t.reason, t.submitted_at).order_by(t.at)


def _set_back(found: Past, row: Row[Any], before: PastDelivery, cutoff_ms: int) -> None:
    """Subtract the delivery's present state from the figures and add its past one."""
    then, segments = before.standing, row.segments
    for state, reason, sign in ((row.state, row.reason, -1), (int(then.state), int(then.reason), 1)):
        change = found.counts[row.batch_id, row.area, state, reason]
        change[0] += sign
        change[1] += sign * segments
    if row.state in _RECEIVED:
        found.received[minute_of(row.done_at), row.state] -= 1
    elif row.delivered or row.relayed:
        found.partly -= 1
    if then.state in _RECEIVED:
        found.received[minute_of(before.done_at), int(then.state)] += 1
    elif then.delivered or then.relayed:
        found.partly += 1
    _set_back_sending(found, row, before, cutoff_ms)


def _set_back_sending(found: Past, row: Row[Any], before: PastDelivery, cutoff_ms: int) -> None:
    known = row.state in _SENT and (row.submitted_at is None or row.submitted_at <= cutoff_ms)
    was_sent = before.standing.state in _SENT
    if not (known or was_sent):
        return
    at = row.submitted_at if known else before.submitted_at
    if before.standing.state == DeliveryState.SUBMITTED and at is not None:
        found.open_ms = at if found.open_ms is None else min(found.open_ms, at)
    if was_sent and not known and at is not None:
        key = (minute_of(at) or 0, row.batch_id)
        old = found.sent.get(key, First(0, at, at))
        found.sent[key] = First(old.n + 1, min(old.first_ms, at), max(old.last_ms, at))
    if known and not was_sent and row.submitted_at is not None:
        found.unsent[minute_of(row.submitted_at) or 0] += 1


def minute_of(ms: int | None) -> int | None:
    """Return the minute since 1970 in Viet Nam time; None for an unknown time."""
    return None if ms is None else (ms + VIETNAM_OFFSET_MS) // MINUTE_MS


def sent_by(cutoff_ms: int) -> ColumnElement[bool]:
    """Build the condition that a delivery's present row shows a submission up to the cut-off."""
    d = deliveries.c
    return and_(d.state.in_(SENT), or_(d.submitted_at.is_(None), d.submitted_at <= cutoff_ms))


def oldest(connection: Connection, scope: Scope, cutoff_ms: int, back: Past) -> int | None:
    """Return when the oldest message without a final receipt was sent, as of the cut-off; ms since 1970."""
    d = deliveries.c
    waiting = and_(d.state == DeliveryState.SUBMITTED, d.submitted_at <= cutoff_ms)
    query = select(d.batch_id, d.seq, d.submitted_at).where(*scope.within(deliveries), waiting)
    query = query.order_by(d.submitted_at).limit(1 + sum(map(len, back.seqs.values())))
    still = (row.submitted_at for row in connection.execute(query) if not back.moved(row.batch_id, row.seq))
    known = [at for at in (next(still, None), back.open_ms) if at is not None]
    return min(known, default=None)


# ---- Replay one delivery's journal rows up to a moment, by the ledger's rules


class Sub(NamedTuple):
    """One submission row: the carrier's answer for one part in one pass."""

    at: int
    attempt: int
    part: int
    result: int
    named: bool  # has a reference
    link_id: int


class ReceiptEvent(NamedTuple):
    """One receipt row, at the time when it was matched to its delivery."""

    at: int
    part: int
    changed: bool
    status: str
    level: int
    reason: int
    done_at: int


class StateChange(NamedTuple):
    """A state event other than an answer or a receipt."""

    at: int
    kind: int
    reason: int
    submitted_at: int | None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Facts of a delivery that no longer change: its SMS parts, and its reason if it was rejected.

    link_id: the last link that sent it; whole: links with one receipt per message of any length. refusals:
    until when it was rejected, and why, where the row may have lost it since. resent: a person had it sent
    again while it was unknown.
    """

    segments: int
    reason: int
    link_id: int
    whole: frozenset[int] = frozenset()
    refusals: tuple[tuple[int, int], ...] = ()
    resent: bool = False

    def refused_for(self, at: int) -> int:
        return next((reason for until, reason in self.refusals if until >= at), self.reason)


@dataclass(slots=True)
class _Replay:
    """State of the delivery during the replay."""

    fixed: Fixed
    standing: DeliveryStatus
    submitted_at: int | None = None
    done_at: int | None = None
    named: set[int] = field(default_factory=set)
    link_id: int = 0
    again: bool = False  # the sending is not the first


class PastDelivery(NamedTuple):
    """The delivery's state at the cut-off. Times are ms since 1970."""

    standing: DeliveryStatus
    submitted_at: int | None
    done_at: int | None


def replay_events(
    fixed: Fixed, subs: Sequence[Sub], receipts: Sequence[ReceiptEvent], changes: Sequence[StateChange]
) -> PastDelivery:
    """Replay these rows by time; at equal times answers come before changes, these before receipts."""
    replay = _Replay(fixed, _fresh(fixed), link_id=fixed.link_id)
    passes = [subs] if len(subs) == 1 else _passes(subs)
    events: list[tuple[int, int, int, Sequence[Sub] | ReceiptEvent | StateChange]] = [
        *((rows[0].at, 0, nth, rows) for nth, rows in enumerate(passes)),
        *((each.at, 1, nth, each) for nth, each in enumerate(changes)),
        *((each.at, 2, nth, each) for nth, each in enumerate(receipts)),
    ]
    for event in sorted(events, key=lambda event: event[:3]):
        what = event[3]
        if isinstance(what, ReceiptEvent):
            _receive(replay, what)
        elif isinstance(what, StateChange):
            _apply_change(replay, what)
        else:
            _answer(replay, what)
    return PastDelivery(replay.standing, replay.submitted_at, replay.done_at)


@cache
def unsent(segments: int) -> PastDelivery:
    """Return the state of a delivery of `segments` SMS parts without any event."""
    return PastDelivery(DeliveryStatus(DeliveryState.QUEUED, Reason.NONE, segments), None, None)


def _passes(subs: Sequence[Sub]) -> list[Sequence[Sub]]:
    return [list(rows) for _, rows in groupby(sorted(subs), key=lambda s: (s.at, s.attempt))]


def _fresh(fixed: Fixed) -> DeliveryStatus:
    return DeliveryStatus(DeliveryState.QUEUED, Reason.NONE, fixed.segments)


def _answer(replay: _Replay, rows: Sequence[Sub]) -> None:
    """Apply one pass of the carrier's answers like app/ledger/submit_results.py."""
    kinds = {row.result for row in rows}
    replay.named.update(row.part for row in rows if row.named)
    if ResultKind.SETTLED in kinds:
        _learn(replay, rows)
        return
    replay.link_id = rows[0].link_id
    if kinds <= {ResultKind.DEFERRED, ResultKind.HALTED}:
        return
    replay.submitted_at = rows[0].at
    old, refused = replay.standing, sum(1 << row.part for row in rows if row.result == ResultKind.REJECTED)
    if ResultKind.UNKNOWN in kinds:
        answer = DeliveryStatus(DeliveryState.UNKNOWN, Reason.NONE, _parts(replay, rows), failed=refused)
    elif ResultKind.ACCEPTED in kinds:
        answer = DeliveryStatus(DeliveryState.SUBMITTED, Reason.NONE, len(rows), failed=refused)
    else:
        reason = replay.fixed.refused_for(rows[0].at)
        answer = DeliveryStatus(DeliveryState.REJECTED, reason, 1, failed=1)
    replay.standing = apply_answer(old, answer, replay.again)


def _parts(replay: _Replay, rows: Sequence[Sub]) -> int:
    """Count the receipts that an unknown message waits for."""
    if len(rows) > 1 or any(row.named for row in rows):
        return len(rows)
    return 1 if replay.link_id in replay.fixed.whole else replay.fixed.segments


def _learn(replay: _Replay, rows: Sequence[Sub]) -> None:
    """Learn references from a receipt; once all parts have one, an unknown message was accepted."""
    learnt = any(row.named for row in rows)
    left = set(range(replay.standing.parts)) - replay.named
    if learnt and not left and replay.standing.state == DeliveryState.UNKNOWN:
        reason = kept_reason(replay.standing.reason)
        replay.standing = replay.standing._replace(state=DeliveryState.SUBMITTED, reason=reason)


def _apply_change(replay: _Replay, change: StateChange) -> None:
    match StateEvent(change.kind):
        case StateEvent.LOST if replay.standing.state == DeliveryState.QUEUED:
            parts = 1 if replay.link_id in replay.fixed.whole else replay.fixed.segments
            parts = max(parts, replay.standing.parts) if replay.again else parts
            replay.standing = replay.standing._replace(state=DeliveryState.UNKNOWN, parts=parts)
            replay.submitted_at = change.at
        case StateEvent.REQUEUED:
            replay.standing = _fresh(replay.fixed)._replace(parts=replay.standing.parts)
            replay.again |= replay.fixed.resent and change.reason == Reason.NONE
            replay.submitted_at = replay.done_at = None
        case StateEvent.WRITTEN_OFF:
            replay.standing = replay.standing._replace(reason=NotSent.WRITTEN_OFF)
        case StateEvent.PARTLY:
            old = replay.standing
            worst = max(old.reason, change.reason)
            replay.standing = conclude(
                old._replace(reason=worst), old.delivered, old.relayed, old.failed, worst
            )


def _receive(replay: _Replay, receipts: ReceiptEvent) -> None:
    """Apply a receipt that changed the row when it came; repeats and receipts of earlier sendings did not."""
    if not receipts.changed:
        return
    status, level = ReceiptStatus(receipts.status), ReceiptLevel(receipts.level)
    replay.standing = apply_receipt(replay.standing, receipts.part, status, level, receipts.reason)
    replay.done_at = max(replay.done_at or 0, receipts.done_at)
