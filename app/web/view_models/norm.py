"""A share of received messages against the norm, and a campaign by areas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from app.core import clock
from app.core.errors import no_such
from app.database.connection import shared_ms
from app.database.models import campaigns, runs, tallies
from app.ledger import erasure
from app.ledger.contract import TallyCount
from app.reports.counting import carrier_report
from app.reports.counting.scope import ReceiptLevels, levels_proved
from app.reports.figures import by_area, carrier_statement, tally
from app.reports.figures.carrier_statement import AreaCounts, FigureSource, StatedCounts, Statement
from app.reports.figures.figures import Figures
from carriers.contract import ReceiptLevel

# QCVN 82:2014/BTTTT: 92% of the sent messages are received. It was made for messages between persons, so a
# list with dead numbers may come out lower.
NORM = 0.92


class NormVerdict(StrEnum):
    """A carrier's received share against the norm."""

    MET = "met"
    MISSED = "missed"
    UNPROVED = "unproved"  # receipts do not prove the handset, so no verdict
    OPEN = "open"  # nothing sent yet, or receipts still to come decide


@dataclass(frozen=True, slots=True)
class AreaSources:
    """Figures of one area, each source apart; None: nothing from that source.

    handset: the measured figures of links with handset receipts; the share received uses only these.
    """

    code: str | None
    name: str
    measured: Figures | None
    handset: Figures | None
    stated: StatedCounts | None
    manual: StatedCounts | None


def areas_of(
    connection: Connection,
    campaign_id: int,
    only: str | None = None,
    counts: Sequence[TallyCount] | None = None,
    receipt_levels: ReceiptLevels | None = None,
) -> list[AreaSources]:
    """Return a campaign by the areas of its day: 12 districts until 06-2025, 75 communes since.

    counts, receipt_levels: of the same runs, for a caller that has read them.
    """
    campaign = _campaign(connection, campaign_id)
    erasure.require_totals(connection, campaign_id)
    rows = connection.execute(_RUNS, {"given": campaign_id}).all()
    rows = [row for row in rows if only in (None, row.carrier)]
    on = _day(campaign, rows)
    ids = [row.id for row in rows]
    if counts is None:
        counts = tally.sums(connection, tallies.c.campaign_id == campaign_id, tallies.c.run_id.in_(ids))
    of_all = carrier_statement.of_campaign(connection, campaign_id).values()
    statements = [each for each in of_all if each.run_id in ids]
    levels = (
        receipt_levels.proved(rows)
        if receipt_levels
        else levels_proved(connection, rows, shared_ms(connection))
    )
    by_handset = [each for each in counts if levels[each.run_id] == ReceiptLevel.HANDSET]
    measured, handset = _by_code(counts, on), _by_code(by_handset, on)
    stated, manual = (
        {row.code: row.counts for row in by_area.stated_rows(_area_rows(statements, kind), on)}
        for kind in (FigureSource.STATED, FigureSource.MANUAL)
    )
    codes = sorted({*measured, *stated, *manual}, key=lambda code: (code is None, code or ""))
    return [
        AreaSources(
            *(code, by_area.label(code, on), measured.get(code), handset.get(code)),
            *(stated.get(code), manual.get(code)),
        )
        for code in codes
    ]


def _by_code(counts: Iterable[TallyCount], on: date) -> dict[str | None, Figures]:
    rows = by_area.measured(carrier_report.areas_of([*counts], on), on)
    return {row.code: row.figures for row in rows}


def _campaign(connection: Connection, campaign_id: int) -> Row[Any]:
    row = connection.execute(_CAMPAIGN, {"given": campaign_id}).first()
    if row is None:
        raise no_such("campaign", campaign_id, field="campaign_id")
    return row


# Built once: every page of a campaign asks them.
_CAMPAIGN = select(campaigns).where(campaigns.c.id == bindparam("given"))
_RUNS = select(runs).where(runs.c.campaign_id == bindparam("given"))


def judge(level: int | None, sent: int, received: int | None, waiting: int) -> NormVerdict:
    """Judge a share against the norm; `waiting` messages may still be received."""
    if not sent:
        return NormVerdict.OPEN
    if level != ReceiptLevel.HANDSET or received is None:
        return NormVerdict.UNPROVED
    if received >= NORM * sent:
        return NormVerdict.MET
    return NormVerdict.OPEN if received + waiting >= NORM * sent else NormVerdict.MISSED


def _day(campaign: Row[Any], rows: Sequence[Row[Any]]) -> date:
    """Return the day whose areas apply: the first start, else the start of the window."""
    started = [row.started_at for row in rows if row.started_at is not None]
    first = min(started, default=campaign.window_start or campaign.created_at)
    return clock.local(clock.from_ms(first)).date()


def _area_rows(statements: Iterable[Statement], kind: FigureSource) -> list[AreaCounts]:
    """Return area rows, without `received` where only the operator's centre confirmed it."""
    own = [each for each in statements if each.kind is kind]
    return [_received_row(of.level, row) for of in own for row in of.figures.areas]


def _received_row(level: ReceiptLevel, row: AreaCounts) -> AreaCounts:
    handset = level is ReceiptLevel.HANDSET
    return row if handset else replace(row, counts=replace(row.counts, received=None))
