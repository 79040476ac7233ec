"""Forecast how long a run takes at its links' rate, when it ends, and what delays it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from app.campaigns import optimistic_lock, queries
from app.campaigns.carrier_audience import Audience, of_run
from app.campaigns.optimistic_lock import Record
from app.campaigns.queries import RunSummary
from app.core import clock, sending_window
from app.core.states import SENDS_NO_MORE, DeliveryState, LinkState, RunState
from app.database.models import batches, campaigns, directives, run_batches, runs, tallies
from app.ledger.contract import SLOWEST
from app.observability import link_status
from app.observability.link_status import LinksNow
from app.observability.send_rate import NOTHING, Measured, measured
from carriers import text as sms

_SURE_MS = 15_000  # a rate measured over less is not reliable
_NEWEST = 2**63
_NEVER_SENT = (DeliveryState.NOT_SENT, DeliveryState.EXCLUDED)
_RUNNING = select(runs).where(runs.c.state == RunState.RUNNING).order_by(runs.c.id)
_CAMPAIGNS = select(campaigns).where(campaigns.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Load:
    """What a run has to send, in subscribers and SMS parts: all, and what is left."""

    subscribers: int
    subscribers_left: int
    segments: int
    segments_left: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate of those links that can send, and how many links there are.

    others: running runs that these links send before this one; ahead_s: how long that takes.
    """

    segments_per_second: float
    links: int
    halted: int
    others: int
    away: int = 0  # links without a connection or without answers
    still: bool = False  # nothing has been sent for a minute although it is due
    unopened: bool = False  # the settings have links that no worker has opened yet
    ahead_s: float = 0.0


_NO_LINK = Rate(0.0, 0, 0, 0)
_PAUSED = "The run is paused. These times apply only if it is resumed now."


@dataclass(frozen=True, slots=True)
class Deadlines:
    """By when it must be done: the window's hours, and the directive's report deadline."""

    window: sending_window.Window
    report: datetime | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """seconds: at the full rate, without pauses. begins_at, finishes_at: counting open hours only.

    finishes_at is None if the run can't be sent at all as things stand; warnings are sentences.
    """

    run_id: int
    subscribers: int
    subscribers_left: int
    segments: int
    segments_left: int
    segments_per_second: float
    seconds: float | None
    begins_at: datetime | None
    finishes_at: datetime | None
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class LinkUse:
    """What forecasts of several runs at one moment have in common.

    links: all of them; rates: of the links by carrier; queue: running runs, who goes first; measured: what
    each running run sends.
    """

    links: LinksNow
    rates: Mapping[str, Rate]
    queue: Sequence[Queued]
    measured: Mapping[int, Measured]


def link_use(
    connection: Connection,
    now: datetime,
    running: Sequence[RunSummary] | None = None,
    campaign_rows: Sequence[Record] = (),
) -> LinkUse:
    """Read what links and running runs do; running: all running runs, for a caller that has read them.

    campaign_rows: rows of `campaigns` that it has read as well; those of other running runs are read here.
    """
    links = link_status.links_now(connection)
    if running is None:
        running = queries.runs_of(connection, _RUNNING)
    found = measured(connection, [run.id for run in running], links.at) if running else {}
    of = {row.id: row for row in campaign_rows}
    if missing := {run.campaign_id for run in running} - set(of):
        of |= {row.id: row for row in connection.execute(_CAMPAIGNS, {"ids": list(missing)}).all()}
    return LinkUse(links, rates(links), _send_queue(running, of, found, now), found)


def forecast(
    connection: Connection,
    run_id: int,
    now: datetime,
    planned: Mapping[str, float] | None = None,
    use: LinkUse | None = None,
) -> Forecast:
    """Forecast a run as if it continued, or began, at `now` (aware).

    planned: the rate of each carrier's links by the settings, for a carrier whose links no worker has opened.
    use: link_use at `now`, for a caller that asks of many runs.
    """
    run = optimistic_lock.run(connection, run_id)
    campaign = optimistic_lock.campaign(connection, run.campaign_id)
    if (held := of_run(connection, run_id)) is not None:
        return _of_carrier(run, held, campaign, _deadlines(connection, campaign))
    load, deadlines = _load(connection, run, campaign), _deadlines(connection, campaign)
    sends = run.state == RunState.RUNNING and sending_window.open_at(deadlines.window, now)
    use = use or link_use(connection, now)
    found = use.measured.get(run_id, NOTHING)
    links = use.rates.get(run.carrier, _NO_LINK)
    if links.links == 0 and planned and run.carrier in planned:
        links = replace(links, segments_per_second=planned[run.carrier], unopened=True)
    ahead = before(use.queue, run.carrier, run.priority, run.id)
    rate = paced(links, run.segments_per_second, found if sends else NOTHING, ahead)
    made = conclude(run_id, load, rate, deadlines, now)
    return replace(made, warnings=[_PAUSED, *made.warnings]) if run.state == RunState.PAUSED else made


def paced(rate: Rate, limit: int | None, measured: Measured, ahead: Sequence[Queued] = ()) -> Rate:
    """Return the rate of one run: at most the links', its own limit, and what is measured while it sends.

    ahead: runs that the same links send before it; while it sends itself, its own rate tells all.
    """
    speed = _limited(rate.segments_per_second, limit)
    if measured.still and not any(each.found.segments_per_second for each in ahead):
        return replace(rate, segments_per_second=0.0, still=True)
    if measured.segments_per_second:
        speed = min(speed, measured.segments_per_second) if measured.over_ms >= _SURE_MS else speed
        return replace(rate, segments_per_second=speed)
    ahead_s = sum(
        each.segments_left / one for each in ahead if (one := _limited(rate.segments_per_second, each.limit))
    )
    return replace(rate, segments_per_second=speed, others=len(ahead), ahead_s=ahead_s)


def _limited(speed: float, limit: int | None) -> float:
    return speed if limit is None else min(speed, max(limit, speed * SLOWEST))


def conclude(run_id: int, load: Load, rate: Rate, deadlines: Deadlines, now: datetime) -> Forecast:
    """Compute times and warnings from load, rate and deadlines; pure."""
    seconds = load.segments_left / rate.segments_per_second if rate.segments_per_second > 0 else None
    if load.segments_left == 0:
        seconds = 0.0
    elif seconds is not None:
        seconds += rate.ahead_s
    # Without the window's end, so that a run that is too late still gets a date, with a warning.
    endless = replace(deadlines.window, end=None)
    done = None if seconds is None else sending_window.finish(endless, now, seconds)
    opened = sending_window.open_at(endless, now)
    return Forecast(
        run_id=run_id,
        subscribers=load.subscribers,
        subscribers_left=load.subscribers_left,
        segments=load.segments,
        segments_left=load.segments_left,
        segments_per_second=rate.segments_per_second,
        seconds=seconds,
        begins_at=_local(now if opened else sending_window.next_change(endless, now)),
        finishes_at=_local(done),
        warnings=[*_late(done, deadlines), *_shortfalls(rate)] if load.segments_left else [],
    )


def _of_carrier(run: Record, held: Audience, campaign: Record, deadlines: Deadlines) -> Forecast:
    """Forecast a run whose carrier sends: only its size and its window are known."""
    left = 0 if run.state in SENDS_NO_MORE else held.estimated
    parts = sms.segments(campaign.texts[""])
    end = deadlines.window.end
    warnings = ["The carrier holds the audience and sends by itself: its pace is not known here."]
    if end is None:
        warnings.append("The campaign has no window end, so nothing says when the carrier will be done.")
    else:
        warnings += _late(end, deadlines)
    return Forecast(
        run_id=run.id,
        subscribers=held.estimated,
        subscribers_left=left,
        segments=held.estimated * parts,
        segments_left=left * parts,
        segments_per_second=0.0,
        seconds=None,
        begins_at=_local(deadlines.window.start),
        finishes_at=_local(end),
        warnings=warnings if left else [],
    )


def _late(done: datetime | None, deadlines: Deadlines) -> list[str]:
    if done is None:
        return []
    end, found = deadlines.window.end, []
    if end is not None and done > end:
        found.append(f"The run ends at {_words(done)}, after the end of the window at {_words(end)}.")
    due = deadlines.report
    if due is not None and done > due:
        found.append(f"The run ends at {_words(done)}, after the report deadline at {_words(due)}.")
    return found


def _shortfalls(rate: Rate) -> list[str]:
    if rate.unopened:
        return ["No worker has opened the carrier's links yet, so the configured rate is used."]
    return _obstacles(rate)


def _obstacles(rate: Rate) -> list[str]:
    found = []
    if rate.links == 0:
        found.append("The carrier has no link. Add one under [links] in the settings, then start a worker.")
    elif rate.away and rate.away + rate.halted == rate.links:
        found.append("No link of the carrier has a working connection. Nothing is sent until one does.")
    elif rate.halted == rate.links:
        found.append("Every link of the carrier is halted. Nothing is sent until one is resumed.")
    elif rate.halted:
        found.append(f"{rate.halted} of {rate.links} links are halted and are not counted.")
    if rate.away and rate.away + rate.halted < rate.links:
        found.append(f"{rate.away} of {rate.links} links are disconnected and are not counted.")
    if rate.still:
        found.append(
            "Nothing was sent in the last minute although messages are due, so the finish time is unknown."
        )
    if rate.others:
        found.append(f"{rate.others} running runs come first on these links; their time is included.")
    return found


def _load(connection: Connection, run: Record, campaign: Record) -> Load:
    batch_ids = select(run_batches.c.batch_id).where(run_batches.c.run_id == run.id)
    accepted = select(func.coalesce(func.sum(batches.c.accepted), 0)).where(batches.c.id.in_(batch_ids))
    total = int(connection.scalar(accepted) or 0)
    counted = _counted(connection, run.id)
    if run.state in SENDS_NO_MORE:
        return load_of(total, 0, counted, 0.0)
    to_come = max(total - sum(n for n, _ in counted.values()), 0)
    average = parts_each(counted) or sms.segments(campaign.texts[""])
    return load_of(total, to_come, counted, average, over=False)


def parts_each(counted: Mapping[int, tuple[int, int]]) -> float | None:
    """Return the mean SMS parts per message in the ledger, None if there is none."""
    found = [each for state, each in counted.items() if state not in _NEVER_SENT]
    messages = sum(n for n, _ in found)
    return sum(segments for _, segments in found) / messages if messages else None


def load_of(
    total: int, to_come: int, counted: Mapping[int, tuple[int, int]], parts: float, over: bool = True
) -> Load:
    """Compute the load from counts by delivery state and `to_come` messages of `parts` parts to come."""
    queued, segments = (0, 0) if over else counted.get(DeliveryState.QUEUED, (0, 0))
    left = segments + round(to_come * parts)
    done = sum(
        segments
        for state, (_, segments) in counted.items()
        if state not in (*_NEVER_SENT, DeliveryState.QUEUED)
    )
    return Load(total, queued + to_come, left + done, left)


def _counted(connection: Connection, run_id: int) -> dict[int, tuple[int, int]]:
    query = (
        select(tallies.c.state, func.sum(tallies.c.n), func.sum(tallies.c.segments))
        .where(tallies.c.run_id == run_id)
        .group_by(tallies.c.state)
    )
    return {state: (int(n), int(segments)) for state, n, segments in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that is being sent, or waits behind another one at its carrier. found: its rate of late."""

    id: int
    carrier: str
    priority: int
    segments_left: int
    limit: int | None
    found: Measured


def _send_queue(
    running: Sequence[RunSummary],
    records: Mapping[int, Record],
    rate_of: Mapping[int, Measured],
    now: datetime,
) -> list[Queued]:
    """Return all running runs within their hours that have something left, as their links send them."""
    found = [
        Queued(
            run.id,
            run.carrier,
            run.priority,
            load_of_run(run, records[run.campaign_id].texts).segments_left,
            run.segments_per_second,
            rate_of.get(run.id, NOTHING),
        )
        for run in running
        if run.audience is None and sending_window.open_at(_window(records[run.campaign_id]), now)
    ]
    waiting = [each for each in found if each.segments_left]
    return sorted(waiting, key=lambda item: (-item.priority, item.id))


def before(queue: Sequence[Queued], carrier: str, priority: int, run_id: int) -> list[Queued]:
    """Return the runs whose messages this carrier's links take before those of this run."""
    own = (-priority, run_id)
    return [each for each in queue if each.carrier == carrier and (-each.priority, each.id) < own]


def load_of_run(run: RunSummary, texts: Mapping[str, str]) -> Load:
    """Return the load of a run that can still send, from its counts alone."""
    counted = {int(DeliveryState[name.upper()]): (n.messages, n.segments) for name, n in run.progress.items()}
    each = parts_each(counted) or sms.segments(texts[""])
    return load_of(run.subscribers, run.not_queued, counted, each, over=False)


def rate_at(connection: Connection, carrier: str, now: datetime | None = None) -> Rate:
    """Return the rate of a carrier's links; now: for a new run, behind those that are being sent then."""
    if now is None:
        return rates(link_status.links_now(connection)).get(carrier, _NO_LINK)
    use = link_use(connection, now)
    return paced(use.rates.get(carrier, _NO_LINK), None, NOTHING, before(use.queue, carrier, 0, _NEWEST))


def rates(links_now: LinksNow) -> dict[str, Rate]:
    """Return the rate of the links by carrier, whatever runs share them."""
    found = dict[str, Rate]()
    for link in links_now.rows:
        if links_now.status[link.id].state is link_status.LinkHealthState.REMOVED:
            continue
        have, halted = found.get(link.carrier, _NO_LINK), link.state == LinkState.HALTED
        away = not halted and link_status.is_away(links_now.status[link.id])
        speed = have.segments_per_second + (0.0 if halted or away else link.segments_per_second)
        found[link.carrier] = Rate(speed, have.links + 1, have.halted + halted, 0, have.away + away)
    return found


def _deadlines(connection: Connection, campaign: Record) -> Deadlines:
    query = select(directives.c.report_deadline).where(directives.c.id == campaign.directive_id)
    report = connection.scalar(query)
    return Deadlines(_window(campaign), None if report is None else clock.from_ms(report))


def _window(row: Record) -> sending_window.Window:
    return sending_window.Window.of(row.window_start, row.window_end, row.day_starts, row.day_ends)


def _local(at: datetime | None) -> datetime | None:
    return None if at is None else clock.local(at)


def _words(at: datetime) -> str:
    return clock.local(at).isoformat(sep=" ", timespec="minutes")
