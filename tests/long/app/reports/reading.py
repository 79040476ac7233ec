"""Everything that can be read in a report's file, whatever its format, as one line."""

from __future__ import annotations

import io
import re
from typing import Any

import docx
import openpyxl
import pypdf


def words(form: str, content: bytes) -> str:
    """Everything that can be read in a file, blanks made one."""
    read: dict[str, Any] = {"docx": _docx, "pdf": _pdf, "xlsx": _xlsx}
    found = read[form](content) if form in read else content.decode("utf-8-sig")
    return re.sub(r"\s+", " ", found)


def _docx(content: bytes) -> str:
    paper = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(each.text for each in paper.paragraphs), *cells])


def _pdf(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def _xlsx(content: bytes) -> str:
    book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    rows = (row for sheet in book for row in sheet.iter_rows(values_only=True))
    return "\n".join(str(cell) for row in rows for cell in row if cell is not None)
