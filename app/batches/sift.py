"""Turns the rows of a file into slices of subscribers and bad lines: the hot loop of the import."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from app.areas import normalise_area
from app.batches.languages import normalise_language
from app.batches.reader import BadLine, Row
from app.batches.reasons import REPEATED
from app.phone import RANGE, mask, normalise, ranges_of

SLICE = 10_000  # lines of one transaction: on SQLite, other writers wait no longer than that
_VALUE_LENGTH = 80
_CACHE_LIMIT = 10_000
_MAP_BITS = 20
_MAP_MASK = (1 << _MAP_BITS - 3) - 1


@dataclass(slots=True)
class Slice:
    """Up to SLICE lines: rows as the tables have them, and what they add to the batch's counters."""

    good: list[tuple[int, int, int, str | None, str | None]] = field(default_factory=list)
    bad: list[tuple[int, int, str, str]] = field(default_factory=list)
    repeated: int = 0
    other_range: int = 0

    @property
    def lines(self) -> int:
        """Lines in the slice, blank ones not counted."""
        return len(self.good) + len(self.bad)


class Seen:
    """The numbers met so far, one bit each: 128 KiB for about a million in a row, however many lines."""

    def __init__(self) -> None:
        self._maps: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(1 << _MAP_BITS - 3))

    def add(self, phone: int) -> bool:
        """Whether the number is new; it is known from now on."""
        bits = self._maps[phone >> _MAP_BITS]
        place, bit = phone >> 3 & _MAP_MASK, 1 << (phone & 7)
        if bits[place] & bit:
            return False
        bits[place] |= bit
        return True


class _Column(dict[str, str | None]):
    """What the few different values of a column mean; `unknown` counts lines whose value means nothing."""

    def __init__(self, meaning: Callable[[str], str | None]) -> None:
        super().__init__({"": None})
        self.unknown = 0
        self._meaning = meaning

    def __missing__(self, raw: str) -> str | None:
        value = self._meaning(raw)
        if value is None:
            self.unknown += not raw.isspace()
        elif len(self) < _CACHE_LIMIT:
            self[raw] = value
        return value


class Sifter:
    """Sorts rows into slices for one batch of one carrier."""

    def __init__(self, batch_id: int, carrier: str) -> None:
        self._batch_id = batch_id
        self._ranges = ranges_of(carrier)
        self._seen = Seen()
        self._areas = _Column(normalise_area)
        self._languages = _Column(normalise_language)

    @property
    def unknown_areas(self) -> int:
        """Subscribers whose area is not known; they are accepted without one."""
        return self._areas.unknown

    @property
    def unknown_languages(self) -> int:
        """Subscribers whose language is not known; they get the default wording."""
        return self._languages.unknown

    def slices(self, rows: Iterable[Row | BadLine], size: int = SLICE) -> Iterator[Slice]:
        """Every row lands in exactly one slice, as a subscriber or as a bad line."""
        current, left, batch_id = Slice(), size, self._batch_id
        add, areas, languages = self._seen.add, self._areas, self._languages
        for row in rows:
            if isinstance(row, BadLine):
                current.bad.append((batch_id, row.line, row.reason, shown(row.value)))
            else:
                phone = normalise(row[1])
                if isinstance(phone, int) and add(phone):
                    current.good.append((batch_id, row[0], phone, areas[row[2]], languages[row[3]]))
                elif not self._refuse(current, row, phone):
                    continue
            left -= 1
            if not left:
                yield self._finish(current)
                current, left = Slice(), size
        yield self._finish(current)

    def _refuse(self, current: Slice, row: Row, phone: int | str) -> bool:
        """Keep a bad line; False for a blank one."""
        line, raw, area, language = row
        if isinstance(phone, int):
            current.repeated += 1
            current.bad.append((self._batch_id, line, REPEATED, mask(phone)))
            return True
        if phone == "empty" and not (area + language).strip():
            return False
        current.bad.append((self._batch_id, line, phone, shown(raw)))
        return True

    def _finish(self, done: Slice) -> Slice:
        if self._ranges:
            done.other_range = sum(row[2] // RANGE not in self._ranges for row in done.good)
        return done


def shown(raw: str) -> str:
    """What a bad line says, fit to be stored and seen: digits masked, on one line, cut."""
    text = mask(raw[: 4 * _VALUE_LENGTH])[:_VALUE_LENGTH]
    return "".join(char if char.isprintable() else " " for char in text)
