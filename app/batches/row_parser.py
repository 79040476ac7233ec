"""Parse the rows of a file into slices of subscribers and bad lines: the hot loop of the import."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

from app.core import phone
from app.core.areas import normalise_area
from app.core.phone import RANGE, Sentence, normalise_all, ranges_of
from app.file_import.bulk_insert import PhoneBitmap
from app.file_import.cells import shown
from app.file_import.columns import PHONE_NAMES, Columns, FileColumn, names
from app.file_import.reader import Reader
from app.file_import.row_blocks import LINE_REASONS, Block, UnreadableLine
from app.ledger.batch_rows import row_bytes
from carriers.phrases import join

# ---- Reasons why a line gave no subscriber

REPEATED = "repeated"

REASONS = (
    phone.REASONS
    | LINE_REASONS
    | {
        REPEATED: Sentence(
            "The number already occurs on an earlier line of the file.", "Số đã có ở dòng trước."
        )
    }
)


# ---- Columns

_AREA_NAMES = (
    names(
        "maxa maphuong maxaphuong maphuongxa communecode wardcode area areacode madiaban makhuvuc madvhc "
        "madonvihanhchinh"
    ),
    names("xa phuong xaphuong phuongxa diaban khuvuc commune ward"),
    names("mahuyen districtcode"),
    names("huyen quanhuyen district"),
)
_LANG_NAMES = (names("ngonngu mangonngu tieng lang language langcode languagecode"),)

SUBSCRIBERS = Columns(
    (
        FileColumn("phone numbers", PHONE_NAMES, join(("“Số điện thoại”", "“phone”"), " or "), needed=True),
        FileColumn("areas", _AREA_NAMES),
        FileColumn("languages", _LANG_NAMES),
    ),
    bare=True,
)


def open_rows(path: Path) -> Reader:
    """Return a reader of rows: line number, then phone, area and language as written."""
    return Reader(path, SUBSCRIBERS)


SLICE = 10_000  # lines of one transaction, for which other writers wait on SQLite
# On PostgreSQL nobody waits, and each commit adds a version of the batch's row that the server has to search
# for each subscriber's foreign key.
LONG_SLICE = 50_000
KEPT = 100_000  # bad lines kept of one batch; the rest is only counted
_CACHE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Lines that gave a number, by column: a row object for each would double the cost."""

    lines: list[int] = field(default_factory=list)
    phones: list[int] = field(default_factory=list)
    areas: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def columns(self, batch_id: int) -> tuple[Sequence[Any], ...]:
        return ([batch_id] * len(self), self.lines, self.phones, self.areas)


@dataclass(slots=True)
class ParsedRows:
    """Lines of one transaction: bad ones as rows of their table, and counts."""

    good: Subscribers = field(default_factory=Subscribers)
    bad: list[tuple[int, int, str, str]] = field(default_factory=list)
    left_out: int = 0  # bad lines beyond KEPT, which are not among `bad`
    repeated: int = 0
    other_range: int = 0

    @property
    def lines(self) -> int:
        return len(self.good) + self.refused

    @property
    def refused(self) -> int:
        return len(self.bad) + self.left_out


class _Column(dict[str, str | None]):
    """Cache of a column's few different values; `unknown` counts lines whose value has no meaning."""

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


class RowParser:
    """Parse the rows of a file into slices for one batch of one carrier, a column at a time."""

    def __init__(self, batch_id: int, carrier: str) -> None:
        self._batch_id = batch_id
        self._ranges = ranges_of(carrier)
        self._seen = PhoneBitmap()
        self._rows = hashlib.sha256()
        self._kept = 0
        self._areas = _Column(normalise_area)
        self.languages_ignored = 0  # lines with a language, which nobody keeps

    @property
    def rows_sha256(self) -> str:
        """Hash of all subscribers so far, in the order of the file: what an approval binds."""
        return self._rows.hexdigest()

    @property
    def unknown_areas(self) -> int:
        """Subscribers of unknown areas; they are accepted without one."""
        return self._areas.unknown

    def slices(self, blocks: Iterable[Block | UnreadableLine], size: int = SLICE) -> Iterator[ParsedRows]:
        """Yield every row in exactly one slice, as a subscriber or as a bad line."""
        current = ParsedRows()
        for part in blocks:
            left: Block | UnreadableLine | None = part
            while left is not None:
                left = self._fill(current, left, size - current.lines)
                if current.lines == size:
                    yield self._finish(current)
                    current = ParsedRows()
        yield self._finish(current)

    def _fill(self, current: ParsedRows, part: Block | UnreadableLine, room: int) -> Block | None:
        if isinstance(part, UnreadableLine):
            self._refuse(current, part.line, part.reason, part.value)
            return None
        self._take(current, part.part(0, room))
        return part.part(room, len(part.numbers)) if len(part.numbers) > room else None

    def _take(self, current: ParsedRows, block: Block) -> None:
        cells, areas, languages = block.cells
        self.languages_ignored += sum(map(bool, map(str.strip, languages)))
        phones, refused = normalise_all(cells)
        new = self._seen.add_all(phones)
        good = current.good
        good.lines.extend(compress(block.numbers, new))
        good.phones.extend(compress(phones, new))
        good.areas.extend(map(self._areas.__getitem__, compress(areas, new)))
        for place in [place for place, fresh in enumerate(new) if not fresh]:
            if place not in refused:
                current.repeated += 1
                self._refuse(current, block.numbers[place], REPEATED, str(phones[place]))
            else:
                self._refuse(current, block.numbers[place], refused[place], cells[place])

    def _refuse(self, current: ParsedRows, line: int, reason: str, cell: str) -> None:
        if self._kept < KEPT:
            self._kept += 1
            current.bad.append((self._batch_id, line, reason, shown(cell)))
        else:
            current.left_out += 1

    def _finish(self, done: ParsedRows) -> ParsedRows:
        good = done.good
        self._rows.update(row_bytes(good.lines, good.phones, good.areas))
        if self._ranges:
            held = map(self._ranges.__contains__, [phone // RANGE for phone in good.phones])
            done.other_range = len(good) - sum(held)
        return done


@dataclass(frozen=True, slots=True)
class Totals:
    """What is known at the end of a file."""

    rows_sha256: str
    unknown_areas: int
    languages_ignored: int
    short_rows: int  # accepted with fewer cells than the header


def parsed_rows(
    path: Path, batch_id: int, carrier: str, size: int
) -> Iterator[tuple[ParsedRows, int] | Totals]:
    """Yield the slices of a file, each with how many bytes have been read, and at last its totals.

    Needs no database, so it can run in a process of its own.
    """
    parser, reader = RowParser(batch_id, carrier), open_rows(path)
    for done in parser.slices(reader.blocks(), size):
        yield done, reader.position
    yield Totals(parser.rows_sha256, parser.unknown_areas, parser.languages_ignored, reader.short)
