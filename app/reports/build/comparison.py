"""Comparisons: repeated campaigns, carriers against each other and the norm, campaigns area by area."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, select

from app.core import clock
from app.core.errors import no_such
from app.database.connection import shared_ms
from app.database.models import audiences, campaigns, runs, tallies
from app.ledger import erasure_state
from app.ledger.calls import CALLS
from app.ledger.contract import TallyCount
from app.ledger.receipt_times import EVER
from app.reports.build import carrier_report
from app.reports.build.scope import counted, levels_proved, proved
from app.reports.figures import by_area, carrier_statement, tally
from app.reports.figures.by_area import MixedRow, Pair, Sources
from app.reports.figures.carrier_statement import AreaCounts, FigureSource, Statement
from app.security import tenant_scope
from carriers.contract import ReceiptLevel

# QCVN 82:2014/BTTTT: 92% of the sent messages are received. It was made for messages between persons, so a
# list with dead numbers may come out lower.
NORM = 0.92
NORM_NAME = "QCVN 82:2014/BTTTT (tỷ lệ gửi nhận thành công từ 92%)"


class NormVerdict(StrEnum):
    """A carrier's received share against the norm."""

    MET = "met"
    MISSED = "missed"
    UNPROVED = "unproved"  # receipts do not prove the handset, so no verdict
    OPEN = "open"  # nothing sent yet, or receipts still to come decide


@dataclass(frozen=True, slots=True)
class RunShare:
    """Result of one run. kind: source of its figures; level: what its links or statement prove.

    received: at that level; open: messages without a final receipt; ratio: received of sent, 0 to 1.
    """

    run_id: int
    campaign_id: int
    carrier: str
    kind: FigureSource | None
    level: str | None
    sent: int
    received: int | None
    failed: int | None
    open: int | None
    segments: int | None
    ratio: float | None
    verdict: NormVerdict
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Carriers side by side, best proved ratio first, sources of figures apart."""

    norm: str
    norm_ratio: float
    shares: list[RunShare]


@dataclass(frozen=True, slots=True)
class Round:
    """One of the campaigns with the same text under the same directive; nth counts from 1."""

    nth: int
    campaign_id: int
    name: str
    started_at: datetime | None
    shares: list[RunShare]


@dataclass(frozen=True, slots=True)
class AreasCompared:
    """Two campaigns area by area, on areas that both share; footnotes in Vietnamese."""

    first: int
    second: int
    rows: list[Pair]
    footnotes: list[str]


def carriers(connection: Connection, campaign_id: int, only: str | None = None) -> Comparison:
    """Compare a campaign's carriers with each other and the norm; `only`: the carrier shown."""
    _campaign(connection, campaign_id)
    erasure_state.require_totals(connection, campaign_id)
    found = _shares(connection, [campaign_id], only)
    return Comparison(
        NORM_NAME, NORM, sorted(found, key=lambda share: (share.ratio is None, -(share.ratio or 0.0)))
    )


def rounds(connection: Connection, campaign_id: int, only: str | None = None) -> list[Round]:
    """Return the campaigns with the same text under the same directive, in order of their start.

    A campaign whose totals are erased has no measured shares. `only`: the carrier whose campaigns and shares
    are shown and counted.
    """
    same = _same_words(connection, _campaign(connection, campaign_id), only)
    shares = _shares(connection, [row.id for row in same], only)
    found = []
    for row in same:
        own = [share for share in shares if share.campaign_id == row.id]
        begun = min((share.started_at for share in own if share.started_at), default=None)
        found.append((begun, row, own))
    found.sort(key=lambda each: (each[0] is None, each[0] or each[1].created_at, each[1].id))
    return [Round(nth, row.id, row.name, begun, own) for nth, (begun, row, own) in enumerate(found, 1)]


def areas_of(
    connection: Connection,
    campaign_id: int,
    only: str | None = None,
    counts: Sequence[TallyCount] | None = None,
) -> list[MixedRow]:
    """Return a campaign by the areas of its day: 12 districts until 06-2025, 75 communes since.

    counts: of the same runs, for a caller that has read them.
    """
    return list(by_area.rows_of(_sources(connection, campaign_id, only, counts)))


def compare_areas(connection: Connection, first: int, second: int, only: str | None = None) -> AreasCompared:
    left, right = _sources(connection, first, only), _sources(connection, second, only)
    pairs = by_area.on_same_areas(left, right)
    return AreasCompared(first, second, list(pairs), by_area.footnotes(left.on, right.on))


def _campaign(connection: Connection, campaign_id: int) -> Row[Any]:
    row = connection.execute(_CAMPAIGN, {"given": campaign_id}).first()
    if row is None:
        raise no_such("campaign", campaign_id, field="campaign_id")
    return row


# Built once: every page of a campaign asks them.
_CAMPAIGN = select(campaigns).where(campaigns.c.id == bindparam("given"))
_RUNS = select(runs).where(runs.c.campaign_id == bindparam("given"))


def _same_words(connection: Connection, of: Row[Any], only: str | None) -> list[Row[Any]]:
    """Return the campaigns of the same directive with the same default text, this one included."""
    same = campaigns.c.directive_id.is_not_distinct_from(of.directive_id)
    query = select(campaigns).where(same).order_by(campaigns.c.id)
    query = query.where((campaigns.c.id == of.id) | _gone_out())
    rows = connection.execute(query.where(tenant_scope.own_campaigns(only)) if only else query).all()
    return [row for row in rows if row.texts[""] == of.texts[""]]


def _gone_out() -> ColumnElement[bool]:
    """Select campaigns that were approved: drafts and rejected ones reached nobody."""
    own = select(runs.c.id).where(runs.c.campaign_id == campaigns.c.id, counted(EVER))
    return own.exists()


# One run


def _shares(connection: Connection, campaign_ids: Sequence[int], only: str | None) -> list[RunShare]:
    query = select(runs, audiences.c.run_id.label("held")).outerjoin(
        audiences, audiences.c.run_id == runs.c.id
    )
    query = query.where(runs.c.campaign_id.in_(campaign_ids)).order_by(runs.c.campaign_id, runs.c.id)
    query = query.where(runs.c.id.not_in(CALLS))
    rows = connection.execute(query.where(runs.c.carrier == only) if only else query).all()
    return [share for row in rows for share in _of_run(connection, row)]


def _of_run(connection: Connection, run: Row[Any]) -> Iterable[RunShare]:
    """Yield the measured share, and beside it the stated one."""
    statement = carrier_statement.latest(connection, run.id)
    if run.held is None and erasure_state.of_totals(connection, run.campaign_id) is None:
        yield _measured(connection, run)
    if statement is not None:
        yield _stated(run, statement)
    elif run.held is not None:
        yield _nothing(run)


def _measured(connection: Connection, run: Row[Any]) -> RunShare:
    figures = carrier_report.figures_of(tally.of_run(connection, run.id))
    level = proved(connection, run, shared_ms(connection))
    handset = level == ReceiptLevel.HANDSET
    received = figures.delivered if handset else figures.relayed if level == ReceiptLevel.OPERATOR else None
    waiting = figures.no_receipt + figures.unknown + (figures.relayed if handset else 0)
    return RunShare(
        run_id=run.id,
        campaign_id=run.campaign_id,
        carrier=run.carrier,
        kind=FigureSource.MEASURED,
        level=None if level is None else ReceiptLevel(level).name.lower(),
        sent=figures.sent,
        received=received,
        failed=figures.failed,
        open=waiting,
        segments=figures.segments,
        ratio=received / figures.sent if received is not None and figures.sent else None,
        verdict=judge(level, figures.sent, received, waiting),
        started_at=_time(run.started_at),
        ended_at=_time(run.ended_at),
    )


def _stated(run: Row[Any], of: Statement) -> RunShare:
    general = of.figures.general
    return RunShare(
        run_id=run.id,
        campaign_id=run.campaign_id,
        carrier=run.carrier,
        kind=of.kind,
        level=of.level.name.lower(),
        sent=general.sent,
        received=general.received,
        failed=general.failed,
        open=general.no_receipt,
        segments=of.figures.segments,
        ratio=general.received_ratio,
        verdict=judge(of.level, general.sent, general.received, general.no_receipt or 0),
        started_at=_time(of.began_ms),
        ended_at=_time(of.ended_ms),
    )


def _nothing(run: Row[Any]) -> RunShare:
    """Return the share of a run whose carrier sends and has stated nothing yet."""
    counts = (0, None, None, None, None)
    times = (_time(run.started_at), _time(run.ended_at))
    return RunShare(run.id, run.campaign_id, run.carrier, None, None, *counts, None, NormVerdict.OPEN, *times)


def judge(level: int | None, sent: int, received: int | None, waiting: int) -> NormVerdict:
    """Judge a share against the norm; `waiting` messages may still be received."""
    if not sent:
        return NormVerdict.OPEN
    if level != ReceiptLevel.HANDSET or received is None:
        return NormVerdict.UNPROVED
    if received >= NORM * sent:
        return NormVerdict.MET
    return NormVerdict.OPEN if received + waiting >= NORM * sent else NormVerdict.MISSED


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))


# Areas


def _sources(
    connection: Connection, campaign_id: int, only: str | None, counts: Sequence[TallyCount] | None = None
) -> Sources:
    campaign = _campaign(connection, campaign_id)
    erasure_state.require_totals(connection, campaign_id)
    rows = connection.execute(_RUNS, {"given": campaign_id}).all()
    rows = [row for row in rows if only in (None, row.carrier)]
    on = _day(campaign, rows)
    ids = [row.id for row in rows]
    if counts is None:
        counts = tally.sums(connection, tallies.c.campaign_id == campaign_id, tallies.c.run_id.in_(ids))
    said = [
        each for each in carrier_statement.of_campaign(connection, campaign_id).values() if each.run_id in ids
    ]
    levels = levels_proved(connection, rows, shared_ms(connection))
    proving = {row.id for row in rows if levels[row.id] == ReceiptLevel.HANDSET}
    measured = carrier_report.areas_of(counts, on)
    by_handset = [each for each in counts if each.run_id in proving]
    return Sources(
        on=on,
        measured=measured,
        handset=measured if len(by_handset) == len(counts) else carrier_report.areas_of(by_handset, on),
        stated=_area_rows(each for each in said if each.kind is FigureSource.STATED),
        manual=_area_rows(each for each in said if each.kind is FigureSource.MANUAL),
    )


def _day(campaign: Row[Any], found: Sequence[Row[Any]]) -> date:
    """Return the day whose areas apply: the first start, else the start of the window."""
    started = [row.started_at for row in found if row.started_at is not None]
    first = min(started, default=campaign.window_start or campaign.created_at)
    return clock.local(clock.from_ms(first)).date()


def _area_rows(statements: Iterable[Statement]) -> tuple[AreaCounts, ...]:
    """Return area rows, without `received` where only the operator's centre confirmed it."""
    return tuple(_received_row(of.level, row) for of in statements for row in of.figures.areas)


def _received_row(level: ReceiptLevel, row: AreaCounts) -> AreaCounts:
    handset = level is ReceiptLevel.HANDSET
    return row if handset else replace(row, counts=replace(row.counts, received=None))
