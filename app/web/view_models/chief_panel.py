"""The overview's head: one total over all carriers, the rate of the last hour, the forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.core.states import RunState
from app.observability import send_rate
from app.reports.figures.figures import Figures
from app.web.view_models import run_status, svg_charts, traffic_light
from app.web.view_models.run_status import RunView
from app.web.view_models.svg_charts import Span
from app.web.view_models.traffic_light import Judged

SPARKLINE = (300, 48)  # units of the picture of the last hour


@dataclass(frozen=True, slots=True)
class StatedShare:
    """What a carrier that sends or calls by itself has stated; received: as `level` proves, None without
    receipts.
    """

    run_id: int
    carrier: str
    sent: int
    received: int | None
    level: str | None


@dataclass(frozen=True, slots=True)
class ChiefPanel:
    """Totals of the campaigns under way, or, if there are none, of all that are shown.

    Totals and bar are measured; stated: what carriers that send by themselves say, never added to them.
    Messages delivered to the telephone (of `handset_sent`), taken by the carrier's centre, and without any
    proof are three numbers. rate: SMS parts per second now, None if nothing is measured; last_hour: SMS
    parts. finishes_at: of the last run that has begun, None if any of them can't be forecast; paused: how
    many runs are taken in it to go on at once; planned: runs not begun; endless: carriers that send by
    themselves and have stated no end. worst: the worst run's light.
    """

    going: bool
    campaigns: int
    carriers: int
    people: int
    sent: int
    delivered: int
    handset_sent: int
    relayed: int
    failed: int
    open: int
    unknown: int
    waiting: int
    share: float | None
    handset_share: float | None
    rate: float | None
    last_hour: int
    sparkline: str
    finishes_at: datetime | None
    paused: int
    planned: int
    endless: tuple[str, ...]
    stated: tuple[StatedShare, ...]
    worst: Judged
    bar: Mapping[str, Span]


def panel(connection: Connection, shown: Sequence[RunView], now: int | None = None) -> ChiefPanel | None:
    """Sum up the runs of approved campaigns; None without any; now: shared_ms, if it is known."""
    if not shown:
        return None
    going = [run for run in shown if run.state in traffic_light.UNDER_WAY]
    ids = {run.campaign_id for run in going}
    of = [run for run in shown if run.campaign_id in ids] or list(shown)
    counted = [run for run in of if not run.held]
    total, handset = _sum(counted), _sum(run for run in counted if run.level == "handset")
    rates = [run.rate for run in of if run.rate is not None]
    minutes = send_rate.by_minute(connection, [run.id for run in of], now)
    people, ends = total.eligible - total.excluded, _end(going)
    return ChiefPanel(
        going=bool(going),
        campaigns=len({run.campaign_id for run in of}),
        carriers=len({run.carrier for run in of}),
        people=people,
        sent=total.sent,
        delivered=total.delivered,
        handset_sent=handset.sent,
        relayed=total.relayed,
        failed=total.failed,
        open=total.no_receipt,
        unknown=total.unknown,
        waiting=total.waiting,
        share=total.sent / people if people else None,
        handset_share=total.delivered / handset.sent if handset.sent else None,
        rate=sum(rates) if rates else None,
        last_hour=sum(minutes),
        sparkline=svg_charts.sparkline(minutes, *SPARKLINE),
        finishes_at=ends,
        paused=0 if ends is None else sum(run.state is RunState.PAUSED for run in going),
        planned=sum(run.state is RunState.PLANNED for run in of),
        endless=tuple(dict.fromkeys(run.carrier for run in going if run.held and run.finishes_at is None)),
        stated=tuple(
            StatedShare(run.id, run.carrier, run.figures.sent, run.received, run.level)
            for run in of
            if run.held and run.level is not None
        ),
        worst=traffic_light.worst(Judged(run.light, run.said) for run in of),
        bar=svg_charts.stacked(run_status.bar_of(total)),
    )


def _sum(of: Iterable[RunView]) -> Figures:
    return sum((run.figures for run in of), Figures())


def _end(going: Sequence[RunView]) -> datetime | None:
    """Return when the last of them is done; None as long as this can't be said of each."""
    ends = [run.finishes_at for run in going if not run.held or run.finishes_at]
    known = [at for at in ends if at is not None]
    return max(known) if known and len(known) == len(ends) else None
