"""The queue: subscribers become deliveries in chunks, and chunks pass from lane to lane under lease."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, TextClause, func, select, text, update

from app.ledger.contract import ChunkState, Item, Lane, Lease, Slice
from app.ledger.store import Claim, OpenChunk, Store
from app.ledger.tallies import Changes
from app.ledger.unknowns import Lost, enlist
from app.models import chunks, deliveries
from app.states import DeliveryState, NotSent

_DELIVERIES = """
    INSERT INTO deliveries (campaign_id, batch_id, seq, phone, run_id, area, lang, segments, parts)
    SELECT :campaign, batch_id, seq, phone, :run, area, lang, {segments}, {segments}
      FROM subscribers WHERE batch_id = :batch AND seq > :after AND seq <= :upto
     ORDER BY seq ON CONFLICT DO NOTHING
"""
_CHUNKS = text(
    """
    INSERT INTO chunks (campaign_id, batch_id, first_seq, last_seq, run_id, watermark)
    SELECT :campaign, :batch, min(seq), max(seq), :run, min(seq) - 1
      FROM (SELECT seq, (row_number() OVER (ORDER BY seq) - 1) / :size AS part FROM deliveries
             WHERE campaign_id = :campaign AND batch_id = :batch AND seq > :after AND seq <= :upto) AS counted
     GROUP BY part
    """
)
_QUEUED = text(
    """
    INSERT INTO tallies (campaign_id, run_id, batch_id, area, state, reason, n, segments)
    SELECT :campaign, :run, :batch, area, 0, 0, count(*), sum(segments) FROM deliveries
     WHERE campaign_id = :campaign AND batch_id = :batch AND seq > :after AND seq <= :upto GROUP BY area
    """
)
_REPEATED = text(
    """
    INSERT INTO tallies (campaign_id, run_id, batch_id, area, state, reason, n, segments)
    SELECT :campaign, :run, :batch, area, :excluded, :repeated, count(*), 0 FROM subscribers s
     WHERE batch_id = :batch AND seq > :after AND seq <= :upto AND NOT EXISTS (
           SELECT 1 FROM deliveries d
            WHERE d.campaign_id = :campaign AND d.batch_id = :batch AND d.seq = s.seq)
     GROUP BY area
    """
)
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

_CLOSER = Claim("closing", None, 60_000, early=True)


class Queue(Store):
    """fan_out, claim, renew, release, reclaim, close_unsent."""

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: dict[str, int], limit: int
    ) -> Slice:
        """Turn the next `limit` subscribers of a run's batch into deliveries, chunks and tallies."""
        locked = self.lock_fan_out(connection, run_id, batch_id)
        if locked is None or locked[2]:
            return Slice(0, 0, more=False)
        campaign_id, after, _ = locked
        values = {"campaign": campaign_id, "run": run_id, "batch": batch_id, "after": after, "limit": limit}
        upto, taken = connection.execute(_UPTO, values).one()
        done = taken < limit
        if taken == 0:
            connection.execute(_PROGRESS, values | {"upto": after, "done": True})
            return Slice(0, 0, more=False)
        values |= {"upto": upto, "done": done, "size": self.chunk_size}
        values |= {"excluded": int(DeliveryState.EXCLUDED), "repeated": int(NotSent.REPEATED)}
        queued = connection.execute(_insert_deliveries(segments, values), values).rowcount
        for statement in (_CHUNKS, _QUEUED, _PROGRESS):
            connection.execute(statement, values)
        if queued < taken:
            connection.execute(_REPEATED, values)
        return Slice(queued, taken - queued, more=not done)

    def claim(
        self, connection: Connection, lane: Lane, runs: Sequence[int], owner: str, lease_s: float
    ) -> Lease | None:
        """Take one chunk of these runs, in their order; None when nothing is due."""
        taker = Claim(owner, lane.id, round(lease_s * 1000))
        for run_id in runs:
            chunk = self.take_chunk(connection, run_id, taker)
            if chunk is not None:
                lost = self._give_up_declared(connection, chunk) if chunk.dead else 0
                return _lease(chunk, self._untried(connection, chunk), lost)
        return None

    def _untried(self, connection: Connection, chunk: OpenChunk) -> list[Item]:
        """What this pass has still to send, in order."""
        d = deliveries.c
        query = (
            select(d.seq, d.phone, d.lang, d.area, d.segments, d.faults)
            .where(*_inside(chunk), d.seq > chunk.watermark)
            .where(d.state == DeliveryState.QUEUED, d.attempts < chunk.pass_no)
            .order_by(d.seq)
        )
        return [Item(*row) for row in connection.execute(query)]

    def _give_up_declared(self, connection: Connection, chunk: OpenChunk) -> int:
        """The holder died: what it had declared and not recorded in this pass may have been sent."""
        d = deliveries.c
        now = self.now_ms(connection)
        query = (
            update(deliveries)
            .where(*_inside(chunk), d.seq <= chunk.watermark)
            .where(d.state == DeliveryState.QUEUED, d.attempts < chunk.pass_no)
            .values(state=DeliveryState.UNKNOWN, submitted_at=now, lane_id=chunk.lane_id)
            .returning(d.seq, d.phone, d.area, d.segments, d.reason)
        )
        rows = connection.execute(query).all()
        changes = Changes()
        for row in rows:
            where = (chunk.campaign_id, chunk.run_id, chunk.batch_id, row.area)
            changes.move(
                where, (DeliveryState.QUEUED, row.reason), (DeliveryState.UNKNOWN, row.reason), row.segments
            )
        changes.write(connection, self)
        lost = [Lost(chunk.campaign_id, chunk.batch_id, row.seq, chunk.run_id, row.phone) for row in rows]
        enlist(connection, self, lost, chunk.lane_id, "the process that was sending it stopped")
        return len(rows)

    def renew(self, connection: Connection, lease: Lease, lease_s: float) -> bool:
        """Prolong the lease; False when it is lost."""
        return self.hold(connection, lease, round(lease_s * 1000), None)

    def release(self, connection: Connection, lease: Lease, retry_after_s: float) -> None:
        """Hand the chunk back: done, or onward from the watermark, or another pass over what was deferred."""
        if not self.hold(connection, lease, 1000, None):
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
            again = self.now_ms(connection) + round(retry_after_s * 1000)
            values |= {"state": ChunkState.READY, "not_before": again, "watermark": lease.first_seq - 1}
            values |= {"pass_no": lease.pass_no + 1}
        connection.execute(update(chunks).where(*_this(lease)).values(values))

    def reclaim(self, connection: Connection) -> int:
        """End every lease at once. Only where no other process can hold one (SQLite at the start)."""
        leased = update(chunks).where(chunks.c.state == ChunkState.LEASED)
        return connection.execute(leased.values(lease_until=0)).rowcount

    def close_unsent(self, connection: Connection, run_id: int, reason: int, limit: int) -> int:
        """Close what is queued in up to `limit` idle chunks as not sent; how many chunks are still open."""
        for _ in range(limit):
            chunk = self.take_chunk(connection, run_id, _CLOSER)
            if chunk is None:
                break
            if chunk.dead:
                self._give_up_declared(connection, chunk)
            self._close(connection, chunk, reason)
        still = select(func.count()).where(chunks.c.run_id == run_id, chunks.c.state < ChunkState.DONE)
        return connection.execute(still).scalar_one()

    def _close(self, connection: Connection, chunk: OpenChunk, reason: int) -> None:
        d = deliveries.c
        old = select(d.seq, d.area, d.segments, d.reason).where(
            *_inside(chunk), d.state == DeliveryState.QUEUED
        )
        changes = Changes()
        for row in connection.execute(old):
            where = (chunk.campaign_id, chunk.run_id, chunk.batch_id, row.area)
            changes.move(
                where, (DeliveryState.QUEUED, row.reason), (DeliveryState.NOT_SENT, reason), row.segments
            )
        queued = update(deliveries).where(*_inside(chunk), d.state == DeliveryState.QUEUED)
        connection.execute(queued.values(state=DeliveryState.NOT_SENT, reason=reason))
        changes.write(connection, self)
        closed = {"state": ChunkState.DONE, "owner": None, "lease_until": None}
        connection.execute(update(chunks).where(*_this(chunk)).values(closed))


def _lease(chunk: OpenChunk, items: Sequence[Item], lost: int) -> Lease:
    return Lease(
        chunk.campaign_id,
        chunk.batch_id,
        chunk.run_id,
        chunk.first_seq,
        chunk.last_seq,
        chunk.pass_no,
        chunk.attempt,
        items,
        lost,
    )


def _inside(chunk: OpenChunk | Lease) -> list[ColumnElement[bool]]:
    d = deliveries.c
    return [
        d.campaign_id == chunk.campaign_id,
        d.batch_id == chunk.batch_id,
        d.seq >= chunk.first_seq,
        d.seq <= chunk.last_seq,
    ]


def _this(chunk: OpenChunk | Lease) -> list[ColumnElement[bool]]:
    c = chunks.c
    return [
        c.campaign_id == chunk.campaign_id,
        c.batch_id == chunk.batch_id,
        c.first_seq == chunk.first_seq,
        c.attempt == chunk.attempt,
    ]


def _insert_deliveries(segments: dict[str, int], values: dict[str, object]) -> TextClause:
    """The INSERT with a CASE for the languages that have a wording of their own; adds to `values`."""
    cases = ""
    for number, (lang, count) in enumerate(sorted(segments.items())):
        if lang:
            cases += f" WHEN :lang{number} THEN {count:d}"
            values[f"lang{number}"] = lang
    default = f"{segments['']:d}"
    expression = f"CASE lang{cases} ELSE {default} END" if cases else default
    return text(_DELIVERIES.format(segments=expression))
