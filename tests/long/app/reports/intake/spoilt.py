"""Named ways in which a filled workbook comes back otherwise: how each is made, and what must follow."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import datetime, time
from typing import Any

import openpyxl
import xlsxwriter
from openpyxl.comments import Comment
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from tests.long.app.reports.intake.forms import Cells, filled, without

CHUNG, GENERAL, AREAS, DAYS, CAUSES = "Chung", "Biểu 1", "Biểu 2", "Biểu 3", "Biểu 4"
Book = Any


def changed(change: Callable[[Book], object], changes: Cells | None = None) -> bytes:
    workbook = openpyxl.load_workbook(io.BytesIO(filled(changes)))
    change(workbook)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def rewritten(part: str, change: Callable[[str], str]) -> bytes:
    """The right form with the XML of one part changed, as another program would have written it."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(filled())) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            said = old.read(name)
            new.writestr(name, change(said.decode()).encode() if re.fullmatch(part, name) else said)
    return file.getvalue()


def plain(inline: bool) -> bytes:
    """The form typed anew into an empty workbook, cell by cell: no styles, no protection."""
    file = io.BytesIO()
    made = xlsxwriter.Workbook(file, {"constant_memory": inline, "in_memory": True})
    date_form = made.add_format({"num_format": "dd/mm/yyyy hh:mm"})
    for sheet in openpyxl.load_workbook(io.BytesIO(filled())).worksheets:
        page = made.add_worksheet(sheet.title)
        for row in sheet.iter_rows():
            for cell in row:
                if isinstance(cell.value, datetime):
                    page.write_datetime(cell.row - 1, cell.column - 1, cell.value, date_form)
                elif cell.value is not None:
                    page.write(cell.row - 1, cell.column - 1, cell.value)
    made.close()
    return file.getvalue()


def swap(workbook: Book, sheet: str, one: str, other: str) -> None:
    for row in range(3, 8):
        first, second = workbook[sheet][f"{one}{row}"], workbook[sheet][f"{other}{row}"]
        first.value, second.value = second.value, first.value


def copy_of(workbook: Book) -> None:
    workbook.copy_worksheet(workbook[GENERAL]).title = "Biểu 1 (2)"


def note_sheet(workbook: Book) -> None:
    workbook.create_sheet("Ghi chú")["B2"] = "Số liệu ngày 07/02 chờ bổ sung"


def put(sheet: str, cell: str, value: object, form: str = "General") -> Callable[[Book], None]:
    def change(workbook: Book) -> None:
        workbook[sheet][cell] = value
        workbook[sheet][cell].number_format = form

    return change


def former_dates(workbook: Book) -> None:
    workbook.epoch = CALENDAR_MAC_1904


def rename(old: str, new: str) -> Callable[[Book], None]:
    return lambda workbook: setattr(workbook[old], "title", new)


def both(*changes: Callable[[Book], object]) -> Callable[[Book], None]:
    def change(workbook: Book) -> None:
        for each in changes:
            each(workbook)

    return change


RIGHT: Cells = {}
TAKEN: dict[str, tuple[Callable[[], bytes], Cells]] = {
    "typed anew by another program": (lambda: plain(inline=False), RIGHT),
    "text inside the cells": (lambda: plain(inline=True), RIGHT),
    "dates since 1904": (lambda: changed(former_dates), RIGHT),
    "protection taken off": (lambda: changed(lambda w: setattr(w[AREAS].protection, "sheet", False)), RIGHT),
    "sheets in another order": (lambda: changed(lambda w: w.move_sheet(CHUNG, 4)), RIGHT),
    "a sheet hidden": (lambda: changed(lambda w: setattr(w[DAYS], "sheet_state", "hidden")), RIGHT),
    "a row hidden": (lambda: changed(lambda w: setattr(w[AREAS].row_dimensions[5], "hidden", True)), RIGHT),
    "a column hidden": (
        lambda: changed(lambda w: setattr(w[AREAS].column_dimensions["G"], "hidden", True)),
        RIGHT,
    ),
    "a filter set": (lambda: changed(lambda w: setattr(w[AREAS].auto_filter, "ref", "A3:J7")), RIGHT),
    "a comment beside a number": (
        lambda: changed(lambda w: setattr(w[GENERAL]["D4"], "comment", Comment("đã đối chiếu", "An"))),
        RIGHT,
    ),
    "an empty sheet added": (lambda: changed(lambda w: w.create_sheet("Sheet1")), RIGHT),
    "sheet names of a Mac": (lambda: changed(rename(GENERAL, unicodedata.normalize("NFD", GENERAL))), RIGHT),
    "a sheet name with a blank behind it": (lambda: changed(rename(AREAS, "Biểu 2 ")), RIGHT),
    "numbers as text": (
        lambda: filled({(GENERAL, "D4"): "1000", (GENERAL, "D12"): "900", (AREAS, "D4"): "600"}),
        RIGHT,
    ),
    "dots for thousands as text": (lambda: filled({(GENERAL, "D16"): "1.940"}), RIGHT),
    "a blank that does not break for thousands": (lambda: filled({(GENERAL, "D16"): "1\u00a0940"}), RIGHT),
    "a narrow blank for thousands": (lambda: filled({(GENERAL, "D16"): "1\u202f940"}), RIGHT),
    "blanks around": (lambda: filled({(GENERAL, "D12"): "\u00a0900 "}), RIGHT),
    "a number with a power": (lambda: filled({(GENERAL, "D4"): 1e3}), RIGHT),
    "thousand separators by format": (lambda: changed(put(GENERAL, "D4", 1000, "#,##0")), RIGHT),
    "a day without hours": (
        lambda: filled({(CHUNG, "B8"): "22/02/2024", (CHUNG, "B12"): "21-02-2024 17:00"}),
        RIGHT,
    ),
    "hours as they are said": (lambda: filled({(DAYS, "C4"): "8h00 – 11h30"}), RIGHT),
    "hours as offices write them": (
        lambda: filled(
            {(CHUNG, "B10"): "8h00 ngày 05/02/2024", (CHUNG, "B11"): "17 giờ 30, ngày 07/02/2024"}
        ),
        RIGHT,
    ),
    "hours with a long dash": (lambda: filled({(DAYS, "C4"): "08:00 – 11:30"}), RIGHT),
    "computed cells pasted as values": (
        lambda: filled({(GENERAL, "D5"): 30, (GENERAL, "D11"): 970, (AREAS, "H4"): 10, (AREAS, "D7"): 1000}),
        RIGHT,
    ),
    "codes of areas as numbers": (lambda: filled({(AREAS, "B4"): 116, (AREAS, "B5"): 125}), RIGHT),
    "names of areas of a Mac": (
        lambda: filled({(AREAS, "C5"): unicodedata.normalize("NFD", "Huyện Mai Sơn")}),
        RIGHT,
    ),
    "a form of the time before": (
        lambda: changed(both(put(AREAS, "F3", "Đã nhận"), put(DAYS, "F3", "Đã nhận"))),
        RIGHT,
    ),
    "a macro workbook": (
        lambda: rewritten(
            r"\[Content_Types\]\.xml",
            lambda said: said.replace(
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
                "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
            ),
        ),
        RIGHT,
    ),
}
ANYWHERE = ("", "")  # a file of which no cell can be read
REFUSED: dict[str, tuple[Callable[[], bytes], tuple[str, str], str]] = {
    "digits of full width": (
        lambda: filled({(GENERAL, "D4"): "１０００"}),
        (GENERAL, "D4"),
        "không phải là số",
    ),
    "a decimal comma": (lambda: filled({(GENERAL, "D13"): "50,0"}), (GENERAL, "D13"), "không phải là số"),
    "dots and a decimal comma": (
        lambda: filled({(GENERAL, "D4"): "1.000,00"}),
        (GENERAL, "D4"),
        "không phải là số",
    ),
    "commas and a decimal point": (
        lambda: filled({(GENERAL, "D4"): "1,000.00"}),
        (GENERAL, "D4"),
        "không phải là số",
    ),
    "an apostrophe for thousands": (
        lambda: filled({(GENERAL, "D4"): "1'000"}),
        (GENERAL, "D4"),
        "không phải là số",
    ),
    "nearly a whole number": (
        lambda: filled({(GENERAL, "D12"): 899.9999999}),
        (GENERAL, "D12"),
        "không phải là số nguyên",
    ),
    "a number in per cent": (
        lambda: changed(put(GENERAL, "D17", 1, "0%")),
        (GENERAL, "D17"),
        "ở dạng phần trăm; hãy đổi định dạng ô về số",
    ),
    "an invisible letter behind the number": (
        lambda: filled({(GENERAL, "D12"): "900\u200b"}),
        (GENERAL, "D12"),
        "không phải là số",
    ),
    "thirty digits": (
        lambda: filled({(GENERAL, "D17"): "9" * 30}),
        (GENERAL, "D17"),
        "không nằm trong khoảng",
    ),
    "a day as its serial number": (
        lambda: changed(put(CHUNG, "B8", 45344)),
        (CHUNG, "B8"),
        "không phải là ngày; hãy nhập ngày dạng 05/02/2024",
    ),
    "month before day": (lambda: filled({(CHUNG, "B8"): "02/22/2024"}), (CHUNG, "B8"), "không phải là ngày"),
    "month before day that could be a day": (
        lambda: filled({(CHUNG, "B8"): "02/12/2024"}),
        (CHUNG, "B8"),
        "ở tương lai; hãy sửa",
    ),
    "a year of two digits": (
        lambda: filled({(CHUNG, "B8"): "22/02/24"}),
        (CHUNG, "B8"),
        "không phải là ngày",
    ),
    "an English month": (lambda: filled({(CHUNG, "B8"): "22-Feb-2024"}), (CHUNG, "B8"), "không phải là ngày"),
    "a weekday before the day": (
        lambda: filled({(DAYS, "B4"): "Thứ Hai, 05/02/2024"}),
        (DAYS, "B4"),
        "không phải là ngày",
    ),
    "hours of an English clock": (
        lambda: filled({(CHUNG, "B10"): "05/02/2024 8:00 AM"}),
        (CHUNG, "B10"),
        "không phải là ngày giờ",
    ),
    "a day of the lunar calendar": (
        lambda: filled({(DAYS, "B4"): "26 tháng Chạp"}),
        (DAYS, "B4"),
        "không phải là ngày",
    ),
    "hours as a time": (
        lambda: filled({(DAYS, "C4"): time(8)}),
        (DAYS, "C4"),
        "Khung giờ ghi dạng 08:00-11:30",
    ),
    "cells merged": (
        lambda: changed(lambda w: w[GENERAL].merge_cells("D12:D13")),
        (GENERAL, "D13"),
        "đã bị gộp với ô khác; hãy bỏ gộp",
    ),
    "optional cells merged": (
        lambda: changed(lambda w: w[CHUNG].merge_cells("B10:B11")),
        (CHUNG, "B11"),
        "đã bị gộp với ô khác; hãy bỏ gộp",
    ),
    "a form without a number": (
        lambda: filled({}, base={}),
        (GENERAL, "D4"),
        "còn trống; hãy nhập số nguyên",
    ),
    "a blank in place of a number": (lambda: filled({(GENERAL, "D4"): "  "}), (GENERAL, "D4"), "còn trống"),
    "a sum in place of a number": (
        lambda: filled({(GENERAL, "D4"): "=600+400"}),
        (GENERAL, "D4"),
        "không nhận công thức ở ô nhập",
    ),
    "a number of another workbook": (
        lambda: filled({(GENERAL, "D12"): "='[1]Tong hop'!B2"}),
        (GENERAL, "D12"),
        "không nhận công thức ở ô nhập",
    ),
    "a sheet renamed": (lambda: changed(rename(DAYS, "Bieu 3")), (DAYS, "A1"), "thiếu trang này"),
    "sheets deleted": (lambda: without(DAYS, CAUSES), (CAUSES, "A1"), "thiếu trang này"),
    "a sheet filled in as a copy": (
        lambda: changed(copy_of),
        ("Biểu 1 (2)", "A1"),
        "không thuộc biểu mẫu nên không được đọc; hãy chuyển",
    ),
    "notes on a sheet of their own": (
        lambda: changed(note_sheet),
        ("Ghi chú", "B2"),
        "không thuộc biểu mẫu nên không được đọc",
    ),
    "two columns swapped with their heads": (
        lambda: changed(lambda w: swap(w, AREAS, "F", "G")),
        (AREAS, "F3"),
        "nội dung của biểu mẫu đã bị đổi",
    ),
    "a column deleted": (
        lambda: changed(lambda w: w[AREAS].delete_cols(4)),
        (AREAS, "D3"),
        "nội dung của biểu mẫu đã bị đổi",
    ),
    "a column put in": (
        lambda: changed(lambda w: w[DAYS].insert_cols(3)),
        (DAYS, "C3"),
        "nội dung của biểu mẫu đã bị đổi",
    ),
    "causes with a column put in": (
        lambda: changed(lambda w: w[CAUSES].insert_cols(3)),
        (CAUSES, "C3"),
        "nội dung của biểu mẫu đã bị đổi",
    ),
    "a row put in at the top": (
        lambda: changed(lambda w: w[GENERAL].insert_rows(1)),
        (GENERAL, "B4"),
        "nội dung của biểu mẫu đã bị đổi",
    ),
    "a commune added below the total": (
        lambda: filled({(AREAS, "B8"): "127", (AREAS, "C8"): "Xã mới", (AREAS, "E8"): 7}),
        (AREAS, "B8"),
        "dưới dòng cuối (7) của biểu mẫu, không được đọc",
    ),
    "a cause added below the total": (
        lambda: filled({(CAUSES, "B13"): "Máy hỏng", (CAUSES, "C13"): 3}),
        (CAUSES, "B13"),
        "dưới dòng cuối (12) của biểu mẫu, không được đọc",
    ),
    "a figure added below form 1": (
        lambda: filled({(GENERAL, "B18"): "Gửi bù", (GENERAL, "D18"): 12}),
        (GENERAL, "B18"),
        "dưới dòng cuối (17) của biểu mẫu, không được đọc",
    ),
    "a note beside form 1": (
        lambda: filled({(GENERAL, "F12"): "chưa tính thuê bao trả trước"}),
        (GENERAL, "F12"),
        "nằm ngoài cột cuối (D) của biểu mẫu, không được đọc; hãy chuyển",
    ),
    "a note beside a commune": (
        lambda: filled({(AREAS, "K5"): "thiếu 3 bản"}),
        (AREAS, "K5"),
        "nằm ngoài cột cuối (J)",
    ),
    "a note beside the first sheet": (lambda: filled({(CHUNG, "D8"): "chờ ký"}), (CHUNG, "D8"), "ngoài cột"),
    "a note below the first sheet": (
        lambda: filled({(CHUNG, "B30"): "số liệu chờ bổ sung"}),
        (CHUNG, "B30"),
        "dưới dòng cuối (24)",
    ),
    "a letter of before the sending": (
        lambda: filled({(CHUNG, "B8"): "22/10/2023"}),
        (CHUNG, "B8"),
        "trước khi có việc được báo cáo (05/02/2024); hãy sửa ngày",
    ),
    "a day twice": (
        lambda: filled(
            {(DAYS, "B5"): "05/02/2024", (DAYS, "C5"): "08:00-11:30", (DAYS, "E5"): 0},
        ),
        (DAYS, "B5"),
        "lặp lại; hãy gộp lại",
    ),
    "a total typed among the days": (
        lambda: filled({(DAYS, "B5"): "Cộng", (DAYS, "E5"): 970}),
        (DAYS, "B5"),
        "không phải là ngày",
    ),
    "a CSV file named .xlsx": (
        lambda: "TT;Số lượng\n1;1000\n".encode("utf-8-sig"),
        ANYWHERE,
        "biểu mẫu .xlsx",
    ),
    "an old .xls or a locked workbook": (
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096),
        ANYWHERE,
        "đặt mật khẩu; hãy lưu lại thành .xlsx không có mật khẩu",
    ),
    "a web page named .xlsx": (lambda: b"<html><table><tr><td>1000</table>", ANYWHERE, "biểu mẫu .xlsx"),
    "a picture of the form": (lambda: b"%PDF-1.7 scan", ANYWHERE, "biểu mẫu .xlsx"),
    "a letter in .docx": (
        lambda: rewritten(
            r"\[Content_Types\]\.xml", lambda said: said.replace("spreadsheetml.sheet.main", "x")
        ),
        ANYWHERE,
        "biểu mẫu .xlsx",
    ),
    "half a file": (lambda: filled()[:9000], ANYWHERE, "biểu mẫu .xlsx"),
    "an empty file": (lambda: b"", ANYWHERE, "biểu mẫu .xlsx"),
    "the strict kind of Office": (
        lambda: rewritten(
            r"xl/.*\.xml|\[Content_Types\]\.xml",
            lambda said: said.replace(
                "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
                "http://purl.oclc.org/ooxml/spreadsheetml/main",
            ),
        ),
        ANYWHERE,
        "biểu mẫu .xlsx",
    ),
}
