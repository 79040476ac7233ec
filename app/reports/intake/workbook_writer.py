"""Writes the workbook that a carrier fills in: forms 1 to 4 for one run and its areas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, select

from app.core import areas, clock
from app.database.models import audiences
from app.file_import.form_writer import FormSheet, new_workbook, saved
from app.reports.figures import carrier_statement, labels
from app.reports.intake import workbook_layout as at
from app.reports.intake.statement_input import REASONS
from app.reports.intake.statement_service import open_run

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

_GUIDE = (
    "Chỉ điền vào các ô nền vàng. Không đổi tên trang, không thêm hay xóa dòng, cột.",
    "Thuê bao, tin và bản tin quy đổi là ba số khác nhau: một tin gửi một thuê bao có thể gồm nhiều bản tin.",
    "Biểu 2, 3, 4 không có số liệu thì để trống cả biểu; đã điền thì tổng phải khớp với Biểu 1.",
    "Doanh nghiệp không có biên nhận thì để trống các số về đã nhận, không nhận.",
    "Không ghi số điện thoại của khách hàng ở bất kỳ ô nào.",
)


@dataclass(frozen=True, slots=True)
class FormHead:
    """Subject of a form; codes: the areas of its rows, as of the day `on`; version: the newest, or 0."""

    run_id: int
    carrier: str
    campaign: str
    on: date
    codes: tuple[str, ...]
    version: int = 0


def head(connection: Connection, run_id: int, carrier: str | None = None) -> FormHead:
    """Return the form's subject; raises NotFound, also for other carriers' runs if `carrier` is set."""
    run = open_run(connection, run_id, carrier)
    on = day_of(run)
    asked = connection.execute(select(audiences.c.areas).where(audiences.c.run_id == run_id)).scalar()
    rows = {area.code for area in areas.reported(on)}
    wanted = {row for code in asked or () for row in areas.rows_of(code, on)}
    codes = tuple(sorted(wanted or rows))
    said = carrier_statement.latest(connection, run_id)
    version = said.paper.version if said else 0
    return FormHead(run_id, run.carrier, run.name, on, codes, version)


def day_of(run: Row[object]) -> date:
    """Return the day whose areas apply: the run's start, else the start of its window."""
    return clock.local(clock.from_ms(run.started_at or run.window_start or clock.now_ms())).date()


def build(of: FormHead) -> bytes:
    workbook = new_workbook()
    _head_sheet(workbook, of)
    _general_sheet(workbook)
    _area_sheet(workbook, of)
    _day_sheet(workbook)
    _cause_sheet(workbook)
    return saved(workbook)


def _head_sheet(workbook: Workbook, of: FormHead) -> None:
    sheet = FormSheet(workbook.create_sheet(at.HEAD), (34, 60))
    sheet.title("A1", "BÁO CÁO KẾT QUẢ NHẮN TIN TUYÊN TRUYỀN")
    for cell, words in at.HEAD_LABELS.items():
        sheet.label(cell.replace("B", "A"), words)
    said: dict[str, str | int] = {
        at.FORM_ID: at.VERSION,
        at.RUN_ID: of.run_id,
        at.CARRIER: of.carrier,
        at.CAMPAIGN: of.campaign,
    }
    for cell, value in said.items():
        sheet.label(cell, value)
    sheet.label(at.CORRECTS.replace("B", "A"), at.CORRECTS_LABEL)
    sheet.counts([at.CORRECTS])
    sheet.sheet[at.CORRECTS] = of.version or None  # the first form may come back twice, and then says why
    sheet.ask([at.NUMBER, at.REASON, at.NOTE], "@")
    sheet.days([at.DATED_ON])
    sheet.days([at.BEGAN, at.ENDED, at.CUTOFF], hours=True)
    sheet.choices([at.LEVEL], list(at.LEVEL_WORDS))
    for row, words in enumerate(_GUIDE, 17):
        sheet.label(f"A{row}", f"Hướng dẫn {row - 16}")
        sheet.label(f"B{row}", words)
    for cell, words in (("A24", "Người lập biểu"), ("B24", "Thủ trưởng đơn vị")):
        sheet.sign(cell, words)


def _general_sheet(workbook: Workbook) -> None:
    sheet = FormSheet(workbook.create_sheet(at.GENERAL), (8, 46, 12, 16))
    sheet.title("A1", "Biểu 1 – Kết quả chung")
    sheet.head(3, ("TT", "Chỉ tiêu", "Đơn vị", "Số lượng"))
    for row, words in enumerate(at.GENERAL_ROWS, at.FIRST_GENERAL_ROW):
        for column, word in zip("ABC", words, strict=True):
            sheet.label(f"{column}{row}", word)
    sheet.counts([at.ELIGIBLE, *at.CAUSE_CELLS.values(), at.RECEIVED, at.FAILED, at.SEGMENTS, at.RESENT])
    for cell, formula in at.FORMULAS.items():
        sheet.formula(cell, formula, "0.0%" if cell == at.RATIO else "#,##0")


def _area_sheet(workbook: Workbook, of: FormHead) -> None:
    sheet = FormSheet(workbook.create_sheet(at.AREAS), (5, 9, 34, 12, 12, 12, 12, 14, 11, 34))
    sheet.title("A1", "Biểu 2 – Theo địa bàn")
    sheet.head(3, at.AREA_HEAD)
    rows = [*((code, areas.name(code, of.on)) for code in of.codes), (at.UNKNOWN_CODE, labels.NO_AREA)]
    for n, (code, name) in enumerate(rows, 1):
        row = at.FIRST_ROW + n - 1
        for column, value in (("A", str(n)), ("B", code), ("C", name)):
            sheet.label(f"{column}{row}", value)
            sheet.sheet[f"{column}{row}"].number_format = "@"
        sheet.counts([f"{column}{row}" for column in "DEFG"])
        sheet.formula(f"H{row}", at.area_formula(row))
        sheet.formula(f"I{row}", f'=IF(OR(F{row}="",E{row}=0),"",F{row}/E{row})', "0.0%")
        sheet.ask([f"J{row}"], "@")
    last = at.FIRST_ROW + len(rows)
    sheet.label(f"C{last}", labels.TOTAL)
    for column in "DEFGH":
        sheet.formula(f"{column}{last}", at.sum_of(column, at.FIRST_ROW, last - 1))


def _day_sheet(workbook: Workbook) -> None:
    sheet = FormSheet(workbook.create_sheet(at.DAYS), (5, 14, 26, 10, 14, 14))
    sheet.title("A1", "Biểu 3 – Theo ngày")
    sheet.head(3, at.DAY_HEAD)
    rows = range(at.FIRST_ROW, at.FIRST_ROW + at.DAY_ROWS)
    for n, row in enumerate(rows, 1):
        sheet.label(f"A{row}", str(n))
    sheet.days([f"B{row}" for row in rows])
    sheet.ask([f"C{row}" for row in rows], "@")
    sheet.counts([f"{column}{row}" for row in rows for column in "DEF"])
    last = rows.stop
    sheet.label(f"B{last}", labels.TOTAL)
    for column in "EF":
        sheet.formula(f"{column}{last}", at.sum_of(column, rows.start, last - 1))


def _cause_sheet(workbook: Workbook) -> None:
    sheet = FormSheet(workbook.create_sheet(at.CAUSES), (5, 46, 14, 12, 40))
    sheet.title("A1", "Biểu 4 – Tin không đến: nguyên nhân")
    sheet.head(3, at.CAUSE_HEAD)
    last = at.FIRST_ROW + len(REASONS)
    for n, label in enumerate(REASONS.values(), 1):
        row = at.FIRST_ROW + n - 1
        sheet.label(f"A{row}", str(n))
        sheet.label(f"B{row}", label)
        sheet.formula(f"D{row}", f'=IF(C{last}=0,"",C{row}/C{last})', "0.0%")
        sheet.ask([f"E{row}"], "@")
    sheet.counts(list(at.REASON_CELLS.values()))
    sheet.label(f"B{last}", labels.TOTAL)
    sheet.formula(f"C{last}", at.sum_of("C", at.FIRST_ROW, last - 1))
