"""One carrier's result report, forms 1 to 4, from the tallies and rows of one moment, checked to add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from app.core import clock
from app.core.clock import VIETNAM_OFFSET_MS
from app.core.errors import Conflict, no_such
from app.core.states import FAILED, RECEIVED, SENT, DeliveryState, NotSent, RunState
from app.database.connection import price_of, shared_ms
from app.database.models import (
    audit,
    bad_lines,
    campaigns,
    deliveries,
    runs,
    submissions,
    subscribers,
    tallies,
)
from app.ledger import money
from app.ledger.approval_digest import STOPPED, SUSPENDED
from app.ledger.contract import ResultKind, TallyCount
from app.reports.counting import scope, snapshots
from app.reports.counting.scope import Scope
from app.reports.figures import by_area, carrier_statement, labels, tally
from app.reports.figures.figures import (
    BY_REASON,
    TIMED,
    AreaRow,
    CampaignReport,
    CarrierReport,
    Cause,
    Charged,
    DayRow,
    Extra,
    Figures,
    Header,
    NamedArea,
    TimeStep,
    agree,
)
from carriers.contract import Reason

# Figures counted from rows

RESENT = "unknown.resend"  # an audit action; `n` in its detail counts messages


# `Extra` holds what tallies cannot tell: deferrals, messages sent again, partly delivered or ported.
def extra_figures(connection: Connection, scope: Scope, cutoff_ms: int) -> Extra:
    d = deliveries.c
    some_part = (d.state.not_in(RECEIVED), d.delivered + d.relayed > 0)
    partly = select(func.count()).where(*scope.within(deliveries), *some_part)
    waiting = d.state == DeliveryState.SUBMITTED
    oldest = select(func.min(d.submitted_at)).where(*scope.within(deliveries), waiting)
    return Extra(
        deferred=connection.execute(_deferred(scope)).scalar_one(),
        resent=_resent(connection, scope.run.id, cutoff_ms) if scope.whole else None,
        partly=connection.execute(partly).scalar_one(),
        oldest_ms=connection.execute(oldest).scalar(),
    )


def _deferred(scope: Scope) -> Any:
    s = submissions.c
    where = (*scope.within(submissions), s.result == ResultKind.DEFERRED)
    # A message is deferred as a whole, however many of its parts were.
    whole = select(s.batch_id, s.seq, s.attempt).where(*where).distinct().subquery()
    return select(func.count()).select_from(whole)


def networks(connection: Connection, scope: Scope) -> tuple[Cause, ...]:
    """Count messages rejected because another network serves the number, by the network the carrier names.

    What a person has had sent again was refused more than once: the last refusal tells.
    """
    d, s, e = deliveries.c, submissions.c, submissions.alias("e").c
    own = and_(s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    every = (e.campaign_id == scope.run.campaign_id, e.batch_id == s.batch_id, e.seq == s.seq)
    last = select(func.max(e.attempt)).where(*every).correlate(submissions).scalar_subquery()
    ported = (d.state == DeliveryState.REJECTED, d.reason == Reason.OTHER_NETWORK)
    query = select(s.network, func.count()).select_from(deliveries).join(submissions, own)
    query = query.where(*scope.within(deliveries), *ported, s.network.is_not(None), s.attempt == last)
    found = connection.execute(query.group_by(s.network).order_by(s.network)).all()
    return tuple(Cause(network, labels.network(network), n) for network, n in found)


def _resent(connection: Connection, run_id: int, cutoff_ms: int) -> int:
    """Count messages a person sent again, by the audit: after a crash there is no submission."""
    query = select(audit.c.detail).where(audit.c.action == RESENT, audit.c.subject == f"run/{run_id}")
    query = query.where(audit.c.at <= cutoff_ms)
    return sum(int(detail["n"]) for detail in connection.execute(query).scalars())


# Run state at the cut-off, derived from figures: the run's own row knows only the present

_CANCELLED = NotSent.CANCELLED.name.lower()
_PAUSES = ("run.pause", STOPPED, SUSPENDED)
_ORDERS = ("run.start", "run.resume", *_PAUSES)  # audit actions on a run


def header(connection: Connection, report: CarrierReport, scope: Scope) -> Header:
    head = report.header
    state = _state(connection, report, scope)
    started = head.started_ms if head.started_ms is not None and head.started_ms <= head.cutoff_ms else None
    last = max((day.last_ms for day in report.days if day.last_ms is not None), default=None)
    return replace(head, run_state=state, started_ms=started, ended_ms=None if _open(state) else last)


def _open(state: RunState) -> bool:
    return state in (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED)


def _state(connection: Connection, report: CarrierReport, scope: Scope) -> RunState:
    g = report.general
    if not scope.begun(report.cutoff_ms):
        return RunState.PLANNED
    if g.waiting:
        return RunState.PAUSED if _paused(connection, scope, report.cutoff_ms) else RunState.RUNNING
    if any(cause.key == _CANCELLED for cause in report.excluded):
        return RunState.CANCELLED
    unsettled = g.no_receipt + g.unknown - report.extra.written_off
    finished_at = scope.run.finished_at  # set once the grace has passed, even with receipts missing
    over = finished_at is not None and finished_at <= report.cutoff_ms
    return RunState.FINISHED if over or not unsettled else RunState.SENT


def _paused(connection: Connection, scope: Scope, cutoff_ms: int) -> bool:
    a = audit.c
    own = (a.subject == f"run/{scope.run.id}", a.action.in_(_ORDERS), a.at <= cutoff_ms)
    last = connection.execute(select(a.action).where(*own).order_by(a.id.desc()).limit(1)).scalar()
    return last in _PAUSES


_NOW_MS = 2000  # a report of now is built so long after its moment at most: clocks are also put right
REPEATED = "repeated"  # bad line that repeats another one of its batch

_OUTCOME = {
    DeliveryState.QUEUED: "waiting",
    DeliveryState.SUBMITTED: "no_receipt",
    DeliveryState.UNKNOWN: "unknown",
    DeliveryState.RELAYED: "relayed",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.NOT_SENT: "excluded",
    DeliveryState.EXCLUDED: "excluded",
    **dict.fromkeys(FAILED, "failed"),
}


def build(connection: Connection, run_id: int, cutoff_ms: int, *, brief: bool = False) -> CarrierReport:
    """Return the report of a run as of `cutoff_ms` (ms since 1970): now, or the moment of a snapshot.

    brief: with one row for all days, and without `Extra`, networks and time steps, which take most of the
    time. Raises NotFound, Unbalanced if its identities do not hold, Conflict for a past moment that was not
    kept and since which something has changed. Call through db.read, for now with its time.
    """
    kept = snapshots.of_run(connection, run_id, cutoff_ms)
    return kept or _build(connection, scope.of_run(connection, run_id), cutoff_ms, brief=brief)


def count(connection: Connection, run_id: int, cutoff_ms: int, seen_ms: int) -> CarrierReport:
    """Count the run anew, whatever was kept; raises Unkept where something has changed since `seen_ms`."""
    of = scope.of_run(connection, run_id)
    snapshots.require_unchanged(connection, of, seen_ms)
    return _build(connection, of, cutoff_ms)


def build_batch(connection: Connection, campaign_id: int, batch_id: int, cutoff_ms: int) -> CarrierReport:
    """Return the report of one batch in one campaign; otherwise as `build`."""
    of = scope.of_batch(connection, campaign_id, batch_id)
    if snapshots.is_erased(connection, of.run.id):
        raise Conflict(
            "The rows of campaign {campaign} have been erased, so batch reports are no longer "
            "available. The report of run {run} is kept.",
            campaign=campaign_id,
            run=of.run.id,
            field="batch_id",
        )
    return _build(connection, of, cutoff_ms)


def build_campaign(
    connection: Connection, campaign_id: int, cutoff_ms: int, carrier: str | None = None
) -> CampaignReport:
    """Return the runs of a campaign side by side, all or one carrier's; otherwise as `build`.

    Runs whose carrier sends itself are left out: nothing is measured on them, and sources are never added up.
    """
    name = connection.execute(select(campaigns.c.name).where(campaigns.c.id == campaign_id)).scalar()
    if name is None:
        raise no_such("campaign", campaign_id, field="campaign_id")
    query = select(runs.c.id, runs.c.carrier).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    found = connection.execute(query.where(runs.c.carrier == carrier) if carrier else query).all()
    held = carrier_statement.held_runs(connection, campaign_id)
    parts = tuple(build(connection, row.id, cutoff_ms) for row in found if row.id not in held)
    themselves = tuple(row.carrier for row in found if row.id in held)
    return CampaignReport(campaign_id, name, cutoff_ms, parts, themselves)


def _build(connection: Connection, run_scope: Scope, cutoff_ms: int, *, brief: bool = False) -> CarrierReport:
    if cutoff_ms < shared_ms(connection) - _NOW_MS:
        snapshots.require_unchanged(connection, run_scope, cutoff_ms)
    counts = counts_of(connection, run_scope, cutoff_ms)
    on = clock.moment(run_scope.run.started_at or cutoff_ms).date()
    areas = areas_of(counts, on)
    outside = sum(batch.lines - batch.accepted for batch in run_scope.batches)
    sent = (_flow_as_one if brief else _flow)(connection, run_scope)
    extra = Extra() if brief else extra_figures(connection, run_scope, cutoff_ms)
    report = CarrierReport(
        header=scope.header(connection, run_scope, cutoff_ms),
        general=sum((row.figures for row in areas), Figures(eligible=outside, excluded=outside)),
        excluded=(*_excluded_lines(connection, run_scope), *_not_sent(counts)),
        extra=replace(extra, written_off=_written_off(counts)),
        areas=areas,
        places=by_area.measured(areas, on),
        empty=_empty(run_scope, areas, on),
        outside_areas=outside,
        days=_days(sent),
        steps=_steps(sent),
        reasons=reasons_of(counts),
        networks=() if brief else networks(connection, run_scope),
        cost=_charged(connection, run_scope, counts),
    )
    _check(run_scope, report)
    return replace(report, header=header(connection, report, run_scope))


def _charged(connection: Connection, scope: Scope, counts: Iterable[TallyCount]) -> Charged | None:
    """Return what the carrier charges by then, and its cost where there is a price; None for nothing."""
    charged = [count for count in counts if count.state in money.BILLED]
    if not charged:
        return None
    purpose = select(campaigns.c.purpose).where(campaigns.c.id == scope.run.campaign_id)
    price = price_of(connection, scope.run.carrier, str(connection.scalar(purpose)))
    whole = sum(count.segments for count in charged)
    unknown = sum(count.segments for count in charged if count.state == DeliveryState.UNKNOWN)
    return Charged(whole, unknown, None if price is None else money.dong(whole, price))


def _empty(scope: Scope, rows: Iterable[AreaRow], on: date) -> tuple[NamedArea, ...]:
    return by_area.empty((row.code for row in by_area.measured(rows, on)), on) if scope.whole else ()


def counts_of(connection: Connection, scope: Scope, cutoff_ms: int) -> list[TallyCount]:
    """Return the sums of the tallies, and subscribers that are not queued yet."""
    counts = tally.sums(connection, *scope.within(tallies), tallies.c.run_id == scope.run.id)
    if not scope.begun(cutoff_ms):  # repeated numbers are found at queueing only
        unseen = (DeliveryState.EXCLUDED, DeliveryState.QUEUED)
        counts = [c._replace(state=unseen[1], reason=0) if c.state == unseen[0] else c for c in counts]
    return [*counts, *not_queued(connection, scope, cutoff_ms)]


def _written_off(counts: Iterable[TallyCount]) -> int:
    left = (DeliveryState.UNKNOWN, NotSent.WRITTEN_OFF)
    return sum(c.n for c in counts if (c.state, c.reason) == left)


def not_queued(connection: Connection, scope: Scope, cutoff_ms: int) -> list[TallyCount]:
    """Count subscribers not yet turned into deliveries as queued, or as not sent if the run was closed."""
    s = subscribers.c
    beyond = [and_(s.batch_id == batch.id, s.seq > batch.fanned_upto) for batch in scope.batches]
    if not beyond:
        return []
    query = select(s.batch_id, s.area, func.count()).where(or_(*beyond)).group_by(s.batch_id, s.area)
    closed = scope.closed(cutoff_ms)
    state = DeliveryState.NOT_SENT if closed else DeliveryState.QUEUED
    reason = scope.run.closing if closed else 0
    rows = connection.execute(query)
    return [TallyCount(scope.run.id, batch_id, area, state, reason, n, 0) for batch_id, area, n in rows]


def figures_of(counts: Iterable[TallyCount]) -> Figures:
    """Sum counts into the report's figures; lines left out at import are not among them."""
    sums: dict[str, int] = {}
    for count in counts:
        sums["eligible"] = sums.get("eligible", 0) + count.n
        outcome = _OUTCOME[DeliveryState(count.state)]
        sums[outcome] = sums.get(outcome, 0) + count.n
        if count.state in SENT:
            sums["sent"] = sums.get("sent", 0) + count.n
            sums["segments"] = sums.get("segments", 0) + count.segments
        for key, reason in BY_REASON.items() if outcome == "failed" else ():
            if labels.group(count.reason) is reason:
                sums[key] = sums.get(key, 0) + count.n
    return Figures(**sums)


def areas_of(counts: Sequence[TallyCount], on: date) -> tuple[AreaRow, ...]:
    """Return counts by area, named as on that day; unknown area last."""
    by_area: defaultdict[str | None, list[TallyCount]] = defaultdict(list)
    for count in counts:
        by_area[count.area].append(count)
    codes = sorted(by_area, key=lambda code: (code is None, code))
    return tuple(AreaRow(code, labels.area(code, on), figures_of(by_area[code])) for code in codes)


def _excluded_lines(connection: Connection, scope: Scope) -> list[Cause]:
    ids = [batch.id for batch in scope.batches]
    query = select(bad_lines.c.reason, func.count()).where(bad_lines.c.batch_id.in_(ids))
    rows = connection.execute(query.group_by(bad_lines.c.reason)).all()
    wrong = [(key, n) for key, n in sorted(rows) if key != REPEATED]
    causes = [Cause(REPEATED, labels.REPEATED_IN_BATCH, sum(batch.repeated for batch in scope.batches))]
    causes += [Cause(key, labels.bad_line(key), n) for key, n in wrong]
    # Bad lines may have been purged; the batch still has their number.
    purged = sum(batch.rejected for batch in scope.batches) - sum(n for _, n in wrong)
    causes += [Cause("wrong_number", labels.WRONG_NUMBER, purged)] if purged > 0 else []
    return [cause for cause in causes if cause.n]


def _not_sent(counts: Iterable[TallyCount]) -> list[Cause]:
    sums: Counter[int] = Counter()
    for count in counts:
        if count.state in (DeliveryState.EXCLUDED, DeliveryState.NOT_SENT):
            sums[count.reason] += count.n
    return [Cause(labels.not_sent_key(r), labels.not_sent(r), n) for r, n in sorted(sums.items()) if n]


def reasons_of(counts: Iterable[TallyCount]) -> tuple[Cause, ...]:
    """Return form 4: every group of the form in its order, zeros too."""
    sums: Counter[int] = Counter()
    for count in counts:
        if count.state in FAILED:
            sums[labels.group(count.reason)] += count.n
    return tuple(Cause(reason.name.lower(), label, sums[reason]) for reason, label in labels.REASONS.items())


def _check(scope: Scope, report: CarrierReport) -> None:
    """Check both identities for every row, and that figures counted in two ways agree."""
    general = report.general
    general.check(scope.name)
    for row in report.areas:
        row.figures.check(f"{scope.name}, area {row.code or 'unknown'}")
    agree(scope.name, "the number of lines", general.eligible, sum(batch.lines for batch in scope.batches))
    agree(scope.name, "the number excluded", sum(c.n for c in report.excluded), general.excluded)
    agree(scope.name, "the number failed", sum(c.n for c in report.reasons), general.failed)
    by_day = sum((day.figures for day in report.days), Figures())
    for key in TIMED:
        agree(scope.name, f"{key} by day", getattr(by_day, key), getattr(general, key))


# ---- Messages sent and received over time: by day for form 3, by equal steps for the chart

_EPOCH = date(1970, 1, 1)
MINUTE_MS, _DAY = 60_000, 1440  # a day in minutes
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


class _Flow(NamedTuple):
    """Messages by minute in Vietnam time (None: unknown): sent, and received by state."""

    sent: dict[int | None, _Sent]
    received: Counter[tuple[int | None, int]]


def _flow(connection: Connection, scope: Scope) -> _Flow:
    """Count messages by the minute of submission and of receipt."""
    sent: defaultdict[int | None, _Sent] = defaultdict(_Sent)
    for row in connection.execute(_sent(scope)):
        sent[row.minute] |= _Sent(frozenset([row.batch_id]), *row[2:])
    received: Counter[tuple[int | None, int]] = Counter()
    for row in connection.execute(_received(scope)):
        received[row.minute, row.state] += row.n
    return _Flow(dict(sent), received)


def _flow_as_one(connection: Connection, scope: Scope) -> _Flow:
    """Count as `_flow` does, all in one unknown minute: sorting a million minutes takes most of its time."""
    d = deliveries.c
    here = scope.within(deliveries)
    counts = (func.count(), func.min(d.submitted_at), func.max(d.submitted_at))
    row = connection.execute(select(*counts).where(*here, d.state.in_(SENT))).one()
    sent = _Sent(frozenset(batch.id for batch in scope.batches), *row)
    sums = [func.coalesce(func.sum(case((d.state == state, 1), else_=0)), 0) for state in RECEIVED]
    found = connection.execute(select(*sums).where(*here)).one()
    received: Counter[tuple[int | None, int]] = Counter()
    received.update({(None, int(state)): n for state, n in zip(RECEIVED, found, strict=True)})
    return _Flow({None: sent}, received)


def _sent(scope: Scope) -> Any:
    d = deliveries.c
    minute = _minute(d.submitted_at)
    columns = (func.count(), func.min(d.submitted_at), func.max(d.submitted_at))
    where = (*scope.within(deliveries), d.state.in_(SENT))
    return select(minute.label("minute"), d.batch_id, *columns).where(*where).group_by(minute, d.batch_id)


def _received(scope: Scope) -> Any:
    d = deliveries.c
    minute = _minute(d.done_at)
    where = (*scope.within(deliveries), d.state.in_(RECEIVED))
    columns = (minute.label("minute"), d.state, func.count().label("n"))
    return select(*columns).where(*where).group_by(minute, d.state)


def _minute(column: ColumnElement[int]) -> ColumnElement[int]:
    return (column + VIETNAM_OFFSET_MS) // MINUTE_MS


def _days(flow: _Flow) -> tuple[DayRow, ...]:
    """Return form 3: sent by day of submission, received by day of receipt; unknown days last."""
    sent, received = _gathered(flow, _DAY)
    seen = {day for (day, _), n in received.items() if n} | {day for day, each in sent.items() if each.n}
    found = sorted(seen, key=lambda day: (day is None, day))
    return tuple(_day_row(day, sent[day], received) for day in found)


def _day_row(day: int | None, sent: _Sent, received: Counter[tuple[int | None, int]]) -> DayRow:
    return DayRow(
        day=None if day is None else (_EPOCH + timedelta(days=day)).isoformat(),
        batches=len(sent.batches),
        figures=_timed(day, sent, received),
        first_ms=sent.first_ms,
        last_ms=sent.last_ms,
    )


def _timed(at: int | None, sent: _Sent, received: Counter[tuple[int | None, int]]) -> Figures:
    return Figures(sent=sent.n, **{_OUTCOME[state]: received[at, state] for state in RECEIVED})


def _steps(flow: _Flow) -> tuple[TimeStep, ...]:
    """Return equal time steps without gaps, few enough for a chart; unknown times are left out."""
    seen = [m for m, each in flow.sent.items() if m is not None and each.n]
    seen += [m for (m, _), n in flow.received.items() if m is not None and n]
    if not seen:
        return ()
    width = _width(seen)
    sent, received = _gathered(flow, width)
    return tuple(
        TimeStep(
            start_ms=n * width * MINUTE_MS - VIETNAM_OFFSET_MS,
            minutes=width,
            figures=_timed(n, sent[n], received),
        )
        for n in range(min(seen) // width, max(seen) // width + 1)
    )


def _width(minutes: Iterable[int]) -> int:
    seen = list(minutes)
    fitting = (w for w in _STEPS if max(seen) // w - min(seen) // w < MOST_STEPS)
    return next(fitting, (max(seen) - min(seen)) // (MOST_STEPS - 1) + 1)


def _gathered(
    flow: _Flow, width: int
) -> tuple[defaultdict[int | None, _Sent], Counter[tuple[int | None, int]]]:
    sent: defaultdict[int | None, _Sent] = defaultdict(_Sent)
    for minute, each in flow.sent.items():
        sent[None if minute is None else minute // width] |= each
    received: Counter[tuple[int | None, int]] = Counter()
    for (minute, state), n in flow.received.items():
        received[None if minute is None else minute // width, state] += n
    return sent, received
