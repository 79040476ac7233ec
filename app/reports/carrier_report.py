"""One carrier's result report, forms 1 to 4: tallies and rows of one moment, checked to add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, and_, func, or_, select

from app import clock
from app.errors import NotFound
from app.ledger.contract import Count
from app.models import bad_lines, campaigns, runs, subscribers, tallies
from app.reports import details, labels, scope, tally
from app.reports.figures import AreaRow, CampaignReport, CarrierReport, Cause, Figures, agree
from app.reports.scope import Scope
from app.states import FAILED, SENT, DeliveryState, NotSent

REPEATED = "repeated"  # the reason of a bad line that is a repeat within its batch

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


def build(connection: Connection, run_id: int, cutoff_ms: int) -> CarrierReport:
    """The report of a run, with `cutoff_ms` (ms since 1970) printed as its cut-off time.

    Unbalanced, when its identities do not hold; NotFound. Call it by db.read: one moment for all figures.
    """
    return _build(connection, scope.of_run(connection, run_id), cutoff_ms, whole=True)


def build_batch(connection: Connection, campaign_id: int, batch_id: int, cutoff_ms: int) -> CarrierReport:
    """The report of one batch in one campaign; otherwise as `build`."""
    return _build(connection, scope.of_batch(connection, campaign_id, batch_id), cutoff_ms, whole=False)


def build_campaign(
    connection: Connection, campaign_id: int, cutoff_ms: int, carrier: str | None = None
) -> CampaignReport:
    """The runs of a campaign side by side, all or those of one carrier; otherwise as `build`."""
    name = connection.execute(select(campaigns.c.name).where(campaigns.c.id == campaign_id)).scalar()
    if name is None:
        raise NotFound(f"There is no campaign {campaign_id}.", field="campaign_id")
    query = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    ids = connection.execute(query.where(runs.c.carrier == carrier) if carrier else query).scalars()
    parts = tuple(build(connection, run_id, cutoff_ms) for run_id in ids.all())
    return CampaignReport(campaign_id, name, cutoff_ms, parts)


def _build(connection: Connection, of: Scope, cutoff_ms: int, *, whole: bool) -> CarrierReport:
    counts = tally.sums(connection, *of.within(tallies), tallies.c.run_id == of.run.id)
    unfanned = _unfanned(connection, of)
    on = clock.local(clock.from_ms(of.run.started_at or cutoff_ms)).date()
    areas = _areas([*counts, *unfanned], on)
    outside = sum(batch.lines - batch.accepted for batch in of.batches)
    written_off = sum(
        c.n for c in counts if (c.state, c.reason) == (DeliveryState.UNKNOWN, NotSent.WRITTEN_OFF)
    )
    report = CarrierReport(
        header=scope.header(connection, of, cutoff_ms),
        general=sum((row.figures for row in areas), Figures(eligible=outside, excluded=outside)),
        excluded=(*_excluded_lines(connection, of), *_not_sent([*counts, *unfanned])),
        extra=details.beside(connection, of, written_off, whole),
        areas=areas,
        outside_areas=outside,
        days=details.days(connection, of),
        reasons=_reasons(counts),
    )
    _check(of, report)
    return report


def _unfanned(connection: Connection, of: Scope) -> list[Count]:
    """Subscribers not yet turned into deliveries, as if queued; not sent, where the run has been closed."""
    s = subscribers.c
    beyond = [and_(s.batch_id == batch.id, s.seq > batch.fanned_upto) for batch in of.batches]
    if not beyond:
        return []
    query = select(s.batch_id, s.area, func.count()).where(or_(*beyond)).group_by(s.batch_id, s.area)
    closed = of.over and of.run.closing is not None
    state = DeliveryState.NOT_SENT if closed else DeliveryState.QUEUED
    reason = of.run.closing if closed else 0
    rows = connection.execute(query)
    return [Count(of.run.id, batch_id, area, state, reason, n, 0) for batch_id, area, n in rows]


def _figures(counts: Iterable[Count]) -> Figures:
    """Counts in the words of the report; lines left out at import have no count and are not here."""
    sums: Counter[str] = Counter()
    for count in counts:
        sums["eligible"] += count.n
        sums[_OUTCOME[DeliveryState(count.state)]] += count.n
        if count.state in SENT:
            sums["sent"] += count.n
            sums["segments"] += count.segments
    return Figures(**sums)


def _areas(counts: Sequence[Count], on: date) -> tuple[AreaRow, ...]:
    by_area: defaultdict[str | None, list[Count]] = defaultdict(list)
    for count in counts:
        by_area[count.area].append(count)
    codes = sorted(by_area, key=lambda code: (code is None, code))
    return tuple(AreaRow(code, labels.area(code, on), _figures(by_area[code])) for code in codes)


def _excluded_lines(connection: Connection, of: Scope) -> list[Cause]:
    """Lines that were left out at import: repeats first, then wrong numbers by reason."""
    ids = [batch.id for batch in of.batches]
    query = select(bad_lines.c.reason, func.count()).where(bad_lines.c.batch_id.in_(ids))
    rows = connection.execute(query.group_by(bad_lines.c.reason)).all()
    wrong = [(key, n) for key, n in sorted(rows) if key != REPEATED]
    causes = [Cause(REPEATED, labels.REPEATED_IN_BATCH, sum(batch.repeated for batch in of.batches))]
    causes += [Cause(key, labels.bad_line(key), n) for key, n in wrong]
    # Bad lines may have been purged; the batch still knows how many there were.
    purged = sum(batch.rejected for batch in of.batches) - sum(n for _, n in wrong)
    causes += [Cause("wrong_number", labels.WRONG_NUMBER, purged)] if purged > 0 else []
    return [cause for cause in causes if cause.n]


def _not_sent(counts: Iterable[Count]) -> list[Cause]:
    sums: Counter[int] = Counter()
    for count in counts:
        if count.state in (DeliveryState.EXCLUDED, DeliveryState.NOT_SENT):
            sums[count.reason] += count.n
    return [Cause(labels.not_sent_key(r), labels.not_sent(r), n) for r, n in sorted(sums.items()) if n]


def _reasons(counts: Iterable[Count]) -> tuple[Cause, ...]:
    """Form 4: every group of the form, zero or not, in its order."""
    sums: Counter[int] = Counter()
    for count in counts:
        if count.state in FAILED:
            sums[labels.group(count.reason)] += count.n
    return tuple(Cause(reason.name.lower(), label, sums[reason]) for reason, label in labels.REASONS.items())


def _check(of: Scope, report: CarrierReport) -> None:
    """Both identities for every row, and every figure that is counted in two ways counted alike."""
    general = report.general
    general.check(of.name)
    for row in report.areas:
        row.figures.check(f"{of.name}, area {row.code or 'unknown'}")
    agree(of.name, "the number of lines", general.eligible, sum(batch.lines for batch in of.batches))
    agree(of.name, "what was excluded", sum(c.n for c in report.excluded), general.excluded)
    agree(of.name, "what failed", sum(c.n for c in report.reasons), general.failed)
    for name in ("sent", "delivered", "relayed"):
        agree(
            of.name, f"{name} by day", sum(getattr(day, name) for day in report.days), getattr(general, name)
        )
