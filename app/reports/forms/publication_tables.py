"""The table of addresses at which the text was published."""

from __future__ import annotations

from app.core import clock
from app.reports.build.consolidated import ConsolidatedReport
from app.reports.figures.numbers import moment
from app.reports.figures.publications import STATES, Publication, PublishedDifference
from app.reports.figures.table_model import CellKind, ReportTable, TableColumn, TableRow

_COLUMNS = (
    TableColumn("nth", "TT", CellKind.TEXT, 5),
    TableColumn("addressee", "Cơ quan, đơn vị", CellKind.TEXT, 24),
    TableColumn("url", "Địa chỉ", CellKind.TEXT, 30),
    TableColumn("state", "Tình trạng", CellKind.TEXT, 15),
    TableColumn("since", "Từ lúc", CellKind.TEXT, 14),
    TableColumn("differences", "Chữ khác với nội dung đã duyệt", CellKind.TEXT, 26),
)
_SHOWN = 5


def of_directive(report: ConsolidatedReport) -> ReportTable:
    rows = tuple(_row(nth, each) for nth, each in enumerate(report.published or (), 1))
    source = "Nguồn số liệu: địa chỉ do các cơ quan, đơn vị báo; hệ thống đọc lại và so từng chữ."
    return ReportTable("Nơi đăng", "Nơi đã đăng nội dung", _COLUMNS, rows, source)


def _row(nth: int, of: Publication) -> TableRow:
    since = "" if of.since is None else moment(clock.to_ms(of.since))[:16]
    words = "; ".join(map(in_words, of.differences[:_SHOWN]))
    more = "; …" if len(of.differences) > _SHOWN else ""
    cells = (str(nth), of.addressee, of.url, STATES[of.state], since, words + more)
    return TableRow(f"published_{nth}", cells)


def in_words(of: PublishedDifference) -> str:
    if not of.found:
        return f"thiếu “{of.approved}”"
    return f"“{of.approved}” thành “{of.found}”" if of.approved else f"thêm “{of.found}”"
