"""The list of deliveries with unknown outcome, what a person may decide on them, and what goes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    false,
    func,
    select,
    update,
)

from app.core.states import ChunkState, DeliveryState, NotSent
from app.database.models import (
    LONGEST_WHY,
    chunks,
    deliveries,
    links,
    quarantine,
    receipts,
    state_events,
    submissions,
    unknowns,
)
from app.ledger.contract import TAKEN, ChunkLease, DeliveryKey, Engine, Row, StateEvent
from app.ledger.receipt_matching import sent_after
from app.ledger.tallies import Changes
from carriers.contract import Reason
from carriers.phrases import kept

_COLUMNS = (
    *("campaign_id", "batch_id", "seq", "run_id", "phone", "attempt"),
    *("link_id", "group_id", "since", "why"),
)
_STATE_EVENT = ("campaign_id", "batch_id", "seq", "at", "kind", "reason", "submitted_at")


class NewUnknown(NamedTuple):
    """A delivery that just became unknown; attempt: of the lease that sent it, None if nobody can say."""

    campaign_id: int
    batch_id: int
    seq: int
    run_id: int
    phone: int
    attempt: int | None


def add_unknown(
    connection: Connection, engine: Engine, lost: Sequence[NewUnknown], link_id: int | None, why: str
) -> None:
    """List deliveries as unknown, and make quarantined receipts for their phones due now."""
    if not lost:
        return
    now = engine.now_ms(connection)
    group = connection.execute(select(links.c.group_id).where(links.c.id == link_id)).scalar()
    rows = [(*item, link_id, group, now, kept(why, LONGEST_WHY)) for item in lost]
    engine.add_missing(connection, unknowns, _COLUMNS, rows)
    record_event(connection, engine, [DeliveryKey(*item[:3]) for item in lost], JournalEvent(StateEvent.LOST))
    phones = [item.phone for item in lost]
    # A process working on one of these has it locked and may wait for a delivery we hold: skip, don't wait.
    some = select(quarantine.c.id).where(quarantine.c.phone.in_(phones)).with_for_update(skip_locked=True)
    connection.execute(update(quarantine).where(quarantine.c.id.in_(some)).values(try_at=now))


class JournalEvent(NamedTuple):
    """An event; reason: of a refused part; submitted_at: of what a requeue takes back."""

    event: StateEvent
    reason: int = 0
    submitted_at: int | None = None


def record_event(
    connection: Connection, engine: Engine, keys: Sequence[DeliveryKey], event: JournalEvent
) -> None:
    """Write events that no submission or receipt records to the journal."""
    values = (engine.now_ms(connection), int(event.event), int(event.reason), event.submitted_at)
    engine.add_missing(connection, state_events, _STATE_EVENT, [(*key, *values) for key in keys])


def remove_unknown(connection: Connection, keys: Sequence[DeliveryKey]) -> None:
    for some in _by_batch(keys):
        connection.execute(delete(unknowns).where(_among(unknowns, some)))


class UnknownDecisions:
    """Implements `write_off`; the keys must fit into one short transaction."""

    engine: Engine

    def write_off(self, connection: Connection, keys: Sequence[DeliveryKey], who: str) -> int:
        """Leave deliveries unknown: a person's recorded decision. A later receipt still settles them."""
        changes, now, done = Changes(), self.engine.now_ms(connection), 0
        for some in _by_batch(keys):
            # Lock order everywhere: deliveries before the list of unknowns.
            rows = _unknown(connection, some, deliveries.c.reason != NotSent.WRITTEN_OFF)
            mine = [DeliveryKey(*row[:3]) for row in rows]
            reason = {"reason": int(NotSent.WRITTEN_OFF)}
            connection.execute(update(deliveries).where(_among(deliveries, mine)).values(reason))
            connection.execute(update(unknowns).where(_among(unknowns, mine)).values(written_off_by=who))
            for row in rows:
                where = (row.campaign_id, row.run_id, row.batch_id, row.area)
                new = (DeliveryState.UNKNOWN, int(NotSent.WRITTEN_OFF))
                changes.move(where, (row.state, row.reason), new, row.segments)
            events = [(*key, now, int(StateEvent.WRITTEN_OFF), 0, None) for key in mine]
            self.engine.add_missing(connection, state_events, _STATE_EVENT, events)
            done += len(mine)
        changes.write(connection, self.engine)
        return done


def take_back(
    engine: Engine, connection: Connection, lease: ChunkLease, keys: Sequence[DeliveryKey]
) -> list[DeliveryKey]:
    """Requeue what the carrier says it has not taken from this lease; return what was requeued.

    Only what its own sending made unknown and nobody has decided on since. Not where an answer or a receipt
    is known of the message, or one to its number has come since and waits: one of the two is wrong, so it
    stays unknown.
    """
    d, r, q, u, s = deliveries.c, receipts.c, quarantine.c, unknowns.c, submissions.c
    has_receipt = exists().where(r.campaign_id == d.campaign_id, r.batch_id == d.batch_id, r.seq == d.seq)
    same = (s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    has_answer = exists().where(*same, s.result.in_(TAKEN))
    mine = (u.campaign_id == d.campaign_id, u.batch_id == d.batch_id, u.seq == d.seq)
    since = (q.phone == d.phone, q.group_id == u.group_id, q.received_at >= sent_after(u))
    waits = exists().where(*mine, *since).correlate(deliveries)
    changes, done, now = Changes(), list[DeliveryKey](), engine.now_ms(connection)
    events = list[Row]()
    for chunk, some in _by_chunk(connection, keys):
        rows = _unknown(connection, some, made_by(lease), ~has_receipt, ~has_answer, ~waits)
        if not rows:
            continue
        _requeue_for_next_pass(connection, chunk, [DeliveryKey(*row[:3]) for row in rows])
        for row in rows:
            where = (row.campaign_id, row.run_id, row.batch_id, row.area)
            old, new = (DeliveryState.UNKNOWN, row.reason), (DeliveryState.QUEUED, Reason.NONE)
            changes.move(where, old, new, row.segments)
            done.append(DeliveryKey(*row[:3]))
            events.append((*row[:3], now, int(StateEvent.REQUEUED), 0, row.submitted_at))
    changes.write(connection, engine)
    engine.add_missing(connection, state_events, _STATE_EVENT, events)
    remove_unknown(connection, done)
    return done


def own_unknown(connection: Connection, lease: ChunkLease, keys: Sequence[DeliveryKey]) -> set[DeliveryKey]:
    """Lock and return the keys that this lease's own sending made unknown and nobody decided on since."""
    return {DeliveryKey(*row[:3]) for row in _unknown(connection, keys, made_by(lease))}


def made_by(lease: ChunkLease) -> ColumnElement[bool]:
    """Select deliveries that this lease's own sending made unknown and nobody has decided on since."""
    u, d = unknowns.c, deliveries.c
    same = (u.campaign_id == d.campaign_id, u.batch_id == d.batch_id, u.seq == d.seq)
    return exists().where(*same, u.attempt == lease.attempt, u.written_off_by.is_(None))


def _unknown(
    connection: Connection, keys: Sequence[DeliveryKey], *only: ColumnElement[bool]
) -> Sequence[Any]:
    """Lock and return the unknown deliveries among these keys of one batch, in order.

    `only` may ask other tables, so it is asked when they are locked: a statement that waits for a lock goes
    on to see those tables as they were before.
    """
    if not keys:
        return []
    d = deliveries.c
    columns = (d.campaign_id, d.batch_id, d.seq, d.run_id, d.area, d.segments, d.state, d.reason)
    here = (_among(deliveries, keys), d.state == DeliveryState.UNKNOWN)
    query = select(*columns, d.submitted_at).where(*here).order_by(d.seq)
    rows = connection.execute(query.with_for_update(of=deliveries)).all()
    fit = set(connection.execute(select(d.seq).where(*here, *only)).scalars()) if only else None
    return [row for row in rows if fit is None or row.seq in fit]


def _requeue_for_next_pass(connection: Connection, chunk: Any, keys: Sequence[DeliveryKey]) -> None:
    """Requeue these deliveries for the chunk's next pass, reopening the chunk if it was finished."""
    values: dict[str, Any] = {"state": DeliveryState.QUEUED, "reason": 0, "attempts": chunk.pass_no}
    values |= {"delivered": 0, "relayed": 0, "failed": 0, "done_at": None, "submitted_at": None}
    connection.execute(update(deliveries).where(_among(deliveries, keys)).values(values))
    if chunk.state == ChunkState.DONE:
        c = chunks.c
        own = (c.campaign_id == chunk.campaign_id, c.batch_id == chunk.batch_id)
        again = {"state": ChunkState.READY, "pass_no": chunk.pass_no + 1, "watermark": chunk.first_seq - 1}
        connection.execute(
            update(chunks).where(*own, c.first_seq == chunk.first_seq).values(again | {"not_before": 0})
        )


def _by_chunk(connection: Connection, keys: Sequence[DeliveryKey]) -> Iterator[tuple[Any, list[DeliveryKey]]]:
    """Yield each chunk with its keys, locked first, as everywhere: a link may be about to release it."""
    c, left = chunks.c, sorted(keys)
    while left:
        first = left[0]
        own = (c.campaign_id == first.campaign_id, c.batch_id == first.batch_id)
        # Search the index from its end: a batch can have thousands of chunks before this one.
        start = select(func.max(c.first_seq)).where(*own, c.first_seq <= first.seq).scalar_subquery()
        held = select(chunks).where(*own, c.first_seq == start).with_for_update()
        chunk = connection.execute(held).first()
        end = chunk.last_seq if chunk is not None else first.seq
        some = [key for key in left if key[:2] == first[:2] and key.seq <= end]
        if chunk is not None and some:
            yield chunk, some
        left = left[max(1, len(some)) :]


def _by_batch(keys: Sequence[DeliveryKey]) -> list[list[DeliveryKey]]:
    return [list(some) for _, some in groupby(sorted(keys), lambda key: key[:2])]


def _among(table: Table, keys: Sequence[DeliveryKey]) -> ColumnElement[bool]:
    if not keys:
        return false()
    c, first, seqs = table.c, keys[0], [key.seq for key in keys]
    span = c.seq.between(min(seqs), max(seqs))
    return and_(c.campaign_id == first.campaign_id, c.batch_id == first.batch_id, span, c.seq.in_(seqs))
