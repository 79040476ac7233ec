"""Rows of an XLSX workbook: the one sheet that has a column of phone numbers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from app.batches.columns import HEAD_ROWS, Layout, find_layout, no_layout
from app.errors import Invalid

_ROWS_LIMIT = 1_048_576  # as many as Excel has
_STRINGS_LIMIT = 160 * 1024**2  # bytes of the table of texts, which is held in memory
# All that zipfile and openpyxl were seen to raise at files with a few bytes changed.
_DAMAGED = (
    *(zipfile.BadZipFile, InvalidFileException, ParseError, zlib.error, EOFError, OSError),
    *(LookupError, ValueError, TypeError, RuntimeError),
)
_NO_WORKBOOK = "The file is a .zip, but no Excel workbook that can be read. Save it as .xlsx or “CSV UTF-8”."


def sheet_rows(file: BinaryIO, limit: int) -> Iterator[tuple[int, str, str, str]]:
    """Line number and the cells of phone, area and language, as text; Invalid for what is no workbook."""
    try:
        _check_size(file, limit)
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            yield from _rows(*_choose(workbook))
        finally:
            workbook.close()
    except _DAMAGED:
        raise Invalid(_NO_WORKBOOK) from None


def _check_size(file: BinaryIO, limit: int) -> None:
    """Refuse what would fill disk or memory; zipfile never unpacks more than these declared sizes."""
    with zipfile.ZipFile(file) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    strings = max((size for name, size in sizes.items() if "sharedStrings" in name), default=0)
    if sum(sizes.values()) > limit or strings > _STRINGS_LIMIT:
        raise Invalid("The workbook is too large to be read. Save it as “CSV UTF-8” and upload that.")


def _choose(workbook: Any) -> tuple[Any, Layout]:
    """The one sheet with numbers, and its layout."""
    heads = [(sheet, _head(sheet)) for sheet in workbook.worksheets]
    found = [(sheet, layout) for sheet, head in heads if (layout := find_layout(head))]
    if len(found) > 1:
        names = " and ".join(f"“{sheet.title}”" for sheet, _ in found[:2])
        raise Invalid(f"The sheets {names} both hold phone numbers. Keep one sheet in each file.")
    if not found:
        raise no_layout(heads[0][1] if heads else [])
    return found[0]


def _head(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # some programs write wrong ones
    return [[_text(cell) for cell in row] for row in islice(sheet.iter_rows(values_only=True), HEAD_ROWS)]


def _rows(sheet: Any, layout: Layout) -> Iterator[tuple[int, str, str, str]]:
    phone, area, lang, data = layout
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > _ROWS_LIMIT:
            raise Invalid(f"The sheet has more than {_ROWS_LIMIT} rows. Save it as “CSV UTF-8”.")
        if number > data and any(cell is not None for cell in cells):
            row = [*cells, *[None] * (max(phone, area, lang) + 2 - len(cells)), None]
            yield number, _text(row[phone]), _text(row[area]), _text(row[lang])


def _text(cell: object) -> str:
    """A cell as a person sees it: Excel keeps numbers as floats."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)
