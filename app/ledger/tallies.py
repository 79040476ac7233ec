"""Counts per batch, area, state and reason: every move of a delivery passes through `Changes`."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, text

from app.ledger.contract import Count
from app.ledger.store import TALLY, Row, Store
from app.models import tallies
from app.states import DeliveryState, NotSent


class Changes:
    """The tally changes of one transaction, gathered and written once."""

    def __init__(self) -> None:
        self._changes: defaultdict[tuple[int, int, int, str | None, int, int], list[int]]
        self._changes = defaultdict(lambda: [0, 0])

    def move(
        self,
        where: tuple[int, int, int, str | None],
        old: tuple[int, int] | None,
        new: tuple[int, int],
        segments: int,
    ) -> None:
        """One delivery of (campaign, run, batch, area) goes from (state, reason) `old` to `new`."""
        if old is not None:
            change = self._changes[where + old]
            change[0] -= 1
            change[1] -= segments
        change = self._changes[where + new]
        change[0] += 1
        change[1] += segments

    def rows(self) -> list[Row]:
        """What has changed on balance."""
        return [(*key, n, segments) for key, (n, segments) in self._changes.items() if n or segments]

    def write(self, connection: Connection, store: Store) -> None:
        """Append what has changed on balance."""
        rows = self.rows()
        if rows:
            store.append(connection, tallies, TALLY, rows)


_RECOUNT = text(
    """
    SELECT run_id, batch_id, area, state, reason, count(*), sum(segments)
      FROM deliveries WHERE campaign_id = :campaign
     GROUP BY run_id, batch_id, area, state, reason
    UNION ALL
    SELECT run_id, batch_id, area, :excluded, why, count(*), 0 FROM (
      SELECT b.run_id, b.batch_id, s.area, coalesce(l.reason, :repeated) AS why
        FROM run_batches b JOIN subscribers s ON s.batch_id = b.batch_id AND s.seq <= b.fanned_upto
        LEFT JOIN left_out l ON l.campaign_id = :campaign AND l.batch_id = s.batch_id AND l.seq = s.seq
       WHERE b.campaign_id = :campaign AND NOT EXISTS (
             SELECT 1 FROM deliveries d
              WHERE d.campaign_id = :campaign AND d.batch_id = s.batch_id AND d.seq = s.seq)) AS out
     GROUP BY run_id, batch_id, area, why
    """
)


class Tallies(Store):
    """Counting anew."""

    def recount(self, connection: Connection, campaign_id: int) -> list[Count]:
        """Tallies counted anew from the rows."""
        values = {
            "campaign": campaign_id,
            "excluded": int(DeliveryState.EXCLUDED),
            "repeated": int(NotSent.REPEATED),
        }
        return [Count(*row) for row in connection.execute(_RECOUNT, values)]
