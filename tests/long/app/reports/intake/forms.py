"""A form as an officer of the carrier fills it in: right everywhere, until a test spoils a cell."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

import openpyxl

from app.core.clock import VIETNAM, to_ms
from app.reports.intake import statement_workbook
from app.reports.intake.statement_input import Circumstances
from app.reports.intake.statement_workbook import FormHead


def naive(text: str) -> datetime:
    """A time as Excel keeps it: without a zone."""
    return datetime.fromisoformat(text)


@cache
def empty(head: FormHead) -> bytes:
    return statement_workbook.build(head)


Cells = Mapping[tuple[str, str], Any]

# Districts 116 and 125; the form has a row for each in 4 and 5, the unknown area in 6, the total in 7.
HEAD = FormHead(2, "viettel", "Phòng, chống lừa đảo", date(2024, 2, 5), ("116", "125"))
NOW = Circumstances(to_ms(datetime(2024, 2, 23, 9, tzinfo=VIETNAM)), correcting=False, asks=True)

FILLED: dict[tuple[str, str], Any] = {
    ("Chung", "B7"): "125/BC-VTSL",
    ("Chung", "B8"): naive("2024-02-22"),
    ("Chung", "B9"): "máy thuê bao",
    ("Chung", "B10"): naive("2024-02-05T08:00"),
    ("Chung", "B11"): naive("2024-02-07T17:30"),
    ("Chung", "B12"): naive("2024-02-21T17:00"),
    ("Chung", "B14"): "Có 12 phản ánh hỏi về nội dung tin.",
    ("Biểu 1", "D4"): 1000,
    ("Biểu 1", "D6"): 10,
    ("Biểu 1", "D7"): 20,
    ("Biểu 1", "D12"): 900,
    ("Biểu 1", "D13"): 50,
    ("Biểu 1", "D16"): 1940,
    ("Biểu 1", "D17"): 0,
    **{("Biểu 2", f"{column}4"): n for column, n in zip("DEFG", (600, 580, 540, 30), strict=True)},
    **{("Biểu 2", f"{column}5"): n for column, n in zip("DEFG", (390, 380, 350, 20), strict=True)},
    **{("Biểu 2", f"{column}6"): n for column, n in zip("DEFG", (10, 10, 10, 0), strict=True)},
    ("Biểu 3", "B4"): naive("2024-02-05"),
    ("Biểu 3", "C4"): "08:00-11:30",
    ("Biểu 3", "D4"): 2,
    ("Biểu 3", "E4"): 970,
    ("Biểu 3", "F4"): 900,
    ("Biểu 4", "C4"): 30,
    ("Biểu 4", "C5"): 20,
    ("Biểu 4", "E4"): "Gửi lại đợt sau",
}


def filled(changes: Cells | None = None, *, base: Cells | None = None, head: FormHead = HEAD) -> bytes:
    """The form with these cells filled in: those of `base` (FILLED, when not given), then the changes."""
    workbook = openpyxl.load_workbook(io.BytesIO(empty(head)))
    for (sheet, cell), value in {**(FILLED if base is None else base), **(changes or {})}.items():
        workbook[sheet][cell] = value
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def without(*sheets: str) -> bytes:
    """The filled form with these sheets removed."""
    workbook = openpyxl.load_workbook(io.BytesIO(filled()))
    for sheet in sheets:
        workbook.remove(workbook[sheet])
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()
