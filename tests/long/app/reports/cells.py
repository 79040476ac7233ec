"""Figures read back out of files: the cells of forms as they stand in docx, pdf, xlsx and csv."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from itertools import groupby
from typing import Any

from docx import Document
from openpyxl import load_workbook
from pypdf import PdfReader

from app.reports.figures.numbers import shown
from app.reports.figures.table_model import CellKind, ReportTable, TableRow, value


def words(form: ReportTable, row: TableRow) -> list[str]:
    """The row's cells as people read them."""
    return [shown(c.kind, value(cell)) for c, cell in zip(form.columns, row.cells, strict=True)]


def docx_tables(content: bytes) -> dict[str, list[list[str]]]:
    """Rows of each table by the text above it, its head left out."""
    found, above = {}, ""
    document = Document(io.BytesIO(content))
    tables = iter(document.tables)
    for child in document.element.body.iterchildren():
        if child.tag.endswith("}p"):
            above = "".join(each.text or "" for each in child.iter() if each.tag.endswith("}t")) or above
        elif child.tag.endswith("}tbl"):
            rows = [[cell.text for cell in row.cells] for row in next(tables).rows]
            found[above] = rows[1:]
    return found


def pdf_text(content: bytes) -> str:
    """All words of a PDF in reading order, single blanks between."""
    pages = (page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", " ".join(pages)))


def numbers(form: ReportTable, row: TableRow) -> list[str]:
    """The row's counts as they follow one another in a PDF: one text for each run of columns with counts."""
    told = zip(form.columns, words(form, row), strict=True)
    runs = groupby(told, key=lambda pair: pair[0].kind is CellKind.COUNT)
    return [" ".join(said for _, said in run if said) for counts, run in runs if counts]


def xlsx_values(content: bytes) -> dict[str, list[list[Any]]]:
    """The results that each sheet shows to those who do not compute, below its head."""
    book = load_workbook(io.BytesIO(content), data_only=True)
    return {
        sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows(min_row=4)] for sheet in book
    }


def csv_rows(content: bytes) -> list[list[str]]:
    """The lines of the file."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
