"""Rows of an XLSX workbook: the one sheet that has the columns."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError

from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

from app.core.errors import Invalid
from app.file_import.bounded_zip import EXCEL_ROWS, TOO_LARGE, TOO_MANY_ROWS, BoundedZip
from app.file_import.columns import HEAD_ROWS, Columns, Layout
from app.file_import.row_blocks import Row, UnreadableLine

CELLS_LIMIT = 256  # of a row
_BLANK_ROWS = 1000  # rows with more cells than that, of which those on the right are only coloured
_UNPACKED = 64 * 1024**2  # bytes that a small file may unpack to, and how many times its size a large one
_RATIO = 120
_STRINGS_LIMIT = 160 * 1024**2  # bytes of the table of texts, which is held in memory
_DIRECTORY_LIMIT = 1024**2  # bytes of an archive's directory: at least 46 for each member
_MEMBERS_LIMIT = 10_000
# All that zipfile and openpyxl were seen to raise at files with a few bytes changed.
DAMAGED = (
    *(zipfile.BadZipFile, InvalidFileException, ParseError, zlib.error, EOFError, OSError),
    *(LookupError, ValueError, TypeError, RuntimeError),
)
_NO_WORKBOOK = "The file is a .zip, but no Excel workbook that can be read. Save it as .xlsx or “CSV UTF-8”."


def sheet_rows(file: BinaryIO, columns: Columns, limit: int) -> Iterator[Row | UnreadableLine]:
    """Line number and the cells of the columns, as text; Invalid for what is no workbook."""
    try:
        workbook = bounded(file, limit, data_only=True)
        try:
            yield from _rows(*_choose(workbook, columns))
        finally:
            workbook.close()
    except DAMAGED:
        raise Invalid(_NO_WORKBOOK) from None


def bounded(file: BinaryIO, limit: int, *, data_only: bool) -> Any:
    """The workbook of a file that is no bomb, its sheets to be read row by row; DAMAGED for what is none.

    data_only: what formulas gave when it was saved, in place of the formulas.
    """
    check_size(file, limit)
    reader = ExcelReader(file, read_only=True, data_only=data_only, keep_links=False)
    reader.archive.close()
    reader.archive = BoundedZip(file)
    reader.read()
    return reader.wb


class _Sips:
    """A file of which nobody reads more than a directory's worth at once.

    zipfile reads an archive's whole directory in one go and makes an object of each entry, before anybody can
    count them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """As of any file; Invalid where it is more."""
        if size > _DIRECTORY_LIMIT:
            raise Invalid(TOO_LARGE)
        found = self._file.read(size if size >= 0 else _DIRECTORY_LIMIT + 1)
        if len(found) > _DIRECTORY_LIMIT:
            raise Invalid(TOO_LARGE)
        return found


def check_size(file: BinaryIO, limit: int) -> None:
    """Refuse what would fill disk or memory; zipfile never unpacks more than these declared sizes."""
    with zipfile.ZipFile(cast(IO[bytes], _Sips(file))) as archive:
        members = archive.infolist()
    strings = max((each.file_size for each in members if "sharedStrings" in each.filename), default=0)
    unpacked = sum(each.file_size for each in members)
    bomb = unpacked > max(_UNPACKED, _RATIO * file.seek(0, io.SEEK_END))
    if bomb or len(members) > _MEMBERS_LIMIT or unpacked > limit or strings > _STRINGS_LIMIT:
        raise Invalid(TOO_LARGE)
    file.seek(0)


def _choose(workbook: Any, columns: Columns) -> tuple[Any, Layout]:
    """The one sheet with the columns, and its layout."""
    heads = [(sheet, _head(sheet)) for sheet in workbook.worksheets]
    found = [(sheet, layout) for sheet, head in heads if (layout := columns.find(head))]
    if len(found) > 1:
        names = " and ".join(f"“{sheet.title}”" for sheet, _ in found[:2])
        raise Invalid(f"The sheets {names} both hold {columns.columns[0].what}. Keep one sheet in each file.")
    if not found:
        raise columns.missing(heads[0][1] if heads else [])
    return found[0]


def _head(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # some programs write wrong ones
    rows = limited(sheet.iter_rows(values_only=True))
    return [[_text(cell) for cell in row] for row in islice(rows, HEAD_ROWS)]


class _Hidden(tuple[Any, ...]):
    """The cells of a row that a filter or a person has hidden."""


class _NoResult:
    """In place of what a formula gave, where the program that wrote it has not worked it out."""


_NO_RESULT = _NoResult()


class _Parser(WorkSheetParser):  # type: ignore[misc]
    """Reads also what a row hides; openpyxl's own drops that, and formulas without a result with it."""

    hidden = False

    def parse_row(self, row: Any) -> tuple[int, list[dict[str, Any]]]:
        """The row's number and its cells."""
        number, cells = super().parse_row(row)
        self.row_dimensions.clear()  # it would keep the height of each row
        self.hidden = row.get("hidden") in ("1", "true")
        for cell, element in zip(cells, row, strict=True):
            if cell["value"] is None and element.find(FORMULA_TAG) is not None:
                cell["value"] = _NO_RESULT
        return number, cells


def _all_rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The cells of each row in turn, a row that the file leaves out as an empty one."""
    book, reached = sheet.parent, 0
    with sheet._get_source() as source:
        parser = _Parser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for number, cells in parser.parse():
            for _ in range(reached + 1, min(number, EXCEL_ROWS + 2)):
                reached += 1
                yield ()
            row = sheet._get_row(cells, values_only=True)
            reached += 1
            yield _Hidden(row) if parser.hidden else row


def _rows(sheet: Any, layout: Layout) -> Iterator[Row | UnreadableLine]:
    places, data = layout.places, layout.data
    for number, cells in enumerate(limited(_all_rows(sheet)), 1):
        if number <= data or not any(cell is not None and str(cell).strip() for cell in cells):
            continue
        row = [*cells, *[None] * (max(places) + 2 - len(cells)), None]  # ABSENT finds the last one
        first = row[places[0]]
        if isinstance(cells, _Hidden):
            yield UnreadableLine(number, "hidden", _text(first))
        elif isinstance(first, _NoResult):
            yield UnreadableLine(number, "formula", "")
        else:
            yield number, *(_text(row[place]) for place in places)


def limited(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows of a sheet; Invalid where they are too many or too wide for a table."""
    wide = 0
    for number, cells in enumerate(rows, 1):
        if number > EXCEL_ROWS:
            raise Invalid(TOO_MANY_ROWS)
        if len(cells) > CELLS_LIMIT:
            wide += 1
            filled = any(getattr(cell, "value", cell) is not None for cell in cells[CELLS_LIMIT:])
            if filled or wide > _BLANK_ROWS:
                raise Invalid(
                    f"Row {number} of a sheet has more than {CELLS_LIMIT} cells. Delete what stands to the "
                    "right of the table."
                )
        yield cells


def _text(cell: object) -> str:
    """A cell as a person sees it: Excel keeps numbers as floats."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None or isinstance(cell, _NoResult) else str(cell)
