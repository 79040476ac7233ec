"""Read the cells of an OpenDocument spreadsheet (.ods), with formulas as Excel writes them.

Format: OASIS OpenDocument 1.3, part 3, sections 9 (tables) and 19.385 (office:value-type).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from xml.etree import ElementTree

from openpyxl.utils import get_column_letter

from app.core.errors import Invalid
from app.file_import.bounded_zip import TOO_LARGE
from app.file_import.xlsx_rows import check_size

MEDIA_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"
_OFFICE, _TABLE, _TEXT = (
    f"{{urn:oasis:names:tc:opendocument:xmlns:{each}:1.0}}" for each in ("office", "table", "text")
)
_REFERENCE = re.compile(r"\[(?:\$?('[^']*'|[^.\]]*))?\.([^\]:]+)(?::(?:\$?[^.\]]*)?\.([^\]]+))?\]")
# A sheet ends with one row repeated a million times; only rows and cells with a value are counted.
_REPEATS = 2000


def is_ods(content: bytes) -> bool:
    """Return whether the archive says so in its first member, as the format requires."""
    return content[:4] == b"PK\x03\x04" and MEDIA_TYPE in content[:120]


def cells(content: bytes, limit: int) -> Iterator[tuple[str, str, Any, str]]:
    """Yield (sheet, address, value, openpyxl's letter for its type) of each cell that is not empty.

    limit: bytes that the file may unpack to. Raises Invalid if it is more, and what zipfile and ElementTree
    raise for damaged files.
    """
    check_size(io.BytesIO(content), limit)
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("content.xml") as file:
        said = file.read(limit + 1)
    # UTF-8 alone: in another encoding, which the parser would find out by zero bytes, no entity is seen here.
    text = said.decode("utf-8")
    if len(said) > limit:
        raise Invalid(TOO_LARGE, field="file")
    if "<!DOCTYPE" in text or "\x00" in text:
        raise ValueError("a spreadsheet declares no document type")
    for table in ElementTree.fromstring(text).iter(f"{_TABLE}table"):  # noqa: S314 - no entities, see above
        name = table.get(f"{_TABLE}name", "")
        yield name, "", None, "n"
        for row, found in _repeated(table.iter(f"{_TABLE}table-row"), "number-rows-repeated"):
            for column, cell in _repeated(found, "number-columns-repeated"):
                value, kind = _value(cell)
                if value is not None:
                    yield name, f"{get_column_letter(column)}{row}", value, kind


def _repeated(
    found: Iterator[ElementTree.Element] | ElementTree.Element, times: str
) -> Iterator[tuple[int, ElementTree.Element]]:
    """Yield each row or cell with its number from 1; an empty one is passed over however often it stands."""
    nth = 0
    for each in found:
        count = int(each.get(f"{_TABLE}{times}", "1"))
        if next(each.iter(f"{_TEXT}p"), None) is not None:
            yield from ((nth + n, each) for n in range(1, min(count, _REPEATS) + 1))
        nth += count


def _value(cell: ElementTree.Element) -> tuple[Any, str]:
    formula, kind = cell.get(f"{_TABLE}formula"), cell.get(f"{_OFFICE}value-type", "string")
    if formula is not None:
        return _as_excel(formula), "f"
    number, day = cell.get(f"{_OFFICE}value"), cell.get(f"{_OFFICE}date-value")
    if number is not None:
        return (float(number), "n") if not float(number).is_integer() else (int(float(number)), "n")
    if day is not None:
        at = datetime.fromisoformat(day)
        return (at if "T" in day else datetime.combine(date.fromisoformat(day), at.time())), "d"
    if kind == "boolean":
        return cell.get(f"{_OFFICE}boolean-value") == "true", "b"
    lines = ["".join(_words(each)) for each in cell.findall(f"{_TEXT}p")]  # not those of a note
    return "\n".join(lines) or None, "s"


def _words(paragraph: ElementTree.Element) -> Iterator[str]:
    """Yield the text; several blanks are an element of their own."""
    yield paragraph.text or ""
    for part in paragraph:
        if part.tag == f"{_TEXT}s":
            yield " " * min(int(part.get(f"{_TEXT}c", "1")), 1000)
        elif part.tag == f"{_TEXT}line-break":
            yield "\n"
        else:
            yield from _words(part)
        yield part.tail or ""


def _as_excel(formula: str) -> str:
    """of:=SUM([.E5:.E10]) -> =SUM(E5:E10)"""

    def plain(found: re.Match[str]) -> str:
        sheet, first, last = found.groups()
        return f"{f'{sheet}!' if sheet else ''}{first}{f':{last}' if last else ''}"

    return _REFERENCE.sub(plain, formula.partition("=")[1] + formula.partition("=")[2]).replace(";", ",")
