"""Workbook for addressees' reports, one row per item: written, and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from app.core import clock
from app.file_import.form_reader import CellFault, FormReader, load, refusal, tidy
from app.file_import.form_writer import FormSheet, new_workbook, saved
from app.reports.figures import addressees as known
from app.reports.figures.addressees import CHANNELS, KINDS, Addressee, AddresseeKind, Outreach, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.intake.external_activity import OutreachClaim, circumstances, faults
from app.reports.intake.statement_input import PaperClaim, Place

VERSION = "LOA-DV-1"
SHEET, LISTS = "Kết quả", "Danh mục"
HEAD = (
    *("TT", "Đơn vị", "Hình thức", "Số lượng (tin, bài, cuộc)", "Lượt tiếp cận", "Thời lượng (phút)"),
    *(
        "Ngôn ngữ",
        "Địa chỉ trang web",
        "Ghi chú",
        "Số báo cáo",
        "Ngày báo cáo",
        "Ngày nhận",
        "Lý do đính chính",
    ),
)
_WIDTHS = (5, 40, 32, 14, 14, 12, 20, 36, 30, 18, 13, 13, 30)
FIRST_ROW = 4
ROWS = 400
_FORM_ID, _DIRECTIVE = "B2", "D2"
_CHANNEL_OF = {label: channel for channel, label in CHANNELS.items()}
_COLUMNS = {"channel": "C", "pieces": "D", "reach": "E", "minutes": "F", "languages": "G", "url": "H"}
_COLUMNS |= {"note": "I", "number": "J", "dated_on": "K", "received": "L", "reason": "M"}


def build(directive_id: int, addressees: Sequence[Addressee]) -> bytes:
    """Build the form as an .xlsx file, with one row begun for each addressee that is not a carrier."""
    names = [each.name for each in addressees if each.kind is not AddresseeKind.CARRIER]
    workbook = new_workbook()
    sheet = FormSheet(workbook.create_sheet(SHEET), _WIDTHS)
    sheet.title("A1", "KẾT QUẢ TUYÊN TRUYỀN CỦA CÁC CƠ QUAN, ĐƠN VỊ")
    for cell, value in (("A2", "Mẫu"), (_FORM_ID, VERSION), ("C2", "Văn bản (số trong Loa)")):
        sheet.label(cell, value)
    sheet.label(_DIRECTIVE, directive_id)
    sheet.head(3, HEAD)
    rows = range(FIRST_ROW, FIRST_ROW + ROWS)
    sheet.choices([f"B{row}" for row in rows], f"'{LISTS}'!$A$1:$A${max(len(names), 1)}")
    sheet.choices([f"C{row}" for row in rows], f"'{LISTS}'!$C$1:$C${len(CHANNELS)}")
    sheet.counts([f"{column}{row}" for row in rows for column in "DEF"])
    sheet.ask([f"{column}{row}" for row in rows for column in "GHIJM"], "@")
    sheet.days([f"{column}{row}" for row in rows for column in "KL"])
    for row, name in zip(rows, names, strict=False):
        sheet.sheet[f"A{row}"] = row - FIRST_ROW + 1
        sheet.sheet[f"B{row}"] = name
        sheet.sheet[f"B{row}"].data_type = "s"
    lists = FormSheet(workbook.create_sheet(LISTS), (44, 34, 34))
    _lists(lists, [each for each in addressees if each.name in names])
    return saved(workbook)


def _lists(sheet: FormSheet, addressees: Sequence[Addressee]) -> None:
    for row, each in enumerate(addressees, 1):
        sheet.label(f"A{row}", each.name)
        sheet.label(f"B{row}", KINDS[each.kind])
    for row, label in enumerate(CHANNELS.values(), 1):
        sheet.label(f"C{row}", label)


@dataclass(frozen=True, slots=True)
class _Row:
    row: int
    name: str
    item: OutreachItem
    number: str
    dated_on: date | None
    received: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class AwaitedReports:
    """Addressees whose reports are awaited, and the latest report of each by name."""

    directive_id: int
    addressees: tuple[Addressee, ...]
    latest: dict[str, Outreach]
    now_ms: int
    issued_on: str


def asked_of(connection: Connection, directive_id: int) -> AwaitedReports:
    asked = tuple(known.of_directive(connection, directive_id))
    reports = known.reports(connection, directive_id).values()
    latest = {versions[-1].addressee: versions[-1] for versions in reports}
    issued_on = known.issued_on(connection, directive_id)
    return AwaitedReports(directive_id, asked, latest, clock.now_ms(), issued_on)


def read(content: bytes, awaited: AwaitedReports) -> list[OutreachClaim]:
    """Return a claim for each addressee with news; raises Invalid with sheet, cell and remedy."""
    cells = FormReader(load(content))
    cells.need_sheets(SHEET)
    cells.no_other_sheets(SHEET, LISTS)
    _identity(cells, awaited.directive_id)
    names = {
        tidy(each.name): each.name for each in awaited.addressees if each.kind is not AddresseeKind.CARRIER
    }
    cells.nothing_below(SHEET, FIRST_ROW + ROWS - 1, "BCDEFGHI")
    cells.nothing_beside(SHEET, "M")
    filled = (row for row in range(FIRST_ROW, FIRST_ROW + ROWS) if _has_content(cells, row))
    rows = [_read_row(cells, row, names) for row in filled]
    if cells.faults:
        raise refusal(cells.faults)
    claims, wrong = [], []
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name]
        claim, last = _claim(own), awaited.latest.get(name)
        if not _same(claim, last):
            claims.append(claim)
            around = circumstances(awaited.now_ms, awaited.issued_on, last)
            found = faults(claim, around)
            wrong += [CellFault(SHEET, _cell(own, each.place), each.sentence.vi) for each in found]
    if wrong:
        raise refusal(wrong)
    return claims


def _identity(cells: FormReader, directive_id: int) -> None:
    cells.fixed(SHEET, _FORM_ID, VERSION)
    cells.fixed(SHEET, _DIRECTIVE, str(directive_id))
    for column, words in zip("ABCDEFGHIJKLM", HEAD, strict=True):
        cells.fixed(SHEET, f"{column}3", words)
    if cells.faults:
        raise refusal(cells.faults)


def _same(claim: OutreachClaim, last: Outreach | None) -> bool:
    """Return whether the claim is known already: the same file may come back with more rows."""
    if last is None or last.items != claim.items:
        return False
    return (last.paper.number, last.paper.dated_on) == (claim.paper.number, claim.paper.dated_on)


def _has_content(cells: FormReader, row: int) -> bool:
    """Return whether the row holds more than its printed name."""
    return not cells.blank(SHEET, *(f"{column}{row}" for column in "CDEFGHI"))


def _read_row(cells: FormReader, row: int, names: Mapping[str, str]) -> _Row:
    name = cells.words(SHEET, f"B{row}")
    if name not in names:
        cells.fault(
            SHEET,
            f"B{row}",
            f"“{name[:60]}” không có trong danh sách nhận văn bản; hãy chọn lại hoặc thêm đơn vị vào Loa.",
        )
    channel = cells.choice(SHEET, f"C{row}", _CHANNEL_OF, needed=True)
    item = OutreachItem(
        channel=channel or next(iter(CHANNELS)),
        pieces=cells.count(SHEET, f"D{row}", needed=True) or 0,
        reach=cells.count(SHEET, f"E{row}"),
        minutes=cells.count(SHEET, f"F{row}"),
        languages=cells.words(SHEET, f"G{row}"),
        url=cells.words(SHEET, f"H{row}"),
        note=cells.words(SHEET, f"I{row}"),
    )
    dated_on, received = cells.day(SHEET, f"K{row}"), cells.day(SHEET, f"L{row}")
    number, reason = cells.words(SHEET, f"J{row}"), cells.words(SHEET, f"M{row}")
    return _Row(row, names.get(name, name), item, number, dated_on, received, reason)


def _claim(rows: Sequence[_Row]) -> OutreachClaim:
    """Merge one addressee's rows; the document's fields may stand in any one of them."""
    dated_on = next((row.dated_on for row in rows if row.dated_on), None)
    received = next((row.received for row in rows if row.received), None)
    paper = PaperClaim(
        source=EntrySource.WORKBOOK,
        number=next((row.number for row in rows if row.number), None),
        dated_on=dated_on.isoformat() if dated_on else None,
        received_ms=clock.to_ms(clock.midnight(received)) if received else None,
        reason=next((row.reason for row in rows if row.reason), None),
    )
    return OutreachClaim(rows[0].name, tuple(row.item for row in rows), paper)


def _cell(rows: Sequence[_Row], place: Place) -> str:
    if place[0] == "items" and len(place) == 3:
        return f"{_COLUMNS[str(place[2])]}{rows[int(place[1])].row}"
    return f"{_COLUMNS.get(str(place[0]), 'B')}{rows[0].row}"
