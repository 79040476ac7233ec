"""The ledger: subscribers are queued as deliveries in chunks, which links lease one after another.

Fan-out makes deliveries, chunks and tallies in slices; nobody is queued twice in a campaign. What a lease is
used for is in submit_results.py and receipts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    update,
)

from app.core.states import ChunkState, DeliveryState, NotSent
from app.database.connection import Database, unless_keys_clash
from app.database.models import chunks, deliveries, do_not_send, links, runs
from app.ledger import approval_digest, money, unreached
from app.ledger.contract import (
    DIED,
    LOST,
    WENT_BACK,
    ChunkClaim,
    ChunkLease,
    Closed,
    DeliveryToSend,
    Engine,
    FanOutResult,
    Link,
    MarkedUnknown,
    OpenChunk,
)
from app.ledger.erasure import Erasure
from app.ledger.submit_results import SubmitResults
from app.ledger.tallies import Changes, Tallies
from app.ledger.unknown_outcomes import NewUnknown, UnknownDecisions, add_unknown
from carriers.contract import Reason

_DELIVERIES = """
    INSERT INTO deliveries (campaign_id, batch_id, seq, phone, run_id, area, segments, parts)
    SELECT :campaign, batch_id, seq, phone, :run, area, {segments}, {segments}
      FROM subscribers s WHERE batch_id = :batch AND seq > :after AND seq <= :upto
       AND NOT EXISTS (SELECT 1 FROM do_not_send n WHERE n.carrier = :carrier AND n.phone = s.phone)
       {unless} ORDER BY seq
"""
_OTHERS = text(
    """
    SELECT 1 FROM run_batches
     WHERE campaign_id = :campaign AND batch_id <> :batch AND (fanned_upto > 0 OR fanned_all) LIMIT 1
    """
)
_UNLESS_LEFT_OUT = """AND NOT EXISTS (
           SELECT 1 FROM left_out l WHERE l.campaign_id = :campaign AND l.batch_id = :batch AND l.seq = s.seq)
"""
# From one chunk's end to the next; to number all rows takes two to four times as long.
_NEXT = """
    SELECT seq FROM deliveries WHERE campaign_id = :campaign AND batch_id = :batch AND seq > {after}
       AND seq <= :upto ORDER BY seq LIMIT {most}
"""
_FIRST, _FOLLOWING = _NEXT.format(after=":after", most=":size"), _NEXT.format(after="part.last", most=":size")
_CHUNKS = text(
    f"""
    WITH RECURSIVE part(first, last) AS (
      SELECT min(seq), max(seq) FROM ({_FIRST}) AS chunk
       UNION ALL
      SELECT (SELECT min(seq) FROM ({_NEXT.format(after="part.last", most=1)}) AS chunk),
             (SELECT max(seq) FROM ({_FOLLOWING}) AS chunk)
        FROM part WHERE part.last IS NOT NULL)
    INSERT INTO chunks (campaign_id, batch_id, first_seq, last_seq, run_id, watermark)
    SELECT :campaign, :batch, first, last, :run, first - 1 FROM part WHERE last IS NOT NULL
    """  # noqa: S608 - constants of ours; values are bound
)
_QUEUED = text(
    """
    INSERT INTO tallies (campaign_id, run_id, batch_id, area, state, reason, n, segments)
    SELECT :campaign, :run, :batch, area, 0, 0, count(*), sum(segments) FROM deliveries
     WHERE campaign_id = :campaign AND batch_id = :batch AND seq > :after AND seq <= :upto GROUP BY area
    """
)
# Only those without a delivery. Stored, since the list may have changed by the time figures are recounted.
_LEFT_OUT = text(
    """
    INSERT INTO left_out (campaign_id, batch_id, seq, reason)
    SELECT :campaign, :batch, seq, :refused FROM subscribers s
     WHERE batch_id = :batch AND seq > :after AND seq <= :upto
       AND EXISTS (SELECT 1 FROM do_not_send n WHERE n.carrier = :carrier AND n.phone = s.phone)
        ON CONFLICT DO NOTHING
    """
)
_EXCLUDED = text(
    """
    INSERT INTO tallies (campaign_id, run_id, batch_id, area, state, reason, n, segments)
    SELECT :campaign, :run, :batch, area, :excluded, why, count(*), 0 FROM (
      SELECT s.area, coalesce(l.reason, :repeated) AS why
        FROM subscribers s
        LEFT JOIN left_out l ON l.campaign_id = :campaign AND l.batch_id = s.batch_id AND l.seq = s.seq
       WHERE s.batch_id = :batch AND s.seq > :after AND s.seq <= :upto AND NOT EXISTS (
             SELECT 1 FROM deliveries d
              WHERE d.campaign_id = :campaign AND d.batch_id = :batch AND d.seq = s.seq)) AS out
     GROUP BY area, why
    """
)
# As many subscribers, however many lines: app/ledger/batch_rows.py checks the rows in the same pieces.
_UPTO = text(
    """
    SELECT max(seq), count(*) FROM (
      SELECT seq FROM subscribers WHERE batch_id = :batch AND seq > :after ORDER BY seq LIMIT :limit) AS next
    """
)
_PROGRESS = text(
    """
    UPDATE run_batches SET fanned_upto = :upto, fanned_all = :done
     WHERE campaign_id = :campaign AND batch_id = :batch
    """
)
# Longer than a live link takes to claim what a dead one has left.
LEASE_GRACE_MS = 10_000
_CLOSER = ChunkClaim("closing", None, 60_000, early=True)
# What waits for another round is looked at again after this.
_OTHER_ROUND_S = 120.0


# A chunk is READY, LEASED by a claim (attempt + 1), then READY again for its rest or for another pass
# (pass_no + 1, watermark back to the start), or DONE. Deliveries up to the watermark were reserved in this
# pass; those of them whose `attempts` is below pass_no have no recorded answer.
class Ledger(SubmitResults, UnknownDecisions, Tallies, Erasure):
    """The hot operations; `engine` does what differs between SQLite and PostgreSQL."""

    def __init__(self, engine: Engine, chunk_size: int = 1000) -> None:
        self.engine, self.chunk_size = engine, chunk_size
        # What needs no rule.
        self.now_ms, self.home, self.open_campaign = engine.now_ms, engine.home, engine.open_campaign
        self.detach, self.forget_for_good = engine.detach, engine.forget_for_good
        self.to_note, self.note_last = engine.to_note, engine.note_last

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: int, limit: int
    ) -> FanOutResult:
        """Turn the next `limit` subscribers of a run's batch into deliveries, chunks and tallies.

        segments: SMS parts of the text. A phone that the campaign already has, or that is on the do-not-send
        list of the run's carrier, is left out and counted; of a follow-up's batch also one that another round
        has reached, or may have (app/ledger/unreached.py).
        """
        done = self._fan_out(connection, run_id, batch_id, segments, limit)
        self.engine.after_fan_out(connection, run_id, batch_id, limit, done.more)
        return done

    def _fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: int, limit: int
    ) -> FanOutResult:
        locked = self.engine.lock_fan_out(connection, run_id, batch_id)
        if locked is None or locked[2]:
            return FanOutResult(0, 0, more=False)
        campaign_id, after, _ = locked
        values = {"campaign": campaign_id, "run": run_id, "batch": batch_id, "after": after, "limit": limit}
        carrier = connection.execute(select(runs.c.carrier).where(runs.c.id == run_id)).scalar_one()
        upto, taken = connection.execute(_UPTO, values).one()
        done = taken < limit
        if taken == 0:
            connection.execute(_PROGRESS, values | {"upto": after, "done": True})
            return FanOutResult(0, 0, more=False)
        values |= {"upto": upto, "done": done, "size": self.chunk_size}
        values |= {"excluded": int(DeliveryState.EXCLUDED), "repeated": int(NotSent.REPEATED)}
        values |= {"carrier": carrier, "refused": int(NotSent.DO_NOT_SEND)}
        follows_up = unreached.leave_out(connection, campaign_id, batch_id, after, upto)
        rows = _DELIVERIES.format(segments=f"{segments:d}", unless=_UNLESS_LEFT_OUT if follows_up else "")
        queued = _insert(connection, rows, values)
        for statement in (_CHUNKS, _QUEUED, _PROGRESS):
            connection.execute(statement, values)
        approval_digest.bind(connection, campaign_id, batch_id, after, upto)
        if queued < taken:
            connection.execute(_LEFT_OUT, values)
            connection.execute(_EXCLUDED, values)
        return FanOutResult(queued, taken - queued, more=not done)

    def claim(
        self, connection: Connection, link: Link, runs: Sequence[int], owner: str, lease_s: float
    ) -> ChunkLease | None:
        """Lease one chunk of these runs, trying them in order; None when nothing is due.

        If the previous holder is gone, what it reserved and did not record becomes unknown. Phones put on the
        do-not-send list since they were queued are not sent, nor those of a follow-up that another round has
        reached since.
        """
        taker = ChunkClaim(owner, link.id, round(lease_s * 1000))
        if runs:
            unreached.before_claim(connection)
        for run_id in runs:
            for chunk in self.engine.take_chunks(connection, run_id, taker, 1):
                lost = self._mark_reserved_unknown(connection, chunk)
                waiting = self._leave_out(connection, chunk, link.carrier)
                lease = _lease(chunk, self.engine.to_send(connection, chunk), lost, owner)
                return replace(lease, waiting=waiting) if waiting else lease
        return None

    def _leave_out(self, connection: Connection, chunk: OpenChunk, carrier: str) -> int:
        """End deliveries to phones that were put on the do-not-send list after they were queued.

        And those of a round whose number another round has reached since: its receipt came late. Where that
        is not known yet, the delivery waits for the chunk's next pass; return how many do.
        """
        n = do_not_send.c
        if connection.execute(select(n.id).where(n.carrier == carrier).limit(1)).first():
            opted_out = exists().where(n.carrier == carrier, n.phone == deliveries.c.phone)
            self._end_queued(connection, [chunk], NotSent.DO_NOT_SEND, opted_out)
        elsewhere = unreached.reached_elsewhere(connection, chunk.campaign_id, chunk.batch_id)
        if elsewhere is None:
            return 0
        self._end_queued(connection, [chunk], NotSent.OTHER_ROUND, elsewhere.reached)
        d = deliveries.c
        due = (*_inside(chunk), d.state == DeliveryState.QUEUED, d.attempts < chunk.pass_no)
        wait = update(deliveries).where(*due, elsewhere.awaited).values(attempts=chunk.pass_no)
        return connection.execute(wait).rowcount

    def _mark_reserved_unknown(self, connection: Connection, chunk: OpenChunk) -> int:
        """Mark as unknown what was reserved and not recorded, as the holder died or a commit was lost."""
        if chunk.watermark < chunk.first_seq:
            return 0
        sender = chunk.attempt - 1  # the previous holder
        return self._mark_unknown(
            connection, chunk, sender, DIED if chunk.dead else LOST, *_reserved_unrecorded(chunk)
        )

    def _mark_unknown(
        self,
        connection: Connection,
        chunk: OpenChunk,
        attempt: int | None,
        why: str,
        *only: ColumnElement[bool],
    ) -> int:
        """Mark the chunk's queued deliveries, or those of `only`, as unknown; return how many."""
        d = deliveries.c
        now = self.engine.now_ms(connection)
        one = select(links.c.id).where(links.c.id == chunk.link_id, links.c.one_receipt)
        parts = literal(1) if connection.execute(one).first() else d.segments
        query = (
            update(deliveries)
            .where(*_inside(chunk), d.state == DeliveryState.QUEUED, *only)
            .values(state=DeliveryState.UNKNOWN, submitted_at=now, link_id=chunk.link_id, parts=parts)
            .returning(d.seq, d.phone, d.area, d.segments)
        )
        rows = connection.execute(query).all()
        changes = Changes()
        for row in rows:
            where = (chunk.campaign_id, chunk.run_id, chunk.batch_id, row.area)
            old, new = (DeliveryState.QUEUED, Reason.NONE), (DeliveryState.UNKNOWN, Reason.NONE)
            changes.move(where, old, new, row.segments)
        changes.write(connection, self.engine)
        own = chunk.campaign_id, chunk.batch_id
        lost = [NewUnknown(*own, row.seq, chunk.run_id, row.phone, attempt) for row in rows]
        add_unknown(connection, self.engine, lost, chunk.link_id, why)
        return len(rows)

    def mark_waiting_unknown(
        self, connection: Connection, run_id: int, link_id: int | None, limit: int
    ) -> MarkedUnknown:
        """Mark the queued deliveries of up to `limit` idle chunks as unknown, since they may have been sent.

        link_id: the link to blame when the chunk names none.
        """
        unknown = 0
        for chunk in self.engine.take_chunks(connection, run_id, _CLOSER, limit):
            by = link_id if chunk.link_id is None else chunk.link_id
            money.charge(connection, run_id, self._unreserved(connection, chunk))
            unknown += self._mark_unknown(connection, chunk._replace(link_id=by), None, WENT_BACK)
            self._end(connection, [chunk])
        return MarkedUnknown(unknown, self._still_open(connection, run_id))

    def _unreserved(self, connection: Connection, chunk: OpenChunk) -> int:
        """Count the SMS parts of the chunk's queued messages that no reservation has counted."""
        d = deliveries.c
        query = select(func.coalesce(func.sum(d.segments), 0)).where(
            *_inside(chunk), d.state == DeliveryState.QUEUED, not_(and_(*_reserved_unrecorded(chunk)))
        )
        return int(connection.execute(query).scalar_one())

    def renew(self, connection: Connection, lease: ChunkLease, lease_s: float) -> bool:
        """Extend the lease; False if it is lost."""
        return self.engine.hold(connection, lease, round(lease_s * 1000), None)

    def next_pass(self, connection: Connection, lease: ChunkLease, carrier: str) -> Sequence[DeliveryToSend]:
        """Begin another pass of a chunk whose messages are all answered, under the same lease.

        Return what is due in it, without whom the carrier's do-not-send list has by now: nothing if nothing
        is left or the lease is lost.
        """
        c, begin, number = chunks.c, lease.first_seq - 1, lease.pass_no + 1
        held = (
            *_this(lease),
            c.state == ChunkState.LEASED,
            c.owner == lease.owner,
            c.pass_no == lease.pass_no,
        )
        again = update(chunks).where(*held).values(pass_no=number, watermark=begin)
        key = (lease.campaign_id, lease.batch_id, lease.run_id, lease.first_seq, lease.last_seq)
        if connection.execute(again).rowcount == 0:
            return ()
        chunk = OpenChunk(*key, begin, number, lease.attempt, None, dead=False)
        self._leave_out(connection, chunk, carrier)
        return self.engine.to_send(connection, chunk) or ()

    def release(self, connection: Connection, lease: ChunkLease, retry_after_s: float) -> None:
        """Give the chunk back: done, to go on from its watermark, or for another pass over the deferred."""
        if not self.engine.hold(connection, lease, 1000, None):
            return
        d = deliveries.c
        queued = select(func.count(), func.min(d.attempts)).where(
            *_inside(lease), d.state == DeliveryState.QUEUED
        )
        left, least = connection.execute(queued).one()
        values: dict[str, object] = {"owner": None, "lease_until": None, "state": ChunkState.DONE}
        if left and least < lease.pass_no:
            values |= {"state": ChunkState.READY}
        elif left:
            pause_s = max(retry_after_s, _OTHER_ROUND_S) if lease.waiting else retry_after_s
            again = self.engine.now_ms(connection) + round(pause_s * 1000)
            values |= {"state": ChunkState.READY, "not_before": again, "watermark": lease.first_seq - 1}
            values |= {"pass_no": lease.pass_no + 1}
        connection.execute(update(chunks).where(*_this(lease)).values(values))

    def reclaim(self, connection: Connection) -> int:
        """End every lease at once. Only if no other process can hold one (SQLite at start-up)."""
        leased = update(chunks).where(chunks.c.state == ChunkState.LEASED)
        return connection.execute(leased.values(lease_until=0)).rowcount

    def expire_leases(self, connection: Connection, run_id: int, limit: int) -> int:
        """Take back chunks whose lease ran out LEASE_GRACE_MS ago and which no link has claimed since.

        Links don't claim for a run that is paused, or whose link is halted; meanwhile what a dead holder had
        reserved is unknown, and nothing else.
        """
        c, now = chunks.c, self.engine.now_ms(connection)
        over = (c.run_id == run_id, text("chunks.state < 2"), c.state == ChunkState.LEASED)
        late = c.lease_until < now - LEASE_GRACE_MS
        query = select(chunks).where(*over, late).limit(limit).with_for_update(skip_locked=True)
        lost = 0
        for row in connection.execute(query).all():
            key = (c.campaign_id == row.campaign_id, c.batch_id == row.batch_id, c.first_seq == row.first_seq)
            free = {"state": ChunkState.READY, "owner": None, "lease_until": None, "attempt": row.attempt + 1}
            connection.execute(update(chunks).where(*key, c.attempt == row.attempt).values(free))
            own = (row.campaign_id, row.batch_id, row.run_id, row.first_seq, row.last_seq, row.watermark)
            chunk = OpenChunk(*own, row.pass_no, row.attempt + 1, row.link_id, dead=True)
            lost += self._mark_reserved_unknown(connection, chunk)
        return lost

    def close_unsent(self, connection: Connection, run_id: int, reason: int, limit: int) -> Closed:
        """Close the queued deliveries of up to `limit` idle chunks as not sent."""
        taken = self.engine.take_chunks(connection, run_id, _CLOSER, limit)
        for chunk in taken:
            self._mark_reserved_unknown(connection, chunk)
        for _, some in groupby(taken, lambda item: (item.campaign_id, item.batch_id)):
            while together := list(islice(some, self.engine.ranges_at_once)):
                self._end_queued(connection, together, reason)
                self._end(connection, together)
        return Closed(len(taken), self._still_open(connection, run_id))

    def _still_open(self, connection: Connection, run_id: int) -> int:
        still = select(func.count()).where(chunks.c.run_id == run_id, chunks.c.state < ChunkState.DONE)
        return connection.execute(still).scalar_one()

    def _end_queued(
        self,
        connection: Connection,
        chunks_taken: Sequence[OpenChunk],
        reason: int,
        *only: ColumnElement[bool],
    ) -> None:
        """Close queued deliveries of these chunks of one batch, or those of `only`, as not sent."""
        changes, chunk = Changes(), chunks_taken[0]
        ended = {"state": DeliveryState.NOT_SENT, "reason": reason, "done_at": self.engine.now_ms(connection)}
        queued = (*_inside(*chunks_taken), deliveries.c.state == DeliveryState.QUEUED, *only)
        for area, segments, n in self.engine.set_alike(connection, queued, ended):
            where = (chunk.campaign_id, chunk.run_id, chunk.batch_id, area)
            old, new = (DeliveryState.QUEUED, Reason.NONE), (DeliveryState.NOT_SENT, reason)
            changes.move(where, old, new, segments, n)
        changes.write(connection, self.engine)

    def _end(self, connection: Connection, chunks_taken: Sequence[OpenChunk]) -> None:
        """Mark these chunks of one batch, which this transaction has taken, as done."""
        closed = {"state": ChunkState.DONE, "owner": None, "lease_until": None}
        c, firsts = chunks.c, [each.first_seq for each in chunks_taken]
        own = (c.campaign_id == chunks_taken[0].campaign_id, c.batch_id == chunks_taken[0].batch_id)
        connection.execute(update(chunks).where(*own, c.first_seq.in_(firsts)).values(closed))


def _insert(connection: Connection, rows: str, values: dict[str, Any]) -> int:
    """Insert those of whom the campaign has no delivery; return how many.

    PostgreSQL takes half as long again where it looks for conflicts. Without another batch there can be none
    but those of a batch that is queued at this moment.
    """
    if connection.dialect.name == "postgresql" and connection.execute(_OTHERS, values).first() is None:
        inserted = unless_keys_clash(connection, text(rows), values)
        if inserted is not None:
            return inserted
    return connection.execute(text(f"{rows} ON CONFLICT DO NOTHING"), values).rowcount


def _lease(chunk: OpenChunk, items: Sequence[DeliveryToSend], lost: int, owner: str) -> ChunkLease:
    return ChunkLease(
        chunk.campaign_id,
        chunk.batch_id,
        chunk.run_id,
        chunk.first_seq,
        chunk.last_seq,
        chunk.pass_no,
        chunk.attempt,
        items,
        lost,
        owner,
    )


def _inside(*chunks_taken: OpenChunk | ChunkLease) -> list[ColumnElement[bool]]:
    """Match the deliveries of these chunks, which are all of one batch."""
    d, first = deliveries.c, chunks_taken[0]
    within = or_(*(and_(d.seq >= each.first_seq, d.seq <= each.last_seq) for each in chunks_taken))
    return [d.campaign_id == first.campaign_id, d.batch_id == first.batch_id, within]


def _reserved_unrecorded(chunk: OpenChunk) -> list[ColumnElement[bool]]:
    """Select what the previous holder reserved and did not record in this pass."""
    return [deliveries.c.seq <= chunk.watermark, deliveries.c.attempts < chunk.pass_no]


def _this(chunk: OpenChunk | ChunkLease) -> list[ColumnElement[bool]]:
    c = chunks.c
    return [
        c.campaign_id == chunk.campaign_id,
        c.batch_id == chunk.batch_id,
        c.first_seq == chunk.first_seq,
        c.attempt == chunk.attempt,
    ]


def ledger_for(db: Database, chunk_size: int = 1000) -> Ledger:
    """Return the ledger for this database, importing only the engine that it needs."""
    if db.sqlite:
        from app.ledger.engines.sqlite import SqliteEngine

        return Ledger(SqliteEngine(), chunk_size)
    from app.ledger.engines.postgresql import PostgresqlEngine

    return Ledger(PostgresqlEngine(), chunk_size)
