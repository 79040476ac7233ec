"""Read a form workbook that Loa issued, cell by cell, collecting wrong cells with their remedies."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, NamedTuple, TypeVar

from app.core import clock
from app.core.errors import Invalid
from app.file_import.form_cells import MERGED, PERCENT, Cell, Form

SIZE_LIMIT = 4 * 1024**2  # bytes of the file
_NO_FORM = (
    "Tệp không phải là biểu mẫu .xlsx hoặc .ods đọc được. Hãy điền vào biểu mẫu do Loa cấp rồi gửi lại."
)
_LOCKED = (
    "Tệp không phải là biểu mẫu .xlsx hoặc .ods đọc được: đây là tệp .xls kiểu cũ, hoặc tệp bị đặt mật khẩu; "
    "hãy lưu lại thành .xlsx không có mật khẩu rồi gửi lại."
)
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # begins a file of Office before 2007, and a locked one of today
_TOO_LARGE = "Tệp lớn hơn mọi biểu mẫu. Hãy lấy lại biểu mẫu và chỉ chép số liệu sang."
# One comma might be a decimal one: 1,200; two are not.
_THOUSANDS = re.compile(r"\d{1,3}(?:[.\u00a0 ]\d{3})+|\d{1,3}(?:,\d{3}){2,}")
_NONE = ("-", "–", "—")  # typed for "none"
_HOURS = re.compile(r"\b(\d{1,2})\s*(?:h|giờ)\s*(\d{2})?(?:\s*phút)?", re.IGNORECASE)
_WORDS = re.compile(r"\b(?:lúc|ngày)\b|,", re.IGNORECASE)
_UNITS = re.compile(r"[\d.,]+\s*(nghìn|ngàn|triệu|tỷ|k|tr|người|lượt|tin|thuê bao)\b", re.IGNORECASE)
_DATE_FORMS = ("%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y")
_TIME_FORMS = ("%H:%M", "%H:%M:%S", "")
_MOMENT_FORMS = tuple(f"{day} {hour}".strip() for day in _DATE_FORMS for hour in _TIME_FORMS)
_MOMENT_FORMS += tuple(f"{hour} {day}" for day in _DATE_FORMS for hour in _TIME_FORMS if hour)
_WHOLE = "hãy nhập số nguyên từ 0 trở lên, chỉ gồm chữ số"
_AS_DATE = "hãy nhập ngày dạng 05/02/2024"
_AS_MOMENT = "hãy nhập ngày giờ dạng 05/02/2024 08:00"

_YEARS = range(2000, 2200)
_LONGEST = 2000  # characters of a text, as the API takes

T = TypeVar("T")


class CellFault(NamedTuple):
    """A wrong cell: its sheet, its address, and the fault with its remedy in Vietnamese."""

    sheet: str
    cell: str
    sentence: str

    @property
    def words(self) -> str:
        """The whole sentence, in Vietnamese."""
        return f"Trang “{self.sheet}”, ô {self.cell}: {self.sentence}"


def refusal(faults: list[CellFault]) -> Invalid:
    """Build one error from all wrong cells: the first ones in the sentence, all in `faults`."""
    first = " ".join(fault.words for fault in faults[:10])
    more = f" Và {len(faults) - 10} ô khác." if len(faults) > 10 else ""
    return Invalid(first + more, faults=[(f"{fault.sheet}!{fault.cell}", fault.words) for fault in faults])


_BLANK = Cell(None, "n")
_ONE_AT_A_TIME = threading.Lock()


def load(content: bytes) -> Form:
    """Load a form with its formulas as written; Invalid if it is not a form or too large."""
    from app.file_import import ods_cells, xlsx_cells, xlsx_rows  # openpyxl: 16 MB

    if len(content) > SIZE_LIMIT:
        raise Invalid(
            "Tệp lớn hơn {size_limit} MB, không phải biểu mẫu do Loa cấp.",
            size_limit=SIZE_LIMIT // 1024**2,
            field="file",
        )
    if content.startswith(_OLD_OFFICE):
        raise Invalid(_LOCKED, field="file")
    try:
        with _ONE_AT_A_TIME:
            found = ods_cells.cells(content) if ods_cells.is_ods(content) else xlsx_cells.cells(content)
        return _folded(found)
    except xlsx_rows.DAMAGED:
        raise Invalid(_NO_FORM, field="file") from None
    except Invalid as error:
        # The limits of files in general tell to save them as CSV, which is no form.
        raise error if error.field == "file" else Invalid(_TOO_LARGE, field="file") from None


def _folded(form: Form) -> Form:
    """Return the form with sheet names that look the same made the same.

    DAMAGED: two of one name, and nothing on any sheet, as in kinds of workbooks that are not read.
    """
    found = {tidy(name): cells for name, cells in form.items()}
    if len(found) < len(form) or not any(found.values()):
        raise ValueError("two sheets have the same name, or no sheet has a cell")
    return found


def tidy(text: str) -> str:
    """Fold what looks the same: letters composed (NFC), one blank in place of several or narrow ones."""
    return re.sub(r"[ \t\u00a0\u2007\u2009\u202f]+", " ", unicodedata.normalize("NFC", text)).strip()


class FormReader:
    """Reader of a form's cells; faults are collected in `faults`, and the value is then None."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.faults: list[CellFault] = []

    def need_sheets(self, *names: str) -> None:
        """Raise Invalid at once if a sheet is missing, since nothing can be read without it."""
        absent = [name for name in names if name not in self._form]
        if absent:
            raise refusal(
                [
                    CellFault(n, "A1", "thiếu trang này; hãy lấy lại biểu mẫu và không xóa trang nào.")
                    for n in absent
                ]
            )

    def no_other_sheets(self, *names: str) -> None:
        """Report sheets that are none of the form's and hold something, which nobody would read."""
        for sheet, cells in self._form.items():
            places = (
                re.fullmatch(r"([A-Z]+)(\d+)", cell) for cell in cells if self.raw(sheet, cell) is not None
            )
            first = min(((int(at[2]), len(at[1]), at[1]) for at in places if at), default=None)
            if sheet not in names and first:
                self.fault(
                    sheet[:40],
                    f"{first[2]}{first[0]}",
                    "trang này không thuộc biểu mẫu nên không được đọc; hãy chuyển nội dung cần gửi vào các "
                    "trang của biểu mẫu rồi xóa trang này.",
                )

    def fault(self, sheet: str, cell: str, sentence: str) -> None:
        self.faults.append(CellFault(sheet, cell, sentence))

    def raw(self, sheet: str, cell: str) -> Any:
        """Return the cell's value, None if it is blank."""
        value = self._form[sheet].get(cell, _BLANK).value
        if isinstance(value, str):
            return tidy(value) or None
        return value

    def blank(self, sheet: str, *cells: str) -> bool:
        return all(self.raw(sheet, cell) is None for cell in cells)

    def _input(self, sheet: str, cell: str) -> Any:
        """Return what a person entered; report formulas and errors, and return None for them."""
        value, kind = self.raw(sheet, cell), self._form[sheet].get(cell, _BLANK).data_type
        if kind == "f":
            self.fault(sheet, cell, "không nhận công thức ở ô nhập; hãy dán giá trị (Paste Special, Values).")
            return None
        if kind == "e":
            self.fault(sheet, cell, f"ô báo lỗi {value}; hãy nhập lại giá trị.")
            return None
        if kind == MERGED:
            self.fault(sheet, cell, "ô đã bị gộp với ô khác; hãy bỏ gộp (Unmerge) rồi nhập riêng từng ô.")
            return None
        return value

    def count(self, sheet: str, cell: str, *, needed: bool = False) -> int | None:
        before = len(self.faults)
        value = self._input(sheet, cell)
        if value is None or value in _NONE:
            if needed and len(self.faults) == before:
                self.fault(sheet, cell, f"ô bắt buộc còn trống; {_WHOLE} (0 nếu không có).")
            return None
        percent = self._form[sheet].get(cell, _BLANK).data_type == PERCENT
        found = f"ô ở dạng phần trăm; hãy đổi định dạng ô về số, {_WHOLE}." if percent else _whole(value)
        if isinstance(found, str):
            self.fault(sheet, cell, found)
            return None
        return found

    def words(self, sheet: str, cell: str) -> str:
        """Read text; numbers and dates as displayed."""
        value = self._input(sheet, cell)
        if isinstance(value, datetime | date):
            return value.strftime("%d/%m/%Y")
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        words = "" if value is None else str(value)
        if len(words) > _LONGEST:
            self.fault(sheet, cell, f"Dài quá {_LONGEST} ký tự; hãy rút gọn.")
            return ""
        return words

    def choice(self, sheet: str, cell: str, options: Mapping[str, T], *, needed: bool = False) -> T | None:
        value = self.words(sheet, cell)
        listed = "; ".join(options)
        if value:
            known = {words.casefold(): option for words, option in options.items()}
            if value.casefold() in known:
                return known[value.casefold()]
            self.fault(sheet, cell, f"“{value[:40]}” không có trong danh sách; hãy chọn một trong: {listed}.")
        elif needed and not self.noted(sheet, cell):
            self.fault(sheet, cell, f"ô bắt buộc còn trống; hãy chọn một trong: {listed}.")
        return None

    def noted(self, sheet: str, cell: str) -> bool:
        """Return whether a fault of this cell is known already."""
        return any((fault.sheet, fault.cell) == (sheet, cell) for fault in self.faults)

    def day(self, sheet: str, cell: str) -> date | None:
        """Read a date, stored as such or as text."""
        value = self._input(sheet, cell)
        if value is None:
            return None
        found = value if isinstance(value, date) else _parsed(value, _DATE_FORMS)
        if found is None or found.year not in _YEARS:
            self.fault(sheet, cell, f"{_wrong(found, value, 'ngày')}; {_AS_DATE}.")
            return None
        return found.date() if isinstance(found, datetime) else found

    def moment(self, sheet: str, cell: str, *, needed: bool = False) -> datetime | None:
        """Read a date with time in Vietnam; aware."""
        value = self._input(sheet, cell)
        if value is None:
            if needed and not self.noted(sheet, cell):
                self.fault(sheet, cell, f"ô bắt buộc còn trống; {_AS_MOMENT}.")
            return None
        found = value if isinstance(value, datetime) else _parsed(_clock(str(value)), _MOMENT_FORMS)
        if found is None or found.year not in _YEARS:
            self.fault(sheet, cell, f"{_wrong(found, value, 'ngày giờ')}; {_AS_MOMENT}.")
            return None
        return found.replace(tzinfo=clock.VIETNAM)

    def fixed(self, sheet: str, cell: str, expected: str) -> None:
        """Check that a cell of the form itself is unchanged."""
        if str(self.raw(sheet, cell) or "") != tidy(expected):
            self.fault(
                sheet, cell, f"nội dung của biểu mẫu đã bị đổi; ở đây phải là “{expected}”, hãy khôi phục."
            )

    def nothing_below(self, sheet: str, last: int, columns: str) -> None:
        """Report the first entry below the last row of a form, which nobody would read."""
        places = (re.fullmatch(r"([A-Z]+)(\d+)", cell) for cell in self._form[sheet])
        below = sorted((int(at[2]), at[1]) for at in places if at and at[1] in columns and int(at[2]) > last)
        for row, column in below:
            if self.raw(sheet, f"{column}{row}") is not None:
                self.fault(
                    sheet,
                    f"{column}{row}",
                    f"dòng này nằm dưới dòng cuối ({last}) của biểu mẫu, không được đọc; hãy chuyển lên.",
                )
                return

    def nothing_beside(self, sheet: str, last: str) -> None:
        """Report the first entry beside the last column of a form, which nobody would read."""
        places = (re.fullmatch(r"([A-Z]+)(\d+)", cell) for cell in self._form[sheet])
        beside = ((int(at[2]), len(at[1]), at[1]) for at in places if at and (len(at[1]), at[1]) > (1, last))
        for row, _, column in sorted(beside):
            if self.raw(sheet, f"{column}{row}") is not None:
                self.fault(
                    sheet,
                    f"{column}{row}",
                    f"ô này nằm ngoài cột cuối ({last}) của biểu mẫu, không được đọc; hãy chuyển nội dung "
                    "vào ô ghi chú hoặc ô phản ánh của biểu mẫu rồi xóa ô này.",
                )
                return

    def hours(self, sheet: str, cell: str) -> str:
        """Read a span of hours as 08:00-11:30, also where it is typed as 8h-11h30."""
        said = _clock(self.words(sheet, cell)).replace(" ", "").replace("–", "-")
        return re.sub(r"(?<!\d)(\d):", r"0\1:", said)

    def computed(self, sheet: str, cell: str, formula: str, value: int | None) -> None:
        """Check a computed cell: it must hold the form's formula, or the number that it yields."""
        found = self.raw(sheet, cell)
        if found == value or (isinstance(found, str) and _bare(found) == _bare(formula)):
            return
        given = f"đang là {found}" if isinstance(found, int | float) else "đã bị đổi"
        self.fault(sheet, cell, f"ô tự tính {given}; hãy khôi phục công thức {formula}.")


def _whole(value: object) -> int | str:
    """Return the number, or a sentence on what is wrong."""
    if isinstance(value, bool):
        return f"TRUE/FALSE không phải là số; {_WHOLE}."
    if isinstance(value, datetime | date | time):
        return f"ô đang ở dạng ngày giờ; hãy đổi định dạng ô về số rồi nhập lại, {_WHOLE}."
    if isinstance(value, float):
        if not value.is_integer():
            return f"{value} không phải là số nguyên; {_WHOLE}."
        value = int(value)
    if isinstance(value, int):
        return value if value >= 0 else f"{value} là số âm; {_WHOLE}."
    return _spelled(str(value))


def _spelled(text: str) -> int | str:
    """Parse a number typed as text, with dots for thousands as in 1.234.567."""
    if text.isascii() and text.isdigit():
        return int(text[:18])
    if _THOUSANDS.fullmatch(text):
        return int(re.sub(r"\D", "", text)[:18])
    if _UNITS.match(text):
        return f"“{text[:40]}” có kèm đơn vị; hãy ghi đủ chữ số, không ghi đơn vị."
    if text.endswith("%"):
        return f"“{text[:40]}” là tỷ lệ; hãy ghi số lượng, tỷ lệ do biểu mẫu tự tính."
    return f"“{text[:40]}” không phải là số; {_WHOLE}."


def _wrong(day: date | None, value: object, what: str) -> str:
    if day is None:
        return f"“{str(value)[:40]}” không phải là {what}"
    typed = f"{day.day:02}/{day.month:02}/{day.year:04}"
    return f"“{typed}” có năm ngoài khoảng từ {_YEARS.start} đến {_YEARS.stop - 1}"


def _clock(text: str) -> str:
    """8h30 and 8 giờ 30 as 8:30, without words around."""
    return tidy(_WORDS.sub(" ", _HOURS.sub(lambda match: f"{match[1]}:{match[2] or '00'} ", text)))


def _parsed(value: object, forms: tuple[str, ...]) -> datetime | None:
    for form in forms:
        try:
            return datetime.strptime(str(value), form).replace(tzinfo=clock.VIETNAM)
        except ValueError:
            continue
    return None


def _bare(formula: str) -> str:
    """Normalize a formula that a program rewrote: no blanks and no signs of absolute addresses."""
    return re.sub(r"[\s$]", "", formula).upper()
