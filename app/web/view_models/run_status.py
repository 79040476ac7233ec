"""Status of runs for pages: figures, share, rate, forecast, and a light against deadline and norm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from app.campaigns import forecast
from app.campaigns.forecast import Deadlines, LinkUse, Load, Queued, Rate
from app.campaigns.queries import RunSummary
from app.core import clock, sending_window
from app.core.states import SENDS_NO_MORE, DeliveryState, NotSent, RunState
from app.database.models import directives
from app.ledger import tallies
from app.ledger.contract import TallyCount
from app.observability import link_status
from app.observability.link_status import LinkHealthState, Standstill
from app.observability.send_rate import NOTHING, Measured
from app.reports.counting.carrier_report import figures_of
from app.reports.counting.scope import ReceiptLevels, SentRun, levels_proved
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import Statement
from app.reports.figures.figures import Figures
from app.web import stages
from app.web.display_names import BAR
from app.web.translations import Said
from app.web.view_models import norm, svg_charts, traffic_light
from app.web.view_models.svg_charts import Span
from app.web.view_models.traffic_light import Due, Judged, Light
from carriers.contract import ReceiptLevel

Ends = tuple[datetime, datetime]
_CUT_OFF = NotSent.WINDOW_CLOSED.name.lower()


@dataclass(frozen=True, slots=True)
class RunView:
    """A run's status. level: what its receipts prove; ratio: received of sent, at that level.

    bar: parts of its chart; rate: SMS parts per second now; said: reason of the light. held: the carrier
    sends itself, and the figures are its statement, if any. advice:
    what to do while nothing is sent, since `since`; begins_at: when its hours open. ends: the forecast as the
    earliest and latest end by the rates of late; both are the end of a run that is over. stage: of stages.py.
    """

    id: int
    campaign_id: int
    carrier: str
    state: RunState
    stage: str
    figures: Figures
    held: bool
    level: str | None
    received: int | None
    ratio: float | None
    rate: float | None
    ends: Ends | None
    light: Light
    said: Said
    bar: Mapping[str, Span] = field(default_factory=dict)
    since: datetime | None = None
    advice: Said | None = None
    begins_at: datetime | None = None
    segments_left: int = 0


def bar_of(figures: Figures) -> dict[str, int]:
    return {key: getattr(figures, key) for key in BAR}


def views(
    connection: Connection,
    campaigns: Sequence[Row[Any]],
    runs: Sequence[RunSummary],
    use: LinkUse | None = None,
    levels: ReceiptLevels | None = None,
    letters: Iterable[Any] = (),
) -> list[RunView]:
    """Load the status of these runs in a fixed number of queries.

    use, levels, letters: what a caller has read already, of `letters` (rows of directives) at least some.
    """
    now, sent = clock.now(), [_sent_run(run) for run in runs if run.audience is None]
    use = use or forecast.link_use(connection, now, campaign_rows=campaigns)
    of = _PageData(
        now=now,
        campaigns={row.id: row for row in campaigns},
        deadlines=_report_deadlines(connection, campaigns, letters),
        use=use,
        stops=link_status.standstills(use.links),
        levels=levels.proved(sent) if levels else levels_proved(connection, sent, clock.to_ms(now)),
        cut_off=tallies.cut_off(connection, [run.id for run in runs if run.closing == _CUT_OFF]),
    )
    return [_view(run, of) if run.audience is None else _held(connection, run, of) for run in runs]


@dataclass(frozen=True, slots=True)
class _PageData:
    """Data shared by all runs of a page."""

    now: datetime
    campaigns: Mapping[int, Row[Any]]
    deadlines: Mapping[int | None, datetime]
    use: LinkUse
    stops: Mapping[str, Standstill]
    levels: Mapping[int, int | None]
    cut_off: Mapping[int, int]  # by run: subscribers whom its time left without a message

    def window(self, run: RunSummary) -> sending_window.Window:
        row = self.campaigns[run.campaign_id]
        return sending_window.Window.of(row.window_start, row.window_end, row.day_starts, row.day_ends)

    def lately(self, run: RunSummary) -> Measured:
        """Return its measured rate, while it may send."""
        sends = run.state is RunState.RUNNING and sending_window.open_at(self.window(run), self.now)
        return self.use.measured.get(run.id, NOTHING) if sends else NOTHING

    def stage(self, run: RunSummary) -> str:
        if run.audience is not None:
            return run.state
        down = run.carrier in self.stops or run.carrier not in self.use.rates
        is_open = sending_window.open_at(self.window(run), self.now)
        return stages.of_run(run.state, suspended=run.suspended is not None, down=down, is_open=is_open)

    def ahead(self, run: RunSummary) -> list[Queued]:
        return forecast.before(self.use.queue, run.carrier, run.priority, run.id)

    def deadline(self, run: RunSummary) -> datetime | None:
        return self.deadlines.get(self.campaigns[run.campaign_id].directive_id)


def _report_deadlines(
    connection: Connection, campaigns: Iterable[Row[Any]], letters: Iterable[Any]
) -> dict[int | None, datetime]:
    """Return the deadlines of the campaigns' directives; letters: rows of those that need no reading."""
    rows = list(letters)
    if ids := {row.directive_id for row in campaigns} - {None, *(row.id for row in rows)}:
        rows += connection.execute(_REPORT_DEADLINES, {"ids": list(ids)}).all()
    return {row.id: clock.from_ms(row.report_deadline) for row in rows if row.report_deadline}


_REPORT_DEADLINES = select(directives.c.id, directives.c.report_deadline).where(
    directives.c.id.in_(bindparam("ids", expanding=True))
)


def _view(run: RunSummary, page_data: _PageData) -> RunView:
    figures = _figures(run)
    level = page_data.levels[run.id] if figures.sent else None
    received = _received(figures, level)
    waiting = figures.no_receipt + figures.unknown + (figures.relayed if _by_handset(level) else 0)
    ends = _ended(run) if run.state in SENDS_NO_MORE else _forecast(run, page_data)
    against = norm.judge(level, figures.sent, received, waiting)
    over = run.state in (RunState.SENT, RunState.FINISHED)
    stops = _lacks(run, figures, page_data) if over else _stops(run, figures, page_data)
    judged = traffic_light.judge(
        run.state, ends, _due(run, figures, page_data), against, page_data.now, stops
    )
    return replace(_made(run, figures, level, ends, judged, page_data), **_standstill(run, judged, page_data))


def _due(run: RunSummary, figures: Figures, page_data: _PageData) -> Due:
    """Return by when the run must be done; the window's end matters while something is to be sent."""
    sends = figures.waiting or run.state is RunState.PLANNED
    return Due(page_data.deadline(run), page_data.window(run).end if sends else None)


def _lacks(run: RunSummary, figures: Figures, page_data: _PageData) -> Judged | None:
    """Say why a run that is over can't be said to have been sent; None if it was."""
    if page_data.cut_off.get(run.id):
        return traffic_light.CUT_OFF
    # The norm can't be said to be kept.
    if figures.eligible - figures.unknown < norm.NORM * figures.eligible:
        return traffic_light.UNCLEAR
    return None if figures.sent or not figures.eligible else traffic_light.NONE_SENT


def _sent_run(run: RunSummary) -> SentRun:
    return SentRun(run.id, run.campaign_id, run.carrier, _ms(run.started_at), _ms(run.ended_at))


STANDS: dict[LinkHealthState | None, Judged] = {
    None: traffic_light.HALTED,
    LinkHealthState.LOST: traffic_light.LOST,
    LinkHealthState.PROBING: traffic_light.PROBING,
    LinkHealthState.WAITING: traffic_light.WAITING,
    LinkHealthState.REFUSING: traffic_light.REFUSING,
    LinkHealthState.CLOSED: traffic_light.CLOSED,
}


def _stops(run: RunSummary, figures: Figures, page_data: _PageData) -> Judged | None:
    """Say why nothing is sent now; None if something is, or nothing is left."""
    if not figures.waiting:
        return None
    if run.carrier not in page_data.use.rates:
        return traffic_light.NO_LINK
    if run.carrier in page_data.stops:
        return STANDS[page_data.stops[run.carrier].state]
    if page_data.lately(run).still:
        sends = any(each.found.segments_per_second for each in page_data.ahead(run))
        return traffic_light.TURN if sends else traffic_light.STILL
    return None if sending_window.open_at(page_data.window(run), page_data.now) else traffic_light.NOT_YET


def _standstill(run: RunSummary, judged: Judged, page_data: _PageData) -> dict[str, Any]:
    """Return since when nothing is sent, what to do about it, and when its hours open."""
    stop = page_data.stops.get(run.carrier) if judged in STANDS.values() else None
    begins = (
        sending_window.next_change(page_data.window(run), page_data.now)
        if judged is traffic_light.NOT_YET
        else None
    )
    return {
        "since": None if stop is None or stop.since is None else clock.from_ms(stop.since),
        "advice": traffic_light.ADVICE.get(judged),
        "begins_at": begins,
        "segments_left": 0 if run.state in SENDS_NO_MORE else _load(run, page_data).segments_left,
    }


def _held(connection: Connection, run: RunSummary, page_data: _PageData) -> RunView:
    said = carrier_statement.latest(connection, run.id)
    figures, received = _stated(said) if said else (Figures(), None)
    level = said.level if said else None
    against = norm.judge(level, figures.sent, received, figures.no_receipt)
    deadline, window = page_data.deadline(run), page_data.window(run)
    ended_ms = carrier_statement.ended_ms(said, _ms(run.ended_at))
    first_ms = said.first_ms if said else None
    kept = carrier_statement.held_in_time(
        ended_ms, first_ms, _ms(deadline), clock.to_ms(page_data.now), _ms(window.end)
    )
    done = None if ended_ms is None else clock.from_ms(ended_ms)
    judged = traffic_light.judge_held(
        run.state, done is not None, said is not None, kept, against, deadline is not None
    )
    return _made(run, figures, level, None if done is None else (done, done), judged, page_data)


def _stated(statement: Statement) -> tuple[Figures, int | None]:
    """Return what the carrier stated, and what it says was received."""
    general, handset = statement.figures.general, _by_handset(statement.level)
    received = general.received or 0
    figures = Figures(
        eligible=general.eligible or 0,
        sent=general.sent or 0,
        delivered=received if handset else 0,
        relayed=0 if handset else received,
        failed=general.failed or 0,
        no_receipt=general.no_receipt or 0,
        segments=statement.figures.segments or 0,
    )
    return figures, general.received


def _ms(at: datetime | None) -> int | None:
    return None if at is None else clock.to_ms(at)


def _made(
    run: RunSummary,
    figures: Figures,
    level: int | None,
    ends: Ends | None,
    judged: Judged,
    page_data: _PageData,
) -> RunView:
    received = _received(figures, level)
    return RunView(
        id=run.id,
        campaign_id=run.campaign_id,
        carrier=run.carrier,
        state=run.state,
        stage=page_data.stage(run),
        figures=figures,
        held=run.audience is not None,
        level=None if level is None else ReceiptLevel(level).name.lower(),
        received=received,
        ratio=received / figures.sent if received is not None and figures.sent else None,
        rate=page_data.lately(run).segments_per_second,
        ends=ends,
        light=judged.light,
        said=judged.said,
        bar=svg_charts.stacked(bar_of(figures)),
    )


def _figures(run: RunSummary) -> Figures:
    """Sum the run's counts; subscribers not in the ledger yet are waiting."""
    found = figures_of(
        TallyCount(run.id, 0, None, DeliveryState[name.upper()], 0, n.messages, n.segments)
        for name, n in run.progress.items()
    )
    return found + Figures(eligible=run.not_queued, waiting=run.not_queued)


def _by_handset(level: int | None) -> bool:
    return level == ReceiptLevel.HANDSET


def _received(figures: Figures, level: int | None) -> int | None:
    """Return what the receipts prove; None where they prove nothing."""
    if _by_handset(level):
        return figures.delivered
    return figures.relayed if level == ReceiptLevel.OPERATOR else None


def _ended(run: RunSummary) -> Ends | None:
    return None if run.ended_at is None else (run.ended_at, run.ended_at)


def _forecast(run: RunSummary, page_data: _PageData) -> Ends | None:
    """Forecast the earliest and the latest end; None before the start, or while nothing can be sent."""
    if run.state is RunState.PLANNED:
        return None
    of_links, lately = page_data.use.rates.get(run.carrier, Rate(0.0, 0, 0, 0)), page_data.lately(run)
    rate = forecast.paced(of_links, run.segments_per_second, lately, page_data.ahead(run))
    if not rate.segments_per_second or lately.fastest is None or lately.slowest is None:
        done = _end(run, rate, page_data)
        return None if done is None else (done, done)
    most = max(of_links.segments_per_second, rate.segments_per_second)
    first = _end(run, replace(rate, segments_per_second=min(lately.fastest, most)), page_data)
    last = _end(
        run, replace(rate, segments_per_second=min(lately.slowest, rate.segments_per_second)), page_data
    )
    return None if first is None or last is None else (min(first, last), last)


def _end(run: RunSummary, rate: Rate, page_data: _PageData) -> datetime | None:
    due = Deadlines(page_data.window(run), page_data.deadline(run))
    return forecast.conclude(run.id, _load(run, page_data), rate, due, page_data.now).finishes_at


def _load(run: RunSummary, page_data: _PageData) -> Load:
    return forecast.load_of_run(run, page_data.campaigns[run.campaign_id].texts)
