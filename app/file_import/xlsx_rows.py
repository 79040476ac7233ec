"""Read rows of an XLSX workbook from the one sheet that has the required columns."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any, BinaryIO, cast

from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

from app.core.errors import Invalid
from app.file_import.bounded_zip import EXCEL_ROWS, TOO_LARGE, TOO_MANY_ROWS, BoundedZip
from app.file_import.columns import HEAD_ROWS, Columns, Layout
from app.file_import.row_blocks import Row, UnreadableLine
from carriers.phrases import join

CELLS_LIMIT = 256  # per row
_BLANK_ROWS = 1000  # rows that may be wider if the extra cells are only formatted
_UNPACKED = 64 * 1024**2  # bytes that any file may unpack to; large ones up to _RATIO times their size
_RATIO = 120
_STRINGS_LIMIT = 160 * 1024**2  # bytes of the shared strings, which are held in memory
_DIRECTORY_LIMIT = 1024**2  # bytes of the archive's directory, at least 46 per member
_MEMBERS_LIMIT = 10_000
_SHEETS = 256
# What OPC and OpenDocument allow; the errors of other methods are none of zipfile's own.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# All exceptions that zipfile and openpyxl were seen to raise for files with a few changed bytes. SyntaxError
# is of both XML parsers that openpyxl uses: ElementTree's, and lxml's where it is installed.
DAMAGED = (
    *(zipfile.BadZipFile, InvalidFileException, SyntaxError, zlib.error, EOFError, OSError),
    *(LookupError, ValueError, TypeError, RuntimeError, AttributeError, ArithmeticError),
)
_NO_WORKBOOK = "The file is a .zip but not a readable Excel workbook. Save it as .xlsx or “CSV UTF-8”."


def sheet_rows(file: BinaryIO, columns: Columns, limit: int) -> Iterator[Row | UnreadableLine]:
    """Yield line number and the columns' cells as text; Invalid if the file is not a workbook."""
    try:
        workbook = bounded(file, limit, data_only=True)
        try:
            yield from _rows(*_choose(workbook, columns))
        finally:
            workbook.close()
    except DAMAGED:
        raise Invalid(_NO_WORKBOOK) from None


def bounded(file: BinaryIO, limit: int, *, data_only: bool) -> Any:
    """Open a workbook row by row, safe from zip bombs; DAMAGED. data_only: results instead of formulas."""
    check_size(file, limit)
    reader = _Reader(file, read_only=True, data_only=data_only, keep_links=False)
    reader.archive.close()
    reader.archive = BoundedZip(file)
    reader.read()
    return reader.wb


class _Reader(ExcelReader):  # type: ignore[misc]
    """Reader that opens each part once: a list may name one part as 50,000 sheets."""

    def read_worksheets(self) -> None:
        parts = [self.parser.rels[sheet.id].target for sheet in self.parser.sheets if sheet.id]
        if len(parts) > _SHEETS or len(set(parts)) < len(parts):
            raise Invalid(TOO_LARGE)
        super().read_worksheets()


class _LimitedReads:
    """A file that refuses to read more than a directory's worth at once.

    zipfile reads an archive's directory in one go and creates an object per entry before we can count them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Read like any file; Invalid if there is more."""
        if size > _DIRECTORY_LIMIT:
            raise Invalid(TOO_LARGE)
        found = self._file.read(size if size >= 0 else _DIRECTORY_LIMIT + 1)
        if len(found) > _DIRECTORY_LIMIT:
            raise Invalid(TOO_LARGE)
        return found


def check_size(file: BinaryIO, limit: int) -> None:
    """Refuse files that would fill disk or memory; zipfile never unpacks more than the declared sizes."""
    with zipfile.ZipFile(cast(IO[bytes], _LimitedReads(file))) as archive:
        members = archive.infolist()
    if any(each.compress_type not in _METHODS for each in members):
        raise zipfile.BadZipFile
    strings = max((each.file_size for each in members if "sharedStrings" in each.filename), default=0)
    unpacked = sum(each.file_size for each in members)
    bomb = unpacked > max(_UNPACKED, _RATIO * file.seek(0, io.SEEK_END))
    if bomb or len(members) > _MEMBERS_LIMIT or unpacked > limit or strings > _STRINGS_LIMIT:
        raise Invalid(TOO_LARGE)
    file.seek(0)


def _choose(workbook: Any, columns: Columns) -> tuple[Any, Layout]:
    heads = [(sheet, _head(sheet)) for sheet in workbook.worksheets]
    found = [(sheet, layout) for sheet, head in heads if (layout := columns.find(head))]
    if len(found) > 1:
        names = join((f"“{sheet.title}”" for sheet, _ in found[:2]), " and ")
        raise Invalid(
            "The sheets {sheets} both contain {what}. Keep one sheet per file.",
            sheets=names,
            what=columns.columns[0].what,
        )
    if not found:
        raise columns.missing(heads[0][1] if heads else [])
    return found[0]


def _head(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # some programs store wrong ones
    rows = limited(sheet.iter_rows(values_only=True))
    return [[_text(cell) for cell in row] for row in islice(rows, HEAD_ROWS)]


class _Hidden(tuple[Any, ...]):
    """Cells of a row that is hidden by a filter or by hand."""


class _NoResult:
    """Placeholder for a formula whose result is not stored in the file."""


_NO_RESULT = _NoResult()


class _Parser(WorkSheetParser):  # type: ignore[misc]
    """Parser that also yields hidden rows and formulas without a result, which openpyxl drops."""

    hidden = False

    def parse_row(self, row: Any) -> tuple[int, list[dict[str, Any]]]:
        number, cells = super().parse_row(row)
        self.row_dimensions.clear()  # would otherwise keep every row's height
        self.hidden = row.get("hidden") in ("1", "true")
        for cell, element in zip(cells, row, strict=True):
            if cell["value"] is None and element.find(FORMULA_TAG) is not None:
                cell["value"] = _NO_RESULT
        return number, cells


def _all_rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of each row, and empty ones for rows missing in the file."""
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
        row = [*cells, *[None] * (max(places) + 2 - len(cells)), None]  # ABSENT is the last index
        first = row[places[0]]
        if isinstance(cells, _Hidden):
            yield UnreadableLine(number, "hidden", _text(first))
        elif isinstance(first, _NoResult):
            yield UnreadableLine(number, "formula", "")
        else:
            yield number, *(_text(row[place]) for place in places)


def limited(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield a sheet's rows; Invalid if there are too many or they are too wide."""
    wide = 0
    for number, cells in enumerate(rows, 1):
        if number > EXCEL_ROWS:
            raise Invalid(TOO_MANY_ROWS)
        if len(cells) > CELLS_LIMIT:
            wide += 1
            filled = any(getattr(cell, "value", cell) is not None for cell in cells[CELLS_LIMIT:])
            if filled or wide > _BLANK_ROWS:
                raise Invalid(
                    "Row {n} of a sheet has more than {m} cells. Delete everything to the right of "
                    "the table.",
                    n=number,
                    m=CELLS_LIMIT,
                )
        yield cells


def _text(cell: object) -> str:
    """Return a cell as people see it; Excel stores integers as floats."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None or isinstance(cell, _NoResult) else str(cell)
