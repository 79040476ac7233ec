"""A claim: figures as somebody hands them in, before they are checked and kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import Invalid
from app.core.phone import Sentence
from app.reports import labels
from app.reports.carrier_statement import FigureSource, StatedFigures
from app.reports.document_meta import EntrySource
from carriers.contract import Reason, ReceiptLevel

# (2) of form 1 by cause, and form 4: keys and their Vietnamese words, in the order of the forms.
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
    """What is wrong at one place of a claim."""

    place: Place
    sentence: Sentence


@dataclass(frozen=True, slots=True)
class PaperClaim:
    """The paper that is handed in. received_ms: when it came, now where not said; reason: why it corrects."""

    source: EntrySource
    number: str | None = None
    dated_on: str | None = None
    received_ms: int | None = None
    note: str | None = None
    reason: str | None = None
    attachment: str | None = None  # sha256 of a file that was handed in before


@dataclass(frozen=True, slots=True)
class StatementInput:
    """What a carrier states of its run, or an officer copies from its paper. Times are ms since 1970."""

    kind: FigureSource
    level: ReceiptLevel
    figures: StatedFigures
    cutoff_ms: int
    paper: PaperClaim
    began_ms: int | None = None
    ended_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the checks must know beside the claim: the present instant, and what stands already.

    estimated: subscribers, by the order; before: messages sent, by the last version; parts: SMS parts that
    the approved texts have, the fewest and the most; approved_ms: when the campaign was approved.
    """

    now_ms: int
    correcting: bool  # a version is there already
    estimated: int | None = None
    before: int | None = None
    parts: tuple[int, int] | None = None
    approved_ms: int | None = None


def refusal(faults: Iterable[InputFault]) -> Invalid:
    """All that is wrong, for the caller of the API."""
    pairs = [(".".join(str(step) for step in fault.place), fault.sentence.en) for fault in faults]
    return Invalid(" ".join(f"{field}: {sentence}" for field, sentence in pairs[:10]), faults=pairs)
