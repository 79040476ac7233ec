"""Reads a carrier's workbook: checks every cell, then the forms against each other, in Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.core import areas, clock
from app.core.errors import Invalid
from app.file_import.form_reader import CellFault, FormReader, load, refusal, tidy
from app.reports.figures.carrier_statement import (
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
from app.reports.intake import workbook_layout as at
from app.reports.intake.statement_input import (
    EXCLUDED,
    REASONS,
    Circumstances,
    PaperClaim,
    Place,
    StatementInput,
)
from app.reports.intake.workbook_writer import FormHead
from carriers.contract import ReceiptLevel

_CELLS: dict[Place, tuple[str, str]] = {
    ("general", "eligible"): (at.GENERAL, at.ELIGIBLE),
    ("general", "excluded"): (at.GENERAL, at.EXCLUDED_SUM),
    ("general", "sent"): (at.GENERAL, at.SENT),
    ("general", "received"): (at.GENERAL, at.RECEIVED),
    ("general", "failed"): (at.GENERAL, at.FAILED),
    ("general", "no_receipt"): (at.GENERAL, at.NO_RECEIPT),
    ("segments",): (at.GENERAL, at.SEGMENTS),
    ("resent",): (at.GENERAL, at.RESENT),
    ("number",): (at.HEAD, at.NUMBER),
    ("dated_on",): (at.HEAD, at.DATED_ON),
    ("began",): (at.HEAD, at.BEGAN),
    ("ended",): (at.HEAD, at.ENDED),
    ("cutoff",): (at.HEAD, at.CUTOFF),
    ("note",): (at.HEAD, at.NOTE),
    ("reason",): (at.HEAD, at.REASON),
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
    reading.cells.need_sheets(*at.SHEETS)
    reading.cells.no_other_sheets(*at.SHEETS)
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
        raise Invalid(" ".join(nowhere), field="attachment")
    return claim


def _identity(reading: _Reading) -> None:
    cells, head = reading.cells, reading.head
    cells.fixed(at.HEAD, at.FORM_ID, at.VERSION)
    if str(cells.raw(at.HEAD, at.RUN_ID)) != str(head.run_id):
        cells.fault(
            at.HEAD, at.RUN_ID, f"biểu mẫu này của đợt gửi khác; hãy dùng biểu mẫu của đợt {head.run_id}."
        )
    for cell, label in at.HEAD_LABELS.items():
        cells.fixed(at.HEAD, cell.replace("B", "A"), label)
    asked = at.CORRECTS.replace("B", "A")
    if not cells.blank(at.HEAD, asked, at.CORRECTS):
        cells.fixed(at.HEAD, asked, at.CORRECTS_LABEL)
    for row, words in enumerate(at.GENERAL_ROWS, at.FIRST_GENERAL_ROW):
        former = at.FORMER_WORDS.get(words[1])
        if former is None or cells.raw(at.GENERAL, f"B{row}") != former:
            cells.fixed(at.GENERAL, f"B{row}", words[1])
    _heads(cells)
    cells.nothing_below(at.GENERAL, at.FIRST_GENERAL_ROW + len(at.GENERAL_ROWS) - 1, "BD")
    if cells.faults:
        raise refusal(cells.faults)


def _newest(cells: FormReader, corrects: int | None, newest: int) -> None:
    """Check that the form corrects the newest version, where it says which."""
    if corrects not in (None, newest):
        cells.fault(
            at.HEAD,
            at.CORRECTS,
            f"số liệu nay là bản {newest}, không còn là bản {corrects}; hãy xem bản đó, nếu vẫn đính chính "
            f"thì ghi {newest} vào ô này.",
        )


def _heads(cells: FormReader) -> None:
    """Check the heads of forms 2 to 4: columns that were swapped, deleted or put in."""
    for sheet, titles in ((at.AREAS, at.AREA_HEAD), (at.DAYS, at.DAY_HEAD), (at.CAUSES, at.CAUSE_HEAD)):
        for column, title in zip("ABCDEFGHIJ", titles, strict=False):
            found = cells.raw(sheet, f"{column}3")
            if found is None or found != at.FORMER_HEADS.get(title):
                cells.fixed(sheet, f"{column}3", title)


def _claim(reading: _Reading, handed: Handed) -> StatementInput:
    cells = reading.cells
    dated_on = cells.day(at.HEAD, at.DATED_ON)
    level = cells.choice(at.HEAD, at.LEVEL, at.LEVEL_WORDS, needed=True)
    paper = PaperClaim(
        source=EntrySource.WORKBOOK,
        number=cells.words(at.HEAD, at.NUMBER) or None,
        dated_on=dated_on.isoformat() if dated_on else None,
        received_ms=handed.received_ms,
        note=cells.words(at.HEAD, at.NOTE) or None,
        reason=cells.words(at.HEAD, at.REASON) or None,
        attachment=handed.attachment,
    )
    cutoff = cells.moment(at.HEAD, at.CUTOFF, needed=True)
    return StatementInput(
        kind=handed.kind,
        level=level if level is not None else ReceiptLevel.NONE,
        began_ms=_ms(cells.moment(at.HEAD, at.BEGAN, needed=True)),
        ended_ms=_ms(cells.moment(at.HEAD, at.ENDED)),
        cutoff_ms=_ms(cutoff) or 0,
        paper=paper,
        figures=_figures(reading),
        corrects=cells.count(at.HEAD, at.CORRECTS),
    )


def _ms(at_: datetime | None) -> int | None:
    return None if at_ is None else clock.to_ms(at_)


def _figures(reading: _Reading) -> StatedFigures:
    cells = reading.cells
    causes = {key: cells.count(at.GENERAL, cell) for key, cell in at.CAUSE_CELLS.items()}
    given = {key: n for key, n in causes.items() if n is not None}
    reading.rows["excluded"] = [int(at.CAUSE_CELLS[key][1:]) for key in given]
    return StatedFigures(
        general=_general(cells, sum(given.values())),
        segments=cells.count(at.GENERAL, at.SEGMENTS),
        resent=cells.count(at.GENERAL, at.RESENT),
        excluded=tuple(Cause(key, EXCLUDED[key], n) for key, n in given.items()),
        areas=_areas(reading),
        days=_days(reading),
        reasons=_reasons(reading),
    )


def _general(cells: FormReader, excluded: int) -> StatedCounts:
    eligible = cells.count(at.GENERAL, at.ELIGIBLE, needed=True) or 0
    received, failed = cells.count(at.GENERAL, at.RECEIVED), cells.count(at.GENERAL, at.FAILED)
    row = _counts(eligible, eligible - excluded, received, failed)
    cells.computed(at.GENERAL, at.EXCLUDED_SUM, at.FORMULAS[at.EXCLUDED_SUM], excluded)
    cells.computed(at.GENERAL, at.SENT, at.FORMULAS[at.SENT], row.sent)
    cells.computed(at.GENERAL, at.NO_RECEIPT, at.FORMULAS[at.NO_RECEIPT], row.no_receipt)
    return row


def _counts(eligible: int, sent: int, received: int | None, failed: int | None) -> StatedCounts:
    rest = None if received is None or failed is None else sent - received - failed
    return StatedCounts(eligible, eligible - sent, sent, received, failed, rest)


def _areas(reading: _Reading) -> tuple[AreaCounts, ...]:
    cells, codes = reading.cells, [*reading.head.codes, None]
    rows = list(range(at.FIRST_ROW, at.FIRST_ROW + len(codes)))
    cells.nothing_below(at.AREAS, rows[-1] + 1, "BCDEFGHJ")
    if not _in_order(cells, dict(zip(rows, codes, strict=True))):
        return ()
    if all(cells.blank(at.AREAS, *(f"{column}{row}" for column in "DEFG")) for row in rows):
        return ()
    reading.rows["areas"] = [*rows, rows[-1] + 1]
    return tuple(_area(reading, row, code) for row, code in zip(rows, codes, strict=True))


def _in_order(cells: FormReader, codes: Mapping[int, str | None]) -> bool:
    """Check the codes of form 2; rows that were sorted or moved are one fault, not one for each."""
    moved = [
        row for row, code in codes.items() if str(cells.raw(at.AREAS, f"B{row}")) != (code or at.UNKNOWN_CODE)
    ]
    if len(moved) <= 2:
        for row in moved:
            cells.fixed(at.AREAS, f"B{row}", codes[row] or at.UNKNOWN_CODE)
        return True
    cells.fault(
        at.AREAS,
        f"B{moved[0]}",
        f"từ đây có {len(moved)} dòng không còn đúng mã địa bàn: đã thêm, xóa hoặc sắp xếp lại dòng; hãy "
        "khôi phục thứ tự dòng của biểu mẫu.",
    )
    return False


def _area(reading: _Reading, row: int, code: str | None) -> AreaCounts:
    cells, on = reading.cells, reading.head.on
    received, failed = cells.count(at.AREAS, f"F{row}"), cells.count(at.AREAS, f"G{row}")
    eligible = cells.count(at.AREAS, f"D{row}", needed=True) or 0
    counts = _counts(eligible, cells.count(at.AREAS, f"E{row}", needed=True) or 0, received, failed)
    cells.computed(at.AREAS, f"H{row}", at.area_formula(row), counts.no_receipt)
    name = cells.words(at.AREAS, f"C{row}")
    expected = areas.name(code, on) if code else name
    if name != tidy(expected):
        cells.fault(at.AREAS, f"C{row}", f"tên địa bàn đã bị đổi; mã {code} là “{expected}”, hãy khôi phục.")
    return AreaCounts(code, expected, counts, cells.words(at.AREAS, f"J{row}"))


def _days(reading: _Reading) -> tuple[DayCounts, ...]:
    cells = reading.cells
    every = range(at.FIRST_ROW, at.FIRST_ROW + at.DAY_ROWS)
    rows = [r for r in every if not cells.blank(at.DAYS, *(f"{column}{r}" for column in "BCDEF"))]
    cells.nothing_below(at.DAYS, every.stop, "BCDEF")
    reading.rows["days"] = [*rows, every.stop]
    return tuple(_day(cells, row) for row in rows)


def _day(cells: FormReader, row: int) -> DayCounts:
    day = cells.day(at.DAYS, f"B{row}")
    if day is None and cells.blank(at.DAYS, f"B{row}") and not cells.noted(at.DAYS, f"B{row}"):
        cells.fault(at.DAYS, f"B{row}", "dòng có số liệu nhưng thiếu ngày; hãy ghi ngày hoặc xóa cả dòng.")
    return DayCounts(
        day=day.isoformat() if day else "",
        hours=cells.words(at.DAYS, f"C{row}").replace(" ", "").replace("–", "-"),
        batches=cells.count(at.DAYS, f"D{row}"),
        sent=cells.count(at.DAYS, f"E{row}", needed=True) or 0,
        received=cells.count(at.DAYS, f"F{row}"),
    )


def _reasons(reading: _Reading) -> tuple[CauseCounts, ...]:
    cells, found, rows = reading.cells, [], []
    for key, cell in at.REASON_CELLS.items():
        row = int(cell[1:])
        cells.fixed(at.CAUSES, f"B{row}", REASONS[key])
        n, remedy = cells.count(at.CAUSES, cell), cells.words(at.CAUSES, f"E{row}")
        if n is not None:
            found.append(CauseCounts(key, REASONS[key], n, remedy))
            rows.append(row)
    cells.nothing_below(at.CAUSES, at.FIRST_ROW + len(REASONS), "BCE")
    reading.rows["reasons"] = [*rows, at.FIRST_ROW + len(REASONS)]
    return tuple(found)


def _cell(reading: _Reading, place: Place) -> tuple[str, str]:
    if place in _CELLS:
        return _CELLS[place]
    form, which, name = place[0], place[1], str(place[2])
    rows = reading.rows[str(form)]
    row = rows[-1] if which == "total" else rows[int(which)]
    sheet, columns = {
        "excluded": (at.GENERAL, _EXCLUDED_COLUMNS),
        "areas": (at.AREAS, _AREA_COLUMNS),
        "days": (at.DAYS, _DAY_COLUMNS),
        "reasons": (at.CAUSES, _CAUSE_COLUMNS),
    }[str(form)]
    return sheet, f"{columns[name]}{row}"
