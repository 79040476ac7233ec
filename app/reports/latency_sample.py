"""Send times and latencies of a run from an even sample of its rows.

A report counts every row; a page that reloads often samples some thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, func, select

from app.core.states import RECEIVED, SENT
from app.database.models import deliveries, receipts, run_batches

_SENT, _RECEIVED = frozenset(map(int, SENT)), frozenset(map(int, RECEIVED))
STRETCHES, ROWS = 60, 50  # sampled places of a run, and adjacent rows at each


@dataclass(frozen=True, slots=True)
class LatencySample:
    """Times of sent messages, ms since 1970: (submitted, received or None); whole: covers the whole run.

    waits_ms: from submission to receipt, ascending, by our clock only: carriers' receipt times come from
    another clock and are often cut to the minute.
    """

    times: Sequence[tuple[int, int | None]]
    whole: bool
    waits_ms: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds within which half and nine tenths of the `n` receipts so far arrived."""

    n: int
    p50_s: float
    p90_s: float
    whole: bool


def sample(connection: Connection, run_id: int) -> LatencySample:
    """Sample rows at even distances over the run's batches; every row of a small run."""
    b = run_batches.c
    query = select(b.campaign_id, b.batch_id, b.fanned_upto).where(b.run_id == run_id, b.fanned_upto > 0)
    parts = connection.execute(query.order_by(b.batch_id)).all()
    total = sum(part.fanned_upto for part in parts)
    whole = total <= STRETCHES * ROWS
    times, waits = [], []
    for place in _places(parts, total, whole):
        # All at once, and unpacked: a page reads some thousands of rows, and reading them is half its time.
        for state, sent_at, done_at, came in connection.execute(
            _ROWS, dict(zip(_PLACE, place, strict=True))
        ).all():
            if sent_at is None or state not in _SENT:
                continue
            received = state in _RECEIVED
            times.append((sent_at, (came or done_at) if received else None))
            if received and came is not None:
                waits.append(max(came - sent_at, 0))
    return LatencySample(times, whole, sorted(waits))


def _places(parts: Sequence[Any], total: int, whole: bool) -> list[tuple[int, int, int, int]]:
    """Return (campaign, batch, first line, last line) of each stretch."""
    if whole:
        return [(part.campaign_id, part.batch_id, 0, part.fanned_upto) for part in parts]
    found, before = [], 0
    wanted = [total * (2 * n + 1) // (2 * STRETCHES) for n in range(STRETCHES)]
    for part in parts:
        inside = [at - before for at in wanted if before <= at < before + part.fanned_upto]
        found += [(part.campaign_id, part.batch_id, at, at + ROWS - 1) for at in inside]
        before += part.fanned_upto
    return found


_PLACE = ("campaign", "batch", "first", "last")


def _rows() -> Select[Any]:
    """Select the rows of one place, built once: a run has sixty of them."""
    d, r = deliveries.c, receipts.c
    campaign, batch, first, last = (bindparam(name, type_=Integer()) for name in _PLACE)
    own = (d.campaign_id == campaign, d.batch_id == batch, d.seq.between(first, last))
    # Arrival of the last receipt that changed something: a few index rows per delivery.
    of = (r.campaign_id == d.campaign_id, r.batch_id == d.batch_id, r.seq == d.seq, r.changed)
    came = select(func.max(r.received_at)).where(*of).scalar_subquery()
    return select(d.state, d.submitted_at, d.done_at, came.label("came")).where(*own)


_ROWS = _rows()


def latency(of: LatencySample) -> Latency | None:
    waits = of.waits_ms
    if not waits:
        return None
    half, most = waits[(len(waits) - 1) // 2], waits[(len(waits) - 1) * 9 // 10]
    return Latency(len(waits), half / 1000, most / 1000, of.whole)


def curve(times: Sequence[int], ends: Sequence[int], total: int) -> list[float]:
    """Estimate from the sample how many of `total` messages had come by each of the ascending `ends`."""
    ordered, found, n = sorted(times), [], 0
    for end in ends:
        while n < len(ordered) and ordered[n] <= end:
            n += 1
        found.append(total * n / len(ordered) if ordered else 0.0)
    return found
