"""Statements as API answers: times with zone, the level as a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from app.core import clock
from app.reports.figures.carrier_statement import StatedFigures, Statement
from app.reports.figures.document_meta import Attachment, DigitalSignature, PaperMeta
from carriers.phrases import Phrase


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
    signature: DigitalSignature | None


@dataclass(frozen=True, slots=True)
class StatementView:
    """One version of a run's statement; level: none, operator or handset.

    warnings: what the version before had and this one leaves out.
    """

    run_id: int
    carrier: str
    kind: str
    level: str
    figures: StatedFigures
    began_at: datetime | None
    ended_at: datetime | None
    cutoff_at: datetime
    paper: PaperView
    warnings: list[str]


_PARTS = {
    "areas": "numbers by area",
    "days": "numbers by day",
    "reasons": "numbers by cause of failure",
    "excluded": "numbers by cause of exclusion",
    "resent": "the number of messages sent again",
    "received": "the number received",
    "failed": "the number not received",
    "no_receipt": "the number without a receipt",
    "segments": "the number of SMS parts",
    "began": "the time when it began",
    "ended": "the time when it ended",
    "number": "the number of the letter",
    "dated_on": "the date of the letter",
}


def statements(versions: Sequence[Statement]) -> list[StatementView]:
    """Return all versions of a run's statement, oldest first."""
    return [_statement(each, before) for before, each in pairwise((None, *versions)) if each]


def _statement(of: Statement, before: Statement | None) -> StatementView:
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
        warnings=[
            Phrase(
                "Version {version} had {what}, but version {n} has none.",
                version=before.paper.version,
                what=_PARTS[name],
                n=of.paper.version,
            )
            for name in (of.lacks(before) if before else ())
            if before
        ],
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
        signature=of.signature,
    )


def instant(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))
