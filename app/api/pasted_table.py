"""A table that people paste or upload: CSV with the names of a body's fields in its first line."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

from app.api.bodies import Body, filled
from app.core.errors import GIVEN_TWICE, Invalid
from carriers.phrases import Phrase

MOST_ROWS = 2000  # of one table
LINE_WRONG = "Line {line}: {detail}"


def _iso(value: object) -> object:
    """Turn 05/11/2029, as offices of Vietnam write it, into 2029-11-05."""
    parts = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", value.strip()) if isinstance(value, str) else None
    return f"{parts[3]}-{parts[2]:0>2}-{parts[1]:0>2}" if parts else value


Day = Annotated[date, BeforeValidator(_iso)]


def read_table(table: str, kind: type[Body]) -> list[tuple[int, Body]]:
    """Read the lines of a table, each as a body with its line; raises Invalid that names the line."""
    text = table.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)  # a cell may have lines
    rows: list[tuple[int, Body]] = []
    try:
        reader.fieldnames = columns = [name.strip().lower() for name in reader.fieldnames or ()]
        for name in columns:
            if columns.count(name) > 1:
                raise Invalid(LINE_WRONG, line=1, detail=Phrase(GIVEN_TWICE, field=name), field="table")
        for row in reader:
            if None in row:
                raise Invalid(
                    "Line {line} has more cells than the first line.", line=reader.line_num, field="table"
                )
            values = {name: cell.strip() for name, cell in row.items() if (cell or "").strip()}
            if values:
                rows.append((reader.line_num, filled(kind, values)))
    except csv.Error as error:
        raise Invalid("The table is not CSV: {error}.", error=error, field="table") from None
    except Invalid as error:
        if error.field == "table":
            raise
        raise Invalid(LINE_WRONG, line=reader.line_num, detail=error.detail, field="table") from None
    if not rows or len(rows) > MOST_ROWS:
        raise Invalid(
            "The table needs 1 to {most} lines below the names of its fields.", most=MOST_ROWS, field="table"
        )
    return rows
