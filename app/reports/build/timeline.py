"""Messages sent and received over time: by day for form 3, by equal steps for the chart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, select

from app.core.clock import VIETNAM_OFFSET_MS
from app.core.states import RECEIVED, DeliveryState
from app.database.models import deliveries
from app.reports.build import as_of
from app.reports.build.as_of import MINUTE_MS, Past
from app.reports.build.scope import Scope
from app.reports.figures.figures import DayRow, TimeStep

_EPOCH = date(1970, 1, 1)
_DAY = 1440  # minutes
_STEPS = (1, 5, 10, 15, 30, 60, 120, 180, 360, 720, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY)
MOST_STEPS = 40


class _Sent(NamedTuple):
    """Messages sent within a period."""

    batches: frozenset[int] = frozenset()
    n: int = 0
    first_ms: int | None = None
    last_ms: int | None = None

    def __or__(self, other: _Sent) -> _Sent:
        times = [ms for ms in (*self[2:], *other[2:]) if ms is not None]
        span = (min(times), max(times)) if times else (None, None)
        return _Sent(self.batches | other.batches, self.n + other.n, *span)


class Flow(NamedTuple):
    """Messages by minute in Viet Nam time (None: unknown): sent, and received by state."""

    sent: dict[int | None, _Sent]
    received: Counter[tuple[int | None, int]]


def flow(connection: Connection, scope: Scope, cutoff_ms: int, back: Past) -> Flow:
    """Count messages by the minute of submission and of receipt, as of the cut-off."""
    sent: defaultdict[int | None, _Sent] = defaultdict(_Sent)
    for row in connection.execute(_sent(scope, cutoff_ms)):
        sent[row.minute] |= _Sent(frozenset([row.batch_id]), *row[2:])
    for (minute, batch_id), each in back.sent.items():
        sent[minute] |= _Sent(frozenset([batch_id]), *each)
    for minute, n in back.unsent.items():
        sent[minute] |= _Sent(n=-n)
    received: Counter[tuple[int | None, int]] = Counter()
    for row in connection.execute(_received(scope)):
        received[row.minute, row.state] += row.n
    received.update(back.received)
    return Flow(dict(sent), received)


def whole(connection: Connection, scope: Scope, cutoff_ms: int, back: Past) -> Flow:
    """Count as `flow` does, all in one unknown minute: sorting a million minutes takes most of its time."""
    d = deliveries.c
    here = scope.within(deliveries)
    counts = (func.count(), func.min(d.submitted_at), func.max(d.submitted_at))
    row = connection.execute(select(*counts).where(*here, as_of.sent_by(cutoff_ms))).one()
    sent = _Sent(frozenset(batch.id for batch in scope.batches), *row)
    for each in back.sent.values():
        sent |= _Sent(frozenset(), *each)
    sent |= _Sent(n=-sum(back.unsent.values()))
    sums = [func.coalesce(func.sum(case((d.state == state, 1), else_=0)), 0) for state in RECEIVED]
    found = connection.execute(select(*sums).where(*here)).one()
    received: Counter[tuple[int | None, int]] = Counter()
    received.update({(None, int(state)): n for state, n in zip(RECEIVED, found, strict=True)})
    for (_, state), n in back.received.items():
        received[None, state] += n
    return Flow({None: sent}, received)


def _sent(scope: Scope, cutoff_ms: int) -> Any:
    d = deliveries.c
    minute = _minute(d.submitted_at)
    columns = (func.count(), func.min(d.submitted_at), func.max(d.submitted_at))
    where = (*scope.within(deliveries), as_of.sent_by(cutoff_ms))
    return select(minute.label("minute"), d.batch_id, *columns).where(*where).group_by(minute, d.batch_id)


def _received(scope: Scope) -> Any:
    d = deliveries.c
    minute = _minute(d.done_at)
    where = (*scope.within(deliveries), d.state.in_(RECEIVED))
    columns = (minute.label("minute"), d.state, func.count().label("n"))
    return select(*columns).where(*where).group_by(minute, d.state)


def _minute(column: ColumnElement[int]) -> ColumnElement[int]:
    return (column + VIETNAM_OFFSET_MS) // MINUTE_MS


def days(of: Flow) -> tuple[DayRow, ...]:
    """Return form 3: sent by day of submission, received by day of receipt; unknown days last."""
    sent, received = _gathered(of, _DAY)
    seen = {day for (day, _), n in received.items() if n} | {day for day, each in sent.items() if each.n}
    found = sorted(seen, key=lambda day: (day is None, day))
    return tuple(_day_row(day, sent[day], received) for day in found)


def _day_row(day: int | None, sent: _Sent, received: Counter[tuple[int | None, int]]) -> DayRow:
    return DayRow(
        day=None if day is None else (_EPOCH + timedelta(days=day)).isoformat(),
        batches=len(sent.batches),
        sent=sent.n,
        delivered=received[day, DeliveryState.DELIVERED],
        relayed=received[day, DeliveryState.RELAYED],
        first_ms=sent.first_ms,
        last_ms=sent.last_ms,
    )


def steps(of: Flow) -> tuple[TimeStep, ...]:
    """Return equal time steps without gaps, few enough for a chart; unknown times are left out."""
    seen = [m for m, each in of.sent.items() if m is not None and each.n]
    seen += [m for (m, _), n in of.received.items() if m is not None and n]
    if not seen:
        return ()
    width = _width(seen)
    sent, received = _gathered(of, width)
    return tuple(
        TimeStep(
            start_ms=n * width * MINUTE_MS - VIETNAM_OFFSET_MS,
            minutes=width,
            sent=sent[n].n,
            delivered=received[n, DeliveryState.DELIVERED],
            relayed=received[n, DeliveryState.RELAYED],
        )
        for n in range(min(seen) // width, max(seen) // width + 1)
    )


def _width(minutes: Iterable[int]) -> int:
    seen = list(minutes)
    fitting = (w for w in _STEPS if max(seen) // w - min(seen) // w < MOST_STEPS)
    return next(fitting, (max(seen) - min(seen)) // (MOST_STEPS - 1) + 1)


def _gathered(of: Flow, width: int) -> tuple[defaultdict[int | None, _Sent], Counter[tuple[int | None, int]]]:
    sent: defaultdict[int | None, _Sent] = defaultdict(_Sent)
    for minute, each in of.sent.items():
        sent[None if minute is None else minute // width] |= each
    received: Counter[tuple[int | None, int]] = Counter()
    for (minute, state), n in of.received.items():
        received[None if minute is None else minute // width, state] += n
    return sent, received
