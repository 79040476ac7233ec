"""The workbook in which a carrier states its figures, forms 1 to 4 for one run: its cells, written, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, select

from app.core import areas, clock
from app.core.errors import Invalid
from app.database.models import audiences
from app.file_import.form_reader import CellFault, FormReader, load, refusal, tidy
from app.file_import.form_writer import FormSheet, new_workbook, saved
from app.reports.figures import carrier_statement, labels
from app.reports.figures.carrier_statement import (
    STATED,
    AreaCounts,
    CauseCounts,
    DayCounts,
    FigureSource,
    StatedCounts,
    StatedFigures,
)
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.figures import Cause
from app.reports.intake import statement_rules
from app.reports.intake.statement_input import (
    EXCLUDED,
    LEVELS,
    REASONS,
    Circumstances,
    PaperClaim,
    Place,
    StatementInput,
)
from app.reports.intake.statement_service import open_run
from carriers.phrases import join

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
from carriers.contract import ReceiptLevel

# ---- Which cell holds what

VERSION = "LOA-BC-1"
HEAD, GENERAL, AREAS, DAYS, CAUSES = "Chung", "Biểu 1", "Biểu 2", "Biểu 3", "Biểu 4"
SHEETS = (HEAD, GENERAL, AREAS, DAYS, CAUSES)

LEVEL_WORDS = {words: level for level, words in LEVELS.items()}

# Sheet "Chung": labels in column A, answers in B.
FORM_ID, RUN_ID = "B2", "B3"
CARRIER, CAMPAIGN = "B4", "B5"
CORRECTS, CORRECTS_LABEL = "B6", "Đính chính cho bản số (nếu gửi lại)"  # forms of before have neither
NUMBER, DATED_ON, LEVEL = "B7", "B8", "B9"
BEGAN, ENDED, CUTOFF = "B10", "B11", "B12"
REASON, NOTE = "B13", "B14"
HEAD_LABELS = {
    FORM_ID: "Mẫu",
    RUN_ID: "Đợt gửi (số)",
    CARRIER: "Doanh nghiệp",
    CAMPAIGN: "Chiến dịch",
    NUMBER: "Số, ký hiệu báo cáo",
    DATED_ON: "Ngày báo cáo",
    LEVEL: "Biên nhận chứng minh tới mức",
    BEGAN: "Bắt đầu gửi",
    ENDED: "Kết thúc gửi",
    CUTOFF: "Thời điểm chốt số liệu",
    REASON: "Lý do đính chính (nếu gửi lại)",
    NOTE: "Phản ánh của khách hàng, sự cố, khó khăn",
}

_SIGNED_ROW = 24  # the last of the sheet, but for a name below it
# Sheet "Biểu 1": from the fourth row key, number, words and unit; figures in column D.
_RATIO_WORDS = "Tỷ lệ = (4)/(3)"
_CAUSE_ROWS = [
    (f"cause_{key}", f"(2.{n})", f"– {label}", "thuê bao")
    for n, (key, label) in enumerate(EXCLUDED.items(), 1)
]
_AFTER = {"excluded": _CAUSE_ROWS, "no_receipt": [("ratio", "(7)", _RATIO_WORDS, "%")]}
GENERAL_ROWS = [row for key, line in STATED.items() for row in ((key, *line), *_AFTER.get(key, ()))]
FIRST_ROW = 4  # of every sheet but the first
D = {row[0]: f"D{nth}" for nth, row in enumerate(GENERAL_ROWS, FIRST_ROW)}
FORMULAS = {
    "excluded": "=SUM(D6:D10)",
    "sent": "=D4-D5",
    "no_receipt": '=IF(D12="","",D11-D12-D13)',
    "ratio": '=IF(OR(D12="",D11=0),"",D12/D11)',
}
# The level on the first sheet tells what (4) proves; older forms said "received".
FORMER_WORDS = {STATED["received"][1]: "Đã nhận (có biên nhận)", _RATIO_WORDS: "Tỷ lệ nhận = (4)/(3)"}
# Sheets "Biểu 2" to "Biểu 4"
AREA_HEAD = (
    *("TT", "Mã", "Địa bàn", "Thuộc diện", "Đã gửi", "(4) theo mức biên nhận", "Không nhận"),
    *("Chưa biên nhận", "Tỷ lệ (4)/(3)", "Ghi chú"),
)
UNKNOWN_CODE = "–"
DAY_HEAD = ("TT", "Ngày", "Khung giờ (08:00-11:30)", "Số lô", "Đã gửi", "(4) theo mức biên nhận")
FORMER_HEADS = {"(4) theo mức biên nhận": "Đã nhận"}
DAY_ROWS = 40
CAUSE_HEAD = ("TT", "Nguyên nhân", "Số lượng", "Tỷ lệ (%)", "Biện pháp")
REASON_CELLS = {key: f"C{row}" for row, key in enumerate(REASONS, FIRST_ROW)}


def area_formula(row: int) -> str:
    """Formula of (6) in one row of form 2."""
    return f'=IF(F{row}="","",E{row}-F{row}-G{row})'


def sum_of(column: str, first: int, last: int) -> str:
    return f"=SUM({column}{first}:{column}{last})"


# ---- Write the workbook that a carrier fills in

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
    return clock.moment(run.started_at or run.window_start or clock.now_ms()).date()


def build(head: FormHead) -> bytes:
    workbook = new_workbook()
    _head_sheet(workbook, head)
    _general_sheet(workbook)
    _area_sheet(workbook, head)
    _day_sheet(workbook)
    _cause_sheet(workbook)
    return saved(workbook)


def _head_sheet(workbook: Workbook, head: FormHead) -> None:
    sheet = FormSheet(workbook.create_sheet(HEAD), (34, 60))
    sheet.title("A1", "BÁO CÁO KẾT QUẢ NHẮN TIN TUYÊN TRUYỀN")
    for cell, words in HEAD_LABELS.items():
        sheet.label(cell.replace("B", "A"), words)
    said: dict[str, str | int] = {
        FORM_ID: VERSION,
        RUN_ID: head.run_id,
        CARRIER: head.carrier,
        CAMPAIGN: head.campaign,
    }
    for cell, value in said.items():
        sheet.label(cell, value)
    sheet.label(CORRECTS.replace("B", "A"), CORRECTS_LABEL)
    sheet.counts([CORRECTS])
    sheet.sheet[CORRECTS] = head.version or None  # the first form may come back twice, and then says why
    sheet.ask([NUMBER, REASON, NOTE], "@")
    sheet.days([DATED_ON])
    sheet.days([BEGAN, ENDED, CUTOFF], hours=True)
    sheet.choices([LEVEL], list(LEVEL_WORDS))
    for row, words in enumerate(_GUIDE, 17):
        sheet.label(f"A{row}", f"Hướng dẫn {row - 16}")
        sheet.label(f"B{row}", words)
    for column, words in (("A", "Người lập biểu"), ("B", "Thủ trưởng đơn vị")):
        sheet.sign(f"{column}{_SIGNED_ROW}", words)


def _general_sheet(workbook: Workbook) -> None:
    sheet = FormSheet(workbook.create_sheet(GENERAL), (8, 46, 12, 16))
    sheet.title("A1", "Biểu 1 – Kết quả chung")
    sheet.head(3, ("TT", "Chỉ tiêu", "Đơn vị", "Số lượng"))
    for row, (_, *words) in enumerate(GENERAL_ROWS, FIRST_ROW):
        for column, word in zip("ABC", words, strict=True):
            sheet.label(f"{column}{row}", word)
    sheet.counts([cell for key, cell in D.items() if key not in FORMULAS])
    for key, formula in FORMULAS.items():
        sheet.formula(D[key], formula, "0.0%" if key == "ratio" else "#,##0")


def _area_sheet(workbook: Workbook, head: FormHead) -> None:
    sheet = FormSheet(workbook.create_sheet(AREAS), (5, 9, 34, 12, 12, 12, 12, 14, 11, 34))
    sheet.title("A1", "Biểu 2 – Theo địa bàn")
    sheet.head(3, AREA_HEAD)
    rows = [*((code, areas.name(code, head.on)) for code in head.codes), (UNKNOWN_CODE, labels.NO_AREA)]
    for n, (code, name) in enumerate(rows, 1):
        row = FIRST_ROW + n - 1
        for column, value in (("A", str(n)), ("B", code), ("C", name)):
            sheet.label(f"{column}{row}", value)
            sheet.sheet[f"{column}{row}"].number_format = "@"
        sheet.counts([f"{column}{row}" for column in "DEFG"])
        sheet.formula(f"H{row}", area_formula(row))
        sheet.formula(f"I{row}", f'=IF(OR(F{row}="",E{row}=0),"",F{row}/E{row})', "0.0%")
        sheet.ask([f"J{row}"], "@")
    last = FIRST_ROW + len(rows)
    sheet.label(f"C{last}", labels.TOTAL)
    for column in "DEFGH":
        sheet.formula(f"{column}{last}", sum_of(column, FIRST_ROW, last - 1))


def _day_sheet(workbook: Workbook) -> None:
    sheet = FormSheet(workbook.create_sheet(DAYS), (5, 14, 26, 10, 14, 14))
    sheet.title("A1", "Biểu 3 – Theo ngày")
    sheet.head(3, DAY_HEAD)
    rows = range(FIRST_ROW, FIRST_ROW + DAY_ROWS)
    for n, row in enumerate(rows, 1):
        sheet.label(f"A{row}", str(n))
    sheet.days([f"B{row}" for row in rows])
    sheet.ask([f"C{row}" for row in rows], "@")
    sheet.counts([f"{column}{row}" for row in rows for column in "DEF"])
    last = rows.stop
    sheet.label(f"B{last}", labels.TOTAL)
    for column in "EF":
        sheet.formula(f"{column}{last}", sum_of(column, rows.start, last - 1))


def _cause_sheet(workbook: Workbook) -> None:
    sheet = FormSheet(workbook.create_sheet(CAUSES), (5, 46, 14, 12, 40))
    sheet.title("A1", "Biểu 4 – Tin không đến: nguyên nhân")
    sheet.head(3, CAUSE_HEAD)
    last = FIRST_ROW + len(REASONS)
    for n, label in enumerate(REASONS.values(), 1):
        row = FIRST_ROW + n - 1
        sheet.label(f"A{row}", str(n))
        sheet.label(f"B{row}", label)
        sheet.formula(f"D{row}", f'=IF(C{last}=0,"",C{row}/C{last})', "0.0%")
        sheet.ask([f"E{row}"], "@")
    sheet.counts(list(REASON_CELLS.values()))
    sheet.label(f"B{last}", labels.TOTAL)
    sheet.formula(f"C{last}", sum_of("C", FIRST_ROW, last - 1))


# ---- Read a filled workbook: check every cell, then the forms against each other, in Vietnamese

_CELLS: dict[Place, tuple[str, str]] = {
    **{("general", key): (GENERAL, D[key]) for key in STATED},
    ("segments",): (GENERAL, D["segments"]),
    ("resent",): (GENERAL, D["resent"]),
    ("level",): (HEAD, LEVEL),
    ("number",): (HEAD, NUMBER),
    ("dated_on",): (HEAD, DATED_ON),
    ("began",): (HEAD, BEGAN),
    ("ended",): (HEAD, ENDED),
    ("cutoff",): (HEAD, CUTOFF),
    ("note",): (HEAD, NOTE),
    ("reason",): (HEAD, REASON),
}
_AREA_COLUMNS = {"eligible": "D", "excluded": "E", "sent": "E", "received": "F", "failed": "G"}
_AREA_COLUMNS |= {"no_receipt": "H", "code": "B", "note": "J"}
_DAY_COLUMNS = {"day": "B", "hours": "C", "batches": "D", "sent": "E", "received": "F"}
_EXCLUDED_COLUMNS = {"key": "B", "n": "D"}
_CAUSE_COLUMNS = {"key": "B", "n": "C", "remedy": "E"}


@dataclass(slots=True)
class _Reading:
    """A workbook being read; `rows`: sheet rows by form, in the order of the figures."""

    cells: FormReader
    head: FormHead
    rows: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Handed:
    """What accompanies a workbook: the source of its figures, and its scan."""

    kind: FigureSource
    attachment: str | None = None
    received_ms: int | None = None


def read(content: bytes, head: FormHead, handed: Handed, around: Circumstances) -> StatementInput:
    """Read a filled form; raises Invalid with sheet, cell and remedy of every fault."""
    reading = _Reading(FormReader(load(content)), head)
    reading.cells.need_sheets(*SHEETS)
    reading.cells.no_other_sheets(*SHEETS)
    _identity(reading)
    claim = _claim(reading, handed)
    _newest(reading.cells, claim.corrects, around.version)
    if reading.cells.faults:
        raise refusal(reading.cells.faults)
    found = statement_rules.faults(claim, around)
    nowhere = [fault.sentence.vi for fault in found if fault.place == ("attachment",)]
    if wrong := [
        CellFault(*_cell(reading, f.place), f.sentence.vi) for f in found if f.place != ("attachment",)
    ]:
        raise refusal(wrong)
    if nowhere:
        raise Invalid(join(nowhere), field="attachment")
    return claim


def _identity(reading: _Reading) -> None:
    cells, head = reading.cells, reading.head
    cells.fixed(HEAD, FORM_ID, VERSION)
    if str(cells.raw(HEAD, RUN_ID)) != str(head.run_id):
        cells.fault(
            HEAD,
            RUN_ID,
            f"biểu mẫu này của đợt gửi khác; hãy dùng biểu mẫu của đợt {head.run_id}.",
        )
    for cell, label in HEAD_LABELS.items():
        cells.fixed(HEAD, cell.replace("B", "A"), label)
    asked = CORRECTS.replace("B", "A")
    if not cells.blank(HEAD, asked, CORRECTS):
        cells.fixed(HEAD, asked, CORRECTS_LABEL)
    for row, (_, _, words, _) in enumerate(GENERAL_ROWS, FIRST_ROW):
        former = FORMER_WORDS.get(words)
        if former is None or cells.raw(GENERAL, f"B{row}") != former:
            cells.fixed(GENERAL, f"B{row}", words)
    _heads(cells)
    cells.nothing_below(GENERAL, FIRST_ROW + len(GENERAL_ROWS) - 1, "ABCD")
    cells.nothing_below(HEAD, _SIGNED_ROW, "AB")
    for sheet, last in ((HEAD, "B"), (GENERAL, "D"), (AREAS, "J"), (DAYS, "F"), (CAUSES, "E")):
        cells.nothing_beside(sheet, last)
    if cells.faults:
        raise refusal(cells.faults)


def _newest(cells: FormReader, corrects: int | None, newest: int) -> None:
    """Check that the form corrects the newest version, where it says which."""
    if corrects not in (None, newest):
        cells.fault(
            HEAD,
            CORRECTS,
            f"số liệu nay là bản {newest}, không còn là bản {corrects}; hãy xem bản đó, nếu vẫn đính chính "
            f"thì ghi {newest} vào ô này.",
        )


def _heads(cells: FormReader) -> None:
    """Check the heads of forms 2 to 4: columns that were swapped, deleted or put in."""
    for sheet, titles in (
        (AREAS, AREA_HEAD),
        (DAYS, DAY_HEAD),
        (CAUSES, CAUSE_HEAD),
    ):
        for column, title in zip("ABCDEFGHIJ", titles, strict=False):
            found = cells.raw(sheet, f"{column}3")
            if found is None or found != FORMER_HEADS.get(title):
                cells.fixed(sheet, f"{column}3", title)


def _claim(reading: _Reading, handed: Handed) -> StatementInput:
    cells = reading.cells
    dated_on = cells.day(HEAD, DATED_ON)
    level = cells.choice(HEAD, LEVEL, LEVEL_WORDS, needed=True)
    paper = PaperClaim(
        source=EntrySource.WORKBOOK,
        number=cells.words(HEAD, NUMBER) or None,
        dated_on=dated_on.isoformat() if dated_on else None,
        received_ms=handed.received_ms,
        note=cells.words(HEAD, NOTE) or None,
        reason=cells.words(HEAD, REASON) or None,
        attachment=handed.attachment,
    )
    cutoff = cells.moment(HEAD, CUTOFF, needed=True)
    return StatementInput(
        kind=handed.kind,
        level=level if level is not None else ReceiptLevel.NONE,
        began_ms=_ms(cells.moment(HEAD, BEGAN, needed=True)),
        ended_ms=_ms(cells.moment(HEAD, ENDED)),
        cutoff_ms=_ms(cutoff) or 0,
        paper=paper,
        figures=_figures(reading),
        corrects=cells.count(HEAD, CORRECTS),
    )


def _ms(at_: datetime | None) -> int | None:
    return None if at_ is None else clock.to_ms(at_)


def _figures(reading: _Reading) -> StatedFigures:
    cells = reading.cells
    causes = {key: cells.count(GENERAL, D[f"cause_{key}"]) for key in EXCLUDED}
    given = {key: n for key, n in causes.items() if n is not None}
    reading.rows["excluded"] = [int(D[f"cause_{key}"][1:]) for key in given]
    return StatedFigures(
        general=_general(cells, sum(given.values())),
        segments=cells.count(GENERAL, D["segments"]),
        resent=cells.count(GENERAL, D["resent"]),
        excluded=tuple(Cause(key, EXCLUDED[key], n) for key, n in given.items()),
        areas=_areas(reading),
        days=_days(reading),
        reasons=_reasons(reading),
    )


def _general(cells: FormReader, excluded: int) -> StatedCounts:
    eligible = cells.count(GENERAL, D["eligible"], needed=True) or 0
    received, failed = (cells.count(GENERAL, D[key]) for key in ("received", "failed"))
    row = _counts(eligible, eligible - excluded, received, failed)
    for key in ("excluded", "sent", "no_receipt"):
        cells.computed(GENERAL, D[key], FORMULAS[key], getattr(row, key))
    return row


def _counts(eligible: int, sent: int, received: int | None, failed: int | None) -> StatedCounts:
    rest = None if received is None or failed is None else sent - received - failed
    return StatedCounts(eligible, eligible - sent, sent, received, failed, rest)


def _areas(reading: _Reading) -> tuple[AreaCounts, ...]:
    cells, codes = reading.cells, [*reading.head.codes, None]
    rows = list(range(FIRST_ROW, FIRST_ROW + len(codes)))
    cells.nothing_below(AREAS, rows[-1] + 1, "BCDEFGHJ")
    if not _in_order(cells, dict(zip(rows, codes, strict=True))):
        return ()
    if all(cells.blank(AREAS, *(f"{column}{row}" for column in "DEFG")) for row in rows):
        return ()
    reading.rows["areas"] = [*rows, rows[-1] + 1]
    return tuple(_area(reading, row, code) for row, code in zip(rows, codes, strict=True))


def _in_order(cells: FormReader, codes: Mapping[int, str | None]) -> bool:
    """Check the codes of form 2; rows that were sorted or moved are one fault, not one for each."""
    moved = [row for row, code in codes.items() if str(cells.raw(AREAS, f"B{row}")) != (code or UNKNOWN_CODE)]
    if len(moved) <= 2:
        for row in moved:
            cells.fixed(AREAS, f"B{row}", codes[row] or UNKNOWN_CODE)
        return True
    cells.fault(
        AREAS,
        f"B{moved[0]}",
        f"từ đây có {len(moved)} dòng không còn đúng mã địa bàn: đã thêm, xóa hoặc sắp xếp lại dòng; hãy "
        "khôi phục thứ tự dòng của biểu mẫu.",
    )
    return False


def _area(reading: _Reading, row: int, code: str | None) -> AreaCounts:
    cells, on = reading.cells, reading.head.on
    received, failed = (cells.count(AREAS, f"{column}{row}") for column in "FG")
    eligible = cells.count(AREAS, f"D{row}", needed=True) or 0
    counts = _counts(eligible, cells.count(AREAS, f"E{row}", needed=True) or 0, received, failed)
    cells.computed(AREAS, f"H{row}", area_formula(row), counts.no_receipt)
    name = cells.words(AREAS, f"C{row}")
    expected = areas.name(code, on) if code else name
    if name != tidy(expected):
        cells.fault(
            AREAS,
            f"C{row}",
            f"tên địa bàn đã bị đổi; mã {code} là “{expected}”, hãy khôi phục.",
        )
    return AreaCounts(code, expected, counts, cells.words(AREAS, f"J{row}"))


def _days(reading: _Reading) -> tuple[DayCounts, ...]:
    cells = reading.cells
    every = range(FIRST_ROW, FIRST_ROW + DAY_ROWS)
    rows = [r for r in every if not cells.blank(DAYS, *(f"{column}{r}" for column in "BCDEF"))]
    cells.nothing_below(DAYS, every.stop, "BCDEF")
    reading.rows["days"] = [*rows, every.stop]
    return tuple(_day(cells, row) for row in rows)


def _day(cells: FormReader, row: int) -> DayCounts:
    day = cells.day(DAYS, f"B{row}")
    if day is None and cells.blank(DAYS, f"B{row}") and not cells.noted(DAYS, f"B{row}"):
        cells.fault(
            DAYS,
            f"B{row}",
            "dòng có số liệu nhưng thiếu ngày; hãy ghi ngày hoặc xóa cả dòng.",
        )
    return DayCounts(
        day=day.isoformat() if day else "",
        hours=cells.hours(DAYS, f"C{row}"),
        batches=cells.count(DAYS, f"D{row}"),
        sent=cells.count(DAYS, f"E{row}", needed=True) or 0,
        received=cells.count(DAYS, f"F{row}"),
    )


def _reasons(reading: _Reading) -> tuple[CauseCounts, ...]:
    cells, found, rows = reading.cells, [], []
    for key, cell in REASON_CELLS.items():
        row = int(cell[1:])
        cells.fixed(CAUSES, f"B{row}", REASONS[key])
        n, remedy = cells.count(CAUSES, cell), cells.words(CAUSES, f"E{row}")
        if n is not None:
            found.append(CauseCounts(key, REASONS[key], n, remedy))
            rows.append(row)
    cells.nothing_below(CAUSES, FIRST_ROW + len(REASONS), "BCE")
    reading.rows["reasons"] = [*rows, FIRST_ROW + len(REASONS)]
    return tuple(found)


def _cell(reading: _Reading, place: Place) -> tuple[str, str]:
    if place in _CELLS:
        return _CELLS[place]
    form, which, name = place[0], place[1], str(place[2])
    rows = reading.rows[str(form)]
    row = rows[-1] if which == "total" else rows[int(which)]
    sheet, columns = {
        "excluded": (GENERAL, _EXCLUDED_COLUMNS),
        "areas": (AREAS, _AREA_COLUMNS),
        "days": (DAYS, _DAY_COLUMNS),
        "reasons": (CAUSES, _CAUSE_COLUMNS),
    }[str(form)]
    return sheet, f"{columns[name]}{row}"
