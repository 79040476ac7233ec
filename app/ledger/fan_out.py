"""Fan-out: subscribers become deliveries, chunks and tallies, in slices; nobody twice in a campaign."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, text

from app.core.states import DeliveryState, NotSent
from app.database.connection import unless_keys_clash
from app.database.models import runs
from app.ledger import approval_digest, unreached
from app.ledger.contract import FanOutResult
from app.ledger.engine_base import EngineBase

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


class FanOut(EngineBase):
    """The first stage of the queue."""

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: int, limit: int
    ) -> FanOutResult:
        locked = self.lock_fan_out(connection, run_id, batch_id)
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
