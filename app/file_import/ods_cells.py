"""Read the cells of an OpenDocument spreadsheet (.ods), with formulas as Excel writes them.

Format: OASIS OpenDocument 1.3, part 3, sections 9 (tables) and 19.385 (office:value-type).
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum, auto
from typing import Any
from xml.parsers import expat

from openpyxl.utils import get_column_letter

from app.core import clock
from app.core.errors import Invalid
from app.file_import.bounded_zip import EXCEL_ROWS, TOO_LARGE
from app.file_import.form_cells import CELLS, COLUMNS, MERGED, PERCENT, UNPACKED, Cell, Form, overfull
from app.file_import.xlsx_rows import check_size

MEDIA_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"
_OFFICE, _TABLE, _TEXT = (
    f"urn:oasis:names:tc:opendocument:xmlns:{each}:1.0 " for each in ("office", "table", "text")
)
# A form has some 10,000 elements, at most 12 in one another.
_ELEMENTS, _DEPTH = 400_000, 64
# A tag and the text after it; a cell holds 32,767 letters. No attribute holds "<": this bounds their number.
_LONG = re.compile(r"<[^<]{200000}")
# No class holds "[", so that each letter is looked at once or twice, whatever stands there.
_REFERENCE = re.compile(r"\[(?:\$?('[^'\[]*'|[^.\[\]]*))?\.([^\]\[:]+)(?::(?:\$?[^.\[\]]*)?\.([^\]\[]+))?\]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_TIME = re.compile(r"PT(\d{1,2})H(\d{1,2})M(\d{1,2})(?:[.,]\d+)?S", re.ASCII)
_ZONE = re.compile(r"(?:Z|[+-]\d\d:\d\d)$", re.ASCII)
_BLANKS = re.compile(r"[ \t\r\n]+")
_UNREADABLE = "lỗi trong tệp"


def is_ods(content: bytes) -> bool:
    """Return whether the archive says so in its first member, as the format requires."""
    return content[:4] == b"PK\x03\x04" and MEDIA_TYPE in content[:120]


def cells(content: bytes) -> Form:
    """Return the cells that are not empty; Invalid if there are too many, DAMAGED."""
    check_size(io.BytesIO(content), UNPACKED)
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("content.xml") as file:
        said = file.read(UNPACKED + 1)
    # UTF-8 alone, whatever the file declares: the length of a tag could not be seen in another encoding.
    text = said.decode("utf-8")
    if len(said) > UNPACKED or _LONG.search(text):
        raise Invalid(TOO_LARGE)
    if "\x00" in text:
        raise ValueError("a spreadsheet holds no zero bytes")
    reader = _Reader()
    reader.read(said)
    return reader.form


class _Place(Enum):
    """What an element is for the reader, by the one that it stands in."""

    OUTSIDE = auto()
    BOOK = auto()
    SHEET = auto()
    ROW = auto()
    CELL = auto()
    WORDS = auto()
    SKIPPED = auto()


_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_ROWS = ("table-row-group", "table-header-rows", "table-rows")
_LISTS = ("list", "list-header", "list-item", "section")
# Only what is listed is read: no table in a cell, no shapes, comments, earlier contents (tracked changes).
_INNER: dict[tuple[_Place, str], _Place] = {
    (_Place.OUTSIDE, f"{_OFFICE}document-content"): _Place.OUTSIDE,
    (_Place.OUTSIDE, f"{_OFFICE}body"): _Place.OUTSIDE,
    (_Place.OUTSIDE, f"{_OFFICE}spreadsheet"): _Place.BOOK,
    (_Place.BOOK, f"{_TABLE}table"): _Place.SHEET,
    **{(_Place.SHEET, f"{_TABLE}{each}"): _Place.SHEET for each in _ROWS},
    (_Place.SHEET, f"{_TABLE}table-row"): _Place.ROW,
    **{(_Place.ROW, each): _Place.CELL for each in _CELLS},
    **{(_Place.CELL, f"{_TEXT}{each}"): _Place.CELL for each in _LISTS},
    (_Place.CELL, f"{_TEXT}p"): _Place.WORDS,
    (_Place.CELL, f"{_TEXT}h"): _Place.WORDS,
    (_Place.WORDS, f"{_TEXT}note"): _Place.SKIPPED,
    (_Place.WORDS, f"{_TEXT}ruby-text"): _Place.SKIPPED,
    (_Place.WORDS, f"{_OFFICE}annotation"): _Place.SKIPPED,
}
# Several blanks are an element with a number, which may be anything: readers fold blanks to one.
_SIGNS = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}


class _Reader:
    """Follows the file element by element without a tree: memory grows with the cells that are found."""

    def __init__(self) -> None:
        self.form: Form = {}
        self._sheet = ""
        self._cells_left, self._elements = CELLS, 0
        self._path = [_Place.OUTSIDE]
        self._row = self._column = 0  # before the open one
        self._row_times = 1
        self._cell: dict[str, str] = {}
        self._covered = False  # by another cell that it is merged with
        self._lines: list[list[str]] = []
        self._filled: list[tuple[int, int, Cell]] = []  # of the open row: cells before it, times, cell

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate("UTF-8", " ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._no_document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise ValueError("content.xml cannot be read") from error

    def _no_document_type(self, *_: object) -> None:
        raise ValueError("a spreadsheet declares no document type, and so no entities")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _ELEMENTS or len(self._path) > _DEPTH:
            raise overfull(self._sheet)
        inside = self._path[-1]
        default = inside if inside is _Place.WORDS else _Place.SKIPPED
        here = _INNER.get((inside, name), default)
        self._path.append(here)
        if here is _Place.SHEET and inside is _Place.BOOK:
            self._begin_sheet(attributes.get(f"{_TABLE}name", ""))
        elif here is _Place.ROW:
            self._row_times, self._column = _times(attributes, "number-rows-repeated"), 0
        elif here is _Place.CELL and inside is _Place.ROW:
            self._cell, self._lines, self._covered = attributes, [], name == _CELLS[1]
        elif here is _Place.WORDS:
            self._begin_words(name, inside)

    def _begin_sheet(self, name: str) -> None:
        if name in self.form:
            raise ValueError("two sheets have the same name")
        self.form[name] = {}
        self._sheet, self._row = name, 0

    def _begin_words(self, name: str, inside: _Place) -> None:
        if inside is _Place.CELL:
            self._lines.append([])
        elif sign := _SIGNS.get(name):
            self._lines[-1].append(sign)

    def _text(self, text: str) -> None:
        if self._path[-1] is _Place.WORDS:
            self._lines[-1].append(_BLANKS.sub(" ", text))

    def _end(self, _name: str) -> None:
        here = self._path.pop()
        if here is _Place.CELL and self._path[-1] is _Place.ROW:
            times = _times(self._cell, "number-columns-repeated")
            cell = _value(self._cell, "\n".join("".join(line).strip(" ") for line in self._lines))
            if cell.value is None and self._covered:
                cell = Cell(None, MERGED)
            if cell.value is not None or cell.data_type == MERGED:
                self._filled.append((self._column, times, cell))
            self._column += times
        elif here is _Place.ROW:
            self._end_row()

    def _end_row(self) -> None:
        """Take the row's cells as often as it stands; empty rows and cells cost nothing, however many."""
        filled, self._filled = self._filled, []
        rows = self._row_times if filled else 0
        last = max((before + times for before, times, _ in filled), default=0)
        self._cells_left -= rows * sum(times for _, times, _ in filled)
        if self._cells_left < 0 or last > COLUMNS or (filled and self._row + rows > EXCEL_ROWS):
            raise overfull(self._sheet)
        self.form[self._sheet].update(
            (f"{get_column_letter(before + column)}{self._row + row}", cell)
            for row in range(1, rows + 1)
            for before, times, cell in filled
            for column in range(1, times + 1)
        )
        self._row += self._row_times


def _times(attributes: Mapping[str, str], name: str) -> int:
    said = attributes.get(f"{_TABLE}{name}", "1")
    if not (said.isascii() and said.isdigit() and len(said) <= 9 and int(said)):
        raise ValueError(f"{name} is no number")
    return int(said)


def _value(cell: Mapping[str, str], words: str) -> Cell:
    """Return the value, also where no text shows it, and its kind."""
    formula, kind = cell.get(f"{_TABLE}formula"), cell.get(f"{_OFFICE}value-type", "")
    if formula is not None:
        return Cell(_as_excel(formula), "f")
    name = {"date": "date-value", "time": "time-value", "boolean": "boolean-value"}.get(kind, "value")
    said = cell.get(f"{_OFFICE}{name}")
    if kind == "string" or said is None:
        return Cell(cell.get(f"{_OFFICE}string-value") or words or None, "s")
    if kind == "boolean":
        return Cell(said == "true", "b")
    try:
        reader: Callable[[str], Any] = {"date": _date, "time": _time}.get(kind, _number)
        return Cell(reader(said), "d" if reader is not _number else PERCENT if kind == "percentage" else "n")
    except ValueError:
        return Cell(words or said[:40] or _UNREADABLE, "e")


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    found = float(text)
    if not math.isfinite(found):
        raise ValueError("too large")
    return int(found) if found.is_integer() else found


def _date(text: str) -> datetime:
    """Read a date, or a time on one; with a zone, as the clock shows it in Vietnam."""
    if "T" not in text:
        return datetime.combine(date.fromisoformat(_ZONE.sub("", text)), time())
    at = datetime.fromisoformat(text)
    try:
        return at if at.tzinfo is None else clock.local(at).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("outside of the calendar") from None


def _time(text: str) -> time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("no time of a day")
    hour, minute, second = map(int, found.groups())
    return time(hour, minute, second)


def _as_excel(formula: str) -> str:
    """of:=SUM([.E5:.E10]) -> =SUM(E5:E10)"""

    def plain(match: re.Match[str]) -> str:
        sheet, first, last = match.groups()
        return f"{f'{sheet}!' if sheet else ''}{first}{f':{last}' if last else ''}"

    return _REFERENCE.sub(plain, formula.partition("=")[1] + formula.partition("=")[2]).replace(";", ",")
