"""Statements as handed in, before they are checked and stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import Invalid
from app.core.phone import Sentence
from app.reports.figures import labels
from app.reports.figures.carrier_statement import FigureSource, StatedFigures
from app.reports.figures.document_meta import EntrySource
from carriers.contract import Reason, ReceiptLevel
from carriers.phrases import Phrase, join

# Causes of (2) in form 1, and of form 4: keys and Vietnamese labels, in the order of the forms.
EXCLUDED: dict[str, str] = {
    "repeated": "Trùng",
    "wrong_number": "Sai số",
    "barred": "Tạm khóa",
    "other_network": "Thuộc mạng khác",
    "other": "Lý do khác",
}
REASONS: dict[str, str] = {
    reason.name.lower(): label for reason, label in labels.REASONS.items() if reason != Reason.WRONG_REQUEST
}
LEVELS: dict[ReceiptLevel, str] = {
    ReceiptLevel.HANDSET: "máy thuê bao",
    ReceiptLevel.OPERATOR: "tổng đài nhà mạng",
    ReceiptLevel.NONE: "không có biên nhận",
}

Place = tuple[str | int, ...]  # ("general", "sent"), ("areas", 3, "sent"), ("cutoff",)


class InputFault(NamedTuple):
    place: Place
    sentence: Sentence


@dataclass(frozen=True, slots=True)
class PaperClaim:
    """A document's metadata. received_ms: arrival, None for now; reason: of a correction."""

    source: EntrySource
    number: str | None = None
    dated_on: str | None = None
    received_ms: int | None = None
    note: str | None = None
    reason: str | None = None
    attachment: str | None = None  # sha256 of an uploaded attachment


@dataclass(frozen=True, slots=True)
class StatementInput:
    """A run's figures, stated by its carrier or entered from its document. Times are ms since 1970.

    corrects: the version that this one was made from, 0 for none before it; None: not said.
    """

    kind: FigureSource
    level: ReceiptLevel
    figures: StatedFigures
    cutoff_ms: int
    paper: PaperClaim
    began_ms: int | None = None
    ended_ms: int | None = None
    corrects: int | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the checks need besides the claim.

    estimated: subscribers by the order; before: messages sent, by the last version; parts: fewest and most
    SMS parts of the approved texts; approved_ms: when the campaign was approved;
    answers: numbers and times that a version before has stated, with its note and reason; version: the
    newest, 0 if there is none; level: what receipts proved by the last version; asks: whether figures are
    handed in, so that a person may answer questions; since: the first day (ISO) that its letter may have.
    """

    now_ms: int
    correcting: bool  # an earlier version exists
    estimated: int | None = None
    before: int | None = None
    parts: tuple[int, int] | None = None
    approved_ms: int | None = None
    answers: tuple[tuple[frozenset[str], str], ...] = ()
    version: int = 0
    level: ReceiptLevel | None = None
    asks: bool = False
    since: str | None = None


def refusal(faults: Iterable[InputFault]) -> Invalid:
    pairs = [(".".join(str(step) for step in fault.place), fault.sentence.en) for fault in faults]
    named = (Phrase("{field}: {why}", field=field, why=Phrase(sentence)) for field, sentence in pairs[:10])
    return Invalid(join(named), faults=pairs)
