"""Statements as API answers: times with zone, the level as a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from app.core import clock
from app.database.records import from_row
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


def _statement(statement: Statement, before: Statement | None) -> StatementView:
    return from_row(
        StatementView,
        statement,
        level=statement.level.name.lower(),
        began_at=clock.moment(statement.began_ms),
        ended_at=clock.moment(statement.ended_ms),
        cutoff_at=clock.moment(statement.cutoff_ms),
        paper=paper(statement.paper),
        warnings=[
            Phrase(
                "Version {version} had {what}, but version {n} has none.",
                version=before.paper.version,
                what=_PARTS[name],
                n=statement.paper.version,
            )
            for name in (statement.lacks(before) if before else ())
            if before
        ],
    )


def paper(meta: PaperMeta) -> PaperView:
    return from_row(PaperView, meta, received_at=clock.moment(meta.received_ms), at=clock.moment(meta.at_ms))
