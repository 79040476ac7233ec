"""What only the rows themselves can tell: days, deferrals, messages sent again or partly delivered."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, distinct, func, select

from app.clock import DAY_MS, VIETNAM_OFFSET_MS
from app.ledger.contract import ResultKind
from app.models import audit, deliveries, submissions
from app.reports.figures import DayRow, Extra
from app.reports.scope import Scope
from app.states import RECEIVED, SENT, DeliveryState

_EPOCH = date(1970, 1, 1)
RESENT = "unknown sent again"  # the audit's word for a person's decision, whose detail has their number `n`


def days(connection: Connection, scope: Scope) -> tuple[DayRow, ...]:
    """Form 3: sent by the day of submission, received by the day of the receipt; lost days last."""
    sent = {row.day: row for row in connection.execute(_sent(scope))}
    received: defaultdict[int | None, dict[int, int]] = defaultdict(dict)
    for row in connection.execute(_received(scope)):
        received[row.day][row.state] = row.n
    found = sorted({*sent, *received}, key=lambda day: (day is None, day))
    return tuple(_day_row(day, sent.get(day), received.get(day, {})) for day in found)


def _sent(scope: Scope) -> Any:
    d = deliveries.c
    day = _day(d.submitted_at)
    columns = (
        func.count(distinct(d.batch_id)).label("batches"),
        func.count().label("n"),
        func.min(d.submitted_at).label("first_ms"),
        func.max(d.submitted_at).label("last_ms"),
    )
    where = (*scope.within(deliveries), d.state.in_(SENT))
    return select(day.label("day"), *columns).where(*where).group_by(day)


def _received(scope: Scope) -> Any:
    d = deliveries.c
    day = _day(d.done_at)
    where = (*scope.within(deliveries), d.state.in_(RECEIVED))
    return select(day.label("day"), d.state, func.count().label("n")).where(*where).group_by(day, d.state)


def _day(column: ColumnElement[int]) -> ColumnElement[int]:
    return (column + VIETNAM_OFFSET_MS) // DAY_MS


def _day_row(day: int | None, sent: Row[Any] | None, received: dict[int, int]) -> DayRow:
    return DayRow(
        day=None if day is None else (_EPOCH + timedelta(days=day)).isoformat(),
        batches=sent.batches if sent else 0,
        sent=sent.n if sent else 0,
        delivered=received.get(DeliveryState.DELIVERED, 0),
        relayed=received.get(DeliveryState.RELAYED, 0),
        first_ms=sent.first_ms if sent else None,
        last_ms=sent.last_ms if sent else None,
    )


def beside(connection: Connection, scope: Scope, written_off: int, whole: bool) -> Extra:
    """The figures beside the identities; `whole`: of all the run's batches."""
    d = deliveries.c
    some_part = (d.state.not_in(RECEIVED)) & (d.delivered + d.relayed > 0)
    partly = func.coalesce(func.sum(case((some_part, 1), else_=0)), 0)
    oldest = func.min(case((d.state == DeliveryState.SUBMITTED, d.submitted_at)))
    row = connection.execute(select(partly, oldest).where(*scope.within(deliveries))).one()
    return Extra(
        deferred=connection.execute(_deferred(scope)).scalar_one(),
        resent=_resent(connection, scope.run.id) if whole else None,
        partly=int(row[0]),
        written_off=written_off,
        oldest_ms=row[1],
    )


def _deferred(scope: Scope) -> Any:
    s = submissions.c
    where = (*scope.within(submissions), s.result == ResultKind.DEFERRED)
    # A message is put off as a whole, however many of its parts were answered so.
    whole = select(s.batch_id, s.seq, s.attempt).where(*where).distinct().subquery()
    return select(func.count()).select_from(whole)


def _resent(connection: Connection, run_id: int) -> int:
    """Messages sent again by a person's decision, as the audit has it: a crash leaves no submission."""
    query = select(audit.c.detail).where(audit.c.action == RESENT, audit.c.subject == f"run {run_id}")
    return sum(int(detail["n"]) for detail in connection.execute(query).scalars())
