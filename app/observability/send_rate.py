"""Measured send rate: the worker counts sent segments every few seconds; pages compute the rate."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from app.core.states import SENT, RunState
from app.database.connection import shared_ms
from app.database.models import run_counts, runs, tallies

EVERY_MS = 5_000
SPAN_MS = 60_000  # what "now" means
_SPANS_MS = (SPAN_MS, 5 * SPAN_MS, 15 * SPAN_MS)  # over which a rate is averaged, to say how much it varies
_GAP_MS = 2 * SPAN_MS  # without counts: the run was paused, or nobody measured
MINUTES = 60  # of which one count each is kept
_KEPT_MS = MINUTES * 60_000 + EVERY_MS
_SURE_MS = 15_000  # a rate over less varies too much
_STALE_MS = 30_000  # older counts mean that nobody is measuring


@dataclass(frozen=True, slots=True)
class Measured:
    """Recent output. segments_per_second: None before the second count; over_ms: period measured.

    slowest, fastest: of the averages over the last minute, five minutes and quarter of an hour.
    """

    segments_per_second: float | None
    over_ms: int
    slowest: float | None = None
    fastest: float | None = None

    @property
    def still(self) -> bool:
        """Whether nothing was sent during the whole period."""
        return self.segments_per_second == 0 and self.over_ms >= SPAN_MS - EVERY_MS


NOTHING = Measured(None, 0)

_NO_END = 2**62
# Built once: every poll of every open page asks it.
_COUNTS = (
    select(run_counts.c.run_id, run_counts.c.at, run_counts.c.segments)
    .where(run_counts.c.run_id.in_(bindparam("runs", expanding=True)))
    .where(run_counts.c.at.between(bindparam("since"), bindparam("until")))
    .order_by(run_counts.c.at, run_counts.c.id)
)


def is_due(connection: Connection) -> bool:
    """Return whether a count is due: runs are active or old counts remain, and nobody counted just now."""
    running = select(runs.c.id).where(runs.c.state == RunState.RUNNING).limit(1)
    if connection.execute(running).first() is None:
        oldest = connection.scalar(select(func.min(run_counts.c.at)))
        return oldest is not None and oldest < shared_ms(connection) - _KEPT_MS - SPAN_MS
    newest = connection.scalar(select(func.max(run_counts.c.at)))
    return newest is None or not 0 <= shared_ms(connection) - newest < EVERY_MS


def count(connection: Connection) -> None:
    """Count what active runs have sent; of the last minute keep all counts, of the last hour one a minute."""
    now, c = shared_ms(connection), run_counts.c
    running = select(runs.c.id).where(runs.c.state == RunState.RUNNING)
    between = (c.at < now - SPAN_MS - EVERY_MS) & (c.at % SPAN_MS >= EVERY_MS)
    connection.execute(delete(run_counts).where(between | (c.at < now - _KEPT_MS) | (c.at > now)))
    t = tallies.c
    gone_out = select(t.run_id, func.sum(t.segments)).where(t.run_id.in_(running), t.state.in_(SENT))
    sent = {row[0]: int(row[1]) for row in connection.execute(gone_out.group_by(t.run_id))}
    rows = [
        {"run_id": run_id, "at": now, "segments": sent.get(run_id, 0)}
        for run_id in connection.execute(running).scalars()
    ]
    if rows:
        connection.execute(insert(run_counts), rows)


def measured(connection: Connection, run_ids: Collection[int], now: int | None = None) -> dict[int, Measured]:
    """Return what these runs send, of those that are measured; now: shared_ms, if the caller has read it."""
    now = now or shared_ms(connection)
    looks: dict[int, list[tuple[int, int]]] = {}
    given = {"runs": list(run_ids), "since": now - _SPANS_MS[-1] - EVERY_MS, "until": _NO_END}
    for run_id, at, segments in connection.execute(_COUNTS, given).all():
        looks.setdefault(run_id, []).append((at, segments))
    return {
        run_id: _measured(found, now) for run_id, found in looks.items() if now - found[-1][0] <= _STALE_MS
    }


_RUNS = (
    select(runs.c.id, runs.c.started_at, runs.c.ended_at, func.coalesce(func.sum(tallies.c.segments), 0))
    .outerjoin(tallies, (tallies.c.run_id == runs.c.id) & tallies.c.state.in_(SENT))
    .where(runs.c.id.in_(bindparam("runs", expanding=True)))
    .group_by(runs.c.id, runs.c.started_at, runs.c.ended_at)
)


def last_hour(connection: Connection, run_ids: Collection[int]) -> int:
    """Return the SMS parts that these runs have sent in the last MINUTES.

    From a run's start, where nothing is sent, over its counts to what it has sent by its end, or by now.
    """
    now, found = shared_ms(connection), 0
    begin = now - _KEPT_MS
    given = {"runs": list(run_ids), "since": begin, "until": now}
    looks: dict[int, list[tuple[int, int]]] = {}
    for run_id, at, segments in connection.execute(_COUNTS, given).all():
        looks.setdefault(run_id, []).append((at, segments))
    for run_id, started, ended, sent in connection.execute(_RUNS, given).all():
        end = now if ended is None else min(ended, now)
        known = looks.get(run_id, [])
        if end < begin:
            continue
        if started is not None and started >= begin:
            known = [(started, 0), *known]
        elif not known:
            continue
        before = known[0][1]
        for segments in (*(each[1] for each in known[1:]), int(sent)):
            found += max(segments - before, 0)
            before = segments
    return found


def _measured(looks: list[tuple[int, int]], now: int) -> Measured:
    gaps = [n for n in range(1, len(looks)) if looks[n][0] - looks[n - 1][0] > _GAP_MS]
    looks = looks[gaps[-1] :] if gaps else looks
    first, *others = (_speed([each for each in looks if each[0] >= now - of - EVERY_MS]) for of in _SPANS_MS)
    rates = [
        each.segments_per_second
        for each in (first, *others)
        if each.segments_per_second and each.over_ms >= _SURE_MS
    ]
    return Measured(
        first.segments_per_second, first.over_ms, min(rates, default=None), max(rates, default=None)
    )


def _speed(looks: list[tuple[int, int]]) -> Measured:
    if not looks:
        return NOTHING
    (begun, before), (ended, after) = looks[0], looks[-1]
    over = ended - begun
    # A decrease means that unknown messages were requeued; that is not a rate.
    return Measured(max(after - before, 0) * 1000 / over, over) if over > 0 else NOTHING
