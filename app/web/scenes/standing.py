"""How runs stand, for pages: figures, share, rate, forecast, and a light against deadline and norm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, select

from app import clock, hours
from app.campaigns import forecast
from app.campaigns.forecast import Deadlines, Load, Rate
from app.campaigns.queries import Run
from app.ledger.contract import Count
from app.models import directives, lanes
from app.reports import history, stated
from app.reports.carrier_report import figures_of
from app.reports.figures import Figures
from app.reports.proof import proved
from app.states import DeliveryState, LaneState, RunState
from app.web.scenes import charts, lights
from app.web.scenes.charts import Span
from app.web.scenes.lights import Judged, Light
from app.web.scenes.pulse import Pulse
from app.web.words import Said
from carriers import text as sms
from carriers.contract import ReceiptLevel

_OVER = (RunState.SENT, RunState.FINISHED, RunState.CANCELLING, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with what became of it. level: what its receipts prove; ratio: received of sent, at that level.

    bar: the parts of its picture; rate: SMS parts per second now; said: why the light is as it is.
    held: the carrier sends by itself, and the figures are what it has stated, if it has.
    """

    id: int
    campaign_id: int
    carrier: str
    state: RunState
    figures: Figures
    held: bool
    level: str | None
    received: int | None
    ratio: float | None
    rate: float | None
    finishes_at: datetime | None
    light: Light
    said: Said
    bar: Mapping[str, Span] = field(default_factory=dict)


def bar_of(figures: Figures) -> dict[str, int]:
    """The parts of a run's picture, in their order."""
    return {
        "delivered": figures.delivered,
        "relayed": figures.relayed,
        "failed": figures.failed,
        "no_receipt": figures.no_receipt,
        "unknown": figures.unknown,
        "waiting": figures.waiting,
    }


def views(
    connection: Connection, campaigns: Sequence[Row[Any]], found: Sequence[Run], pulse: Pulse
) -> list[RunView]:
    """The runs of these campaigns, in a handful of queries however many there are."""
    of = _Around(
        now=clock.now(),
        campaigns={row.id: row for row in campaigns},
        deadlines=_report_deadlines(connection, campaigns),
        rates=_rates(connection),
        pulse=pulse,
    )
    for run in found:
        if run.state is not RunState.RUNNING:
            pulse.forget(run.id)
    return [(_view if run.audience is None else _held)(connection, run, of) for run in found]


@dataclass(frozen=True, slots=True)
class _Around:
    """What the runs stand in."""

    now: datetime
    campaigns: Mapping[int, Row[Any]]
    deadlines: Mapping[int | None, datetime]
    rates: Mapping[str, Rate]
    pulse: Pulse

    def deadline(self, run: Run) -> datetime | None:
        """By when the letter behind the run wants its report."""
        return self.deadlines.get(self.campaigns[run.campaign_id].directive_id)


def _report_deadlines(connection: Connection, campaigns: Iterable[Row[Any]]) -> dict[int | None, datetime]:
    ids = {row.directive_id for row in campaigns if row.directive_id is not None}
    query = select(directives.c.id, directives.c.report_deadline).where(directives.c.id.in_(ids))
    return {
        row.id: clock.from_ms(row.report_deadline) for row in connection.execute(query) if row.report_deadline
    }


def _rates(connection: Connection) -> dict[str, Rate]:
    """What the links of each carrier send by contract."""
    found: dict[str, Rate] = {}
    for row in connection.execute(select(lanes.c.carrier, lanes.c.state, lanes.c.segments_per_second)):
        have, halted = found.get(row.carrier, Rate(0.0, 0, 0, 0)), row.state == LaneState.HALTED
        speed = have.segments_per_second + (0.0 if halted else row.segments_per_second)
        found[row.carrier] = Rate(speed, have.lanes + 1, have.halted + halted, 0)
    return found


def _view(connection: Connection, run: Run, of: _Around) -> RunView:
    """A run that Loa sends."""
    figures = _figures(run)
    level = proved(connection, cast(Any, run), clock.to_ms(of.now)) if figures.sent else None
    received = _received(figures, level)
    waiting = figures.no_receipt + figures.unknown + (figures.relayed if _by_handset(level) else 0)
    done = run.ended_at if run.state in _OVER else _forecast(run, of)
    norm = history.judge(level, figures.sent, received, waiting)
    return _made(run, figures, level, done, lights.judge(run.state, done, of.deadline(run), norm, of.now), of)


def _held(connection: Connection, run: Run, of: _Around) -> RunView:
    """A run whose carrier sends by itself: what it has stated of it, if it has."""
    said = stated.latest(connection, run.id)
    if said is None:
        return _made(run, Figures(), None, run.ended_at, lights.NO_FIGURES, of)
    general, handset = said.figures.general, _by_handset(said.level)
    received = general.received or 0
    figures = Figures(
        eligible=general.eligible or 0,
        sent=general.sent or 0,
        delivered=received if handset else 0,
        relayed=0 if handset else received,
        failed=general.failed or 0,
        no_receipt=general.no_receipt or 0,
        segments=said.figures.segments or 0,
    )
    done = clock.from_ms(said.ended_ms) if said.ended_ms else run.ended_at
    norm = history.judge(said.level, figures.sent, general.received, figures.no_receipt)
    judged = lights.judge(RunState.FINISHED, done, of.deadline(run), norm, of.now)
    return _made(run, figures, said.level, done, judged, of)


def _made(
    run: Run, figures: Figures, level: int | None, done: datetime | None, judged: Judged, of: _Around
) -> RunView:
    received = _received(figures, level)
    return RunView(
        id=run.id,
        campaign_id=run.campaign_id,
        carrier=run.carrier,
        state=run.state,
        figures=figures,
        held=run.audience is not None,
        level=None if level is None else ReceiptLevel(level).name.lower(),
        received=received,
        ratio=received / figures.sent if received is not None and figures.sent else None,
        rate=of.pulse.rate(run.id, figures.segments) if run.state is RunState.RUNNING else None,
        finishes_at=done,
        light=judged.light,
        said=judged.said,
        bar=charts.stacked(bar_of(figures)),
    )


def _figures(run: Run) -> Figures:
    """The run's counts in the words of the report; whoever is not in the ledger yet is waiting."""
    found = figures_of(
        Count(run.id, 0, None, DeliveryState[name.upper()], 0, n.messages, n.segments)
        for name, n in run.progress.items()
    )
    return found + Figures(eligible=run.not_queued, waiting=run.not_queued)


def _by_handset(level: int | None) -> bool:
    return level == ReceiptLevel.HANDSET


def _received(figures: Figures, level: int | None) -> int | None:
    """As much as the receipts prove; None where they prove nothing."""
    if _by_handset(level):
        return figures.delivered
    return figures.relayed if level == ReceiptLevel.OPERATOR else None


def _forecast(run: Run, of: _Around) -> datetime | None:
    """When it will be done, by the contract's rate of its links; None where nothing can be sent."""
    campaign, rate = of.campaigns[run.campaign_id], of.rates.get(run.carrier, Rate(0.0, 0, 0, 0))
    queued = run.progress.get("queued")
    messages = sum(count.messages for count in run.progress.values())
    parts = sum(count.segments for count in run.progress.values())
    each = parts / messages if messages else sms.segments(campaign.texts[""])
    left = (queued.segments if queued else 0) + round(run.not_queued * each)
    load = Load(run.subscribers, run.not_queued + (queued.messages if queued else 0), parts, left)
    window = hours.Window.of(
        campaign.window_start, campaign.window_end, campaign.day_starts, campaign.day_ends
    )
    return forecast.conclude(run.id, load, rate, Deadlines(window, of.deadline(run)), of.now).finishes_at
