"""Counts per batch, area, state and reason. Every change of a delivery's state passes through `Changes`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, case, func, select, text

from app.core.states import SENT, DeliveryState, NotSent
from app.database.models import tallies
from app.ledger.contract import TALLY, Engine, Row, TallyCount


def cut_off(connection: Connection, run_ids: Sequence[int]) -> dict[int, int]:
    """Count by run, where there are any, the subscribers whom the end of its time left without a message."""
    if not run_ids:
        return {}
    return {row.run_id: int(row.n) for row in connection.execute(_CUT_OFF, {"ids": list(run_ids)})}


def none_sent(connection: Connection, run_ids: Sequence[int]) -> dict[int, int]:
    """Return how many messages were handed over of each run of which none is known to have arrived.

    Known, or awaited: what the carrier has taken may still bring a receipt. Only runs with subscribers.
    """
    if not run_ids:
        return {}
    return {row.run_id: int(row.handed) for row in connection.execute(_NONE_SENT, {"ids": list(run_ids)})}


_T = tallies.c
_TAKEN = {DeliveryState.SUBMITTED, DeliveryState.RELAYED, DeliveryState.DELIVERED}
_NONE_SENT = (
    select(_T.run_id, func.sum(case((_T.state.in_(SENT), _T.n), else_=0)).label("handed"))
    .where(_T.run_id.in_(bindparam("ids", expanding=True)))
    .group_by(_T.run_id)
    .having(func.sum(_T.n) > 0, func.sum(case((_T.state.in_(_TAKEN), _T.n), else_=0)) == 0)
)
_CUT_OFF = (
    select(_T.run_id, func.sum(_T.n).label("n"))
    .where(_T.run_id.in_(bindparam("ids", expanding=True)))
    .where(_T.state == DeliveryState.NOT_SENT, _T.reason == NotSent.WINDOW_CLOSED)
    .group_by(_T.run_id)
    .having(func.sum(_T.n) > 0)
)


class Changes:
    """Tally changes of one transaction, collected and written once."""

    def __init__(self) -> None:
        self._changes: defaultdict[tuple[int, int, int, str | None, int, int], list[int]]
        self._changes = defaultdict(lambda: [0, 0])

    def move(
        self,
        where: tuple[int, int, int, str | None],
        old: tuple[int, int] | None,
        new: tuple[int, int],
        segments: int,
        n: int = 1,
    ) -> None:
        """Count `n` deliveries of (campaign, run, batch, area) moving from (state, reason) `old` to `new`.

        segments: per delivery.
        """
        if old is not None:
            change = self._changes[where + old]
            change[0] -= n
            change[1] -= n * segments
        change = self._changes[where + new]
        change[0] += n
        change[1] += n * segments

    def rows(self) -> list[Row]:
        return [(*key, n, segments) for key, (n, segments) in self._changes.items() if n or segments]

    def write(self, connection: Connection, engine: Engine) -> None:
        rows = self.rows()
        if rows:
            engine.append(connection, tallies, TALLY, rows)


_RECOUNT = """
    SELECT run_id, batch_id, area, state, reason, count(*), sum(segments)
      FROM deliveries WHERE campaign_id = :campaign{own}
     GROUP BY run_id, batch_id, area, state, reason
    UNION ALL
    SELECT run_id, batch_id, area, :excluded, why, count(*), 0 FROM (
      SELECT b.run_id, b.batch_id, s.area, coalesce(l.reason, :repeated) AS why
        FROM run_batches b JOIN subscribers s ON s.batch_id = b.batch_id AND s.seq <= b.fanned_upto
        LEFT JOIN left_out l ON l.campaign_id = :campaign AND l.batch_id = s.batch_id AND l.seq = s.seq
       WHERE b.campaign_id = :campaign{of} AND NOT EXISTS (
             SELECT 1 FROM deliveries d
              WHERE d.campaign_id = :campaign AND d.batch_id = s.batch_id AND d.seq = s.seq)) AS out
     GROUP BY run_id, batch_id, area, why
"""
_ALL = text(_RECOUNT.format(own="", of=""))
_BATCH = text(_RECOUNT.format(own=" AND batch_id = :batch", of=" AND b.batch_id = :batch"))


_NEW = "SELECT DISTINCT run_id FROM tallies WHERE NOT folded"
# By the small index of new rows, whatever the planner knows of the others.
_ANY_NEW = "SELECT run_id FROM tallies WHERE NOT folded ORDER BY run_id LIMIT 1"
# Without this, keys whose count has come down to zero would be read for years.
_NOTHING = text("DELETE FROM tallies WHERE folded AND run_id = :run AND n = 0 AND segments = 0")
_FOLD = """
    INSERT INTO tallies AS t (campaign_id, run_id, batch_id, area, state, reason, n, segments, folded)
    SELECT campaign_id, run_id, batch_id, area, state, reason, sum(n), sum(segments), true FROM {new}
     WHERE NOT folded AND area IS {which} GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT ({key}) WHERE folded{only} DO UPDATE
       SET n = t.n + excluded.n, segments = t.segments + excluded.segments
"""
_KEY = "run_id, state, reason, batch_id, campaign_id"


def folds(new: str) -> tuple[str, str]:
    """Return the statements that fold the changes in `new`: for keys with an area, and without one."""
    with_area = _FOLD.format(new=new, which="NOT NULL", key=f"{_KEY}, area", only="")
    return with_area, _FOLD.format(new=new, which="NULL", key=_KEY, only=" AND area IS NULL")


class Tallies:
    engine: Engine

    def to_fold(self, connection: Connection) -> bool:
        """Return whether tally changes have been appended since the last fold."""
        return connection.exec_driver_sql(_ANY_NEW).first() is not None

    def fold_tallies(self, connection: Connection) -> None:
        """Add appended tally changes to the single row of each key."""
        if not self.engine.alone(connection):
            return
        run_ids = connection.exec_driver_sql(_NEW).scalars().all()
        if run_ids:
            self.engine.fold_new(connection)
        for run_id in run_ids:
            connection.execute(_NOTHING, {"run": run_id})

    def recount(
        self, connection: Connection, campaign_id: int, batch_id: int | None = None
    ) -> list[TallyCount]:
        """Count the tallies afresh from the rows, for one batch or all."""
        values: dict[str, int] = {
            "campaign": campaign_id,
            "excluded": int(DeliveryState.EXCLUDED),
            "repeated": int(NotSent.REPEATED),
        }
        if batch_id is None:
            return [TallyCount(*row) for row in connection.execute(_ALL, values)]
        return [TallyCount(*row) for row in connection.execute(_BATCH, values | {"batch": batch_id})]

    def correct(self, connection: Connection, campaign_id: int, counts: Sequence[TallyCount]) -> None:
        """Add the corrections found by a recount: a person's recorded decision."""
        rows = [(campaign_id, *count) for count in counts]
        self.engine.append(connection, tallies, TALLY, rows)
