"""Send times and latencies of a run from an even sample of its rows.

A report counts every row; a page that reloads often samples six hundred.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
)

from app.core.states import RECEIVED, SENT
from app.database.models import deliveries, receipts, run_batches

_SENT, _RECEIVED = frozenset(map(int, SENT)), frozenset(map(int, RECEIVED))
STRETCHES, ROWS = 60, 10  # sampled places of a run, and adjacent rows at each


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
    for campaign_id, batch_id, lines in _places(parts, total, whole):
        # All at once, and unpacked: a page reads a thousand rows, and reading them is half its time.
        for state, sent_at, done_at, came in connection.execute(
            _rows(connection, lines), {"campaign": campaign_id, "batch": batch_id}
        ).all():
            if sent_at is None or state not in _SENT:
                continue
            received = state in _RECEIVED
            times.append((sent_at, (came or done_at) if received else None))
            if received and came is not None:
                waits.append(max(came - sent_at, 0))
    return LatencySample(times, whole, sorted(waits))


def _places(parts: Sequence[Any], total: int, whole: bool) -> list[tuple[int, int, list[int]]]:
    """Return (campaign, batch, lines): all lines, or ROWS of them from each of STRETCHES places."""
    if whole:
        return [(part.campaign_id, part.batch_id, list(range(part.fanned_upto + 1))) for part in parts]
    found, before = [], 0
    wanted = [total * (2 * n + 1) // (2 * STRETCHES) for n in range(STRETCHES)]
    for part in parts:
        inside = [at - before for at in wanted if before <= at < before + part.fanned_upto]
        if inside:
            lines = {line for at in inside for line in range(at, at + ROWS)}
            found.append((part.campaign_id, part.batch_id, sorted(lines)))
        before += part.fanned_upto
    return found


def _rows(connection: Connection, lines: Sequence[int]) -> Select[Any]:
    """Select these lines of a batch in one statement with one parameter for all of them."""
    d, r = deliveries.c, receipts.c
    own = (
        d.campaign_id == bindparam("campaign", type_=Integer),
        d.batch_id == bindparam("batch", type_=Integer),
    )
    # Arrival of the last receipt that changed something: a few index rows per delivery.
    of = (r.campaign_id == d.campaign_id, r.batch_id == d.batch_id, r.seq == d.seq, r.changed)
    came = select(func.max(r.received_at)).where(*of).scalar_subquery()
    return select(d.state, d.submitted_at, d.done_at, came.label("came")).where(
        *own, _among(connection, d.seq, lines)
    )


def _among(connection: Connection, line: Column[int], lines: Sequence[int]) -> ColumnElement[bool]:
    """Build the condition that `line` is one of `lines`, which are one parameter, not one each."""
    said = json.dumps(lines)
    if connection.dialect.name == "sqlite":
        return line.in_(select(func.json_each(said).table_valued("value").c.value))
    return line == any_(cast(literal(f"{{{said[1:-1]}}}", String), ARRAY(Integer)))


def latency(sample: LatencySample) -> Latency | None:
    waits = sample.waits_ms
    if not waits:
        return None
    half, most = waits[(len(waits) - 1) // 2], waits[(len(waits) - 1) * 9 // 10]
    return Latency(len(waits), half / 1000, most / 1000, sample.whole)


def curve(times: Sequence[int], ends: Sequence[int], total: int) -> list[float]:
    """Estimate from the sample how many of `total` messages had come by each of the ascending `ends`."""
    ordered, found, n = sorted(times), [], 0
    for end in ends:
        while n < len(ordered) and ordered[n] <= end:
            n += 1
        found.append(total * n / len(ordered) if ordered else 0.0)
    return found
