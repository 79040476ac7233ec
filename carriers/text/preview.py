"""What sending a text to so many subscribers takes: parts, time and money, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from carriers.contract import Encoding
from carriers.text.parts import STANDARD, Tables, split


@dataclass(frozen=True, slots=True)
class Preview:
    """One form of a text for a whole run; compare the accented with the unaccented by making two.

    units: of one message; segments: parts of one message; total_segments: of all; duration_s: seconds at the
    link's rate, without pauses for the night; cost: None without a price, in the currency of the price.
    """

    encoding: Encoding
    parts: tuple[str, ...]
    units: int
    subscribers: int
    total_segments: int
    duration_s: float
    cost: Decimal | None

    @property
    def segments(self) -> int:
        return len(self.parts)


def preview(
    text: str,
    subscribers: int,
    segments_per_second: float,
    price_per_segment: Decimal | None = None,
    tables: Tables = STANDARD,
) -> Preview:
    """The preview of one form of a text; ValueError for a rate of 0 or fewer than 0 subscribers."""
    if segments_per_second <= 0:
        raise ValueError("segments_per_second must be above 0: take the rate from the carrier's contract.")
    if subscribers < 0:
        raise ValueError("subscribers must be 0 or more.")
    cut = split(text, tables)
    total = len(cut.parts) * subscribers
    cost = None if price_per_segment is None else price_per_segment * total
    return Preview(cut.encoding, cut.parts, cut.units, subscribers, total, total / segments_per_second, cost)
