"""Statements as API answers: times with zone, the level as a word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.core import clock
from app.reports.figures.carrier_statement import StatedFigures, Statement
from app.reports.figures.document_meta import Attachment, PaperMeta


@dataclass(frozen=True, slots=True)
class PaperView:
    """Metadata of one version of a received document."""

    version: int
    reason: str | None
    source: str
    number: str | None
    dated_on: str | None
    received_at: datetime
    note: str | None
    attachment: Attachment | None
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class StatementView:
    """One version of a run's statement; level: none, operator or handset."""

    run_id: int
    carrier: str
    kind: str
    level: str
    figures: StatedFigures
    began_at: datetime | None
    ended_at: datetime | None
    cutoff_at: datetime
    paper: PaperView


def statement(of: Statement) -> StatementView:
    return StatementView(
        run_id=of.run_id,
        carrier=of.carrier,
        kind=of.kind,
        level=of.level.name.lower(),
        figures=of.figures,
        began_at=instant(of.began_ms),
        ended_at=instant(of.ended_ms),
        cutoff_at=clock.local(clock.from_ms(of.cutoff_ms)),
        paper=paper(of.paper),
    )


def paper(of: PaperMeta) -> PaperView:
    return PaperView(
        version=of.version,
        reason=of.reason,
        source=of.source,
        number=of.number,
        dated_on=of.dated_on,
        received_at=clock.local(clock.from_ms(of.received_ms)),
        note=of.note,
        attachment=of.attachment,
        at=clock.local(clock.from_ms(of.at_ms)),
        by=of.by,
    )


def instant(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))
