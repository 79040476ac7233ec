"""Split a text into SMS parts, never inside an escape pair, a surrogate pair or an accented letter."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from carriers.contract import Encoding
from carriers.text.alphabet import encoding_of, nfc, septets

_JOINER = "\u200d"  # joins emoji into one picture


@dataclass(frozen=True, slots=True)
class Table:
    """How many units fit: in a message of one part, and in each part of a longer one.

    reserved: units of the first part of a longer message that the carrier fills with a label or an opt-out
    line. Advertising on Viettel, 123/268/421, is Table(123, 153, 38); a 16-bit reference in the UDH makes
    Table(160, 152) and Table(70, 66).
    """

    single: int
    concatenated: int
    reserved: int = 0

    def __post_init__(self) -> None:
        if self.single < 1 or self.reserved < 0 or self.concatenated - self.reserved < 2:
            raise ValueError(
                f"{self} leaves no room for a character: single must be 1 or more, reserved 0 or more, "
                "and concatenated at least 2 more than reserved."
            )


@dataclass(frozen=True, slots=True)
class Tables:
    """One carrier's table for each encoding; the standard ones apply unless the contract states others."""

    gsm7: Table = Table(160, 153)
    ucs2: Table = Table(70, 67)

    def of(self, encoding: Encoding) -> Table:
        return self.gsm7 if encoding is Encoding.GSM7 else self.ucs2


STANDARD = Tables()


@dataclass(frozen=True, slots=True)
class Segments:
    """A text in parts, which joined are its normal form; `units`: septets or UTF-16 units of the whole."""

    encoding: Encoding
    parts: tuple[str, ...]
    units: int


@lru_cache(maxsize=512)
def split(text: str, tables: Tables = STANDARD) -> Segments:
    """Split into the parts that are sent, at least one even for an empty text."""
    composed = nfc(text)
    encoding = encoding_of(composed)
    table, total = tables.of(encoding), units(composed, encoding)
    if total <= table.single:
        return Segments(encoding, (composed,), total)
    atoms = _atoms(composed, encoding, table.concatenated - table.reserved)
    return Segments(encoding, tuple(_fill(atoms, table)), total)


def segments(text: str, tables: Tables = STANDARD) -> int:
    """Return how many SMS parts the text makes; cached, so asking for each subscriber is cheap."""
    return len(split(text, tables).parts)


def units(text: str, encoding: Encoding) -> int:
    """Return the length on the air interface: septets, or UTF-16 units. The text is not normalised."""
    if encoding is Encoding.GSM7:
        return sum(septets(c) for c in text)
    return len(text) + sum(c > "\uffff" for c in text)


def _fill(atoms: Iterable[tuple[str, int]], table: Table) -> Iterator[str]:
    part: list[str] = []
    room = table.concatenated - table.reserved
    for atom, cost in atoms:
        if cost > room:
            yield "".join(part)
            part, room = [], table.concatenated
        part.append(atom)
        room -= cost
    yield "".join(part)


def _atoms(text: str, encoding: Encoding, limit: int) -> Iterator[tuple[str, int]]:
    """Yield what must stay whole, with its units: a character with its marks, split only if too long."""
    for cluster in _clusters(text):
        cost = units(cluster, encoding)
        for piece in (cluster,) if cost <= limit else cluster:
            yield piece, units(piece, encoding)


def _clusters(text: str) -> Iterator[str]:
    cluster = ""
    for c in text:
        if cluster and not (_follows(c) or cluster.endswith(_JOINER)):
            yield cluster
            cluster = ""
        cluster += c
    yield cluster


def _follows(character: str) -> bool:
    return character == _JOINER or unicodedata.category(character).startswith("M")


@dataclass(frozen=True, slots=True)
class Preview:
    """One form of a text for a whole run; make two to compare accented with unaccented.

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
    """Compute the preview of one form of a text; ValueError for a rate of 0 or fewer than 0 subscribers."""
    if segments_per_second <= 0:
        raise ValueError("segments_per_second must be above 0: take the rate from the carrier's contract.")
    if subscribers < 0:
        raise ValueError("subscribers must be 0 or more.")
    split_text = split(text, tables)
    total = len(split_text.parts) * subscribers
    cost = None if price_per_segment is None else price_per_segment * total
    return Preview(
        split_text.encoding,
        split_text.parts,
        split_text.units,
        subscribers,
        total,
        total / segments_per_second,
        cost,
    )
